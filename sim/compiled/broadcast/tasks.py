"""Tasks: what a process of SimPy is in the model, as a record that knows where it stands and what it waits for.

Whatever wakes a task carries the number of the wait that it belongs to, so that nothing wakes it twice.
"""

from typing import Any

from sim.compiled.broadcast.layout import cast, task_at
from sim.compiled.broadcast.lists import new_task
from sim.compiled.broadcast.vocabulary import BroadcastPending
from sim.compiled.events.queue import schedule, schedule_first, schedule_now
from sim.compiled.machine.process import work
from sim.compiled.memory.layout import process_at
from sim.compiled.rules import timer_due, wakes_late
from sim.compiled.toolchain.jit import jit, whole
from sim.compiled.vocabulary import Item


@jit
def begin(w: Any, kind: int, server: int, life: int) -> int:
    """Begin a task of a node, or (-1) of the publisher, and return it."""
    i = new_task(w, kind, server, life, cast(w).publisher if server < 0 else server)
    schedule_first(w, BroadcastPending.TASK_BEGINS, i, 0)
    return i


@jit
def next_wait(w: Any, i: int) -> int:
    """Return the number of a new wait of a task."""
    task = task_at(cast(w).tasks.data, i)
    task.serial += 1
    task.first_came = False
    task.came = False
    task.waits = False
    return whole(task.serial)


@jit
def let_work(w: Any, i: int, cost: int) -> None:
    """Let a task go on when its process has done an item."""
    number = whole(task_at(cast(w).tasks.data, i).proc)
    work(w, number, Item.TASK, cost, i, next_wait(w, i))


@jit
def let_wait(w: Any, i: int, seconds: float) -> None:
    """Let a task go on after a time."""
    schedule(w, seconds, BroadcastPending.TASK_GOES_ON, i, next_wait(w, i))


@jit
def let_sleep(w: Any, i: int, seconds: float) -> None:
    """Let a task go on after a timer of its process's loop. See `sim.machine.process` (`Process.sleep`)."""
    schedule(w, timer_due(seconds, w.now, w.clock), BroadcastPending.TIMER_EXPIRES, i, next_wait(w, i))


@jit
def expire(w: Any, i: int, serial: int) -> None:
    """A timer is due; a process that sleeps wakes up a little later."""
    process = process_at(w.procs, task_at(cast(w).tasks.data, i).proc)
    late = 0.0
    if not process.ready and process.asleep_since >= 0.0:
        late = wakes_late(process.asleep_since, w.now, w.clock)
    if late > 0.0:
        schedule(w, late, BroadcastPending.TIMER_WAKES, i, serial)
    else:
        schedule_now(w, BroadcastPending.TIMER_FIRED, i, serial)
