"""The balancer: connecting, and the ends of connections. See `sim.balancer.balancer`."""

from typing import Any

from sim.compiled.balancer.choice import choose_for, release, take
from sim.compiled.events.queue import schedule, schedule_first, schedule_now
from sim.compiled.hooks import tunnel_released
from sim.compiled.machine.process import carry_on, sleep, work
from sim.compiled.memory.chains import append_waiting, forget_all, tunnel_behind, unlink_waiting, waiting_behind
from sim.compiled.memory.layout import attempt_at, b1_at, node_at, peer_at, tunnel_at
from sim.compiled.memory.pools import PENDING, drop_attempt, drop_tunnel, failure, hold_attempt, hold_tunnel, new_tunnel
from sim.compiled.node.node import add_tunnel, listening, remove_tunnel, sees_leaving, syn
from sim.compiled.notes import note
from sim.compiled.rules import haproxy_retry, peer_failed, peer_succeeded
from sim.compiled.toolchain.jit import jit, whole
from sim.compiled.vocabulary import Event, Item, NodeState, Pending, Timer, Word, Work
from sim.node.node import SYN_RETRIES
from twin.rules.health import EPOCH

NOT_REFUSED, NOT_LISTENING = 0, 1


@jit
def answer(w: Any, i: int, value: int) -> None:
    """Answer an attempt, unless there is an answer already."""
    attempt = attempt_at(w.attempts.data, i)
    if attempt.answer == PENDING:
        attempt.answer = value
        schedule_now(w, Pending.ANSWERED, hold_attempt(w, i), 0)


@jit
def lose(w: Any, i: int, reason: int) -> None:
    """Let the client's side of a tunnel end, unless it has."""
    tunnel = tunnel_at(w.tunnels.data, i)
    if tunnel.lost == 0:
        tunnel.lost = 1
        tunnel.reason = reason
        schedule_now(w, Pending.LOST, hold_tunnel(w, i), 0)


@jit
def worker(w: Any, generation: int) -> int:
    """Return the balancer's process of a generation."""
    return w.balancer + whole(generation)


@jit
def accept(w: Any) -> None:
    """Accept a connection that a client has opened; its request comes later."""
    work(w, worker(w, w.generation), Item.NOTHING, Work.BALANCER_ACCEPT, -1, 0)


@jit
def serve(w: Any, i: int) -> None:
    """Read a request."""
    attempt_at(w.attempts.data, i).generation = w.generation
    work(w, worker(w, w.generation), Item.SERVE, Work.BALANCER_REQUEST, i, w.life)


@jit
def served(w: Any, i: int) -> None:
    """A request has been read: choose a server."""
    attempt = attempt_at(w.attempts.data, i)
    forward(w, i, choose_for(w, attempt))


@jit
def forward(w: Any, i: int, server: int) -> None:
    """Connect a request to a server, and to others as configured when that fails."""
    attempt = attempt_at(w.attempts.data, i)
    while attempt.answer == PENDING:
        if server < 0:
            carry_on(
                w,
                worker(w, attempt.generation),
                Item.REFUSE,
                Work.BALANCER_REFUSE,
                i,
                Word.REFUSED_502 if w.nginx else Word.REFUSED_503,
            )
            return
        if not attempt.taken:
            attempt.taken = True
            attempt.server = server
            if attempt.generation == w.generation:  # an old process keeps its own counts
                take(w, server)
        attempt.left = w.connect_timeout
        attempt.syn = 0
        if connect(w, i) == NOT_REFUSED:
            return
        server = after_failure(w, i)
        if server == -2:
            return
    give_back(w, i)
    drop_attempt(w, i)


@jit
def give_back(w: Any, i: int) -> None:
    """Count an attempt no longer for the server that it was to go to, if it is counted."""
    attempt = attempt_at(w.attempts.data, i)
    if attempt.taken:
        attempt.taken = False
        release(w, whole(attempt.server), attempt.generation)


@jit
def connect(w: Any, i: int) -> int:
    """Send a SYN: NOT_REFUSED when the kernel took it or the balancer waits to send it again, else NOT_LISTENING."""
    attempt = attempt_at(w.attempts.data, i)
    server = whole(attempt.server)
    if not listening(w, server):
        return NOT_LISTENING
    if syn(w, server, i):
        add_waiting(w, i)
        return NOT_REFUSED
    wait = SYN_RETRIES[attempt.syn]
    if wait > attempt.left:
        schedule(w, attempt.left, Pending.SYN_OVER, i, w.life)
    else:
        attempt.left -= wait
        attempt.syn += 1
        schedule(w, wait, Pending.SYN_AGAIN, i, w.life)
    return NOT_REFUSED


