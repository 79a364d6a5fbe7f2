"""The clients' timers: a wheel of buckets, each of which is sorted when its time has come.

A timer costs the same however many are pending: it is put at the end of its bucket, and once more in order. What is due
in the bucket whose time it is goes to the heap of `sim.compiled.events.queue`.
Source: Varghese & Lauck, "Hashed and hierarchical timing wheels", SOSP 1987; Brown, "Calendar queues", CACM 31, 1988.
"""

from typing import Any

from sim.compiled.memory.blocks import entry, free_block, one_more
from sim.compiled.memory.layout import BUCKETS, PER_BLOCK, SLOTS, block_at, bucket_at, i4_at, timed_at
from sim.compiled.toolchain.jit import jit, whole

CROWDED = 64
"""Timers in one slot from which on a bucket is sorted by merging."""


@jit
def put_timed(place: Any, other: Any) -> None:
    """Copy an entry."""
    place.t = other.t
    place.eid = other.eid
    place.a = other.a
    place.b = other.b


@jit
def put_in_wheel(w: Any, t: float, eid: int, client: int, kind: int) -> bool:
    """Put a timer into its bucket; False when the time of that bucket has come already."""
    number = whole(t * w.wheel_rate)
    if number <= w.wheel_bucket:
        return False
    timer = timed_at(one_more(w.blocks, bucket_at(w.wheel, number & (BUCKETS - 1))), 0)
    timer.t = t
    timer.eid = eid
    timer.a = client
    timer.b = kind
    w.wheel_n += 1
    return True


@jit
def turn_wheel(w: Any, until: float) -> None:
    """Bring the timers of the next bucket that has some in order, if it begins before `until` seconds."""
    last = whole(until * w.wheel_rate)
    w.soon_first = 0
    w.soon_n = 0
    while w.soon_n == 0 and w.wheel_bucket < last:
        w.wheel_bucket += 1
        if bucket_at(w.wheel, w.wheel_bucket & (BUCKETS - 1)).n > 0:
            gather(w, bucket_at(w.wheel, w.wheel_bucket & (BUCKETS - 1)))
    if w.soon_n > 0:
        sort_soon(w, w.soon_n)


@jit
def gather(w: Any, bucket: Any) -> None:
    """Copy the timers of a bucket whose time has come, in the order in which they were set; others stay in it."""
    i = whole(bucket.first)
    in_last = whole(bucket.place)
    bucket.n = 0
    n = 0
    while i >= 0:
        following = whole(block_at(w.blocks.data, i).next)
        for place in range(PER_BLOCK if following >= 0 else in_last):
            timer = timed_at(entry(w.blocks, i, place), 0)
            if whole(timer.t * w.wheel_rate) == w.wheel_bucket:
                put_timed(timed_at(w.soon_copy, n), timer)
                n += 1
            else:  # of a later turn of the wheel
                put_timed(timed_at(one_more(w.blocks, bucket), 0), timer)
        free_block(w.blocks, i)
        i = following
    w.soon_n = n
    w.wheel_n -= n


@jit
def sort_soon(w: Any, n: int) -> None:
    """Bring copied timers in order of time, those of equal time as they were set: by slots of time, then one by one."""
    slots = min(SLOTS, n)
    begin, rate = w.wheel_bucket / w.wheel_rate, slots * w.wheel_rate
    for slot in range(slots):
        i4_at(w.slots, slot).v = 0
    most = 0
    for k in range(n):
        count = i4_at(w.slots, slot_of(timed_at(w.soon_copy, k).t, begin, rate, slots))
        count.v += 1
        most = max(most, count.v)
    if most > CROWDED:
        merge_sort(w, n)
        return
    place = 0
    for slot in range(slots):
        count = i4_at(w.slots, slot)
        following = place + count.v
        count.v = place
        place = following
    for k in range(n):
        timer = timed_at(w.soon_copy, k)
        count = i4_at(w.slots, slot_of(timer.t, begin, rate, slots))
        put_timed(timed_at(w.soon, count.v), timer)
        count.v += 1
    insertion_sort(w, n)


@jit
def slot_of(t: float, begin: float, rate: float, slots: int) -> int:
    """Return the slot of a time: a later time never has an earlier one."""
    return max(0, min(slots - 1, whole((t - begin) * rate)))


@jit
def insertion_sort(w: Any, n: int) -> None:
    """Sort timers that are nearly in order."""
    for k in range(1, n):
        timer = timed_at(w.soon, k)
        t = timer.t
        if timed_at(w.soon, k - 1).t <= t:
            continue
        eid, a, b = timer.eid, timer.a, timer.b
        i = k
        while i > 0 and timed_at(w.soon, i - 1).t > t:
            put_timed(timed_at(w.soon, i), timed_at(w.soon, i - 1))
            i -= 1
        place = timed_at(w.soon, i)
        place.t = t
        place.eid = eid
        place.a = a
        place.b = b


@jit
def merge_sort(w: Any, n: int) -> None:
    """Sort the copied timers by merging, whatever their times."""
    width = 1
    while width < n:
        for low in range(0, n, 2 * width):
            merge(w.soon_copy, w.soon, low, min(low + width, n), min(low + 2 * width, n))
        w.soon, w.soon_copy = w.soon_copy, w.soon
        width *= 2
    w.soon, w.soon_copy = w.soon_copy, w.soon


@jit
def merge(source: int, target: int, low: int, middle: int, high: int) -> None:
    """Merge two neighbouring parts that are in order; of equal times those of the first part come first."""
    i, j = low, middle
    for k in range(low, high):
        if j >= high or (i < middle and timed_at(source, i).t <= timed_at(source, j).t):
            put_timed(timed_at(target, k), timed_at(source, i))
            i += 1
        else:
            put_timed(timed_at(target, k), timed_at(source, j))
            j += 1
