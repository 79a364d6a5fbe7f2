"""What is pending: events in order of (time, priority, insertion), as SimPy has them, but cheap for a million timers.

Five kinds of places, by how much is known about the time of an event:

- `urgent`: at once, before anything else (SimPy's priority URGENT, which only starts of processes have).
- `moments`: at the present time, in order of insertion.
- `fifos`: one queue for each delay that is always the same; what comes later is due later.
- the wheel: the clients' own timers, one a client. A bucket is sorted when its time has come, so that a timer costs the
  same however many are pending. Source: Varghese & Lauck, "Hashed and hierarchical timing wheels", SOSP 1987; Brown,
  "Calendar queues", CACM 31, 1988.
- the heap: the few that are left.
"""

from typing import Any

import numpy as np
from numba import carray

from sim.compiled.jit import fetch, jit, pointer
from sim.compiled.layout import (
    CLIENT_SIZE,
    FIFOS,
    TIMED,
    event_at,
    f8_at,
    i4_at,
    moment_at,
    ring_at,
    timed_at,
    timer_at,
)

FROM_HEAP, FROM_WHEEL = FIFOS, FIFOS + 1
NOTHING = -1
INSERTION_SORT = 48
"""Timers of one bucket up to which an insertion sort is used."""


@jit
def push_moment(ring: Any, kind: int, a: int, b: int) -> None:
    """Queue what happens at the present time."""
    place = moment_at(ring.data, (ring.first + ring.n) & ring.mask)
    place.kind = kind
    place.a = a
    place.b = b
    ring.n += 1


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
def push_heap(w: Any, t: float, kind: int, a: int, b: int) -> None:
    """Queue what happens at `t` > now."""
    i = w.heap_n
    w.heap_n += 1
    while i > 0:
        parent = (i - 1) >> 2
        above = event_at(w.heap, parent)
        if above.t <= t:
            break
        below = event_at(w.heap, i)
        below.t = above.t
        below.eid = above.eid
        below.kind = above.kind
        below.a = above.a
        below.b = above.b
        i = parent
    place = event_at(w.heap, i)
    place.t = t
    place.eid = w.eid
    place.kind = kind
    place.a = a
    place.b = b


@jit
def pop_heap(w: Any) -> None:
    """Forget the first event of the heap."""
    w.heap_n -= 1
    n = w.heap_n
    if n == 0:
        return
    moved = event_at(w.heap, n)
    t, eid = moved.t, moved.eid
    i = 0
    while True:
        child = 4 * i + 1
        if child >= n:
            break
        best = event_at(w.heap, child)
        for j in range(child + 1, min(child + 4, n)):
            other = event_at(w.heap, j)
            if other.t < best.t or (other.t == best.t and other.eid < best.eid):
                best = other
                child = j
        if t < best.t or (t == best.t and eid < best.eid):
            break
        place = event_at(w.heap, i)
        place.t = best.t
        place.eid = best.eid
        place.kind = best.kind
        place.a = best.a
        place.b = best.b
        i = child
    place = event_at(w.heap, i)
    place.t = t
    place.eid = eid
    place.kind = moved.kind
    place.a = moved.a
    place.b = moved.b


@jit
def schedule(w: Any, delay: float, kind: int, a: int, b: int) -> None:
    """Let something happen `delay` seconds from now."""
    t = w.now + delay
    if t == w.now:
        push_moment(w.moments, kind, a, b)
    else:
        w.eid += 1
        push_heap(w, t, kind, a, b)


@jit
def schedule_now(w: Any, kind: int, a: int, b: int) -> None:
    """Let something happen at the present time, after what is queued for it."""
    push_moment(w.moments, kind, a, b)


@jit
def schedule_first(w: Any, kind: int, a: int, b: int) -> None:
    """Let something happen at once, before anything but what is urgent, too."""
    push_moment(w.urgent, kind, a, b)


@jit
def schedule_constant(w: Any, fifo: int, kind: int, a: int, b: int) -> None:
    """Let something happen after the constant delay of a queue; of its kind, should that delay be nothing."""
    ring = ring_at(w.fifos, fifo)
    t = w.now + ring.delay
    if t == w.now:
        push_moment(w.moments, kind, a, b)
        return
    w.eid += 1
    push_timed(ring, t, w.eid, a, b)
    if ring.n == 1:
        f8_at(w.heads, fifo).v = t
    if ring.n + 64 > ring.mask:
        w.short_fifo = True


@jit
def pop_fifo(w: Any, fifo: int) -> Any:
    """Take the first entry of a queue."""
    ring = ring_at(w.fifos, fifo)
    entry = timed_at(ring.data, ring.first)
    ring.first = (ring.first + 1) & ring.mask
    ring.n -= 1
    f8_at(w.heads, fifo).v = timed_at(ring.data, ring.first).t if ring.n > 0 else np.inf
    return entry


