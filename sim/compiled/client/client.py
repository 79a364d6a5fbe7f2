"""The life of a client: connect, stay, lose the connection, wait, try again. See `sim.client.client`."""

from typing import Any

from sim.compiled.balancer.balancer import accept, answer, client_left, serve, worker
from sim.compiled.client.ahead import draw_next
from sim.compiled.events.queue import schedule, schedule_constant, schedule_first, schedule_timer_at
from sim.compiled.hooks import has_to_read_first, subscribed, unsubscribed
from sim.compiled.machine.process import client_work, sleep, swarm_of, work
from sim.compiled.memory.layout import attempt_at, client_at, node_at, ring_at, tunnel_at
from sim.compiled.memory.pools import (
    PENDING,
    drop_attempt,
    drop_tunnel,
    failure,
    hold_attempt,
    hold_tunnel,
    new_attempt,
)
from sim.compiled.node.node import sees_end
from sim.compiled.notes import note
from sim.compiled.rules import beat_after, wait_after_failure, wait_after_loss
from sim.compiled.toolchain.dispatch import dispatch
from sim.compiled.toolchain.jit import jit, whole
from sim.compiled.vocabulary import TIMEOUTS, ClientState, Event, Item, NodeState, Pending, Timer, Word, Work


@jit
def rest(w: Any, c: int, wait: float) -> None:
    """Wait before the next attempt, if at all."""
    if w.merges:
        dial_later(w, c, w.now + wait)
    elif wait > 0:
        client_at(w.clients, c).state = ClientState.SLEEPING
        sleep(w, swarm_of(w, c), wait, Timer.CLIENT, c, 0)
    else:
        dial(w, c, False)


@jit
def dial(w: Any, c: int, rested: bool) -> None:
    """Open a TCP connection; `rested`: a timer woke the client, else it goes on from a failure."""
    who = client_at(w.clients, c)
    who.attempts += 1
    who.state = ClientState.DIALLING
    client_work(w, c, Work.DIAL, not rested)


@jit
def dial_later(w: Any, c: int, t: float) -> None:
    """Dial at `t`: what comes of it is the next that anybody can see, so the wait and the dialling are one event."""
    who = client_at(w.clients, c)
    who.attempts += 1
    who.state = ClientState.DIALLING
    schedule_timer_at(w, t + ring_at(w.fifos, Work.DIAL).delay, c, Pending.RESUME)


@jit
def dialled(w: Any, c: int) -> None:
    """Send the request; without a balancer the kernel refuses."""
    who = client_at(w.clients, c)
    note(w, w.now, Event.ATTEMPT_CONNECT, c, -1, whole(who.attempts), 0)
    if not w.listening and w.merges:
        fail(w, c, w.now + ring_at(w.fifos, Work.CLIENT_REFUSED).delay, Word.REFUSED)
        return
    if not w.listening:
        who.state = ClientState.REFUSING
        client_work(w, c, Work.CLIENT_REFUSED, False)
        return
    who.attempt = new_attempt(w, c)
    schedule_constant(w, TIMEOUTS, Pending.OPEN_TIMEOUT, c, whole(who.attempts))
    who.state = ClientState.REQUESTING
    accept(w)
    client_work(w, c, Work.REQUEST, False)


@jit
def requested(w: Any, c: int) -> None:
    """Wait for the answer to the request."""
    who = client_at(w.clients, c)
    attempt = attempt_at(w.attempts.data, who.attempt)
    if attempt.answer == PENDING:
        hold_attempt(w, whole(who.attempt))
        if w.separate:  # nothing else is to be done before what is urgent
            serve(w, whole(who.attempt))
        else:
            schedule_first(w, Pending.SERVE, whole(who.attempt), 0)
    who.state = ClientState.WAITING
    if attempt.state == 1:
        read_answer(w, c)


@jit
def answer_came(w: Any, i: int) -> None:
    """An attempt has its answer."""
    attempt = attempt_at(w.attempts.data, i)
    attempt.state = 1
    who = client_at(w.clients, attempt.client)
    if who.attempt == i and who.state == ClientState.WAITING:
        read_answer(w, whole(attempt.client))
    drop_attempt(w, i)


