"""A node's side of a broadcast: it reads from the bus, fans out, acknowledges, and answers questions.

See `sim.broadcast.fanout`.
"""

from typing import Any

from sim.compiled.balancer.balancer import upstream_closed
from sim.compiled.broadcast.lane import send_all, send_one
from sim.compiled.broadcast.layout import (
    append_awaiting,
    awaiting_at,
    awaiting_behind,
    cast,
    cell_at,
    fanout_at,
    frame_at,
    messaging_at,
    place,
    stamped_at,
    unlink_awaiting,
)
from sim.compiled.broadcast.lists import (
    append,
    drop_frame,
    empty,
    insert_behind,
    list_of,
    new_frame,
    next_of,
    one_of,
    pop,
    value_of,
)
from sim.compiled.broadcast.notes import note_message
from sim.compiled.broadcast.speaking import acknowledge
from sim.compiled.broadcast.subscriptions import read
from sim.compiled.broadcast.vocabulary import Frame, Lane
from sim.compiled.memory.chains import forget_all, tunnel_behind
from sim.compiled.memory.layout import i4_at, node_at, tunnel_at
from sim.compiled.node.node import remove_tunnel
from sim.compiled.rules import frame_bytes, offer, pay
from sim.compiled.toolchain.jit import jit, whole
from sim.compiled.vocabulary import Event, NodeState, Word
from twin.rules.frames import ANSWER_BYTES, LENGTH_BYTES, STAMP_BYTES

# From the bus


@jit
def received(w: Any, server: int, message: int, subscription: int) -> None:
    """A node has read a message: fan out what has not been seen; acknowledge what has."""
    c, one = cast(w), stamped_at(cast(w).stamped.data, message)
    if subscription >= 0 and not read(w, subscription, c.pushed_message):
        return
    node = fanout_at(c.fanouts, server)
    first = is_first(w, node, whole(one.epoch), whole(one.version))
    note_message(w, w.now, Event.RECEIVED, -1, server + 1, message, 0 if first else Word.DUPLICATE)
    if first:
        fan_out(w, server, message)
    elif not is_awaited(w, server, whole(one.epoch), whole(one.version)):
        acknowledge(w, server, whole(one.epoch), whole(one.version))


@jit
def is_first(w: Any, node: Any, epoch: int, version: int) -> bool:
    """Tell whether a message is to be fanned out. See `twin.rules.delivery` (`SeenVersions`)."""
    if epoch < node.seen_epoch:
        return False
    seen = node.seen
    if epoch > node.seen_epoch:
        node.seen_epoch = epoch
        node.seen_floor = 0
        empty(w, seen)
    if version <= node.seen_floor:
        return False
    before, cell = -1, whole(seen.first)
    if cell >= 0 and version > value_of(w, whole(seen.last)):
        before, cell = whole(seen.last), -1
    while cell >= 0 and value_of(w, cell) < version:
        before, cell = cell, next_of(w, cell)
    if cell >= 0 and value_of(w, cell) == version:
        return False
    insert_behind(w, seen, before, version)
    while seen.first >= 0 and value_of(w, whole(seen.first)) == node.seen_floor + 1:
        node.seen_floor += 1
        pop(w, seen)
    return True


# To the clients


@jit
def fan_out(w: Any, server: int, message: int) -> None:
    """Send a message to every client that is connected, as far as its outlet allows."""
    c, one, node = cast(w), stamped_at(cast(w).stamped.data, message), fanout_at(cast(w).fanouts, server)
    epoch, version = whole(one.epoch), whole(one.version)
    node.newest = max(node.newest, place(epoch, version))
    size = c.message_frame
    state = node_at(w.nodes, server).state
    serving = state in (NodeState.UP, NodeState.DRAINING)
    if c.of_client and serving:
        await_clients(w, server, epoch, version)
    awaited = is_awaited(w, server, epoch, version)
    n, waiting = 0, 0
    i = whole(node_at(w.nodes, server).tunnels.first) if serving else -1
    while i >= 0:
        following = tunnel_behind(w.tunnels.data, i)
        m = messaging_at(c.messaging, i)
        fits = m.in_flight + size <= c.room and not m.has_outlet
        if tunnel_at(w.tunnels.data, i).closing == 0:
            waiting += bytes_waiting(w, m)
        if tunnel_at(w.tunnels.data, i).closing == 0 and (fits or admits(w, i, size)):
            m.in_flight += size
            i4_at(c.scratch, n).v = i
            n += 1
        i = following
    if waiting > node.most_waiting:
        node.most_waiting = waiting
        node.waiting_at = w.now
    if n > 0:
        frame = new_frame(w, Frame.MESSAGE, size, epoch, version)
        frame_at(c.frames.data, frame).message = message
        frame_at(c.frames.data, frame).left = 0 if awaited else n
        send_all(w, Lane.DOWN, server, n, frame)
    elif not awaited:
        acknowledge(w, server, epoch, version)


