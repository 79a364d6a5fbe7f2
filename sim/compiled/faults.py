"""Faults that act on the model on the scenario's schedule. See `sim.faults` and `sim.node.node`."""

from typing import Any

from sim.compiled.balancer.balancer import answer, cut_old, lose, reset_pending, worker
from sim.compiled.balancer.checks import start_checks
from sim.compiled.balancer.choice import forget
from sim.compiled.client.client import lose_now, peer_hangs
from sim.compiled.events.queue import schedule
from sim.compiled.hooks import heal_messages, inject_on_messages, node_begins, node_ends
from sim.compiled.machine.process import clear, resume, sleep, stop, work
from sim.compiled.memory.chains import forget_all, tunnel_behind, waiting_behind
from sim.compiled.memory.layout import attempt_at, client_at, fault_at, node_at
from sim.compiled.memory.pools import PENDING, drop_attempt, failure
from sim.compiled.node.drain import begin_drain, left_yet, say_goodbye
from sim.compiled.node.node import clear_backlog, kill, remove_tunnel
from sim.compiled.notes import note
from sim.compiled.toolchain.jit import jit, whole
from sim.compiled.vocabulary import Event, Item, NodeState, Pending, Timer, Word, Work
from sim.node.node import POLL
from twin.costs.profile import FIRST_TABLE


@jit
def inject(w: Any, place: int) -> None:
    """The time of a fault has come."""
    fault = fault_at(w.faults, place)
    kind = whole(fault.kind)
    note(w, w.now, Event.FAULT, whole(fault.client), whole(fault.node), -1, kind)
    server = whole(fault.node) - 1
    if kind == Word.RELOAD:
        if w.listening:
            schedule(w, w.balancer_start, Pending.RELOADED, place, w.life)
    elif kind == Word.KILL:
        kill(w, server)
    elif kind in (Word.RESTART, Word.DRAIN):
        hung_yet(w, place)
    elif kind == Word.OUTAGE:
        black_out(w)
        if fault.duration >= 0.0:
            schedule(w, fault.duration, Pending.HEAL, place, 0)
    elif kind == Word.HANG:
        hang(w, server)
        if fault.duration >= 0.0:
            schedule(w, fault.duration, Pending.HEAL, place, 0)
    else:
        inject_on_messages(w, place)


@jit
def heal(w: Any, place: int) -> None:
    """The duration of a fault is over."""
    fault = fault_at(w.faults, place)
    if heal_messages(w, place):
        return
    if fault.kind == Word.HANG:
        unhang(w, whole(fault.node) - 1)
        note(w, w.now, Event.HEALED, -1, whole(fault.node), -1, Word.HANG)
        return
    w.away = w.n_nodes + 1
    schedule(w, w.balancer_start, Pending.OUTAGE_OVER, 0, 0)
    for server in range(w.n_nodes):
        begin_boot(w, w.n_faults + server)


@jit
def hang(w: Any, server: int) -> None:
    """SIGSTOP: the process stands still, the kernel goes on."""
    node = node_at(w.nodes, server)
    if node.state != NodeState.UP:
        return
    node.state = NodeState.HUNG
    node.hung_at = w.now
    node.hangs += 1
    stop(w, node.proc)
    i = whole(node.tunnels.first)
    while i >= 0:
        peer_hangs(w, i)
        i = tunnel_behind(w.tunnels.data, i)


@jit
def unhang(w: Any, server: int) -> None:
    """SIGCONT: the process reads what has gathered."""
    node = node_at(w.nodes, server)
    if node.state == NodeState.HUNG:
        node.state = NodeState.UP
        resume(w, node.proc)


@jit
def gone(w: Any, server: int) -> None:
    """A killed process is gone."""
    node = node_at(w.nodes, server)
    node.state = NodeState.DEAD
    node.accepting = False
    reset_pending(w, server)
    clear_backlog(w, server)


@jit
def hung_yet(w: Any, place: int) -> None:
    """SIGTERM: a hung process waits; else drain, or stop listening and say 1001 to everybody."""
    server = whole(fault_at(w.faults, place).node) - 1
    node = node_at(w.nodes, server)
    if node.state == NodeState.HUNG:
        schedule(w, POLL, Pending.HUNG_YET, place, 0)
        return
    if fault_at(w.faults, place).kind == Word.DRAIN:
        begin_drain(w, place)
        return
    node.state = NodeState.STOPPING
    node_ends(w, server, True)
    node.accepting = False
    reset_pending(w, server)
    clear_backlog(w, server)
    i = whole(node.tunnels.first)
    while i >= 0:
        say_goodbye(w, i, Word.GOING_AWAY)
        i = tunnel_behind(w.tunnels.data, i)
    left_yet(w, place)