@jit
def told(w: Any, i: int, value: int) -> None:
    """Answer an attempt, unless there is an answer already: its client hears it at once where that is not seen."""
    if not w.unseen:
        answer(w, i, value)
    elif attempt_at(w.attempts.data, i).answer == PENDING:
        attempt_at(w.attempts.data, i).answer = value
        answer_came(w, hold_attempt(w, i))


@jit
def read_answer(w: Any, c: int) -> None:
    """Read the 101, or the refusal."""
    who = client_at(w.clients, c)
    answered = whole(attempt_at(w.attempts.data, who.attempt).answer)
    if answered >= 0:
        who.state = ClientState.OPENING
        client_work(w, c, Work.OPEN, False)
    elif w.unseen:
        drop_attempt(w, whole(who.attempt))
        who.attempt = -1
        fail(w, c, w.now + ring_at(w.fifos, Work.CLIENT_REFUSED).delay, failure(answered))
    else:
        who.state = ClientState.REFUSING
        client_work(w, c, Work.CLIENT_REFUSED, False)


@jit
def opened(w: Any, c: int) -> None:
    """The connection is there: stay on it."""
    who = client_at(w.clients, c)
    i = hold_tunnel(w, whole(attempt_at(w.attempts.data, who.attempt).answer))
    drop_attempt(w, whole(who.attempt))
    who.attempt = -1
    who.tunnel = i
    tunnel = tunnel_at(w.tunnels.data, i)
    who.first_beat = w.now + w.interval
    note(w, w.now, Event.CONNECTED, c, whole(tunnel.server) + 1, whole(who.attempts), 0)
    tunnel.opened = True
    subscribed(w, c)
    if node_at(w.nodes, tunnel.server).state == NodeState.HUNG:
        peer_hangs(w, i)
    who.since = w.now
    who.state = ClientState.STAYING
    if tunnel.lost == 2:
        notice(w, c)


@jit
def refused(w: Any, c: int) -> None:
    """The attempt has failed."""
    who = client_at(w.clients, c)
    reason: int = Word.REFUSED
    if who.attempt >= 0:
        reason = failure(whole(attempt_at(w.attempts.data, who.attempt).answer))
        drop_attempt(w, whole(who.attempt))
        who.attempt = -1
    note(w, w.now, Event.CONNECT_FAILED, c, -1, whole(who.attempts), reason)
    wait = wait_after_failure(who, w.reconnect, draw_next(w, c))
    if wait is None:
        give_up(w, c, w.now)
    else:
        rest(w, c, wait)


@jit
def fail(w: Any, c: int, t: float, reason: int) -> None:
    """Let an attempt fail at `t`, whatever happens until then, and the next one follow from that."""
    who = client_at(w.clients, c)
    if t < w.duration:
        note(w, t, Event.CONNECT_FAILED, c, -1, whole(who.attempts), reason)
    wait = wait_after_failure(who, w.reconnect, draw_next(w, c))
    if wait is None:
        give_up(w, c, t)
    else:
        dial_later(w, c, t + wait)


@jit
def give_up(w: Any, c: int, t: float) -> None:
    """Try no more, from `t` on."""
    who = client_at(w.clients, c)
    who.state = ClientState.GONE
    if t < w.duration:
        note(w, t, Event.GAVE_UP, c, -1, whole(who.attempts), Word.NONE)


@jit
def lose_now(w: Any, i: int, reason: int) -> None:
    """Let the client's side of a tunnel end, unless it has, and the client see that before anything else happens."""
    tunnel = tunnel_at(w.tunnels.data, i)
    if tunnel.lost == 0:
        tunnel.reason = reason
        lost(w, hold_tunnel(w, i))


@jit
def lost(w: Any, i: int) -> None:
    """The client's side of a tunnel has ended."""
    tunnel = tunnel_at(w.tunnels.data, i)
    tunnel.lost = 2
    who = client_at(w.clients, tunnel.client)
    if who.state == ClientState.STAYING and who.tunnel == i:
        notice(w, whole(tunnel.client))
    drop_tunnel(w, i)


