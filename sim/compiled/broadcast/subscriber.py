"""A client's side of a broadcast: it reads, asks for what is missing, confirms, or does not read for a while.

See `sim.broadcast.subscriber`.
"""

from typing import Any

from sim.compiled.balancer.balancer import lose
from sim.compiled.broadcast.fanout import drained
from sim.compiled.broadcast.lane import queue, send_one
from sim.compiled.broadcast.layout import LISTS, cast, frame_at, list_at, messaging_at, subscriber_at, task_at
from sim.compiled.broadcast.lists import drop_frame, drop_task, extend, list_of, new_frame, new_task, pop
from sim.compiled.broadcast.position import APPLIED, ASKS, answered, arrive
from sim.compiled.broadcast.tasks import let_sleep
from sim.compiled.broadcast.vocabulary import BroadcastPending, Frame, Lane, Task
from sim.compiled.client.client import notice_now
from sim.compiled.events.queue import schedule, schedule_now
from sim.compiled.machine.process import swarm_of
from sim.compiled.memory.layout import client_at, i4_at, tunnel_at
from sim.compiled.rules import beat_after
from sim.compiled.toolchain.jit import jit, whole
from sim.compiled.vocabulary import ClientState, Word

# Its connection


@jit
def tunnel_made(w: Any, i: int) -> None:
    """There is a new tunnel; its place is never given to another one."""
    c, tunnel = cast(w), tunnel_at(w.tunnels.data, i)
    tunnel.refs = 1
    tunnel.closing = 0
    m = messaging_at(c.messaging, i)
    m.in_flight = 0
    m.standing = 0
    m.has_outlet = False
    for which in range(LISTS):
        one = list_at(c.lists, i * LISTS + which)
        one.first = -1
        one.last = -1


@jit
def warmed_up(w: Any, client: int, i: int) -> None:
    """A client is connected before the run starts."""
    subscriber_at(cast(w).subscribers, client).tunnel = i


@jit
def subscribed(w: Any, client: int) -> None:
    """A client reads from a new connection that is not its first, so it asks for what it missed."""
    c, one = cast(w), subscriber_at(cast(w).subscribers, client)
    one.tunnel = client_at(w.clients, client).tunnel
    if c.recover and c.on_reconnect:
        ask(w, client)
    release(w, whole(one.tunnel))


@jit
def unsubscribed(w: Any, client: int) -> None:
    """The connection is over."""
    one = subscriber_at(cast(w).subscribers, client)
    one.tunnel = -1
    one.asking = False


@jit
def release(w: Any, i: int) -> None:
    """Let a client read what has gathered on its connection."""
    held, tunnel = list_of(w, i, Lane.HELD), tunnel_at(w.tunnels.data, i)
    client = whole(tunnel.client)
    if held.first < 0 or not tunnel.opened or subscriber_at(cast(w).subscribers, client).stalled:
        return
    waiting = list_of(w, i, Lane.ARRIVING)
    fresh = waiting.first < 0
    extend(w, waiting, whole(held.first), whole(held.last))
    held.first = -1
    held.last = -1
    if fresh:
        i4_at(cast(w).scratch, 0).v = i
        queue(w, Lane.ARRIVING, swarm_of(w, client), 1)


@jit
def stall(w: Any, client: int) -> None:
    """Stop reading. The next ping gets no pong that is seen, so its timeout ends the connection."""
    one = subscriber_at(cast(w).subscribers, client)
    if one.stalled:
        return
    one.stalled = True
    one.stalls += 1
    if one.tunnel < 0 or w.interval == 0.0:
        return
    wait = beat_after(client_at(w.clients, client).first_beat, w.interval, w.now) + w.timeout - w.now
    i = new_task(w, Task.STALLED, 0, 0, swarm_of(w, client))
    task = task_at(cast(w).tasks.data, i)
    task.tunnel = one.tunnel
    task.n = one.stalls
    let_sleep(w, i, wait)


