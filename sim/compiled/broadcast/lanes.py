"""Frames on their way through one process, some connections at a time. See `sim.machine.lane` and `sim.machine.process`
(`Batch`).

A fan-out is one frame and a cell for each connection; what is ready on a connection moves from lane to lane as a whole.
"""

from typing import Any

from sim.compiled.broadcast.layout import (
    ARRIVING,
    ASKING,
    CLIENT_SEND,
    COLD_STARTS,
    DOWN,
    HEARD,
    MOST_OF_BATCH,
    NODE_FANOUT,
    NODE_FANOUT_MORE,
    NODE_READ,
    READ,
    READ_MORE,
    RELAY,
    RELAY_MORE,
    RELAY_UP,
    RELAY_UP_MORE,
    RELAYED,
    batch_at,
    bundle_at,
    cast,
)
from sim.compiled.broadcast.lists import append, drop_frames, drop_job, extend, length, list_of
from sim.compiled.host import level, resume_seconds, seconds_after, seconds_of, work
from sim.compiled.memory.layout import FIRST_PART, I_BATCH, I_BOOT, I_JOB, WHOLE, cost_at, f8_at, i4_at, process_at
from sim.compiled.toolchain.jit import jit, whole


@jit
def cost_of(lane: int) -> int:
    """Return the cost of a connection with one frame."""
    if lane == DOWN:
        return NODE_FANOUT
    if lane == HEARD:
        return NODE_READ
    if lane == ARRIVING:
        return READ
    if lane == RELAYED:
        return RELAY
    return CLIENT_SEND if lane == ASKING else RELAY_UP


@jit
def further_cost_of(lane: int) -> int:
    """Return the cost of each further frame that is ready on the same connection."""
    if lane == DOWN:
        return NODE_FANOUT_MORE
    if lane == HEARD:
        return NODE_READ
    if lane == ARRIVING:
        return READ_MORE
    if lane == RELAYED:
        return RELAY_MORE
    return CLIENT_SEND if lane == ASKING else RELAY_UP_MORE


@jit
def send_one(w: Any, lane: int, owner: int, tunnel: int, frame: int) -> None:
    """Queue a frame for one connection."""
    waiting = list_of(w, tunnel, lane)
    fresh = waiting.first < 0
    append(w, waiting, frame)
    if fresh:
        i4_at(cast(w).scratch, 0).v = tunnel
        queue(w, lane, owner, 1)


@jit
def send_all(w: Any, lane: int, owner: int, n: int, frame: int) -> None:
    """Queue one frame for each of the first `n` connections of the scratch."""
    scratch, fresh = cast(w).scratch, 0
    for k in range(n):
        tunnel = whole(i4_at(scratch, k).v)
        waiting = list_of(w, tunnel, lane)
        if waiting.first < 0:
            i4_at(scratch, fresh).v = tunnel
            fresh += 1
        append(w, waiting, frame)
    queue(w, lane, owner, fresh)


@jit
def hand_over(w: Any, lane: int, bundle: Any, fresh: int) -> int:
    """Let what is ready on a connection wait in another lane; return how many connections are new in it."""
    waiting = list_of(w, whole(bundle.tunnel), lane)
    if waiting.first < 0:
        i4_at(cast(w).scratch, fresh).v = bundle.tunnel
        fresh += 1
    extend(w, waiting, whole(bundle.first), whole(bundle.last))
    bundle.first = -1
    bundle.last = -1
    return fresh


@jit
def queue(w: Any, lane: int, owner: int, n: int) -> None:
    """Queue the first `n` connections of the scratch for a process, some at a time."""
    c = cast(w)
    for start in range(0, n, MOST_OF_BATCH):
        pool = c.batches
        i = pool.free
        if i >= 0:
            pool.free = batch_at(pool.data, i).next
        else:
            i = pool.used
            pool.used += 1
        batch = batch_at(pool.data, i)
        batch.lane = lane
        batch.owner = owner
        batch.total = -1.0
        batch.n = min(MOST_OF_BATCH, n - start)
        for k in range(whole(batch.n)):
            bundle = bundle_at(c.bundles, i * MOST_OF_BATCH + k)
            bundle.tunnel = i4_at(c.scratch, start + k).v
            bundle.first = -1
            bundle.last = -1
        process_at(w.procs, owner).more += batch.n - 1
        work(w, owner, I_BATCH, cost_of(lane), i, 0)


