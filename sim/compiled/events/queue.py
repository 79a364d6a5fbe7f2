"""What is pending: events in order of (time, priority, insertion), as SimPy has them, but cheap for a million timers.

Most of it is in one heap. Two kinds of events that are many have a place of their own:

- `fifos`: one queue for each delay that is always the same; what comes later is due later.
- the wheel (`sim.compiled.events.wheel`): the clients' own timers, one a client.

Priority and insertion are one number: that of an urgent event (SimPy's priority URGENT, which only starts of processes
have) is below those of all others.

`tests/benchmarks/test_structures.py` measures what each place saves; docs/model.md (Engines) has the figures, also of
what did not save enough to stay.
"""

from typing import Any

import numpy as np

from sim.compiled.events.wheel import put_in_wheel, turn_wheel
from sim.compiled.memory.layout import event_at, f8_at, ring_at, timed_at
from sim.compiled.toolchain.jit import jit
from sim.compiled.vocabulary import FIFOS

FROM_HEAP, FROM_WHEEL = FIFOS, FIFOS + 1
"""Where an event is; a smaller number is that of a queue of constant delays."""
NOTHING = -1
URGENT = 1 << 62
"""By how much the number of an urgent event is lower."""


@jit
def push_timed(ring: Any, t: float, eid: int, a: int, b: int) -> None:
    """Queue what happens at `t`, not before all that is in the ring."""
    place = timed_at(ring.data, (ring.first + ring.n) & ring.mask)
    place.t = t
    place.eid = eid
    place.a = a
    place.b = b
    ring.n += 1


@jit
def push_heap(w: Any, t: float, eid: int, kind: int, a: int, b: int) -> None:
    """Queue what happens at `t`, not before now."""
    i = 0
    if w.has_gap:
        w.has_gap = False
        i = sink(w, w.heap_n, t, eid)
    else:
        i = rise(w, w.heap_n, t, eid)
        w.heap_n += 1
    place = event_at(w.heap, i)
    place.t = t
    place.eid = eid
    place.kind = kind
    place.a = a
    place.b = b


@jit
def rise(w: Any, i: int, t: float, eid: int) -> int:
    """Move the gap at place `i` of the heap up to where an event belongs, and return the place of the gap."""
    while i > 0:
        parent = (i - 1) >> 2
        above = event_at(w.heap, parent)
        if above.t < t or (above.t == t and above.eid < eid):
            return i
        put_event(event_at(w.heap, i), above)
        i = parent
    return i


@jit
def put_event(place: Any, other: Any) -> None:
    """Copy an event."""
    place.t = other.t
    place.eid = other.eid
    place.kind = other.kind
    place.a = other.a
    place.b = other.b


@jit
def sink(w: Any, n: int, t: float, eid: int) -> int:
    """Move the gap at the top of a heap of `n` down to where an event belongs, and return the place of the gap."""
    i = 0
    while True:
        child = 4 * i + 1
        if child >= n:
            return i
        best = event_at(w.heap, child)
        for j in range(child + 1, min(child + 4, n)):
            other = event_at(w.heap, j)
            if other.t < best.t or (other.t == best.t and other.eid < best.eid):
                best = other
                child = j
        if t < best.t or (t == best.t and eid < best.eid):
            return i
        put_event(event_at(w.heap, i), best)
        i = child


@jit
def pop_heap(w: Any) -> None:
    """Forget the first event of the heap. It leaves a gap, which the next one that is queued may fill."""
    w.has_gap = True


@jit
def close_gap(w: Any) -> None:
    """Let the last event of the heap fill the gap at its top."""
    w.has_gap = False
    w.heap_n -= 1
    if w.heap_n > 0:
        last = event_at(w.heap, w.heap_n)
        put_event(event_at(w.heap, sink(w, w.heap_n, last.t, last.eid)), last)


@jit
def schedule(w: Any, delay: float, kind: int, a: int, b: int) -> None:
    """Let something happen `delay` seconds from now."""
    w.eid += 1
    push_heap(w, w.now + delay, w.eid, kind, a, b)


@jit
def schedule_now(w: Any, kind: int, a: int, b: int) -> None:
    """Let something happen at the present time, after what is queued for it."""
    w.eid += 1
    push_heap(w, w.now, w.eid, kind, a, b)


