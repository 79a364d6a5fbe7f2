"""A program of goroutines on Go's scheduler, event by event: when each task began and ended.

Each P has a core of its own, which it never loses, and what the scheduler does takes no time but for the start of a
thread. `sim.node.go_runtime` drives the same scheduler on the cores of the model, where threads compete.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from heapq import heappop, heappush
from itertools import count
from typing import Literal

from twin.rules.go_scheduler import GoScheduler, SchedTrace, poll_timeout
from twin.rules.go_sysmon import CLOCK, Sysmon

TIMER_SLACK = 50e-6
"""Seconds by which the kernel may let a thread sleep longer. Source: Linux, `timer_slack_ns` of the first task in
init/init_task.c; prctl(2), PR_SET_TIMERSLACK."""

Kind = Literal["compute", "block", "sleep", "go"]


@dataclass(frozen=True)
class GoStep:
    """What a goroutine does next.

    Attributes:
        kind: `compute` uses the P; `block` is a system call; `sleep` ends at a time; `go` starts another goroutine.
        seconds: of `compute` and `block`; the time at which a `sleep` ends.
        task: the one that `go` starts.
    """

    kind: Kind
    seconds: float = 0.0
    task: "GoTask | None" = None


@dataclass(eq=False)
class GoTask:
    """A goroutine.

    Attributes:
        steps: what it does.
        at: when it is there, in seconds: for who is started by another one, filled in then.
        began: when it first ran, -1 if it has not.
        ended: when it was done, -1 if it is not.
        place: of the step that it is at.
        left: seconds of that step that it has still to compute since it was preempted; 0 is all.
    """

    steps: Sequence[GoStep]
    at: float = 0.0
    began: float = -1.0
    ended: float = -1.0
    place: int = 0
    left: float = 0.0

    @property
    def step(self) -> GoStep | None:
        """What it does now, None if it has done all."""
        return self.steps[self.place] if self.place < len(self.steps) else None


@dataclass(frozen=True)
class GoMachine:
    """What the program runs on.

    Attributes:
        procs: number of Ps.
        start: seconds from the start of a thread until it looks for work.
        slack: seconds by which the kernel lets a thread sleep longer than it wants.
        traced: whether the program runs with `GODEBUG=schedtrace`: then `sysmon` never sleeps until it is woken.
        late: seconds that `sysmon` waits for a core when it wakes up; called once each time.
    """

    procs: int = 1
    start: float = 5e-6
    slack: float = TIMER_SLACK
    traced: bool = False
    late: Callable[[], float] = field(default=float)


class GoProgram:
    """One run.

    Args:
        machine: what it runs on.
        draw: returns a random number of 32 bits.
        every: seconds between two lines of the trace; 0 is none.

    Attributes:
        traces: (time, what `schedtrace` would print).
        looks: times at which `sysmon` has looked.
    """

    def __init__(self, machine: GoMachine, draw: Callable[[], int] = int, every: float = 0.0) -> None:
        self.machine = machine
        self.scheduler: GoScheduler[GoTask] = GoScheduler(machine.procs, draw)
        self.sysmon = Sysmon()
        self.traces: list[tuple[float, SchedTrace]] = []
        self.looks: list[float] = []
        self.now = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._turns = [0] * machine.procs
        self._ends = [0.0] * machine.procs
        self._poll = self._sleep = 0
        self._deep = False
        self._after_look()
        if every:
            self._at(0.0, partial(self._trace, every))

    def run(self, readable: Sequence[GoTask], asleep: Sequence[GoTask], until: float) -> None:
        """Run until a time.

        Args:
            readable: tasks that wait for the network at first; the descriptor of each is ready when it is there.
            asleep: tasks that sleep at first, on P 0, until they are there.
            until: seconds.
        """
        for task in readable:
            self._at(task.at, partial(self._readable, task))
        for task in asleep:
            self.scheduler.sleep(0, task, task.at)
        self._look_for_work(0)
        self._start_threads()
        while self._events and self._events[0][0] <= until:
            self.now, _, act = heappop(self._events)
            act()
            self._start_threads()
        self.now = until

    def _at(self, t: float, act: Callable[[], None]) -> None:
        heappush(self._events, (t, next(self._order), act))

    def _start_threads(self) -> None:
        started, self.scheduler.started = self.scheduler.started, []
        for p in started:
            self._at(self.now + self.machine.start, partial(self._look_for_work, p))

    # Goroutines on Ps

    def _look_for_work(self, p: int) -> None:
        """Let a P run the next goroutine, or be idle."""
        polling = self.scheduler.polling
        task = self.scheduler.find(p, self.now)
        if task is not None:
            self._go_on(p, task)
        elif not polling:
            self._wait_for_network()

    def _go_on(self, p: int, task: GoTask) -> None:
        """Run a goroutine on a P until it computes, blocks, sleeps or is done."""
        if task.began < 0.0:
            task.began = self.now
        while (step := task.step) is not None:
            if step.kind == "compute":
                self._compute(p, task, task.left or step.seconds)
                return
            task.place += 1
            if step.kind == "block":
                self._block(p, task, step.seconds)
                return
            if step.kind == "sleep" and step.seconds <= self.now:
                continue
            if step.kind == "sleep":
                self._fall_asleep(p, task, step.seconds)
                break
            assert step.task is not None
            step.task.at = self.now
            self.scheduler.ready(p, step.task)
        else:
            task.ended = self.now
        self._look_for_work(p)

    def _compute(self, p: int, task: GoTask, seconds: float) -> None:
        self._turns[p] += 1
        turn, self._ends[p] = self._turns[p], self.now + seconds

        def done() -> None:
            if self._turns[p] == turn:
                task.left = 0.0
                task.place += 1
                self._go_on(p, task)

        self._at(self._ends[p], done)

    def _preempt(self, p: int) -> None:
        task = self.scheduler.procs[p].goroutine
        assert task is not None
        self._turns[p] += 1
        task.left = max(self._ends[p] - self.now, CLOCK)
        self.scheduler.preempt(p)
        self._look_for_work(p)

    def _block(self, p: int, task: GoTask, seconds: float) -> None:
        self.scheduler.block(p)
        self._wake_sysmon()

        def back() -> None:
            had = self.scheduler.returned(p, task)
            if had is not None:
                self._wake_sysmon()
                self._go_on(had, task)

        self._at(self.now + seconds, back)

    def _fall_asleep(self, p: int, task: GoTask, until: float) -> None:
        if self.scheduler.sleep(p, task, until):
            self._poll += 1
            self._at(self.now + self.machine.start, partial(self._polled, self._poll))

    # The network and timers

    def _readable(self, task: GoTask) -> None:
        self.scheduler.readable.append(task)
        if self.scheduler.polling and len(self.scheduler.readable) == 1:
            self._poll += 1
            self._at(self.now + self.machine.start, partial(self._polled, self._poll))

    def _wait_for_network(self) -> None:
        """A thread waits for the network, until the next timer is due."""
        self._poll += 1
        if self.scheduler.readable:
            self._at(self.now, partial(self._polled, self._poll))
            return
        timer = self.scheduler.next_timer()
        if timer < float("inf"):
            wait = poll_timeout(timer - self.now) if timer > self.now else 0.0
            self._at(self.now + wait + (self.machine.slack if wait else 0.0), partial(self._polled, self._poll))

    def _polled(self, poll: int) -> None:
        if poll != self._poll or not self.scheduler.polling:
            return
        p = self.scheduler.polled(self.now)
        if p is None:
            return
        task = self.scheduler.procs[p].goroutine
        if task is None:
            self._look_for_work(p)
        else:
            self._wake_sysmon()  # who comes from the network begins with a read
            self._go_on(p, task)

    # sysmon

    def _look(self, sleep: int, rested: bool = False) -> None:
        """`sysmon` has slept; it goes on with a look, unless no P is at work: then it rests first."""
        if sleep != self._sleep:
            return
        if self.scheduler.resting and not rested and not self.machine.traced:
            self._deep = True
            timer = self.scheduler.next_timer()
            self._sleep += 1
            if timer < float("inf"):
                self._look_at(max(timer, self.now) + self.machine.slack, rested=True)
            return
        self._deep = False
        self.looks.append(self.now)
        preempted, taken = self.scheduler.look(self.now)
        self.sysmon.looked(taken)
        for p in preempted:
            self._preempt(p)
        self._after_look()

    def _after_look(self) -> None:
        self._sleep += 1
        self._look_at(self.now + self.sysmon.sleep() + self.machine.slack)

    def _look_at(self, t: float, rested: bool = False) -> None:
        self._at(t + self.machine.late(), partial(self._look, self._sleep, rested))

    def _wake_sysmon(self) -> None:
        """A system call wakes `sysmon` if it rests."""
        if self._deep:
            self._deep = False
            self.sysmon.woken()
            self._sleep += 1
            self._look_at(self.now + self.machine.start, rested=True)

    def _trace(self, every: float) -> None:
        self.traces.append((self.now, self.scheduler.trace()))
        self._at(self.now + every, partial(self._trace, every))


def paced(requests: Sequence[tuple[float, float, float]]) -> tuple[GoTask, list[GoTask]]:
    """Return a goroutine that sleeps until each request is due and then starts a goroutine for it, and these.

    Args:
        requests: when each is due, in seconds, and what it takes: CPU time, then a blocking call; in order.
    """
    tasks = [GoTask([GoStep("compute", cpu), GoStep("block", blocking)]) for _, cpu, blocking in requests]
    for task in tasks:
        task.steps = [step for step in task.steps if step.seconds > 0.0]
    steps = [
        step
        for (due, *_), task in zip(requests, tasks, strict=True)
        for step in (GoStep("sleep", due), GoStep("go", task=task))
    ]
    return GoTask(steps), tasks
