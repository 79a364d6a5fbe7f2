"""The machine: processes that take turns on a few cores.

A process is an event loop. It takes everything that is ready (at most `batch` items), does the first part of all of it
(reading sockets), then the second part of each in turn (the tasks that the reads woke); what becomes ready meanwhile
waits for the next round. So in a burst nothing comes out until everything has been read. Its timers count whole
milliseconds of a clock that is read once a round, and a sleeping loop wakes late by a thousandth of its sleep. Sources:
asyncio's `_run_once`, libuv's `uv_run` and `uv_timer_start` (1,024 events a poll, milliseconds), HAProxy's
`run_poll_loop` (tune.maxpollevents 200); Linux, `select_estimate_accuracy` in fs/select.c (0.1 % of the timeout).

A core serves the waiting process that has had the least time so far. Who runs keeps the core for a time slice; after it
the core changes when another process wakes up, or else at the next tick of the kernel's clock. This is the kernel's
fair scheduler, coarsened. Sources: Linux, Documentation/scheduler/sched-eevdf.rst, kernel/sched/features.h
(RUN_TO_PARITY), `sched_tick` in kernel/sched/core.c.

How fast a core works changes from one moment to the next where neighbours share it: `pace` tells the level of its speed
at each moment.
"""

from collections import deque
from collections.abc import Callable, Sequence
from math import ceil, floor

import simpy
from simpy.events import NORMAL

from twin.profile import Curve

LOOP_EVENTS = 1024
"""Most events of one round of libuv."""

TIMER_SLACK, MOST_SLACK = 0.001, 0.1
"""How much later than asked a poll returns: a share of its timeout, and at most so many seconds. Source: Linux,
`select_estimate_accuracy` in fs/select.c."""

MILLISECOND = 0.001

PIECE = 0.0005
"""Longest stretch, in seconds, for which the first parts of a round of batches hold the core undivided."""


class Cost:
    """What an item costs: a curve for each speed level of the core, the slowest last.

    Attributes:
        first_part: share that a round spends on all its items before it finishes any.
    """

    __slots__ = ("curves", "first_part")

    def __init__(self, curves: Sequence[Curve], first_part: float = 0.0) -> None:
        self.curves = curves
        self.first_part = first_part

    @classmethod
    def constant(cls, seconds: float) -> "Cost":
        """Return a cost that depends neither on load nor on the core's speed."""
        return cls([Curve([16], [seconds])])

    def less(self, part: "Cost") -> "Cost":
        """Return what is left of this cost without a `part` of it that has been paid."""
        return Cost([one.less(other) for one, other in zip(self.curves, part.curves, strict=True)], self.first_part)

    def __call__(self, waiting: int, asleep: float, level: int) -> float:
        """Return the seconds of one of `waiting` items for a process that slept `asleep` seconds before it."""
        curves = self.curves
        return curves[level if level < len(curves) else -1](waiting, asleep)


class Item(simpy.Event):
    """A piece of work of one process; the event happens when the work is done."""

    __slots__ = ("process",)

    def __init__(self, env: simpy.Environment, process: "Process") -> None:
        super().__init__(env)
        self._ok = True
        self.process = process


class Batch(Item):
    """Work on several connections of one process, done in one go: as many items for the round, one event at its end.

    Attributes:
        count: connections.
        begin: called when the process reads the connections; returns the seconds of what it finds beyond one item each.
        span: seconds of the part that is done one connection after the other, known when the event happens.
    """

    __slots__ = ("begin", "count", "span")

    def __init__(self, env: simpy.Environment, process: "Process", count: int, begin: Callable[[int], float]) -> None:
        super().__init__(env, process)
        self.count = count
        self.begin = begin
        self.span = 0.0

    def seconds(self, cost: Cost, waiting: int, asleep: float, level: int) -> float:
        """Return the seconds of the whole batch; who was asleep pays for that once."""
        one = cost(waiting, 0.0, level)
        first = cost(waiting, asleep, level) if asleep > 0.0 else one
        return first + (self.count - 1) * one + self.begin(level)


