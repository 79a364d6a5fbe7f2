"""Processes and their work: what an event loop does in which order, and what it costs.

A process is an event loop: it takes what is ready in the order in which it became ready. An item is done in two steps,
first the reading of the socket, then, a round later, the task that the reading woke; in between the loop does what else
is ready. So in a burst nothing comes out until everything has been read, and who needs several rounds waits for all
others in each of them. Sources: asyncio's `_run_once`, libuv's `uv_run`, HAProxy's `run_poll_loop`.

Which process has a core, and for how long, is decided in `sim.machine.cores`.
"""

from collections import deque
from collections.abc import Callable, Sequence
from functools import lru_cache
from math import ceil
from typing import Protocol

import simpy

from sim.machine.timers import timer_due, wakes_late
from twin.costs.curve import COLD_AFTER, Curve, after_sleep

TYPICAL = 64
"""Items at once for which it is asked how the sum of two costs divides into two steps."""

PIECE = 0.0005
"""Seconds, about, of a long piece of work between two chances for others to have the core."""


class Cost:
    """What an item costs: a curve for each speed level of the core, the slowest last.

    Attributes:
        first_part: share of the first step; 0 is an item of one step.
        hops: rounds that pass between the two steps without work for this item.
    """

    __slots__ = ("curves", "first_part", "hops")

    def __init__(self, curves: Sequence[Curve], first_part: float = 0.0, hops: int = 0) -> None:
        self.curves = curves
        self.first_part = first_part
        self.hops = hops

    @classmethod
    def constant(cls, seconds: float) -> "Cost":
        """Return a cost that depends neither on load nor on the core's speed."""
        return cls([_flat(seconds)])

    def in_one_step(self) -> "Cost":
        """Return the cost of something that begins with no reading: it comes out before the next one is begun."""
        return Cost(self.curves, 0.0, self.hops)

    def after(self, hops: int) -> "Cost":
        """Return the same with so many rounds between the two steps."""
        return Cost(self.curves, self.first_part, hops)

    def beside(self, more: "Cost", first: float = 0.0) -> "Cost":
        """Return this cost and another one, done for the same item, of which a share `first` is in the first step."""
        middle = (len(self.curves) - 1) // 2
        base, extra = self.curves[middle](TYPICAL), more.curves[middle](TYPICAL)
        share = (self.first_part * base + first * extra) / (base + extra) if self.first_part or first else 0.0
        curves = [one.beside(other) for one, other in zip(self.curves, more.curves, strict=True)]
        return Cost(curves, share, self.hops)

    def half(self) -> "Cost":
        """Return half of this cost: of what is done in two parts, between which others are served."""
        return Cost([curve.halved() for curve in self.curves], self.first_part, self.hops)

    def less(self, part: "Cost") -> "Cost":
        """Return what is left of this cost without a `part` of it that has been paid."""
        return Cost([one.less(other) for one, other in zip(self.curves, part.curves, strict=True)], self.first_part)

    def resume(self, waiting: int, away: float, level: int) -> float:
        """Return what one of `waiting` items costs more, in seconds, after others have had the core for `away` ones."""
        curve = self.curves[level if level < len(self.curves) else -1]
        cost = curve(waiting)
        return after_sleep(cost, curve.lone, 0.0, away) - cost

    def seconds(self, waiting: int, asleep: float, level: int) -> float:
        """Return the seconds of one of `waiting` items in a row for a process that slept `asleep` seconds before it."""
        curves = self.curves
        return curves[level if level < len(curves) else -1](waiting, asleep)


@lru_cache(maxsize=64)
def _flat(seconds: float) -> Curve:
    """Return a curve that does not depend on load, the same one for each replication: what is made of it is kept."""
    return Curve([16], [seconds])


class Item(simpy.Event):
    """A piece of work of one process; the event happens when the work is done.

    Attributes:
        count: how many connections it is about.
        asleep: seconds that the process slept before it; both steps find its caches as cold.
    """

    __slots__ = ("asleep", "cost", "hops", "later", "now", "process")
    count = 1
    _ok = True  # it never fails

    def __init__(self, process: "Process", cost: Cost) -> None:
        self.env = process.cores.env  # set here and not by `simpy.Event`: to call that takes a run 4 % longer
        self.callbacks = []
        self.process = process
        self.cost = cost
        self.now = cost.first_part or 1.0
        self.later = 1.0 - self.now
        self.hops = 0
        self.asleep = 0.0

    def spend(self, waiting: int, asleep: float, level: int) -> float:
        """Return the seconds of the step that is due."""
        if asleep > self.asleep:
            self.asleep = asleep
        return self.now * self.cost.seconds(waiting, self.asleep, level)