@jit
def admits(w: Any, i: int, size: int) -> bool:
    """Ask the outlet of a client that does not keep up whether a message may be sent to it."""
    c, m = cast(w), messaging_at(cast(w).messaging, i)
    if not m.has_outlet:
        m.has_outlet = True
        m.outlet.policy = c.policy
        m.outlet.limit_bytes = c.limit_bytes
        m.outlet.owes_snapshot = False
    decision: Any = offer(m.outlet, size, bytes_waiting(w, m))  # words are numbers here
    if decision == Word.CLOSE:
        cut(w, i)
        remove_tunnel(w, i)
        confirmed(w, i, -1)  # here too: the balancer may have forgotten the tunnel while the node hung
        upstream_closed(w, i, Word.ABNORMAL)
    return bool(decision == Word.SEND)


@jit
def bytes_waiting(w: Any, m: Any) -> int:
    """Return the bytes that wait for a client in the node's own memory."""
    return max(0, m.in_flight - cast(w).room)


@jit
def cut(w: Any, i: int) -> None:
    """The node drops what waits for a client in its own memory: the last frames of those that it does not read."""
    c, m, held = cast(w), messaging_at(cast(w).messaging, i), list_of(w, i, Lane.HELD)
    total, cell = 0, whole(held.first)
    while cell >= 0:
        total += frame_at(c.frames.data, value_of(w, cell)).size
        cell = next_of(w, cell)
    kept, last, cell = 0, -1, whole(held.first)
    while cell >= 0:  # what stays is the longest part from the front that leaves room enough, or all
        size = frame_at(c.frames.data, value_of(w, cell)).size
        if m.in_flight > c.room and m.in_flight - total + kept + size > c.room:
            break
        kept += size
        last = cell
        cell = next_of(w, cell)
    if cell < 0:
        return
    m.in_flight -= total - kept
    while cell >= 0:
        following = next_of(w, cell)
        drop_frame(w, value_of(w, cell))
        cell_at(c.cells.data, cell).next = c.cells.free
        c.cells.free = cell
        cell = following
    held.last = last
    if last < 0:
        held.first = -1
    else:
        cell_at(c.cells.data, last).next = -1


@jit
def drained(w: Any, i: int) -> None:
    """A client that did not keep up has read something."""
    m = messaging_at(cast(w).messaging, i)
    if not m.has_outlet:
        return
    tunnel = tunnel_at(w.tunnels.data, i)
    waiting = bytes_waiting(w, m)
    if pay(m.outlet, waiting) and node_at(w.nodes, tunnel.server).state == NodeState.UP and tunnel.listed:
        newest = fanout_at(cast(w).fanouts, tunnel.server).newest
        answer(w, i, False, newest >> 32, newest & 0xFFFFFFFF, 0)
    if waiting == 0 and not m.outlet.owes_snapshot:
        m.has_outlet = False


@jit
def size_of(w: Any, n: int) -> int:
    """Return the bytes of an answer with so many messages, without the frame's header."""
    return ANSWER_BYTES + n * (LENGTH_BYTES + STAMP_BYTES + cast(w).payload)