@jit
def stopped(w: Any, place: int) -> None:
    """The old process is gone: start a new one."""
    server = whole(fault_at(w.faults, place).node) - 1
    node_at(w.nodes, server).state = NodeState.DEAD
    node_at(w.nodes, server).life += 1
    note(w, w.now, Event.NODE_STOPPED, -1, server + 1, -1, 0)
    begin_boot(w, place)


@jit
def begin_boot(w: Any, place: int) -> None:
    """Start a node's process: the interpreter and what it loads keep the node's core busy until it listens."""
    fault_at(w.faults, place).left = w.start_pieces
    boot(w, place)


@jit
def boot(w: Any, place: int) -> None:
    """Do the next piece of a start, or end it."""
    fault = fault_at(w.faults, place)
    server = whole(fault.node) - 1
    node = node_at(w.nodes, server)
    if fault.left > 0:
        work(w, node.proc, Item.BOOT, Work.NODE_START, place, 0)
        return
    node.opening = 0
    node.table = FIRST_TABLE
    node.state = NodeState.UP
    node.ready = True
    note(w, w.now, Event.NODE_STARTED, -1, server + 1, -1, 0)
    if fault.kind == Word.OUTAGE:
        is_back(w)
    else:
        node_begins(w, server)
        note(w, w.now, Event.HEALED, -1, server + 1, -1, whole(fault.kind))


@jit
def booted(w: Any, place: int) -> None:
    """A piece of a start is done."""
    fault = fault_at(w.faults, place)
    fault.left -= 1
    boot(w, place)


@jit
def reloaded(w: Any, place: int, life: int) -> None:
    """The new process of the balancer takes over."""
    if life != w.life:
        return
    w.generation += 1
    forget(w)
    w.phase = 0.0
    start_checks(w)
    if w.hard_stop > 0.0:
        fault_at(w.faults, place).node = w.generation
        sleep(w, worker(w, w.generation - 1), w.hard_stop, Timer.STOP, place, w.life)


@jit
def hard_stop(w: Any, place: int, life: int) -> None:
    """The time of the old processes is over."""
    if life == w.life:
        cut_old(w, whole(fault_at(w.faults, place).node))


@jit
def black_out(w: Any) -> None:
    """Balancer and nodes die at once, and every connection breaks."""
    w.life += 1
    for generation in range(w.generation + 1):
        clear(w, worker(w, generation))
    w.generation += 1
    w.listening = False
    for server in range(w.n_nodes):
        die(w, server)
    for c in range(w.n_clients):
        who = client_at(w.clients, c)
        if who.attempt >= 0:
            found = whole(attempt_at(w.attempts.data, who.attempt).answer)
            if found >= 0:
                lose(w, found, Word.ABNORMAL)
            elif found == PENDING:
                answer(w, whole(who.attempt), failure(Word.RESET))
        elif who.tunnel >= 0 and w.merges:
            lose_now(w, whole(who.tunnel), Word.ABNORMAL)
        elif who.tunnel >= 0:
            lose(w, whole(who.tunnel), Word.ABNORMAL)


@jit
def die(w: Any, server: int) -> None:
    """A node's machine is gone, and all that it knew."""
    node = node_at(w.nodes, server)
    node.life += 1
    node.half_closed = 0
    clear(w, node.proc)
    resume(w, node.proc)
    i = forget_all(node.waiting)
    while i >= 0:
        following = waiting_behind(w.attempts.data, i)
        attempt_at(w.attempts.data, i).listed = False
        drop_attempt(w, i)
        i = following
    clear_backlog(w, server)
    while node.tunnels.first >= 0:
        remove_tunnel(w, whole(node.tunnels.first))
    node.accepting = False
    if node.state != NodeState.DEAD:
        node.state = NodeState.DEAD
        note(w, w.now, Event.NODE_STOPPED, -1, server + 1, -1, 0)


@jit
def balancer_back(w: Any) -> None:
    """The balancer listens again, with fresh counts and checks."""
    w.listening = True
    forget(w)
    w.phase = 0.0
    start_checks(w)
    is_back(w)


@jit
def is_back(w: Any) -> None:
    """One more part is back after an outage."""
    w.away -= 1
    if w.away == 0:
        note(w, w.now, Event.HEALED, -1, -1, -1, Word.OUTAGE)
