"""The life of a client: connect, stay, lose the connection, wait, try again. See `sim.client.client`."""

from typing import Any

from sim.compiled.balancer import accept, answer, client_left, serve, worker
from sim.compiled.events.ahead import draw_next
from sim.compiled.events.queue import schedule, schedule_constant, schedule_first, schedule_timer_at
from sim.compiled.hooks import has_to_read_first, subscribed, unsubscribed
from sim.compiled.host import client_work, sleep, swarm_of, work
from sim.compiled.memory.layout import (
    ANSWERS_GOODBYE,
    ATTEMPT_CONNECT,
    B_RELEASE,
    CLIENT_CLOSED,
    CLIENT_REFUSED,
    CLOSE_WAIT,
    CLOSING,
    CONNECT_FAILED,
    CONNECTED,
    DIAL,
    DIALLING,
    DISCONNECTED,
    GAVE_UP,
    GONE,
    GOODBYE_READ,
    HEARTBEAT,
    HEARTBEAT_MISSED,
    I_ENDED,
    I_GOODBYE,
    NO_WORD,
    NODE_HUNG,
    OF_CLIENT,
    OF_HANG,
    OPEN,
    OPEN_TIMEOUT,
    OPENING,
    REFUSED,
    REFUSING,
    REQUEST,
    REQUESTING,
    RESUME,
    SERVE,
    SLEEPING,
    STAYING,
    TIMEOUTS,
    WAITING,
    attempt_at,
    client_at,
    node_at,
    ring_at,
    tunnel_at,
)
from sim.compiled.memory.pools import (
    PENDING,
    drop_attempt,
    drop_tunnel,
    failure,
    hold_attempt,
    hold_tunnel,
    new_attempt,
)
from sim.compiled.node import sees_end
from sim.compiled.notes import note
from sim.compiled.rules import beat_after, wait_after_failure, wait_after_loss
from sim.compiled.toolchain.jit import jit, whole


@jit
def go_on(w: Any, c: int) -> None:
    """Take the next step in the life of a client whose work or wait is over."""
    state = client_at(w.clients, c).state
    if state == SLEEPING:
        dial(w, c, True)
    elif state == DIALLING:
        dialled(w, c)
    elif state == REQUESTING:
        requested(w, c)
    elif state == REFUSING:
        refused(w, c)
    elif state == OPENING:
        opened(w, c)
    elif state == CLOSE_WAIT:
        client_at(w.clients, c).state = CLOSING
        client_work(w, c, CLIENT_CLOSED, False)
    elif state == CLOSING:
        closed(w, c)


@jit
def rest(w: Any, c: int, wait: float) -> None:
    """Wait before the next attempt, if at all."""
    if w.merges:
        dial_later(w, c, w.now + wait)
    elif wait > 0:
        client_at(w.clients, c).state = SLEEPING
        sleep(w, swarm_of(w, c), wait, OF_CLIENT, c, 0)
    else:
        dial(w, c, False)


@jit
def dial(w: Any, c: int, rested: bool) -> None:
    """Open a TCP connection; `rested`: a timer woke the client, else it goes on from a failure."""
    who = client_at(w.clients, c)
    who.attempts += 1
    who.state = DIALLING
    client_work(w, c, DIAL, not rested)


@jit
def dial_later(w: Any, c: int, t: float) -> None:
    """Dial at `t`: what comes of it is the next that anybody can see, so the wait and the dialling are one event."""
    who = client_at(w.clients, c)
    who.attempts += 1
    who.state = DIALLING
    schedule_timer_at(w, t + ring_at(w.fifos, DIAL).delay, c, RESUME)


@jit
def dialled(w: Any, c: int) -> None:
    """Send the request; without a balancer the kernel refuses."""
    who = client_at(w.clients, c)
    note(w, w.now, ATTEMPT_CONNECT, c, -1, whole(who.attempts), 0)
    if not w.listening and w.merges:
        fail(w, c, w.now + ring_at(w.fifos, CLIENT_REFUSED).delay, REFUSED)
        return
    if not w.listening:
        who.state = REFUSING
        client_work(w, c, CLIENT_REFUSED, False)
        return
    who.attempt = new_attempt(w, c)
    schedule_constant(w, TIMEOUTS, OPEN_TIMEOUT, c, whole(who.attempts))
    who.state = REQUESTING
    accept(w)
    client_work(w, c, REQUEST, False)


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
            schedule_first(w, SERVE, whole(who.attempt), 0)
    who.state = WAITING
    if attempt.state == 1:
        read_answer(w, c)


