"""Those who are subscribed at the bus, and those who wait there with a cursor. See `sim.broadcast.link`
(`Subscription`)."""

from typing import Any

import numpy as np

from sim.compiled.broadcast.layout import (
    append_blocked,
    append_subscribed,
    cast,
    endpoint_at,
    subscription_at,
    unlink_blocked,
    unlink_subscribed,
)
from sim.compiled.broadcast.link import carry_down
from sim.compiled.broadcast.lists import one_of
from sim.compiled.broadcast.vocabulary import BroadcastPending, Carry
from sim.compiled.events.queue import schedule
from sim.compiled.rules import add_to_buffer, counted, draw, exceeds, leave_buffer, second_of, until_look
from sim.compiled.toolchain.jit import jit, whole
from sim.compiled.vocabulary import Word
from twin.draws import Purpose

BUS_SECOND, BUS_LOOK = int(Purpose.BUS_SECOND), int(Purpose.BUS_LOOK)


@jit
def subscribe(w: Any, number: int, life: int) -> int:
    """Subscribe the process at the end of a link, in place of an earlier subscription of it, and return that."""
    c, link = cast(w), endpoint_at(cast(w).endpoints, number)
    i = one_of(c.subscriptions)
    subscription = subscription_at(c.subscriptions.data, i)
    subscription.link = number
    subscription.life = life
    subscription.waiting = 0
    subscription.kept = 0
    subscription.buffer.waiting = 0
    subscription.buffer.since = -1
    subscription.open = True
    subscription.watched = False
    if link.subscription < 0:
        append_subscribed(c.subscribed, c.endpoints, number)
    link.subscription = i
    return i


@jit
def leave(w: Any, number: int, reason: int) -> None:
    """End a subscription: the broker cuts it for a reason, or (0) its process is gone."""
    c, link = cast(w), endpoint_at(cast(w).endpoints, number)
    unblock(w, number)
    i = whole(link.subscription)
    if i < 0:
        return
    link.subscription = -1
    unlink_subscribed(c.subscribed, c.endpoints, number)
    if reason > 0:
        close(w, i, reason)


@jit
def close(w: Any, i: int, reason: int) -> None:
    """Close a subscriber's connection; it reads what that holds before it notices, and nothing else."""
    subscription = subscription_at(cast(w).subscriptions.data, i)
    if subscription.open:
        subscription.open = False
        subscription.kept = subscription.waiting - in_memory(w, whole(subscription.waiting))
        carry_down(w, whole(subscription.link), Carry.LOSS, i, reason)


@jit
def cut(w: Any, i: int) -> None:
    """Close a connection because too much waits, and forget the subscription if it is still that of its process."""
    close(w, i, Word.BUFFER)
    number = whole(subscription_at(cast(w).subscriptions.data, i).link)
    if endpoint_at(cast(w).endpoints, number).subscription == i:
        leave(w, number, 0)


@jit
def send(w: Any, i: int, what: int, size: int) -> None:
    """Send something to a subscriber, or close its connection, because too much waits."""
    c, subscription = cast(w), subscription_at(cast(w).subscriptions.data, i)
    if not subscription.open:
        return
    waiting = in_memory(w, subscription.waiting + size)
    if waiting > 0:
        cuts = add_to_buffer(subscription.buffer, c, size, waiting, second(w))
        link, most = endpoint_at(c.endpoints, subscription.link), counted(subscription.buffer)
        if most > link.most_counted:
            link.most_counted = most
            link.counted_at = w.now
        if cuts:
            cut(w, i)
            return
    subscription.waiting += size
    kind = Carry.WORD if subscription.link == 0 else Carry.MESSAGE
    carry_down(w, whole(subscription.link), kind, i, what)
    watch(w, i)


@jit
def read(w: Any, i: int, size: int) -> bool:
    """A subscriber comes to a message of so many bytes; False when it was lost with the broker's memory."""
    subscription = subscription_at(cast(w).subscriptions.data, i)
    subscription.waiting -= size
    if not subscription.open:
        subscription.kept -= size
        return subscription.kept >= 0
    if subscription.buffer.waiting > 0:
        leave_buffer(subscription.buffer, in_memory(w, whole(subscription.waiting)))
    return True


@jit
def in_memory(w: Any, waiting: int) -> int:
    """Return how many of some bytes that wait the connection does not hold."""
    return max(0, whole(np.rint(waiting - cast(w).bus_room)))


@jit
def second(w: Any) -> int:
    """Return the second that the broker's clock shows."""
    return second_of(w.now, draw(w, 0, BUS_SECOND, 0))


@jit
def watch(w: Any, i: int) -> None:
    """Let the broker's timer look at a connection as long as something waits in its memory."""
    c, subscription = cast(w), subscription_at(cast(w).subscriptions.data, i)
    if subscription.buffer.waiting > 0 and not subscription.watched:
        subscription.watched = True
        look = draw(w, whole(subscription.link), BUS_LOOK, 0)
        schedule(w, until_look(w.now, c.look_every, look), BroadcastPending.BUFFER_LOOK, i, 0)


@jit
def buffer_look(w: Any, i: int) -> None:
    """The broker's timer comes to a connection."""
    c, subscription = cast(w), subscription_at(cast(w).subscriptions.data, i)
    if not subscription.open or subscription.buffer.waiting == 0:
        subscription.watched = False
    elif exceeds(subscription.buffer, c, second(w)):
        cut(w, i)
    else:
        schedule(w, c.look_every, BroadcastPending.BUFFER_LOOK, i, 0)


@jit
def block(w: Any, number: int, call: int) -> None:
    """Let a reader wait for what is next."""
    c, link = cast(w), endpoint_at(cast(w).endpoints, number)
    if link.blocked < 0:
        append_blocked(c.blocked, c.endpoints, number)
    link.blocked = call


@jit
def unblock(w: Any, number: int) -> int:
    """Return the call of a reader that waits, or -1; it does not any more."""
    c, link = cast(w), endpoint_at(cast(w).endpoints, number)
    i = whole(link.blocked)
    if i < 0:
        return i
    link.blocked = -1
    unlink_blocked(c.blocked, c.endpoints, number)
    return i