class Process:
    """A single-threaded process with a queue of work.

    Attributes:
        batch: most items of one round.
        last: seconds of the item that was begun last.
    """

    def __init__(self, cores: "Cores", batch: int = LOOP_EVENTS) -> None:
        self.cores = cores
        self.batch = batch
        self.items: deque[tuple[Cost, Item]] = deque()
        self.round: deque[tuple[float, Item]] = deque()
        self.used = 0.0
        self.core = 0
        self.turn_began = 0.0
        self.woken = 0.0
        self.ready = False
        self.stopped = False
        self.asleep_since = -1.0
        self.slept = 0.0
        self.last = 0.0
        self.gathers = False

    @property
    def busy(self) -> bool:
        """Whether there is work left."""
        return bool(self.round or self.items)

    def work(self, cost: Cost, then: Callable[[simpy.Event], None] | None = None) -> Item:
        """Queue one item and return the event of its end; `then` is called at that moment."""
        item = Item(self.cores.env, self)
        item.callbacks = [] if then is None else [then]
        self.items.append((cost, item))
        if not self.ready and not self.stopped:
            self.cores.wake(self)
        return item

    def work_on(self, cost: Cost, count: int, begin: Callable[[int], float], then: Callable[[Batch], None]) -> None:
        """Queue work on `count` connections that are ready at once; see `Batch`."""
        batch = Batch(self.cores.env, self, count, begin)
        batch.callbacks = [then]
        self.gathers = True
        self.items.append((cost, batch))
        if not self.ready and not self.stopped:
            self.cores.wake(self)

    def carry_on(self, cost: Cost) -> Item:
        """Queue an item that goes on from the one that ends just now, before the loop turns to anything else."""
        if not self.ready or self.stopped:
            return self.work(cost)
        item = Item(self.cores.env, self)
        item.callbacks = []
        self.round.appendleft((cost(1 + len(self.round), 0.0, self.cores.level(self.core)), item))
        return item

    def sleep(self, seconds: float) -> simpy.Event:
        """Return the event of a timer of this process's loop.

        The timer is due when the loop's clock of whole milliseconds shows so. A busy loop sees it then; a sleeping one
        asked its poll for whole milliseconds from where it fell asleep, and wakes with the kernel's slack.
        """
        env, cores = self.cores.env, self.cores
        fired = env.event()
        ticks = round(seconds / MILLISECOND)
        due = floor(env.now / MILLISECOND + cores.clock) + ticks - cores.clock

        def wake(_: simpy.Event) -> None:
            fired.succeed()

        def expire(_: simpy.Event) -> None:
            late = 0.0
            if not self.ready and self.asleep_since >= 0.0:
                late = (self.asleep_since / MILLISECOND + cores.clock) % 1.0 * MILLISECOND
                late += min(MOST_SLACK, TIMER_SLACK * (env.now - self.asleep_since))
            if late > 0.0:
                env.timeout(late).callbacks.append(wake)
            else:
                fired.succeed()

        env.timeout(max(0.0, due * MILLISECOND - env.now)).callbacks.append(expire)
        return fired

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
    """Some cores and the processes that are bound to them.

    Args:
        env: the simulation.
        count: how many cores.
        time_slice: seconds that a process keeps its core undisturbed.
        tick: seconds between two ticks of the kernel's clock.
        pace: speed level at a time, one function a core; none is level 0 throughout.
        clock: how far the host's clock is past a whole millisecond at the start, in milliseconds.
    """

    def __init__(
        self,
        env: simpy.Environment,
        count: int,
        time_slice: float,
        tick: float = 0.0,
        pace: Sequence[Callable[[float], int]] = (),
        clock: float = 0.0,
    ) -> None:
        self.env = env
        self.idle = list(range(count))
        self.time_slice = time_slice
        self.tick = tick
        self.pace = pace
        self.clock = clock
        self.waiting: list[Process] = []
        self.running: list[Process] = []
        self.least = 0.0

    def level(self, core: int = 0) -> int:
        """Return the speed level of a core just now."""
        return self.pace[core](self.env.now) if self.pace else 0

    def wake(self, process: Process) -> None:
        """Make a process that has got work compete for a core; a sleeper may be ahead of the others by one slice."""
        process.ready = True
        process.woken = self.env.now
        process.slept = self.env.now - process.asleep_since
        self._advance()
        process.used = max(process.used, self.least - self.time_slice)
        if self.idle:
            process.core = self.idle.pop()
            self._begin(process)
        else:
            self.waiting.append(process)

    def _begin(self, process: Process) -> None:
        process.turn_began = self.env.now
        self.running.append(process)
        slept, process.slept = process.slept, 0.0
        self._start(process, slept)

    def _start(self, process: Process, asleep: float) -> None:
        if process.round:
            seconds, item = process.round.popleft()
        elif process.gathers:
            seconds, item = self._gather(process, asleep)
        elif len(process.items) == 1 or process.items[0][0].first_part == 0.0:
            cost, item = process.items.popleft()
            seconds = cost(len(process.items) + 1, asleep, self.level(process.core))
        else:
            seconds = self._read_all(process, asleep)
            item = Item(self.env, process)
            item.callbacks = []
        process.used += seconds
        process.last = seconds
        item.callbacks.append(self._done)
        self.env.schedule(item, NORMAL, seconds)

    def _gather(self, process: Process, asleep: float) -> tuple[float, Item]:
        """Begin a round with batches in it: return its first piece. The first part of all goes in pieces of `PIECE`, so
        that others may have the core in between.
        """
        queue, level = process.items, self.level(process.core)
        taken = [queue.popleft()]
        count = getattr(taken[0][1], "count", 1)
        while taken[0][0].first_part and queue and queue[0][0].first_part and count < process.batch:
            taken.append(queue.popleft())
            count += getattr(taken[-1][1], "count", 1)
        waiting = count if len(taken) > 1 or not queue else count + len(queue)
        total = 0.0
        for cost, item in taken:
            part = cost.first_part if count > 1 else 0.0
            if isinstance(item, Batch):
                seconds = item.seconds(cost, waiting, asleep, level)
                item.span = (1.0 - part) * seconds
            else:
                seconds = cost(waiting, asleep, level)
            asleep = 0.0
            total += part * seconds
            process.round.append(((1.0 - part) * seconds, item))
        pieces = ceil(total / PIECE)
        for _ in range(pieces):
            piece = Item(self.env, process)
            piece.callbacks = []
            process.round.appendleft((total / pieces, piece))
        return process.round.popleft()

    def _read_all(self, process: Process, asleep: float) -> float:
        """Begin a round: return the seconds of the first part of all its items, and leave the second parts to do."""
        count, level = min(len(process.items), process.batch), self.level(process.core)
        total = 0.0
        for _ in range(count):
            cost, item = process.items.popleft()
            seconds = cost(count, asleep, level)
            asleep = 0.0
            total += cost.first_part * seconds
            process.round.append(((1.0 - cost.first_part) * seconds, item))
        return total

    def _done(self, item: simpy.Event) -> None:
        """Choose who runs next after an item has ended."""
        assert isinstance(item, Item)
        process = item.process
        if not process.busy or process.stopped:
            self._advance()
            process.ready = False
            process.asleep_since = self.env.now
            self.running.remove(process)
            self._hand_over(process.core)
            return
        if self.waiting:
            rival = min(self.waiting, key=_used)
            if rival.used <= process.used and self._turn_is_over(process):
                self.running.remove(process)
                self.waiting.append(process)
                self._hand_over(process.core)
                return
        self._start(process, 0.0)

    def _turn_is_over(self, process: Process) -> bool:
        """Whether the time slice has passed, and since then a process woke up or the clock ticked."""
        over = process.turn_began + self.time_slice
        if self.env.now < over:
            return False
        if not self.tick or any(rival.woken >= over for rival in self.waiting):
            return True
        phase = self.clock * self.tick
        return floor((self.env.now + phase) / self.tick) > floor((over + phase) / self.tick)

    def _advance(self) -> None:
        """Note the least time that any process which competes has had; it never goes back."""
        competing = self.running + self.waiting
        if competing:
            self.least = max(self.least, min(map(_used, competing)))

    def _hand_over(self, core: int) -> None:
        if not self.waiting:
            self.idle.append(core)
            return
        process = min(self.waiting, key=_used)
        self.waiting.remove(process)
        process.core = core
        self.least = max(self.least, process.used)
        if not process.busy or process.stopped:  # its work was cleared, or it was stopped, while it waited
            process.ready = False
            process.asleep_since = self.env.now
            self._hand_over(core)
            return
        self._begin(process)


def _used(process: Process) -> float:
    return process.used