@jit
def notice(w: Any, c: int) -> None:
    """Do what the client does when a connection ends, once it reads."""
    if not has_to_read_first(w, c):
        notice_now(w, c)


@jit
def notice_now(w: Any, c: int) -> None:
    """Do what the client does when a connection ends."""
    who = client_at(w.clients, c)
    tunnel = tunnel_at(w.tunnels.data, who.tunnel)
    if tunnel.reason == Word.HEARTBEAT:
        note(w, w.now, Event.HEARTBEAT_MISSED, c, whole(tunnel.server) + 1, -1, 0)
        if w.close_timeout > 0:
            who.state = ClientState.CLOSE_WAIT
            sleep(w, swarm_of(w, c), w.close_timeout, Timer.CLIENT, c, 0)
            return
    who.state = ClientState.CLOSING
    client_work(w, c, Work.CLIENT_CLOSED, False)


@jit
def closed(w: Any, c: int) -> None:
    """The client has closed its side: wait, and try again."""
    who = client_at(w.clients, c)
    i = whole(who.tunnel)
    tunnel = tunnel_at(w.tunnels.data, i)
    if tunnel.reason == Word.HEARTBEAT:
        client_left(w, i)
    if w.listening:
        work(w, worker(w, tunnel.generation), Item.ENDED, Work.BALANCER_RELEASE, hold_tunnel(w, i), 0)
    else:
        sees_end(w, i)
    unsubscribed(w, c)
    note(w, w.now, Event.DISCONNECTED, c, whole(tunnel.server) + 1, -1, whole(tunnel.reason))
    who.tunnel = -1
    drop_tunnel(w, i)
    wait = wait_after_loss(who, w.reconnect, w.now - who.since, draw_next(w, c))
    if wait is None:
        give_up(w, c, w.now)
    else:
        rest(w, c, wait)


@jit
def on_close_frame(w: Any, i: int) -> None:
    """Answer the node's close frame, unless the connection is over; the node then closes, and that is what ends it."""
    if tunnel_at(w.tunnels.data, i).client_left:
        return
    hold_tunnel(w, i)
    if w.separate:
        schedule(w, ring_at(w.fifos, Work.GOODBYE_READ).delay, Pending.ANSWERS_GOODBYE, i, 0)
    else:
        work(w, swarm_of(w, whole(tunnel_at(w.tunnels.data, i).client)), Item.GOODBYE, Work.GOODBYE_READ, i, 0)


@jit
def peer_hangs(w: Any, i: int) -> None:
    """Foresee the missed heartbeat: the next ping gets no pong if the node is still hung when its timeout ends."""
    tunnel = tunnel_at(w.tunnels.data, i)
    if w.interval == 0.0 or not tunnel.opened:
        return
    node = node_at(w.nodes, tunnel.server)
    wait = beat_after(client_at(w.clients, tunnel.client).first_beat, w.interval, node.hung_at) + w.timeout - w.now
    sleep(w, swarm_of(w, whole(tunnel.client)), wait, Timer.HANG, hold_tunnel(w, i), whole(node.hangs))


@jit
def wakes_up(w: Any, c: int) -> None:
    """The wait is over: try again."""
    dial(w, c, True)


@jit
def closes(w: Any, c: int) -> None:
    """The time for the peer to answer the client's close frame is over."""
    client_at(w.clients, c).state = ClientState.CLOSING
    client_work(w, c, Work.CLIENT_CLOSED, False)


_go_on = dispatch(
    {
        ClientState.SLEEPING: wakes_up,
        ClientState.DIALLING: dialled,
        ClientState.REQUESTING: requested,
        ClientState.REFUSING: refused,
        ClientState.OPENING: opened,
        ClientState.CLOSE_WAIT: closes,
        ClientState.CLOSING: closed,
    }
)


@jit
def go_on(w: Any, c: int) -> None:
    """Take the next step in the life of a client whose work or wait is over."""
    _go_on(w, whole(client_at(w.clients, c).state), c, 0)