@jit
def drop_batch(w: Any, i: int) -> None:
    """A batch is done, or never will be: forget it and what is left in it."""
    c, batch = cast(w), batch_at(cast(w).batches.data, i)
    for k in range(whole(batch.n)):
        drop_frames(w, bundle_at(c.bundles, i * MOST_OF_BATCH + k))
    batch.next = c.batches.free
    c.batches.free = i


@jit
def forget_batch(w: Any, i: int) -> None:
    """The process of a batch has forgotten it: forget the frames that wait for it, too."""
    c, batch = cast(w), batch_at(cast(w).batches.data, i)
    if batch.total < 0.0:
        for k in range(whole(batch.n)):
            tunnel = whole(bundle_at(c.bundles, i * MOST_OF_BATCH + k).tunnel)
            drop_frames(w, list_of(w, tunnel, whole(batch.lane)))
    drop_batch(w, i)


@jit
def take(w: Any, batch: Any, i: int) -> int:
    """Take what is ready on the connections of a batch, and return how many frames there are beyond one each."""
    further = 0
    for k in range(whole(batch.n)):
        bundle = bundle_at(cast(w).bundles, i * MOST_OF_BATCH + k)
        waiting = list_of(w, whole(bundle.tunnel), whole(batch.lane))
        bundle.first = waiting.first
        bundle.last = waiting.last
        waiting.first = -1
        waiting.last = -1
        further += length(w, bundle) - 1
    return further


@jit
def step_seconds(w: Any, number: int, waiting: int, asleep: float, away: float) -> float:
    """Return the seconds of the step that a process begins. See `sim.machine.process` (`Item.spend`, `Batch.spend`)."""
    process = process_at(w.procs, number)
    item = process.item
    waiting += process.more
    speed = level(w, process)
    seconds = 0.0
    if item.kind == I_BATCH:
        batch = batch_at(cast(w).batches.data, item.a)
        process.more -= batch.n - 1
        if item.stage != FIRST_PART:
            process.warm += batch.n - 1
        if batch.total < 0.0:
            begin_batch(w, item, waiting, asleep, speed)
        seconds = batch.total
    else:
        item.asleep = max(item.asleep, asleep)
        seconds = seconds_of(w, whole(item.cost), waiting, item.asleep, speed)
        if item.cost >= COLD_STARTS[0] and item.cost <= COLD_STARTS[-1]:
            before = pause(w, number, whole(item.cost))
            seconds = max(seconds, seconds_after(w, whole(item.cost), waiting, before, speed))
    if item.stage != WHOLE:
        first = cost_at(w.costs, item.cost).first
        seconds = (first if item.stage == FIRST_PART else 1.0 - first) * seconds
    if item.kind == I_BOOT:
        seconds *= w.start_share
    if away > 0.0:
        seconds += resume_seconds(w, whole(item.cost), waiting, away, speed)
    if number == cast(w).publisher:
        cast(w).last_step = seconds
    return seconds


@jit
def begin_batch(w: Any, item: Any, waiting: int, asleep: float, speed: int) -> None:
    """Read the connections of a batch; who was asleep pays for that once."""
    batch = batch_at(cast(w).batches.data, item.a)
    one = seconds_of(w, whole(item.cost), waiting, 0.0, speed)
    first = seconds_of(w, whole(item.cost), waiting, asleep, speed) if asleep > 0.0 else one
    further = take(w, batch, whole(item.a))
    rest = 0.0
    if further > 0:
        rest = further * seconds_of(w, further_cost_of(whole(batch.lane)), further, 0.0, speed)
    batch.total = first + (batch.n - 1) * one + rest
    batch.span = batch.total
    if item.stage != WHOLE:
        batch.span = (1.0 - cost_at(w.costs, item.cost).first) * batch.total


@jit
def pause(w: Any, number: int, cost: int) -> float:
    """Return how long a process has not done something that it does now and then. See `sim.machine.cold_start`."""
    last = f8_at(cast(w).cold_starts, number * len(COLD_STARTS) + cost - COLD_STARTS[0])
    before = w.now - last.v
    last.v = w.now
    return before


@jit
def queued_again(w: Any, process: Any) -> None:
    """An item waits for its second step."""
    if process.item.kind == I_BATCH:
        process.more += batch_at(cast(w).batches.data, process.item.a).n - 1


@jit
def forgets(w: Any, item: Any) -> bool:
    """Drop what an item of a broadcast holds, and tell whether it is one."""
    if item.kind == I_BATCH:
        forget_batch(w, whole(item.a))
    elif item.kind == I_JOB:
        drop_job(w, whole(item.a))
    return item.kind >= I_BATCH