class Batch(Item):
    """Work on several connections of one process, done in one go: as many items for the loop, one event at its end.

    Attributes:
        begin: called when the process reads the connections; returns the seconds of what it finds beyond one item each.
        span: seconds of the part that is done one connection after the other, known when the event happens.
    """

    __slots__ = ("begin", "count", "span", "total")

    def __init__(self, process: "Process", cost: Cost, count: int, begin: Callable[[int], float]) -> None:
        super().__init__(process, cost)
        self.count = count
        self.begin = begin
        self.span = 0.0
        self.total = -1.0

    def spend(self, waiting: int, asleep: float, level: int) -> float:
        """Return the seconds of the step that is due; who was asleep pays for that once."""
        if self.total < 0.0:
            one = self.cost.seconds(waiting, 0.0, level)
            first = self.cost.seconds(waiting, asleep, level) if asleep > 0.0 else one
            self.total = first + (self.count - 1) * one + self.begin(level)
            self.span = (self.later or 1.0) * self.total
        return self.now * self.total


class Step(simpy.Event):
    """The end of an item's first step. A process takes one step at a time, so it needs only one such event."""

    __slots__ = ("item",)
    item: Item
    _ok = True  # it never fails


class Timer(simpy.Event):
    """A timer of a process's loop.

    It is due when the loop's clock of whole milliseconds shows so. A busy loop sees it then; a sleeping one asked its
    poll for whole milliseconds from where it fell asleep, and wakes with the kernel's slack.
    """

    __slots__ = ("process",)

    def __init__(self, process: "Process", seconds: float) -> None:
        env, clock = process.cores.env, process.cores.clock
        super().__init__(env)
        self.process = process
        env.timeout(timer_due(seconds, env.now, clock)).callbacks.append(self._expire)

    def _expire(self, _: simpy.Event) -> None:
        process, late = self.process, 0.0
        if not process.ready and process.asleep_since >= 0.0:
            late = wakes_late(process.asleep_since, self.env.now, process.cores.clock)
        if late > 0.0:
            self.env.timeout(late).callbacks.append(self._wake)
        else:
            self.succeed()

    def _wake(self, _: simpy.Event) -> None:
        self.succeed()


class Scheduler(Protocol):
    """Who decides which process has a core, and for how long.

    Attributes:
        count: how many cores there are.
        time_slice: seconds for which who runs keeps its core.
        clock: how far the host's clock is past a whole millisecond at the start, in milliseconds.
    """

    env: simpy.Environment
    count: int
    time_slice: float
    clock: float

    def wake(self, process: "Process") -> None:
        """Let a process that has got work wait for a core, or have one."""
        ...