@jit
def answer(w: Any, i: int, recovered: bool, epoch: int, version: int, behind: int) -> None:
    """Send an answer or a snapshot over a connection; it has to fit like any message."""
    c, m = cast(w), messaging_at(cast(w).messaging, i)
    size = frame_bytes(size_of(w, version - behind if recovered else 0))
    if (m.in_flight + size <= c.room and not m.has_outlet) or admits(w, i, size):
        m.in_flight += size
        frame = new_frame(w, Frame.ANSWER if recovered else Frame.SNAPSHOT, size, epoch, version)
        frame_at(c.frames.data, frame).behind = behind
        send_one(w, Lane.DOWN, whole(tunnel_at(w.tunnels.data, i).server), i, frame)


@jit
def written(w: Any, server: int, first: int) -> None:
    """Frames of a connection have been written: acknowledge what is fanned out."""
    c, cell = cast(w), first
    while cell >= 0:
        frame = frame_at(c.frames.data, value_of(w, cell))
        frame.left -= 1
        if frame.left == 0 and frame.kind == Frame.MESSAGE:
            acknowledge(w, server, whole(frame.epoch), whole(frame.version))
        cell = next_of(w, cell)


# Who is awaited before the node acknowledges


@jit
def await_clients(w: Any, server: int, epoch: int, version: int) -> None:
    """Await all clients that do not stand at a message yet."""
    c, node = cast(w), fanout_at(cast(w).fanouts, server)
    k, n = whole(c.awaitings.used), 0
    i = whole(node_at(w.nodes, server).tunnels.first)
    while i >= 0:
        tunnel = tunnel_at(w.tunnels.data, i)
        if tunnel.closing == 0 and messaging_at(c.messaging, i).standing < place(epoch, version):
            append(w, list_of(w, i, Lane.AWAITED), k)
            n += 1
        i = tunnel_behind(w.tunnels.data, i)
    if n == 0:
        return
    one = awaiting_at(c.awaitings.data, one_of(c.awaitings))
    one.node = server
    one.epoch = epoch
    one.version = version
    one.count = n
    one.on = True
    append_awaiting(node.awaiting, c.awaitings.data, k)


@jit
def is_awaited(w: Any, server: int, epoch: int, version: int) -> bool:
    """Tell whether a client is awaited to apply a message."""
    k = whole(fanout_at(cast(w).fanouts, server).awaiting.first)
    while k >= 0:
        one = awaiting_at(cast(w).awaitings.data, k)
        if one.version == version and one.epoch == epoch:
            return True
        k = awaiting_behind(cast(w).awaitings.data, k)
    return False


@jit
def forget_awaiting(w: Any, server: int) -> None:
    """Await nobody any more."""
    node = fanout_at(cast(w).fanouts, server)
    k = forget_all(node.awaiting)
    while k >= 0:
        one = awaiting_at(cast(w).awaitings.data, k)
        one.on = False
        k = awaiting_behind(cast(w).awaitings.data, k)


@jit
def confirmed(w: Any, i: int, standing: int) -> None:
    """A client stands at a place, or (-1) has left; who is last lets the node acknowledge."""
    c, awaited = cast(w), list_of(w, i, Lane.AWAITED)
    server = whole(tunnel_at(w.tunnels.data, i).server)
    node = fanout_at(c.fanouts, server)
    cell = whole(awaited.first)
    awaited.first = -1
    awaited.last = -1
    while cell >= 0:
        k, following = value_of(w, cell), next_of(w, cell)
        one = awaiting_at(c.awaitings.data, k)
        cell_at(c.cells.data, cell).next = c.cells.free
        c.cells.free = cell
        cell = following
        if one.on and standing >= 0 and place(whole(one.epoch), whole(one.version)) > standing:
            append(w, awaited, k)
        elif one.on:
            one.count -= 1
            if one.count == 0:
                forget_one(w, node, k)
                acknowledge(w, server, whole(one.epoch), whole(one.version))


@jit
def tunnel_released(w: Any, i: int) -> None:
    """The balancer has forgotten a tunnel: its client is not awaited any more."""
    confirmed(w, i, -1)


@jit
def forget_one(w: Any, node: Any, k: int) -> None:
    """Take a message off the list of those that clients are awaited for."""
    awaitings = cast(w).awaitings
    awaiting_at(awaitings.data, k).on = False
    unlink_awaiting(node.awaiting, awaitings.data, k)
