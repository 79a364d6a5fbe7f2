"""The machine: processes that take turns on a few cores.

A process is an event loop. It takes everything that is ready (at most `batch` items), does the first part of all of it
(reading sockets), then the second part of each in turn (the tasks that the reads woke); what becomes ready meanwhile
waits for the next round. So in a burst nothing comes out until everything has been read. Sources: asyncio's
`_run_once`, libuv's `uv_run` (1,024 events a poll), HAProxy's `run_poll_loop` (tune.maxpollevents 200).

A core serves the waiting process that has had the least time so far, for at most one time slice, and changes only
between two pieces of work; a process that wakes up does not cut another's slice short. This is the kernel's fair
scheduler, coarsened. Source: Linux, Documentation/scheduler/sched-eevdf.rst and kernel/sched/features.h
(RUN_TO_PARITY).
"""

from collections import deque
from collections.abc import Callable

import simpy
from simpy.events import NORMAL

Cost = Callable[[int, float], float]
"""Seconds of an item, given how many items are waiting and how long the process has slept; see `twin.profile.Curve`."""

LOOP_EVENTS = 1024
"""Most events of one round of libuv."""


class Item(simpy.Event):
    """A piece of work of one process; the event happens when the work is done."""

    __slots__ = ("process",)

    def __init__(self, env: simpy.Environment, process: "Process") -> None:
        super().__init__(env)
        self._ok = True
        self.process = process


class Process:
    """A single-threaded process with a queue of work.

    Attributes:
        first_part: share of an item's cost that a round spends on all its items before it finishes any.
        batch: most items of one round.
    """

    def __init__(self, cores: "Cores", first_part: float = 0.0, batch: int = LOOP_EVENTS) -> None:
        self.cores = cores
        self.first_part = first_part
        self.batch = batch
        self.items: deque[tuple[Cost, Item]] = deque()
        self.round: deque[tuple[float, Item]] = deque()
        self.used = 0.0
        self.turn = 0.0
        self.ready = False
        self.stopped = False
        self.asleep_since = -1.0

    @property
    def busy(self) -> bool:
        """Whether there is work left."""
        return bool(self.round or self.items)

    def work(self, cost: Cost, then: Callable[[simpy.Event], None] | None = None) -> Item:
        """Queue one item and return the event of its end; `then` is called at that moment."""
        item = Item(self.cores.env, self)
        item.callbacks = [self.cores.done] if then is None else [self.cores.done, then]
        self.items.append((cost, item))
        if not self.ready and not self.stopped:
            self.cores.wake(self)
        return item

    def stop(self) -> None:
        """Take the process off the cores (SIGSTOP); an item under way is finished first."""
        self.stopped = True

    def resume(self) -> None:
        """Put the process back (SIGCONT)."""
        self.stopped = False
        if self.busy and not self.ready:
            self.cores.wake(self)

    def clear(self) -> None:
        """Forget all work that has not begun."""
        self.items.clear()
        self.round.clear()


class Cores:
    """Some cores and the processes that are bound to them."""

    def __init__(self, env: simpy.Environment, count: int, time_slice: float) -> None:
        self.env = env
        self.free = count
        self.time_slice = time_slice
        self.waiting: list[Process] = []
        self.running: list[Process] = []
        self.least = 0.0

    def wake(self, process: Process) -> None:
        """Make a process that has got work compete for a core; a sleeper may be ahead of the others by one slice."""
        process.ready = True
        self._advance()
        process.used = max(process.used, self.least - self.time_slice)
        if self.free:
            self.free -= 1
            self._begin(process, self.env.now - process.asleep_since)
        else:
            self.waiting.append(process)

    def _begin(self, process: Process, asleep: float = 0.0) -> None:
        process.turn = 0.0
        self.running.append(process)
        self._start(process, asleep)

    def _start(self, process: Process, asleep: float) -> None:
        if process.round:
            seconds, item = process.round.popleft()
        elif len(process.items) == 1 or process.first_part == 0.0:
            cost, item = process.items.popleft()
            seconds = cost(len(process.items) + 1, asleep)
        else:
            seconds = self._read_all(process, asleep)
            item = Item(self.env, process)
            item.callbacks = [self.done]
        process.used += seconds
        process.turn += seconds
        self.env.schedule(item, NORMAL, seconds)

    def _read_all(self, process: Process, asleep: float) -> float:
        """Begin a round: return the seconds of the first part of all its items, and leave the second parts to do."""
        count = min(len(process.items), process.batch)
        share, total = process.first_part, 0.0
        for _ in range(count):
            cost, item = process.items.popleft()
            seconds = cost(count, asleep)
            asleep = 0.0
            total += share * seconds
            process.round.append(((1.0 - share) * seconds, item))
        return total

    def done(self, item: Item) -> None:
        """Choose who runs next after an item has ended."""
        process = item.process
        if not process.busy or process.stopped:
            self._advance()
            process.ready = False
            process.asleep_since = self.env.now
            self.running.remove(process)
            self._hand_over()
            return
        if self.waiting:
            rival = min(self.waiting, key=_used)
            if process.turn >= self.time_slice and rival.used <= process.used:
                self.running.remove(process)
                self.waiting.append(process)
                self._hand_over()
                return
        self._start(process, 0.0)

    def _advance(self) -> None:
        """Note the least time that any process which competes has had; it never goes back."""
        competing = self.running + self.waiting
        if competing:
            self.least = max(self.least, min(map(_used, competing)))

    def _hand_over(self) -> None:
        if not self.waiting:
            self.free += 1
            return
        process = min(self.waiting, key=_used)
        self.waiting.remove(process)
        self.least = max(self.least, process.used)
        if not process.busy or process.stopped:  # its work was cleared, or it was stopped, while it waited
            process.ready = False
            process.asleep_since = self.env.now
            self._hand_over()
            return
        self._begin(process)


def _used(process: Process) -> float:
    return process.used