@jit
def answer_came(w: Any, i: int) -> None:
    """An attempt has its answer."""
    attempt = attempt_at(w.attempts.data, i)
    attempt.state = 1
    who = client_at(w.clients, attempt.client)
    if who.attempt == i and who.state == WAITING:
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
        who.state = OPENING
        client_work(w, c, OPEN, False)
    elif w.unseen:
        drop_attempt(w, whole(who.attempt))
        who.attempt = -1
        fail(w, c, w.now + ring_at(w.fifos, CLIENT_REFUSED).delay, failure(answered))
    else:
        who.state = REFUSING
        client_work(w, c, CLIENT_REFUSED, False)


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
    note(w, w.now, CONNECTED, c, whole(tunnel.server) + 1, whole(who.attempts), 0)
    tunnel.opened = True
    subscribed(w, c)
    if node_at(w.nodes, tunnel.server).state == NODE_HUNG:
        peer_hangs(w, i)
    who.since = w.now
    who.state = STAYING
    if tunnel.lost == 2:
        notice(w, c)


@jit
def refused(w: Any, c: int) -> None:
    """The attempt has failed."""
    who = client_at(w.clients, c)
    reason = REFUSED
    if who.attempt >= 0:
        reason = failure(whole(attempt_at(w.attempts.data, who.attempt).answer))
        drop_attempt(w, whole(who.attempt))
        who.attempt = -1
    note(w, w.now, CONNECT_FAILED, c, -1, whole(who.attempts), reason)
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
        note(w, t, CONNECT_FAILED, c, -1, whole(who.attempts), reason)
    wait = wait_after_failure(who, w.reconnect, draw_next(w, c))
    if wait is None:
        give_up(w, c, t)
    else:
        dial_later(w, c, t + wait)


@jit
def give_up(w: Any, c: int, t: float) -> None:
    """Try no more, from `t` on."""
    who = client_at(w.clients, c)
    who.state = GONE
    if t < w.duration:
        note(w, t, GAVE_UP, c, -1, whole(who.attempts), NO_WORD)


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
    if who.state == STAYING and who.tunnel == i:
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
    if tunnel.reason == HEARTBEAT:
        note(w, w.now, HEARTBEAT_MISSED, c, whole(tunnel.server) + 1, -1, 0)
        if w.close_timeout > 0:
            who.state = CLOSE_WAIT
            sleep(w, swarm_of(w, c), w.close_timeout, OF_CLIENT, c, 0)
            return
    who.state = CLOSING
    client_work(w, c, CLIENT_CLOSED, False)


@jit
def closed(w: Any, c: int) -> None:
    """The client has closed its side: wait, and try again."""
    who = client_at(w.clients, c)
    i = whole(who.tunnel)
    tunnel = tunnel_at(w.tunnels.data, i)
    if tunnel.reason == HEARTBEAT:
        client_left(w, i)
    if w.listening:
        work(w, worker(w, tunnel.generation), I_ENDED, B_RELEASE, hold_tunnel(w, i), 0)
    else:
        sees_end(w, i)
    unsubscribed(w, c)
    note(w, w.now, DISCONNECTED, c, whole(tunnel.server) + 1, -1, whole(tunnel.reason))
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
        schedule(w, ring_at(w.fifos, GOODBYE_READ).delay, ANSWERS_GOODBYE, i, 0)
    else:
        work(w, swarm_of(w, whole(tunnel_at(w.tunnels.data, i).client)), I_GOODBYE, GOODBYE_READ, i, 0)


@jit
def peer_hangs(w: Any, i: int) -> None:
    """Foresee the missed heartbeat: the next ping gets no pong if the node is still hung when its timeout ends."""
    tunnel = tunnel_at(w.tunnels.data, i)
    if w.interval == 0.0 or not tunnel.opened:
        return
    node = node_at(w.nodes, tunnel.server)
    wait = beat_after(client_at(w.clients, tunnel.client).first_beat, w.interval, node.hung_at) + w.timeout - w.now
    sleep(w, swarm_of(w, whole(tunnel.client)), wait, OF_HANG, hold_tunnel(w, i), whole(node.hangs))
