"""Where a client stands in the sequence of messages. See `twin.rules.delivery` (`Position`).

What comes early waits in a list in order, and what is applied is written down at once.
"""

from typing import Any

from sim.compiled.broadcast.layout import cast, hole_at, place, stamped_at
from sim.compiled.broadcast.lists import insert_behind, next_of, pop, value_of
from sim.compiled.broadcast.notes import note_message, note_more
from sim.compiled.memory.layout import i4_at
from sim.compiled.toolchain.jit import jit, whole
from sim.compiled.vocabulary import Event, Word
from twin.rules.delivery import MOST_EARLY, MOST_HOLES

NOTHING, ASKS, APPLIED = 0, 1, 2
"""What comes of a message, to be added up: the client asks; something was applied, or it jumped."""


@jit
def place_of(w: Any, message: int) -> int:
    """Return a message's place in the sequence of all."""
    one = stamped_at(cast(w).stamped.data, message)
    return place(whole(one.epoch), whole(one.version))


@jit
def arrive(w: Any, one: Any, client: int, node: int, message: int, t: float) -> int:
    """Take a message that came to a client at `t` seconds, and return what comes of it."""
    stamped = stamped_at(cast(w).stamped.data, message)
    epoch, version = whole(stamped.epoch), whole(stamped.version)
    where = place(epoch, version)
    late = where < one.highest
    if is_early(w, one, message):
        note_message(w, t, Event.RECEIVED, client, node, message, Word.DUPLICATE)
        return NOTHING
    if where <= place(whole(one.epoch), whole(one.version)):
        word = Word.LATE if was_skipped(w, one, epoch, version) else Word.DUPLICATE
        note_message(w, t, Event.RECEIVED, client, node, message, word)
        return NOTHING
    one.highest = max(one.highest, where)
    if (one.epoch == 0 or one.epoch == epoch) and version == one.version + 1:
        if late:
            note_message(w, t, Event.RECEIVED, client, node, message, Word.LATE)
        apply(w, one, client, node, message, t)
        drain(w, one, client, node, t)
        return APPLIED
    before, gap = whole(one.epoch), one.version + 1
    if cast(w).recover:
        keep(w, one, message)
        asks = not one.asking
        one.asking = True
        note_message(w, t, Event.RECEIVED, client, node, message, Word.LATE if late else Word.EARLY)
        if asks:
            note_more(w, t, Event.GAP, client, node, gap, message, before, 0)
        return ASKS if asks else NOTHING
    note_more(w, t, Event.GAP, client, node, gap, message, before, 0)
    jump(w, one, epoch, version - 1)
    apply(w, one, client, node, message, t)
    return APPLIED


@jit
def answered(w: Any, one: Any, client: int, node: int, frame: Any, recovered: bool, t: float) -> int:
    """Take an answer to a question, or a snapshot, and return what comes of it."""
    one.asking = False
    epoch, version, here = whole(frame.epoch), whole(frame.version), place(whole(one.epoch), whole(one.version))
    if not recovered:
        if place(epoch, version) <= here:
            note_more(w, t, Event.RECOVERED, client, node, 0, version, epoch, 0)
            return NOTHING
        note_more(w, t, Event.RECOVERED, client, node, -1, version, epoch, 0)
        jump(w, one, epoch, version)
        one.highest = max(one.highest, place(epoch, version))
        return settle(w, one, client, node, t) | APPLIED
    if one.epoch != 0 and one.epoch != epoch:
        note_more(w, t, Event.RECOVERED, client, node, 0, version, epoch, 0)
        return settle(w, one, client, node, t)
    n = max(0, version - one.version) if frame.behind <= one.version else 0
    note_more(w, t, Event.RECOVERED, client, node, n, version, epoch, 0)
    first = message_at(w, epoch, version) - n
    for message in range(first + 1, first + n + 1):
        apply(w, one, client, node, message, t)
        one.highest = max(one.highest, place_of(w, message))
    return settle(w, one, client, node, t) | (APPLIED if n > 0 else NOTHING)