class Process:
    """A single-threaded process with a queue of work.

    Attributes:
        load: connections that wait.
        warm: connections that it has dealt with since it was cold; a sleep makes it forget (`warm_after_sleep`).
        used: seconds of work so far.
        place: the same, moved at each wake-up to where the process comes in among the others (its virtual time).
        lag: seconds that it had less than the mean when it fell asleep, 0 if it had more.
        deadline: `place` at the end of its time slice.
        off_since: when it lost its core in the middle of its work, -1 if it has not since it slept.
        over_since: when its time slice ended while it ran, -1 before.
        last: seconds of the step that was begun last.
        gives_way: whether one that has woken up is to have its core after this step.
        blocked: whether it is in a blocking call.
        halted: whether it was stopped from outside.
        stopped: whether it does nothing for one of these reasons.
        life: how often its work was cleared.
        on_rest: called when it has nothing more to do, or may not, and gives its core up.
        threads: how many further threads of it want the core, until it gives that up; then they end at once.
        threads_place: the place of each of them.
    """

    def __init__(self, cores: Scheduler) -> None:
        self.cores = cores
        self.items: deque[Item] = deque()
        self.step = Step(cores.env)
        self.used = 0.0
        self.place = 0.0
        self.lag = 0.0
        self.deadline = 0.0
        self.off_since = -1.0
        self.over_since = -1.0
        self.core = 0
        self.woken = 0.0
        self.ready = False
        self.blocked = False
        self.halted = False
        self.stopped = False
        self.life = 0
        self.on_rest: Callable[[], None] | None = None
        self.gives_way = False
        self.threads = 0
        self.threads_place = 0.0
        self.asleep_since = -1.0
        self.slept = 0.0
        self.load = 0
        self.warm = 0
        self.last = 0.0

    @property
    def busy(self) -> bool:
        """Whether there is work left."""
        return bool(self.items)

    def work(self, cost: Cost, then: Callable[[simpy.Event], None] | None = None) -> Item:
        """Queue one item and return the event of its end; `then` is called at that moment."""
        item = Item(self, cost)
        if then is not None:
            item.callbacks.append(then)
        self._queue(item)
        return item

    def work_on(self, cost: Cost, count: int, begin: Callable[[int], float], then: Callable[[Batch], None]) -> None:
        """Queue work on `count` connections that are ready at once; see `Batch`."""
        batch = Batch(self, cost, count, begin)
        batch.callbacks.append(then)
        self._queue(batch)

    def _queue(self, item: Item) -> None:
        self.items.append(item)
        self.load += item.count
        if not self.ready and not self.stopped:
            self.cores.wake(self)

    def carry_on(self, cost: Cost) -> Item:
        """Queue an item that goes on from the one that ends just now, before the loop turns to anything else."""
        if not self.ready:
            return self.work(cost)
        item = Item(self, cost)
        item.now, item.later = 1.0, 0.0
        self.items.appendleft(item)
        self.load += 1
        return item

    def work_through(self, cost: Cost) -> "simpy.events.ProcessGenerator":
        """Do a long piece of work, such as the start of a program, that the loop does not turn away from.

        Others may have the core in between, and its speed changes, so it is done in parts (`pieces`).
        """
        count = pieces(cost)
        for _ in range(count):
            item = Item(self, cost)
            item.now, item.later = 1.0 / count, 0.0
            self._queue(item)
            yield item

    def sleep(self, seconds: float) -> simpy.Event:
        """Return the event of a timer of this process's loop; see `Timer`."""
        return Timer(self, seconds)

    def piece(self, left: float) -> float:
        """Return how long the next piece of some CPU work is, in seconds, if so many are left."""
        return min(PIECE, left)

    def block(self, seconds: float, then: Callable[[], None]) -> None:
        """Make a blocking call: do nothing for so long, whatever comes; `then` is called at its end."""
        life = self.life
        self.blocked = self.stopped = True

        def returns(_: simpy.Event) -> None:
            if life != self.life:
                return
            self.blocked = False
            then()
            self._goes_on()

        self.cores.env.timeout(seconds).callbacks.append(returns)

    def stop(self) -> None:
        """Take the process off the cores (SIGSTOP, or a wait for the disk); an item under way is finished first."""
        self.halted = self.stopped = True

    def resume(self) -> None:
        """Put the process back (SIGCONT)."""
        self.halted = False
        self._goes_on()

    def _goes_on(self) -> None:
        self.stopped = self.halted or self.blocked
        if self.busy and not self.ready and not self.stopped:
            self.cores.wake(self)

    def resume_with(self, cost: Cost, then: Callable[[simpy.Event], None]) -> None:
        """Put a stopped process back, with something to do in one step before all that has come meanwhile."""
        item = Item(self, cost)
        item.callbacks.append(then)
        self.items.appendleft(item)
        self.load += 1
        self.resume()

    def clear(self) -> None:
        """Forget all work that has not begun, and a blocking call."""
        self.items.clear()
        self.load = 0
        self.life += 1
        self.blocked = False
        self.stopped = self.halted


class Alone:
    """The machine of one client among many, each with its own: nobody else wants its cores, so work is a delay.

    An item costs what a lone one costs a cold process, on a core of medium speed; a timer is due when it says. It keeps
    nothing, so one stands for all clients.
    """

    def __init__(self, env: simpy.Environment) -> None:
        self.env = env

    def work(self, cost: Cost, then: Callable[[simpy.Event], None] | None = None) -> simpy.Event:
        """Return the event of the end of an item; `then` is called at that moment."""
        event = self.env.timeout(lone_seconds(cost))
        if then is not None:
            event.callbacks.append(then)
        return event

    def carry_on(self, cost: Cost) -> simpy.Event:
        """Return the event of the end of an item that follows another one."""
        return self.work(cost)

    def sleep(self, seconds: float) -> simpy.Event:
        """Return the event of a timer."""
        return self.env.timeout(max(0.0, seconds))


def lone_seconds(cost: Cost) -> float:
    """Return the seconds of a lone item of a cold process, on a core of medium speed."""
    return cost.seconds(1, COLD_AFTER, (len(cost.curves) - 1) // 2)


def pieces(cost: Cost) -> int:
    """Return in how many equal parts a long piece of work is done."""
    return max(1, ceil(lone_seconds(cost) / PIECE))
