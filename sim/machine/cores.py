"""The cores: which process has one, and for how long.

A core serves, of the waiting processes that have had no more than the mean, the one whose time slice is to end first.
Who runs keeps the core for a time slice; after it the core changes when another process wakes up, or else at the next
tick of the kernel's clock. A process that falls asleep with more than the mean stays in the queue, and counts for the
mean, until the others have caught up and it would be next; then what it had more is forgotten. One that wakes up comes
in at the mean, ahead of it by what it had less than its share when it fell asleep. Who runs and has had more than the
mean, the newcomer included, gives way to a newcomer that is next. This is the kernel's scheduler (EEVDF), coarsened.
Sources: Linux, Documentation/scheduler/sched-eevdf.rst, kernel/sched/fair.c (place_entity, wakeup_preempt_fair,
__pick_eevdf: the slice of one who is not eligible is not protected), kernel/sched/features.h (PLACE_LAG, DELAY_DEQUEUE,
RUN_TO_PARITY), `sched_tick` in kernel/sched/core.c; seen with the tracepoint sched_switch.

How fast a core works changes from one moment to the next where neighbours share it: `pace` tells the level of its speed
at each moment. The cores of one machine share caches and execution units, so each is slower while the others work:
`CoreContention` counts those that do.
"""

from collections.abc import Callable, Sequence
from math import floor

import simpy
from simpy.events import NORMAL

from sim.machine.process import Item, Process, Step
from sim.machine.timers import warm_after_sleep
from twin.costs.profile import LEVELS_OF_PACE

IDLE_WEIGHT = 3 / 1024
"""Weight of the process of the lowest rank that keeps a core awake (`live.machine.awake`), if that of all others is 1.
Source: Linux, WEIGHT_IDLEPRIO in kernel/sched/sched.h, NICE_0_LOAD.
"""

ROUNDING = 1e-10
"""Seconds by which two sums of the same times may differ: a time within a day has 15 ps."""


def ticked(since: float, now: float, tick: float, clock: float) -> bool:
    """Tell whether the kernel's clock has ticked between two times, in seconds."""
    phase = clock * tick
    return floor((now + phase) / tick) > floor((since + phase) / tick)


def most_lag(time_slice: float, tick: float) -> float:
    """Return how many seconds of CPU time a sleeper may be ahead of the mean or behind it. Source: Linux,
    `update_entity_lag` in kernel/sched/fair.c.
    """
    return max(2 * time_slice, tick)


def contention_step(others: int, cores: int, steps: int) -> int:
    """Return at which of `steps` steps, from 0, a core is slowed down by `others` of the `cores` - 1 other ones."""
    return (2 * others * steps + cores - 1) // (2 * (cores - 1)) if steps else 0


class CoreContention:
    """The cores of one machine, which slow each other down.

    Args:
        cores: how many there are.
        steps: in how many steps the slowness goes up with the cores at work; 0 is not at all.

    Attributes:
        at_work: how many cores work just now.
        levels: for each number of cores at work, by how many levels of speed each of them is slower than a lone one.
    """

    def __init__(self, cores: int = 1, steps: int = 0) -> None:
        self.steps = steps
        self.at_work = 0
        self.levels = [LEVELS_OF_PACE * contention_step(max(0, n - 1), cores, steps) for n in range(cores + 1)]


