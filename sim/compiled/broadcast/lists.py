"""Records that come, and lists of frames. See `sim.machine.lane` for what waits in them."""

from typing import Any

from sim.compiled.broadcast.layout import LISTS, cast, cell_at, frame_at, job_at, list_at, task_at
from sim.compiled.broadcast.vocabulary import Frame
from sim.compiled.toolchain.jit import jit, whole


@jit
def one_of(pool: Any) -> int:
    """Return the place of a record that is never given back."""
    pool.used += 1
    return pool.used - 1


@jit
def list_of(w: Any, tunnel: int, which: int) -> Any:
    """Return one of the lists of a tunnel."""
    return list_at(cast(w).lists, tunnel * LISTS + which)


@jit
def append(w: Any, one: Any, value: int) -> None:
    """Put something at the end of a list."""
    pool = cast(w).cells
    i = pool.free
    if i >= 0:
        pool.free = cell_at(pool.data, i).next
    else:
        i = pool.used
        pool.used += 1
    cell = cell_at(pool.data, i)
    cell.next = -1
    cell.value = value
    extend(w, one, i, i)


@jit
def extend(w: Any, one: Any, first: int, last: int) -> None:
    """Put cells at the end of a list."""
    if one.first < 0:
        one.first = first
    else:
        cell_at(cast(w).cells.data, one.last).next = first
    one.last = last


@jit
def length(w: Any, one: Any) -> int:
    """Return how many cells a list has."""
    n, cell = 0, whole(one.first)
    while cell >= 0:
        n += 1
        cell = next_of(w, cell)
    return n


@jit
def insert_behind(w: Any, one: Any, before: int, value: int) -> None:
    """Put something into a list behind a cell, or (-1) at its front."""
    old_first, old_last = whole(one.first), whole(one.last)
    if before == old_last:
        append(w, one, value)
        return
    one.first = -1
    append(w, one, value)
    cell = whole(one.first)
    if before < 0:
        cell_at(cast(w).cells.data, cell).next = old_first
        one.first = cell
    else:
        ahead = cell_at(cast(w).cells.data, before)
        cell_at(cast(w).cells.data, cell).next = ahead.next
        ahead.next = cell
        one.first = old_first
    one.last = old_last


@jit
def pop(w: Any, one: Any) -> int:
    """Take the first of a list that is not empty, and return it."""
    pool = cast(w).cells
    i = whole(one.first)
    cell = cell_at(pool.data, i)
    one.first = cell.next
    cell.next = pool.free
    pool.free = i
    if one.first < 0:
        one.last = -1
    return whole(cell.value)


@jit
def value_of(w: Any, cell: int) -> int:
    """Return what a cell holds."""
    return whole(cell_at(cast(w).cells.data, cell).value)


@jit
def next_of(w: Any, cell: int) -> int:
    """Return the cell behind a cell, or -1."""
    return whole(cell_at(cast(w).cells.data, cell).next)


@jit
def empty(w: Any, one: Any) -> None:
    """Forget all of a list."""
    while one.first >= 0:
        pop(w, one)


@jit
def new_frame(w: Any, kind: int, size: int, epoch: int, version: int) -> int:
    """Return a new frame; those that are of one connection give their place back."""
    pool = cast(w).frames
    i = pool.free if kind != Frame.MESSAGE else -1
    if i >= 0:
        pool.free = frame_at(pool.data, i).behind
    else:
        i = pool.used
        pool.used += 1
    frame = frame_at(pool.data, i)
    frame.kind = kind
    frame.size = size
    frame.epoch = epoch
    frame.version = version
    frame.message = -1
    frame.left = 0
    return i


@jit
def drop_frame(w: Any, i: int) -> None:
    """A frame has come, or never will."""
    frame = frame_at(cast(w).frames.data, i)
    if frame.kind != Frame.MESSAGE:
        frame.behind = cast(w).frames.free
        cast(w).frames.free = i


@jit
def drop_frames(w: Any, one: Any) -> None:
    """Forget the frames of a list."""
    while one.first >= 0:
        drop_frame(w, pop(w, one))


@jit
def new_job(w: Any, kind: int, a: int, b: int, node: int, life: int) -> int:
    """Return a new job."""
    pool = cast(w).jobs
    i = pool.free
    if i >= 0:
        pool.free = job_at(pool.data, i).a
    else:
        i = pool.used
        pool.used += 1
    job = job_at(pool.data, i)
    job.kind = kind
    job.a = a
    job.b = b
    job.node = node
    job.life = life
    return i


@jit
def drop_job(w: Any, i: int) -> None:
    """A job is done, or never will be."""
    job_at(cast(w).jobs.data, i).a = cast(w).jobs.free
    cast(w).jobs.free = i


@jit
def new_task(w: Any, kind: int, node: int, life: int, proc: int) -> int:
    """Return a new task of a node, or (-1) of the publisher."""
    pool = cast(w).tasks
    i = pool.free
    if i >= 0:
        pool.free = task_at(pool.data, i).next
    else:
        i = pool.used
        pool.used += 1
        task_at(pool.data, i).serial = 0
    task = task_at(pool.data, i)
    task.kind = kind
    task.state = 0
    task.node = node
    task.life = life
    task.proc = proc
    task.call = -1
    task.failures = 0
    task.tries = 0
    task.n = 0
    task.list.first = -1
    task.list.last = -1
    task.broken = False
    return i


@jit
def drop_task(w: Any, i: int) -> None:
    """A task has ended; nothing that it waited for will wake the next one at its place."""
    task = task_at(cast(w).tasks.data, i)
    task.serial += 1
    task.kind = -1
    task.next = cast(w).tasks.free
    cast(w).tasks.free = i
