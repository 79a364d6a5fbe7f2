"""The machine: processes that take turns on a few cores.

A process works through its items one after the other, first come first served, as an event loop does. A core serves
the waiting process that has had the least time so far, for at most one time slice, and changes only between two items.
This is the kernel's fair scheduler, coarsened. Source: Linux, Documentation/scheduler/sched-eevdf.rst.
"""

from collections import deque
from collections.abc import Callable

import simpy
from simpy.events import NORMAL

from twin.profile import Curve


class Item(simpy.Event):  # type: ignore[misc]
    """A piece of work of one process; the event happens when the work is done."""

    __slots__ = ("process",)

    def __init__(self, env: simpy.Environment, process: "Process") -> None:
        super().__init__(env)
        self._ok = True
        self.process = process


class Process:
    """A single-threaded process with a queue of work."""

    def __init__(self, cores: "Cores") -> None:
        self.cores = cores
        self.items: deque[tuple[Curve, Item]] = deque()
        self.used = 0.0
        self.ready = False
        self.stopped = False
        self.asleep_since = -1.0

    def work(self, cost: Curve, then: Callable[[simpy.Event], None] | None = None, first: bool = False) -> Item:
        """Queue one item and return the event of its end; `then` is called at that moment, `first` jumps the queue."""
        item = Item(self.cores.env, self)
        item.callbacks = [self.cores.done] if then is None else [self.cores.done, then]
        if first:
            self.items.appendleft((cost, item))
        else:
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
        if self.items and not self.ready:
            self.cores.wake(self)

    def clear(self) -> None:
        """Forget all work that has not begun."""
        self.items.clear()


class Cores:
    """Some cores and the processes that are bound to them."""

    def __init__(self, env: simpy.Environment, count: int, time_slice: float) -> None:
        self.env = env
        self.free = count
        self.time_slice = time_slice
        self.waiting: list[Process] = []
        self.least = 0.0
        self._turn: dict[Process, float] = {}

    def wake(self, process: Process) -> None:
        """Make a process that has got work compete for a core; a sleeper may be ahead of the others by one slice."""
        process.ready = True
        process.used = max(process.used, self.least - self.time_slice)
        if self.free:
            self.free -= 1
            self._begin(process, self.env.now - process.asleep_since)
        else:
            self.waiting.append(process)

    def _begin(self, process: Process, asleep: float = 0.0) -> None:
        self._turn[process] = 0.0
        self._start(process, asleep)

    def _start(self, process: Process, asleep: float) -> None:
        cost, item = process.items.popleft()
        seconds = cost(len(process.items) + 1, asleep)
        process.used += seconds
        self._turn[process] += seconds
        self.env.schedule(item, NORMAL, seconds)

    def done(self, item: Item) -> None:
        """Choose who runs next after an item has ended."""
        process = item.process
        if not process.items or process.stopped:
            process.ready = False
            process.asleep_since = self.env.now
            self._hand_over()
            return
        if self.waiting:
            rival = min(self.waiting, key=_used)
            spent = self._turn[process] >= self.time_slice and rival.used <= process.used
            if spent or rival.used + self.time_slice < process.used:
                self.waiting.append(process)
                self._hand_over()
                return
        self._start(process, 0.0)

    def _hand_over(self) -> None:
        if not self.waiting:
            self.free += 1
            return
        process = min(self.waiting, key=_used)
        self.waiting.remove(process)
        self.least = max(self.least, process.used)
        if not process.items:  # its work was cleared while it waited
            process.ready = False
            process.asleep_since = self.env.now
            self._hand_over()
            return
        self._begin(process)


def _used(process: Process) -> float:
    return process.used