@jit
def syn_again(w: Any, i: int) -> None:
    """Send a SYN that was dropped once more, or give up after the last one."""
    attempt = attempt_at(w.attempts.data, i)
    if attempt.syn == len(SYN_RETRIES) or connect(w, i) != NOT_REFUSED:
        failed(w, i)


@jit
def failed(w: Any, i: int) -> None:
    """A connect has failed after a wait."""
    server = after_failure(w, i)
    if server != -2:
        forward(w, i, server)


@jit
def after_failure(w: Any, i: int) -> int:
    """Return the server to try after a failed connect, -1 if there is none, -2 if that is for later."""
    attempt = attempt_at(w.attempts.data, i)
    if w.nginx:
        give_back(w, i)
        return next_peer(w, i)
    attempt.tried += 1
    attempt.last = attempt.server
    usable = 0
    for server in range(w.n_nodes):
        usable += b1_at(w.up, server).v
    retry = haproxy_retry(
        attempt.tried,
        w.retries,
        w.redispatch,
        w.connect_timeout,
        b1_at(w.up, attempt.server).v,
        w.algorithm in (Word.SOURCE, Word.CONSISTENT),
        usable,
    )
    if not retry.again:
        give_back(w, i)
        carry_on(w, worker(w, attempt.generation), Item.REFUSE, Work.BALANCER_REFUSE, i, Word.REFUSED_503)
        return -2
    if retry.wait > 0:
        attempt.moves = retry.redispatch
        sleep(w, worker(w, attempt.generation), retry.wait, Timer.RETRY, i, w.life)
        return -2
    if not retry.redispatch:
        return whole(attempt.server)
    give_back(w, i)
    return choose_for(w, attempt)


@jit
def retry(w: Any, i: int) -> None:
    """The turnaround is over."""
    attempt = attempt_at(w.attempts.data, i)
    if attempt.moves:
        give_back(w, i)
        forward(w, i, choose_for(w, attempt))
    else:
        forward(w, i, whole(attempt.server))


@jit
def next_peer(w: Any, i: int) -> int:
    """Count a failure of the peer that nginx tried and return the next one for the request, or -1."""
    attempt = attempt_at(w.attempts.data, i)
    attempt.last = attempt.server
    attempt.mask |= 1 << attempt.server
    mine = attempt.generation == w.generation  # an old process keeps its own counts
    if mine and peer_failed(peer_at(w.peers, attempt.server), w.now + EPOCH):
        note(w, w.now, Event.MARKED_DOWN, -1, whole(attempt.server) + 1, -1, Word.PASSIVE)
    return choose_for(w, attempt)


@jit
def add_waiting(w: Any, i: int) -> None:
    """Note that an attempt waits for its node; the list keeps the reference of the balancer's work on it."""
    attempt = attempt_at(w.attempts.data, i)
    node = node_at(w.nodes, attempt.server)
    attempt.listed = True
    append_waiting(node.waiting, w.attempts.data, i)


@jit
def remove_waiting(w: Any, i: int) -> None:
    """Take an attempt off the list of those that wait; the caller has the list's reference now."""
    attempt = attempt_at(w.attempts.data, i)
    node = node_at(w.nodes, attempt.server)
    unlink_waiting(node.waiting, w.attempts.data, i)
    attempt.listed = False


@jit
def answered(w: Any, i: int, server: int) -> None:
    """The node has sent its 101: relay it, or close when the client has given up meanwhile."""
    attempt = attempt_at(w.attempts.data, i)
    if not attempt.listed or attempt.server != server:
        return
    remove_waiting(w, i)
    tunnel = hold_tunnel(w, new_tunnel(w, whole(attempt.client), whole(attempt.server), whole(attempt.generation)))
    if attempt.answer != PENDING:
        released(w, tunnel)
        drop_tunnel(w, tunnel)
        drop_attempt(w, i)
        return
    add_tunnel(w, server, tunnel)
    work(w, worker(w, attempt.generation), Item.RELAYED, Work.BALANCER_RELAY, i, tunnel)