@jit
def ping_is_over(w: Any, i: int) -> None:
    """The timeout of a ping is over that a client did not see answered, if it still does not read."""
    task = task_at(cast(w).tasks.data, i)
    tunnel = whole(task.tunnel)
    one = subscriber_at(cast(w).subscribers, tunnel_at(w.tunnels.data, tunnel).client)
    if one.stalled and one.stalls == task.n:
        lose(w, tunnel, Word.HEARTBEAT)
    drop_task(w, i)


@jit
def read_again(w: Any, client: int) -> None:
    """Go on reading."""
    one = subscriber_at(cast(w).subscribers, client)
    if one.stalled:
        one.stalled = False
        schedule_now(w, BroadcastPending.READS_AGAIN, client, whole(one.stalls))
        if one.tunnel >= 0:
            release(w, whole(one.tunnel))


@jit
def has_to_read_first(w: Any, client: int) -> bool:
    """Tell whether a client does not notice the end of its connection, because it does not read."""
    one, who = subscriber_at(cast(w).subscribers, client), client_at(w.clients, client)
    if not one.stalled or tunnel_at(w.tunnels.data, who.tunnel).reason == Word.HEARTBEAT:
        return False
    who.state = ClientState.NOT_READING
    one.waits_for = one.stalls
    return True


@jit
def reads_again(w: Any, client: int, stalls: int) -> None:
    """A client reads again, and may find that its connection has ended."""
    one = subscriber_at(cast(w).subscribers, client)
    if client_at(w.clients, client).state == ClientState.NOT_READING and one.waits_for == stalls:
        notice_now(w, client)


# Messages


@jit
def arrives(w: Any, bundle: Any, t: float, each: float) -> None:
    """A client's process has dealt with what was ready on a connection, from `t` on and `each` seconds for a frame."""
    c, i = cast(w), whole(bundle.tunnel)
    client = whole(tunnel_at(w.tunnels.data, i).client)
    one = subscriber_at(c.subscribers, client)
    if one.tunnel != i:
        return
    if one.stalled:
        keep_for_later(w, i, bundle)
        return
    m, node = messaging_at(c.messaging, i), tunnel_at(w.tunnels.data, i).server + 1
    while bundle.first >= 0:
        frame = pop(w, bundle)
        what = frame_at(c.frames.data, frame)
        m.in_flight -= what.size
        t += each
        came = 0
        if what.kind == Frame.MESSAGE:
            came = arrive(w, one, client, node, whole(what.message), t)
        elif what.kind == Frame.ANSWER or what.kind == Frame.SNAPSHOT:
            came = answered(w, one, client, node, what, what.kind == Frame.ANSWER, t)
        drop_frame(w, frame)
        if came & ASKS:
            ask(w, client)
        if c.of_client and came & APPLIED:
            send_up(w, client, Frame.STANDING)
    if m.has_outlet:
        drained(w, i)


@jit
def keep_for_later(w: Any, i: int, bundle: Any) -> None:
    """A client does not read just now: keep what was ready, before all that came later."""
    held = list_of(w, i, Lane.HELD)
    first, last = whole(held.first), whole(held.last)
    held.first = bundle.first
    held.last = bundle.last
    bundle.first = -1
    bundle.last = -1
    if first >= 0:
        extend(w, held, first, last)


@jit
def ask(w: Any, client: int) -> None:
    """Ask for what follows the position, and again when no answer comes in time."""
    one = subscriber_at(cast(w).subscribers, client)
    one.questions += 1
    one.asking = True
    send_up(w, client, Frame.QUESTION)
    schedule(w, cast(w).question_timeout, BroadcastPending.QUESTION_DUE, whole(one.tunnel), whole(one.questions))


@jit
def question_due(w: Any, i: int, question: int) -> None:
    """The time of a question is over: ask again if it is still open."""
    client = whole(tunnel_at(w.tunnels.data, i).client)
    one = subscriber_at(cast(w).subscribers, client)
    if one.tunnel == i and one.questions == question and one.asking:
        ask(w, client)


@jit
def send_up(w: Any, client: int, kind: int) -> None:
    """Send a question or a confirmation from where the client stands."""
    one = subscriber_at(cast(w).subscribers, client)
    frame = new_frame(w, kind, 0, whole(one.epoch), whole(one.version))
    send_one(w, Lane.ASKING, swarm_of(w, client), whole(one.tunnel), frame)