@jit
def schedule_first(w: Any, kind: int, a: int, b: int) -> None:
    """Let something happen at once, before anything but what is urgent, too."""
    w.eid += 1
    push_heap(w, w.now, w.eid - URGENT, kind, a, b)


@jit
def schedule_constant(w: Any, fifo: int, kind: int, a: int, b: int) -> None:
    """Let something happen after the constant delay of a queue; of its kind, should that delay be nothing."""
    ring = ring_at(w.fifos, fifo)
    t = w.now + ring.delay
    w.eid += 1
    if t == w.now:
        push_heap(w, t, w.eid, kind, a, b)
        return
    push_timed(ring, t, w.eid, a, b)
    if ring.n == 1:
        f8_at(w.heads, fifo).v = t
        if t < f8_at(w.heads, w.first_fifo).v:
            w.first_fifo = fifo
    if ring.n + 64 > ring.mask:
        w.short_fifo = True


@jit
def pop_fifo(w: Any, fifo: int) -> Any:
    """Take the first entry of a queue."""
    ring = ring_at(w.fifos, fifo)
    entry = timed_at(ring.data, ring.first)
    forget_first(ring)
    see_first(w, fifo)
    return entry


@jit
def see_first(w: Any, fifo: int) -> None:
    """Note when the first entry of a queue is due, which has changed."""
    ring = ring_at(w.fifos, fifo)
    f8_at(w.heads, fifo).v = timed_at(ring.data, ring.first).t if ring.n > 0 else np.inf
    w.first_fifo = soonest_fifo(w)


@jit
def forget_first(ring: Any) -> None:
    """Take the first entry off a ring; an empty one begins again at its front, in memory that was touched before."""
    ring.n -= 1
    ring.first = (ring.first + 1) & ring.mask if ring.n > 0 else 0


@jit
def soonest_fifo(w: Any) -> int:
    """Return the queue whose first event comes first of all."""
    best, fifo = f8_at(w.heads, 0).v, 0
    for i in range(1, FIFOS):
        t = f8_at(w.heads, i).v
        if t < best or (t == best and t < np.inf and first_eid(w, i) < first_eid(w, fifo)):
            best, fifo = t, i
    return fifo


@jit
def schedule_timer(w: Any, delay: float, client: int, kind: int) -> None:
    """Set the one timer of a client."""
    schedule_timer_at(w, w.now + delay, client, kind)


@jit
def schedule_timer_at(w: Any, t: float, client: int, kind: int) -> None:
    """Set the one timer of a client to a time that is not before now."""
    w.eid += 1
    if not put_in_wheel(w, t, w.eid, client, kind):
        push_heap(w, t, w.eid, kind, client, 0)


@jit
def turn_to_next(w: Any) -> int:
    """Let the time be that of the next event, and return where that is; NOTHING at the end of the run."""
    source = next_source(w)
    if source != NOTHING:
        w.now = w.next_t
    return source


@jit
def next_source(w: Any) -> int:
    """Return where the next event with a time of its own is, or NOTHING before the end, and note that time.

    Which one it is nobody can guess, the processor neither: so the places are compared without a branch.
    """
    if w.has_gap:
        close_gap(w)
    best, first, source = w.duration, 0, NOTHING
    fifo = w.first_fifo
    t, eid = f8_at(w.heads, fifo).v, first_eid(w, fifo)
    sooner = t < best
    best, first, source = t if sooner else best, eid if sooner else first, fifo if sooner else source
    top = event_at(w.heap, 0)
    t, eid = top.t if w.heap_n > 0 else np.inf, top.eid
    sooner = (t < best) | ((t == best) & (eid < first))
    best, first, source = t if t < best else best, eid if sooner else first, FROM_HEAP if sooner else source
    if w.soon_first == w.soon_n and w.wheel_n > 0:
        turn_wheel(w, best)
    if w.soon_first < w.soon_n:
        timer = timed_at(w.soon, w.soon_first)
        t, eid = timer.t, timer.eid
        sooner = (t < best) | ((t == best) & (eid < first))
        best, source = t if t < best else best, FROM_WHEEL if sooner else source
    w.next_t = best
    return source


@jit
def first_eid(w: Any, fifo: int) -> int:
    """Return the number of the first event of a queue."""
    ring = ring_at(w.fifos, fifo)
    return timed_at(ring.data, ring.first).eid