class Cores:
    """Some cores and the processes that are bound to them.

    Args:
        env: the simulation.
        count: how many cores.
        time_slice: seconds that a process keeps its core undisturbed.
        tick: seconds between two ticks of the kernel's clock.
        pace: speed level at a time, one function a core; none is level 0 throughout.
        clock: how far the host's clock is past a whole millisecond at the start, in milliseconds.
        contention: the machine that they belong to; by default they do not slow each other down.

    Attributes:
        delayed: who sleeps and is still in the queue, because it has had more than the mean.
        filler: place of who keeps the cores awake and has them when nobody else wants them.
        idle_since: when a core has come to rest last.
    """

    def __init__(
        self,
        env: simpy.Environment,
        count: int,
        time_slice: float,
        tick: float = 0.0,
        pace: Sequence[Callable[[float], int]] = (),
        clock: float = 0.0,
        contention: CoreContention | None = None,
    ) -> None:
        self.env = env
        self.count = count
        self.idle = list(range(count))
        self.time_slice = time_slice
        self.tick = tick
        self.pace = pace
        self.clock = clock
        self.contention = contention or CoreContention()
        self.waiting: list[Process] = []
        self.running: list[Process] = []
        self.delayed: list[Process] = []
        self.filler = 0.0
        self.idle_since = 0.0
        self.mean = 0.0
        self.most_lag = most_lag(time_slice, tick)

    def level(self, core: int = 0) -> int:
        """Return the speed level of a core that works just now."""
        level = self.pace[core](self.env.now) if self.pace else 0
        contention = self.contention
        return level + contention.levels[contention.at_work] if contention.steps else level

    def wake(self, process: Process) -> None:
        """Make a process that has got work compete for a core."""
        process.ready = True
        process.woken = now = self.env.now
        process.slept = now - process.asleep_since
        process.warm = warm_after_sleep(process.warm, process.slept)
        if not self.running and not self.waiting:
            self._rested()
        stayed = process in self.delayed
        if stayed:
            self.delayed.remove(process)
        rivals = len(self.running) + len(self.waiting) + len(self.delayed) + IDLE_WEIGHT
        self._average()
        if not stayed or process.place < self.mean:
            lag = 0.0 if stayed else process.lag * (rivals + 1) / rivals
            process.place = self.mean - lag
            process.deadline = process.place + self.time_slice
        process.over_since = process.off_since = -1.0
        if self.idle:
            process.core = self.idle.pop()
            self._begin(process)
        else:
            self.waiting.append(process)
            self._challenge(process)

    def _challenge(self, newcomer: Process) -> None:
        """Note that who runs is to give way to a newcomer."""
        self._average()
        runner = max(self.running, key=_place)
        if runner.place > self.mean + ROUNDING and self._soonest(self.waiting) is newcomer:
            runner.gives_way = True

    def _begin(self, process: Process) -> None:
        self.running.append(process)
        self.contention.at_work += 1
        process.gives_way = False
        slept, process.slept = process.slept, 0.0
        away = self.env.now - process.off_since if process.off_since >= 0.0 else 0.0
        process.off_since = -1.0
        self._start(process, slept, away)

    def _start(self, process: Process, asleep: float, away: float) -> None:
        """Do the next step of the next item of a process that slept, or was away from its core, before that."""
        items = process.items
        item = items.popleft()
        while item.hops and items:
            item.hops -= 1
            items.append(item)
            item = items.popleft()
        level = self.level(process.core)
        waiting = process.load + process.warm
        seconds = item.spend(waiting, asleep, level)
        if away > 0.0:
            seconds += item.cost.resume(waiting, away, level)
        process.load -= item.count
        process.used += seconds
        process.place += seconds
        process.last = seconds
        if item.later > 0.0:
            process.step.item = item
            process.step.callbacks = [self._stepped]
            self.env.schedule(process.step, NORMAL, seconds)
        else:
            process.warm += item.count
            item.callbacks.append(self._done)
            self.env.schedule(item, NORMAL, seconds)

    def _stepped(self, step: simpy.Event) -> None:
        """Let the second step of an item wait for its round."""
        assert isinstance(step, Step)
        item = step.item
        process = item.process
        item.now, item.later, item.hops = item.later, 0.0, item.cost.hops
        process.items.append(item)
        process.load += item.count
        self._go_on(process)

    def _done(self, item: simpy.Event) -> None:
        assert isinstance(item, Item)
        self._go_on(item.process)

    def _go_on(self, process: Process) -> None:
        """Choose who runs next after a step has ended."""
        if not process.items or process.stopped:
            process.threads = 0
            self._average()
            process.lag = max(-self.most_lag, min(self.most_lag, self.mean - process.place))
            process.ready = False
            process.asleep_since = self.env.now
            self._leave(process)
            if process.lag < 0.0:
                process.lag = 0.0
                self.delayed.append(process)
            self._hand_over(process.core)
            if process.on_rest is not None:
                process.on_rest()
            return
        if process.over_since < 0.0 and process.place >= process.deadline - ROUNDING:
            process.over_since = self.env.now
        if self.waiting and (process.gives_way or self._turn_is_over(process)):
            process.threads = 0
            self._leave(process)
            process.off_since = self.env.now
            self.waiting.append(process)
            self._give(process.core, self._next(self.waiting))
            return
        self._start(process, 0.0, 0.0)

    def _leave(self, process: Process) -> None:
        self.running.remove(process)
        self.contention.at_work -= 1

    def _turn_is_over(self, process: Process) -> bool:
        """Whether the time slice is used up, and since then a process woke up or the clock ticked; it then gets a new
        one, and has to see whether it is next.
        """
        if process.over_since < 0.0:
            return False
        over = process.over_since
        passed = not self.tick or ticked(over, self.env.now, self.tick, self.clock)
        if not passed and not any(rival.woken >= over for rival in self.waiting):
            return False
        process.deadline = process.place + self.time_slice
        process.over_since = -1.0
        return True

    def _average(self) -> None:
        """Note the mean of what those in the queue have had, each by its weight."""
        total, count = IDLE_WEIGHT * self.filler, IDLE_WEIGHT
        for processes in (self.running, self.waiting, self.delayed):
            for one in processes:
                total += one.place
                count += 1
                if one.threads:
                    total += one.threads * one.threads_place
                    count += one.threads
        self.mean = total / count

    def _rested(self) -> None:
        """Who only keeps the cores awake has had them: who sleeps and is still in the queue leaves it in its turn."""
        self.filler += (self.env.now - self.idle_since) / IDLE_WEIGHT
        self._average()
        while self.delayed and (least := min(self.delayed, key=_place)).place <= self.mean:
            self.delayed.remove(least)
            self._average()
        if not self.delayed:
            self.filler = 0.0  # nobody remembers more than differences

    def _soonest(self, processes: Sequence[Process]) -> Process:
        """Return who is next of some waiting processes and of those that sleep and are still in the queue."""
        self._average()
        queue = [*processes, *self.delayed] if self.delayed else processes
        entitled = [one for one in queue if one.place <= self.mean + ROUNDING] or processes
        soonest = min(one.deadline for one in entitled) + ROUNDING
        return next(one for one in entitled if one.deadline <= soonest)

    def _next(self, processes: Sequence[Process]) -> Process:
        """Return who is served next of some waiting processes; who sleeps and would be next has left the queue."""
        while (found := self._soonest(processes)) in self.delayed:
            self.delayed.remove(found)
        return found

    def _hand_over(self, core: int) -> None:
        if self.waiting:
            self._give(core, self._next(self.waiting))
        else:
            self.idle.append(core)
            self.idle_since = self.env.now

    def _give(self, core: int, process: Process) -> None:
        """Let a waiting process have a core."""
        self.waiting.remove(process)
        process.core = core
        if not process.items or process.stopped:  # its work was cleared, or it was stopped, while it waited
            process.ready = False
            process.asleep_since = self.env.now
            self._hand_over(core)
            if process.on_rest is not None:
                process.on_rest()
            return
        self._begin(process)


def _place(process: Process) -> float:
    return process.place