@jit
def settle(w: Any, one: Any, client: int, node: int, t: float) -> int:
    """Apply what now follows; ask again if something is still missing."""
    before = place(whole(one.epoch), whole(one.version))
    drain(w, one, client, node, t)
    one.asking = one.early.first >= 0
    applied = place(whole(one.epoch), whole(one.version)) > before
    return (ASKS if one.asking else NOTHING) | (APPLIED if applied else NOTHING)


@jit
def apply(w: Any, one: Any, client: int, node: int, message: int, t: float) -> None:
    """Apply a message."""
    stamped = stamped_at(cast(w).stamped.data, message)
    one.epoch = stamped.epoch
    one.version = stamped.version
    note_message(w, t, Event.DELIVERED, client, node, message, 0)


@jit
def is_early(w: Any, one: Any, message: int) -> bool:
    """Tell whether a message is kept that others are missing before."""
    cell = whole(one.early.first)
    while cell >= 0 and value_of(w, cell) < message:
        cell = next_of(w, cell)
    return cell >= 0 and value_of(w, cell) == message


@jit
def keep(w: Any, one: Any, message: int) -> None:
    """Keep a message that others are missing before, if not too many are kept."""
    if one.n_early >= MOST_EARLY:
        return
    early = one.early
    before, cell = -1, whole(early.first)
    if cell >= 0 and value_of(w, whole(early.last)) < message:
        before, cell = whole(early.last), -1
    while cell >= 0 and value_of(w, cell) < message:
        before, cell = cell, next_of(w, cell)
    insert_behind(w, early, before, message)
    one.n_early += 1


@jit
def drain(w: Any, one: Any, client: int, node: int, t: float) -> None:
    """Apply what was kept and now follows; forget what lies behind."""
    early = one.early
    while early.first >= 0:
        message = value_of(w, whole(early.first))
        stamped = stamped_at(cast(w).stamped.data, message)
        follows = stamped.epoch == one.epoch and stamped.version == one.version + 1
        if not follows and place_of(w, message) > place(whole(one.epoch), whole(one.version)):
            return
        pop(w, early)
        one.n_early -= 1
        if follows:
            apply(w, one, client, node, message, t)


@jit
def message_at(w: Any, epoch: int, version: int) -> int:
    """Return the number of a message, or that of the last one before the epoch for version 0."""
    return whole(i4_at(cast(w).epochs, epoch).v) + version - 1


@jit
def jump(w: Any, one: Any, epoch: int, version: int) -> None:
    """Stand at a position without what lies between."""
    c = cast(w)
    if epoch != one.epoch:
        while one.holes.first >= 0:
            drop_first_hole(w, one)
        one.epoch = epoch
        one.version = 0
    if version <= one.version:
        return
    if one.n_holes == MOST_HOLES:
        drop_first_hole(w, one)
    pool = c.holes
    i = pool.free
    if i >= 0:
        pool.free = hole_at(pool.data, i).next
    else:
        i = pool.used
        pool.used += 1
    hole = hole_at(pool.data, i)
    hole.next = -1
    hole.low = one.version + 1
    hole.high = version
    if one.holes.first < 0:
        one.holes.first = i
    else:
        hole_at(pool.data, one.holes.last).next = i
    one.holes.last = i
    one.n_holes += 1
    one.version = version


@jit
def drop_first_hole(w: Any, one: Any) -> None:
    """Forget the oldest skipped stretch."""
    pool = cast(w).holes
    i = whole(one.holes.first)
    one.holes.first = hole_at(pool.data, i).next
    one.n_holes -= 1
    hole_at(pool.data, i).next = pool.free
    pool.free = i


@jit
def was_skipped(w: Any, one: Any, epoch: int, version: int) -> bool:
    """Tell whether a client has passed a version without applying it."""
    if epoch < one.epoch:
        return True
    i = whole(one.holes.first)
    while i >= 0:
        hole = hole_at(cast(w).holes.data, i)
        if hole.low <= version and version <= hole.high:
            return True
        i = whole(hole.next)
    return False