@jit
def relayed(w: Any, i: int, tunnel: int) -> None:
    """The 101 has been relayed."""
    if attempt_at(w.attempts.data, i).answer == PENDING:
        answer(w, i, hold_tunnel(w, tunnel))
    else:
        remove_tunnel(w, tunnel)
        released(w, tunnel)


@jit
def upstream_closed(w: Any, i: int, reason: int) -> None:
    """The node's side of a tunnel is gone: pass it on to the client."""
    released(w, i)
    if tunnel_at(w.tunnels.data, i).client_left:
        remove_tunnel(w, i)
        return
    hold_tunnel(w, i)
    work(w, worker(w, tunnel_at(w.tunnels.data, i).generation), Item.PASSED_ON, Work.BALANCER_CLOSE, i, reason)


@jit
def cut(w: Any, i: int) -> None:
    """Close both sides of a tunnel; the node, too, has to read and close."""
    hold_tunnel(w, i)
    remove_tunnel(w, i)
    work(w, worker(w, tunnel_at(w.tunnels.data, i).generation), Item.CUT, Work.BALANCER_CUT, i, 0)


@jit
def relay(w: Any, kind: int, i: int) -> None:
    """Pass on a close frame through a tunnel, in either direction."""
    work(w, worker(w, tunnel_at(w.tunnels.data, i).generation), kind, Work.BALANCER_FRAME, hold_tunnel(w, i), 0)


@jit
def client_left(w: Any, i: int) -> None:
    """The client has closed its side. A hung node does not answer that: HAProxy goes on counting, nginx does not."""
    tunnel = tunnel_at(w.tunnels.data, i)
    tunnel.client_left = True
    if w.nginx and node_at(w.nodes, tunnel.server).state == NodeState.HUNG:
        released(w, i)
    sees_leaving(w, i)


@jit
def left(w: Any, i: int) -> None:
    """A node has closed a tunnel whose client is gone: HAProxy forgets it now, nginx did so long ago."""
    if w.nginx or not w.listening:
        released(w, i)
    else:
        process = worker(w, tunnel_at(w.tunnels.data, i).generation)
        work(w, process, Item.ABANDONED, Work.BALANCER_ABANDONED, hold_tunnel(w, i), 0)


@jit
def released(w: Any, i: int) -> None:
    """The balancer has forgotten the tunnel."""
    tunnel = tunnel_at(w.tunnels.data, i)
    if not tunnel.upstream_gone:
        tunnel.upstream_gone = True
        release(w, whole(tunnel.server), tunnel.generation)
        tunnel_released(w, i)
        if w.nginx and tunnel.generation == w.generation:
            peer_succeeded(peer_at(w.peers, tunnel.server))


@jit
def reset_pending(w: Any, server: int) -> None:
    """The node died with connections in its queue or handshakes under way."""
    node = node_at(w.nodes, server)
    i = forget_all(node.waiting)
    k = i
    while k >= 0:
        attempt_at(w.attempts.data, k).listed = False
        k = waiting_behind(w.attempts.data, k)
    while i >= 0:
        attempt = attempt_at(w.attempts.data, i)
        following = waiting_behind(w.attempts.data, i)
        give_back(w, i)
        if not w.nginx:
            answer(w, i, failure(Word.REFUSED_502))
            drop_attempt(w, i)
        elif attempt.answer == PENDING:
            schedule_first(w, Pending.FORWARD, i, next_peer(w, i))
        else:
            drop_attempt(w, i)
        i = following


@jit
def cut_old(w: Any, generation: int) -> None:
    """Cut the tunnels of processes older than a generation, in the order in which they were made."""
    i = oldest(w, generation)
    while i >= 0:
        cut(w, i)
        i = oldest(w, generation)


@jit
def oldest(w: Any, generation: int) -> int:
    """Return the first tunnel made by processes older than a generation, or -1; each node's lie in that order."""
    first = -1
    for server in range(w.n_nodes):
        i = whole(node_at(w.nodes, server).tunnels.first)
        while i >= 0 and tunnel_at(w.tunnels.data, i).generation >= generation:
            i = tunnel_behind(w.tunnels.data, i)
        if i >= 0 and (first < 0 or tunnel_at(w.tunnels.data, i).order < tunnel_at(w.tunnels.data, first).order):
            first = i
    return first
