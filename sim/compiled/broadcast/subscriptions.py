"""Those who are subscribed at the bus, and those who wait there with a cursor. See `sim.link` (`Subscription`)."""

from typing import Any

import numpy as np

from sim.compiled.broadcast.layout import (
    CARRY_LOSS,
    CARRY_MESSAGE,
    CARRY_WORD,
    cast,
    endpoint_at,
    subscription_at,
)
from sim.compiled.broadcast.links import carry_down
from sim.compiled.broadcast.lists import one_of
from sim.compiled.jit import jit, whole
from sim.compiled.layout import BUFFER


@jit
def subscribe(w: Any, number: int, life: int) -> int:
    """Subscribe the process at the end of a link, in place of an earlier subscription of it, and return that."""
    c, link = cast(w), endpoint_at(cast(w).endpoints, number)
    i = one_of(c.subscriptions)
    subscription = subscription_at(c.subscriptions.data, i)
    subscription.link = number
    subscription.life = life
    subscription.waiting = 0
    subscription.soft_since = -1.0
    subscription.open = True
    if link.subscription < 0:
        link.before = c.last_subscribed
        link.after = -1
        if c.last_subscribed >= 0:
            endpoint_at(c.endpoints, c.last_subscribed).after = number
        else:
            c.first_subscribed = number
        c.last_subscribed = number
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
    if link.before >= 0:
        endpoint_at(c.endpoints, link.before).after = link.after
    else:
        c.first_subscribed = link.after
    if link.after >= 0:
        endpoint_at(c.endpoints, link.after).before = link.before
    else:
        c.last_subscribed = link.before
    if reason > 0:
        close(w, i, reason)


@jit
def close(w: Any, i: int, reason: int) -> None:
    """Close a subscriber's connection; it reads what was sent before it notices."""
    subscription = subscription_at(cast(w).subscriptions.data, i)
    if subscription.open:
        subscription.open = False
        carry_down(w, whole(subscription.link), CARRY_LOSS, i, reason)


@jit
def send(w: Any, i: int, what: int, size: int) -> bool:
    """Send something to a subscriber; False when the broker closes the connection, because too much waits."""
    subscription = subscription_at(cast(w).subscriptions.data, i)
    if not subscription.open:
        return False
    if cuts(w, subscription, max(0, whole(np.rint(subscription.waiting + size - cast(w).bus_room)))):
        close(w, i, BUFFER)
        return False
    subscription.waiting += size
    kind = CARRY_WORD if subscription.link == 0 else CARRY_MESSAGE
    carry_down(w, whole(subscription.link), kind, i, what)
    return True


@jit
def cuts(w: Any, subscription: Any, waiting: int) -> bool:
    """Tell whether a subscriber for whom so many bytes wait is cut. See `twin.rules.slow_consumer.OutputBuffer`."""
    c = cast(w)
    if c.hard_bytes > 0 and waiting >= c.hard_bytes:
        return True
    if c.soft_bytes == 0 or waiting < c.soft_bytes:
        subscription.soft_since = -1.0
        return False
    if subscription.soft_since < 0.0:
        subscription.soft_since = w.now
    return w.now - subscription.soft_since > c.soft_seconds


@jit
def block(w: Any, number: int, call: int) -> None:
    """Let a reader wait for what is next."""
    c, link = cast(w), endpoint_at(cast(w).endpoints, number)
    if link.blocked < 0:
        link.blocked_before = c.last_blocked
        link.blocked_after = -1
        if c.last_blocked >= 0:
            endpoint_at(c.endpoints, c.last_blocked).blocked_after = number
        else:
            c.first_blocked = number
        c.last_blocked = number
    link.blocked = call


@jit
def unblock(w: Any, number: int) -> int:
    """Return the call of a reader that waits, or -1; it does not any more."""
    c, link = cast(w), endpoint_at(cast(w).endpoints, number)
    i = whole(link.blocked)
    if i < 0:
        return i
    link.blocked = -1
    if link.blocked_before >= 0:
        endpoint_at(c.endpoints, link.blocked_before).blocked_after = link.blocked_after
    else:
        c.first_blocked = link.blocked_after
    if link.blocked_after >= 0:
        endpoint_at(c.endpoints, link.blocked_after).blocked_before = link.blocked_before
    else:
        c.last_blocked = link.blocked_before
    return i
