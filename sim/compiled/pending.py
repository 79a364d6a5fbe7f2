"""What each pending event is for."""

from typing import Any

from sim.compiled import faults
from sim.compiled.balancer.balancer import failed, forward, lose, relay, retry, serve, syn_again, worker
from sim.compiled.balancer.checks import check_due, checked, judge, mark
from sim.compiled.client import client
from sim.compiled.events.queue import schedule, schedule_now
from sim.compiled.hooks import happen_more
from sim.compiled.items import step
from sim.compiled.machine.process import expire, swarm_of
from sim.compiled.memory.layout import attempt_at, checker_at, client_at, fault_at, mark_at, node_at, tunnel_at
from sim.compiled.memory.pools import drop_attempt, drop_tunnel, failure
from sim.compiled.node import drain, node
from sim.compiled.rules import first_check
from sim.compiled.toolchain.dispatch import dispatch
from sim.compiled.toolchain.jit import jit, whole
from sim.compiled.vocabulary import EXPIRES, FIRED, WAKES, Item, NodeState, Pending, Timer, Word


@jit
def open_timeout(w: Any, c: int, number: int) -> None:
    """The time of a client's attempt is over."""
    who = client_at(w.clients, c)
    if who.attempt >= 0 and who.attempts == number:
        client.told(w, whole(who.attempt), failure(Word.TIMEOUT))


@jit
def client_expires(w: Any, c: int, b: int) -> None:
    """A client's timer is due at its process."""
    expire(w, swarm_of(w, c), Timer.CLIENT, c, b)


@jit
def hang_expires(w: Any, i: int, hangs: int) -> None:
    """The timeout of a ping is due at the process of the tunnel's client."""
    expire(w, swarm_of(w, whole(tunnel_at(w.tunnels.data, i).client)), Timer.HANG, i, hangs)


@jit
def retry_expires(w: Any, i: int, life: int) -> None:
    """The turnaround of an attempt is due at the balancer's process."""
    expire(w, worker(w, attempt_at(w.attempts.data, i).generation), Timer.RETRY, i, life)


@jit
def stop_expires(w: Any, place: int, life: int) -> None:
    """The time of the balancer's old process is due there."""
    expire(w, worker(w, fault_at(w.faults, place).node - 1), Timer.STOP, place, life)


@jit
def drain_expires(w: Any, place: int, what: int) -> None:
    """A wait of a drain is due at its node."""
    expire(w, node_at(w.nodes, fault_at(w.faults, place).node - 1).proc, Timer.DRAIN, place, what)


@jit
def woken(w: Any, kind: int, a: int, b: int) -> None:
    """A process that slept has woken up for a timer."""
    schedule_now(w, kind - WAKES + FIRED, a, b)


@jit
def heartbeat_missed(w: Any, i: int, hangs: int) -> None:
    """The timeout of a ping is over: the peer is dead if it still hangs."""
    tunnel = tunnel_at(w.tunnels.data, i)
    one = node_at(w.nodes, tunnel.server)
    if one.state == NodeState.HUNG and one.hangs == hangs:
        lose(w, i, Word.HEARTBEAT)
    drop_tunnel(w, i)


@jit
def retry_fires(w: Any, i: int, life: int) -> None:
    """The turnaround is over, unless the balancer is not the same any more."""
    if life == w.life:
        retry(w, i)
    else:
        drop_attempt(w, i)


@jit
def syn_due(w: Any, i: int, life: int) -> None:
    """A SYN is to be sent again, unless the balancer is not the same any more."""
    if life == w.life:
        syn_again(w, i)
    else:
        drop_attempt(w, i)


@jit
def syn_over(w: Any, i: int, life: int) -> None:
    """The time to connect is over, unless the balancer is not the same any more."""
    if life == w.life:
        failed(w, i)
    else:
        drop_attempt(w, i)


@jit
def marked(w: Any, i: int) -> None:
    """A server was marked at this time."""
    one = mark_at(w.marks, i)
    mark(w, whole(one.node) - 1, one.up, Word.OBSERVED)


@jit
def check_begins(w: Any, place: int) -> None:
    """Wait for the first check of a server."""
    checker = checker_at(w.checkers, place)
    checker.life = w.life
    wait = (w.phase + first_check(whole(checker.server), w.n_nodes, w.inter)) % w.inter
    schedule(w, wait, Pending.CHECK_DUE, place, 0)


@jit
def check_judged(w: Any, place: int) -> None:
    """It is known how a check has ended."""
    checked(w, place, checker_at(w.checkers, place).done)


@jit
def answers_goodbye(w: Any, i: int) -> None:
    """A client answers a close frame."""
    relay(w, Item.FRAME_UP, i)
    drop_tunnel(w, i)


happen_rarely = dispatch(
    {
        EXPIRES + Timer.HANG: hang_expires,
        EXPIRES + Timer.RETRY: retry_expires,
        EXPIRES + Timer.STOP: stop_expires,
        EXPIRES + Timer.DRAIN: drain_expires,
        **{WAKES + timer: woken for timer in Timer if timer != Timer.CLIENT},
        FIRED + Timer.HANG: heartbeat_missed,
        FIRED + Timer.RETRY: retry_fires,
        FIRED + Timer.STOP: faults.hard_stop,
        FIRED + Timer.DRAIN: drain.wait_over,
        Pending.SYN_AGAIN: syn_due,
        Pending.SYN_OVER: syn_over,
        Pending.ROOM: node.has_room,
        Pending.MARK: marked,
        Pending.CHECK_BEGINS: check_begins,
        Pending.CHECK_DUE: check_due,
        Pending.CHECK_LATE: judge,
        Pending.CHECK_JUDGED: check_judged,
        Pending.FAULT: faults.inject,
        Pending.HEAL: faults.heal,
        Pending.HUNG_YET: faults.hung_yet,
        Pending.LEFT_YET: drain.left_yet,
        Pending.STOPPED: faults.stopped,
        Pending.RELOADED: faults.reloaded,
        Pending.OUTAGE_OVER: faults.balancer_back,
        Pending.ANSWERS_GOODBYE: answers_goodbye,
    },
    otherwise=happen_more,
)

happen = dispatch(
    {
        Pending.STEP: step,
        FIRED + Timer.CLIENT: client.go_on,
        Pending.RESUME: client.go_on,
        Pending.ANSWERED: client.answer_came,
        Pending.SERVE: serve,
        Pending.LOST: client.lost,
        EXPIRES + Timer.CLIENT: client_expires,
        WAKES + Timer.CLIENT: woken,
        Pending.OPEN_TIMEOUT: open_timeout,
        Pending.FORWARD: forward,
    },
    otherwise=happen_rarely,
)
"""Do what an event (kind, a, b) is for."""