@jit
def insert_soon(w: Any, t: float, eid: int, client: int, kind: int) -> None:
    """Put a timer where it belongs among the sorted ones."""
    if w.soon_first == w.soon_n:
        w.soon_first = 0
        w.soon_n = 0
    elif w.soon_n == w.soon_room:
        for i in range(w.soon_first, w.soon_n):
            put_timed(timed_at(w.soon, i - w.soon_first), timed_at(w.soon, i))
        w.soon_n -= w.soon_first
        w.soon_first = 0
    i = w.soon_n
    while i > w.soon_first:
        before = timed_at(w.soon, i - 1)
        if before.t < t or (before.t == t and before.eid < eid):
            break
        put_timed(timed_at(w.soon, i), before)
        i -= 1
    place = timed_at(w.soon, i)
    place.t = t
    place.eid = eid
    place.a = client
    place.b = kind
    w.soon_n += 1


@jit
def put_timed(place: Any, other: Any) -> None:
    """Copy an entry."""
    place.t = other.t
    place.eid = other.eid
    place.a = other.a
    place.b = other.b


@jit
def schedule_timer(w: Any, delay: float, client: int, kind: int) -> None:
    """Set the one timer of a client."""
    schedule_timer_at(w, w.now + delay, client, kind)


@jit
def schedule_timer_at(w: Any, t: float, client: int, kind: int) -> None:
    """Set the one timer of a client to a time that is not before now."""
    if t == w.now:
        push_moment(w.moments, kind, client, 0)
        return
    w.eid += 1
    bucket = int(t * w.wheel_rate)
    if bucket <= w.wheel_bucket:
        insert_soon(w, t, w.eid, client, kind)
        return
    timer = timer_at(w.timers, client)
    head = i4_at(w.wheel, bucket & w.wheel_mask)
    timer.t = t
    timer.eid = w.eid
    timer.kind = kind
    timer.next = head.v
    head.v = client
    w.wheel_n += 1


@jit
def turn_wheel(w: Any, until: float) -> None:
    """Sort the timers of the next bucket that has some, if it begins before `until` seconds."""
    last = int(min(until, w.duration) * w.wheel_rate)
    w.soon_first = 0
    w.soon_n = 0
    while w.soon_n == 0 and w.wheel_bucket < last:
        w.wheel_bucket += 1
        head = i4_at(w.wheel, w.wheel_bucket & w.wheel_mask)
        if head.v < 0:
            continue
        client = int(head.v)
        kept = -1
        while client >= 0:
            timer = timer_at(w.timers, client)
            following = timer.next
            if int(timer.t * w.wheel_rate) == w.wheel_bucket:
                fetch(w.clients + client * CLIENT_SIZE)
                place = timed_at(w.soon, w.soon_n)
                place.t = timer.t
                place.eid = timer.eid
                place.a = client
                place.b = timer.kind
                w.soon_n += 1
                w.wheel_n -= 1
            else:  # of a later turn of the wheel
                timer.next = kept
                kept = client
            client = following
        head.v = kept
    if w.soon_n > 1:
        sort_soon(w)


@jit
def sort_soon(w: Any) -> None:
    """Sort the timers of one bucket, which come with the newest first."""
    n = w.soon_n
    if n <= INSERTION_SORT:
        for k in range(1, n):
            entry = timed_at(w.soon, k)
            t, eid, a, b = entry.t, entry.eid, entry.a, entry.b
            i = k
            while i > 0:
                before = timed_at(w.soon, i - 1)
                if before.t < t or (before.t == t and before.eid < eid):
                    break
                put_timed(timed_at(w.soon, i), before)
                i -= 1
            place = timed_at(w.soon, i)
            place.t = t
            place.eid = eid
            place.a = a
            place.b = b
        return
    entries = carray(pointer(w.soon), n, TIMED)
    copy = entries.copy()
    by_age = np.argsort(copy["eid"])
    order = by_age[np.argsort(copy["t"][by_age], kind="mergesort")]
    for i in range(n):
        put_timed(timed_at(w.soon, i), copy[order[i]])


@jit
def next_source(w: Any) -> int:
    """Return where the next event with a time of its own is, or NOTHING before the end."""
    best, source = w.duration, NOTHING
    for i in range(FIFOS):
        t = f8_at(w.heads, i).v
        if t < best:
            best, source = t, i
        elif t == best and source >= 0 and first_eid(w, i) < first_eid(w, source):
            source = i
    if w.heap_n > 0:
        t = event_at(w.heap, 0).t
        if t < best or (t == best and source >= 0 and event_at(w.heap, 0).eid < first_eid(w, source)):
            best, source = t, FROM_HEAP
    if w.soon_first == w.soon_n and w.wheel_n > 0:
        turn_wheel(w, best)
    if w.soon_first < w.soon_n:
        entry = timed_at(w.soon, w.soon_first)
        if entry.t < best or (entry.t == best and source >= 0 and entry.eid < first_eid(w, source)):
            source = FROM_WHEEL
    return source


@jit
def first_eid(w: Any, source: int) -> int:
    """Return the number of the first event of the heap or a queue."""
    if source == FROM_HEAP:
        return event_at(w.heap, 0).eid
    ring = ring_at(w.fifos, source)
    return timed_at(ring.data, ring.first).eid


@jit
def time_of(w: Any, source: int) -> float:
    """Return the time of the first event of a source."""
    if source == FROM_HEAP:
        return event_at(w.heap, 0).t
    if source == FROM_WHEEL:
        return timed_at(w.soon, w.soon_first).t
    return f8_at(w.heads, source).v
