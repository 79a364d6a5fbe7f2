"""Who has acknowledged what: the publisher's ledger and its list of nodes. See `twin.rules.consistency`.

A set of nodes is a row of flags here.
"""

from typing import Any

from sim.compiled.broadcast.layout import append_pending, cast, pending_at, pending_behind, unlink_pending
from sim.compiled.memory.layout import b1_at, f8_at
from sim.compiled.toolchain.jit import jit, whole

OF_ALL, OF_MAJORITY = -1, -2
"""Thresholds that are no number of nodes."""


@jit
def register(w: Any, key: int, t: float) -> int:
    """Keep which nodes are registered at `t` seconds, and return how many."""
    c, n = cast(w), 0
    for server in range(w.n_nodes):
        member = f8_at(c.until, server).v > t
        b1_at(c.registered_of, key * w.n_nodes + server).v = member
        b1_at(c.acked_of, key * w.n_nodes + server).v = False
        n += member
    return n


@jit
def wait_for(w: Any, key: int, message: int) -> None:
    """Wait for acknowledgements of a message that the broker has stamped."""
    c = cast(w)
    one = pending_at(c.pending, key)
    one.message = message
    one.due = w.now + c.ack_timeout
    one.resends = 0
    one.consistent = False
    one.on = True
    append_pending(c.pending_acks, c.pending, key)


@jit
def becomes_consistent(w: Any, key: int) -> bool:
    """Tell whether a message is consistent and was not. See `twin.rules.consistency.reached`."""
    c, one = cast(w), pending_at(cast(w).pending, key)
    if one.consistent:
        return False
    ours, registered, all_acked, waits = 0, 0, 0, False
    for server in range(w.n_nodes):
        member = b1_at(c.registered_of, key * w.n_nodes + server).v
        acked = b1_at(c.acked_of, key * w.n_nodes + server).v
        registered += member
        all_acked += acked
        ours += member and acked
        waits = waits or (member and not acked and f8_at(c.until, server).v > w.now)
    if c.threshold == OF_ALL:
        one.consistent = ours > 0 and not waits
    elif c.threshold == OF_MAJORITY:
        one.consistent = 2 * ours > registered
    else:
        one.consistent = all_acked >= c.threshold
    return one.consistent


@jit
def expire(w: Any) -> bool:
    """Take out the nodes whose lease has run out, and tell whether there are any."""
    found = False
    for server in range(w.n_nodes):
        until = f8_at(cast(w).until, server)
        if until.v >= 0.0 and until.v <= w.now:
            until.v = -1.0
            found = True
    return found


@jit
def gather_due(w: Any) -> int:
    """Return the first of the messages to send again, each of which knows the next, and forget those whose time is
    over. See `twin.rules.consistency` (`Ledger.due`).
    """
    c = cast(w)
    key, first, last = whole(c.pending_acks.first), -1, -1
    while key >= 0:
        one = pending_at(c.pending, key)
        following = pending_behind(c.pending, key)
        if one.due > w.now:
            pass
        elif one.consistent or one.resends >= c.max_resends:
            forget(w, key)
        else:
            one.due = w.now + c.ack_timeout
            one.resends += 1
            one.again = -1
            if last >= 0:
                pending_at(c.pending, last).again = key
            else:
                first = key
            last = key
        key = following
    return first


@jit
def forget(w: Any, key: int) -> None:
    """Wait for a message's acknowledgements no longer."""
    c = cast(w)
    pending_at(c.pending, key).on = False
    unlink_pending(c.pending_acks, c.pending, key)
