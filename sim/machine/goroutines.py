"""A process in Go: its goroutines, on Ps that each have a thread, which competes for a core as a process does.

Which goroutine a P runs is decided by `twin.rules.go_scheduler`. What comes from outside, a frame or a connection, is a
goroutine that waits for the network: the first one wakes the thread that polls, which takes all that is ready when it
gets a core. What a goroutine sets off while it runs, it goes on with itself, one after the other, unless it starts
another one (`go`). `sysmon` is one more thread, whose looks take no time, but which has to get a core for them, too.

A goroutine is preempted between two pieces of its work. What the scheduler itself does is part of what its work costs.
"""

from collections import deque
from collections.abc import Callable
from functools import partial
from itertools import count

import simpy

from sim.machine.process import Batch, Cost, Item, Process, Scheduler
from twin.rules.go_program import TIMER_SLACK
from twin.rules.go_scheduler import GoScheduler, poll_timeout
from twin.rules.go_sysmon import Sysmon

PIECE = 0.0002
"""Seconds of a piece of computing: so much later than at `sysmon`'s look a goroutine may be preempted."""

_NOTHING = Cost.constant(0.0)


class Goroutine:
    """A goroutine: what it still has to do, in this order.

    Attributes:
        items: work that was queued.
        computing, blocking, awaiting: seconds of CPU time, of a system call, of a sleep.
        then: called when all that is done; it may queue work, which is done before the goroutine ends.
    """

    __slots__ = ("awaiting", "blocking", "computing", "items", "then")

    def __init__(
        self,
        item: Item | None = None,
        computing: float = 0.0,
        blocking: float = 0.0,
        awaiting: float = 0.0,
        then: Callable[[], None] | None = None,
    ) -> None:
        self.items = deque([item] if item is not None else [])
        self.computing = computing
        self.blocking = blocking
        self.awaiting = awaiting
        self.then = then

    @property
    def over(self) -> bool:
        """Whether nothing is left to be done."""
        return not (self.items or self.computing or self.blocking or self.awaiting or self.then is not None)


class _Wake(Item):
    """A thread that wakes up gets a core; what that costs is paid by what it does first.

    Attributes:
        slept: for how long it had slept, in seconds.
    """

    __slots__ = ("slept",)
    count = 0

    def __init__(self, process: Process) -> None:
        super().__init__(process, _NOTHING)
        self.slept = 0.0

    def spend(self, waiting: int, asleep: float, level: int) -> float:
        """Note how long the thread slept."""
        self.slept = asleep
        return 0.0


class GoProcess(Process):
    """A process of goroutines; it stands for its first thread, too.

    While it has been killed, until a new one is there, it does what the kernel has it do, in the order in which that
    came.

    Args:
        cores: on which its threads run.
        procs: number of Ps. Who steals begins at each of them in turn, and not at a random one.
    """

    def __init__(self, cores: Scheduler, procs: int) -> None:
        super().__init__(cores)
        self.env = cores.env
        self.threads_of = [self, *(Process(cores) for _ in range(procs - 1))]
        self.watcher = Process(cores)
        self.killed = False
        self._reset()

    def _reset(self) -> None:
        """Begin as a new process that waits for the network."""
        self.go: GoScheduler[Goroutine] = GoScheduler(len(self.threads_of), count().__next__)
        self.go.polled_at = self.env.now
        self.go.find(0, self.env.now)
        self.sysmon = Sysmon()
        self.queued = 0
        self.here: tuple[int, Goroutine] | None = None
        self.to_preempt = set[int]()
        self.slept_of = [0.0] * len(self.threads_of)
        self.polls = self.looks = 0
        self.resting = True

    # What the rooms of the model ask of a process

    def work(self, cost: Cost, then: Callable[[simpy.Event], None] | None = None) -> Item:
        """Queue one item and return the event of its end; `then` is called at that moment."""
        if self.killed:
            return super().work(cost, then)
        item = Item(self, cost)
        if then is not None:
            item.callbacks.append(then)
        self._add(item)
        return item

    def work_on(self, cost: Cost, count: int, begin: Callable[[int], float], then: Callable[[Batch], None]) -> None:
        """Queue work on `count` connections that are ready at once; see `sim.machine.process.Batch`."""
        if self.killed:
            super().work_on(cost, count, begin, then)
            return
        batch = Batch(self, cost, count, begin)
        batch.callbacks.append(then)
        self._add(batch)

    def carry_on(self, cost: Cost) -> Item:
        """Queue an item that goes on from the one that ends just now."""
        if self.killed or self.here is None:
            return self.work(cost)
        item = _in_one_step(Item(self, cost))
        self.here[1].items.appendleft(item)
        self.queued += 1
        return item

    def sleep(self, seconds: float) -> simpy.Event:
        """Return the event of a timer, on which a goroutine waits."""
        if self.killed:
            return super().sleep(seconds)
        item = _in_one_step(Item(self, _NOTHING))
        self.queued += 1
        self._sleep(0 if self.here is None else self.here[0], Goroutine(item), seconds)
        return item

    def spawn(self, goroutine: Goroutine) -> None:
        """Start a goroutine: from the one that runs just now, or else as one that came from the network."""
        if self.here is None:
            self._arrives(goroutine)
        else:
            self.go.ready(self.here[0], goroutine)
            self._start_threads()

    def stop(self) -> None:
        """Stop all threads (SIGSTOP)."""
        for thread in self._all:
            Process.stop(thread)

    def resume(self) -> None:
        """Let all threads go on (SIGCONT)."""
        for thread in self._all:
            Process.resume(thread)

    def clear(self) -> None:
        """Forget all work: the process is killed."""
        for thread in self._all:
            Process.clear(thread)
        self.killed = True
        self._reset()

    def work_through(self, cost: Cost) -> "simpy.events.ProcessGenerator":
        """Do a long piece of work such as the start of a program, which a new process begins with."""
        self.killed = True
        yield from super().work_through(cost)
        self.killed = False

    @property
    def _all(self) -> list[Process]:
        return [*self.threads_of, self.watcher]

    # Goroutines become runnable

    def _add(self, item: Item) -> None:
        self.queued += item.count
        _in_one_step(item)
        if self.here is not None:
            self.here[1].items.append(item)
        else:
            self._arrives(Goroutine(item))

    def _arrives(self, goroutine: Goroutine) -> None:
        self.go.readable.append(goroutine)
        if self.go.polling and len(self.go.readable) == 1:
            self._poll()

    def _sleep(self, p: int, goroutine: Goroutine, seconds: float) -> None:
        must_know = self.go.sleep(p, goroutine, self.env.now + seconds)
        self._start_threads()
        if must_know and not self.go.readable:
            self._poll_until_timer()

    # Threads wake up

    def _poll(self) -> None:
        """The thread that waits for the network wakes up, and takes what is ready when it gets a core."""
        self.polls += 1
        idle = self.go.idle
        self._wake_thread(idle[-1] if idle else 0, partial(self._polled, self.polls))

    def _poll_until_timer(self) -> None:
        """The thread that waits for the network wakes up for the next timer."""
        self.polls += 1
        timer, now = self.go.next_timer(), self.env.now
        if timer < float("inf"):
            wait = poll_timeout(timer - now) + TIMER_SLACK if timer > now else 0.0
            self.env.timeout(wait, self.polls).callbacks.append(self._time_is_over)

    def _time_is_over(self, event: simpy.Event) -> None:
        if event.value == self.polls and self.go.polling:
            self._poll()

    def _polled(self, poll: int) -> None:
        if poll != self.polls or not self.go.polling:
            return
        p = self.go.polled(self.env.now)
        self._start_threads()
        if p is not None:
            goroutine = self.go.procs[p].goroutine
            if goroutine is None:
                self._look_for_work(p)
            else:
                self._run(p, goroutine)

    def _start_threads(self) -> None:
        started, self.go.started = self.go.started, []
        for p in started:
            self._wake_thread(p, partial(self._look_for_work, p))

    def _wake_thread(self, p: int, then: Callable[[], None]) -> None:
        """Let the thread of a P compete for a core."""
        thread, life = self.threads_of[p], self.life
        wake = _Wake(thread)

        def woken(_: simpy.Event) -> None:
            if life == self.life:
                self.slept_of[p] = max(self.slept_of[p], wake.slept)
                then()

        wake.callbacks.append(woken)
        Process._queue(thread, wake)

    # Goroutines run

    def _look_for_work(self, p: int) -> None:
        self.to_preempt.discard(p)
        polling = self.go.polling
        goroutine = self.go.find(p, self.env.now)
        self._start_threads()
        if goroutine is not None:
            self._run(p, goroutine)
        elif not polling:
            if self.go.readable:
                self._poll()
            else:
                self._poll_until_timer()

    def _run(self, p: int, goroutine: Goroutine) -> None:
        """Let a goroutine do the next of what it has to do."""
        self._wake_watcher()
        while True:
            if goroutine.items:
                self._do(p, goroutine, goroutine.items.popleft())
            elif goroutine.computing > 0.0:
                piece = min(PIECE, goroutine.computing)
                goroutine.computing = goroutine.computing - piece if goroutine.computing > piece else 0.0
                self.queued += 1
                self._do(p, goroutine, _in_one_step(Item(self, Cost.constant(piece))))
            elif goroutine.blocking > 0.0:
                self._block(p, goroutine)
            elif goroutine.awaiting > 0.0:
                seconds, goroutine.awaiting = goroutine.awaiting, 0.0
                self._sleep(p, goroutine, seconds)
                self._look_for_work(p)
            elif goroutine.then is not None:
                then, goroutine.then = goroutine.then, None
                self.here = (p, goroutine)
                then()
                self.here = None
                continue
            else:
                self._look_for_work(p)
            return

    def _do(self, p: int, goroutine: Goroutine, item: Item) -> None:
        """Let the thread of a P do an item; what the item sets off is done in the goroutine's name."""
        thread, life = self.threads_of[p], self.life
        item.process = thread
        if self.slept_of[p]:
            item.asleep, self.slept_of[p] = self.slept_of[p], 0.0
        assert item.callbacks is not None

        def begin(_: simpy.Event) -> None:
            if life == self.life:
                self.here = (p, goroutine)

        def end(_: simpy.Event) -> None:
            if life != self.life:
                return
            self.here = None
            if p in self.to_preempt and not goroutine.over:
                self.go.preempt(p)
                self._look_for_work(p)
            else:
                self._run(p, goroutine)

        item.callbacks.insert(0, begin)
        item.callbacks.append(end)
        thread.load = self.queued - item.count
        self.queued -= item.count
        Process._queue(thread, item)

    def _block(self, p: int, goroutine: Goroutine) -> None:
        """Let a goroutine make a system call; its P waits with it until `sysmon` takes it."""
        seconds, goroutine.blocking, life = goroutine.blocking, 0.0, self.life
        self.go.block(p)

        def returns(_: simpy.Event) -> None:
            if life != self.life:
                return
            had = self.go.returned(p, goroutine)
            if had is not None:
                self._wake_thread(had, partial(self._run, had, goroutine))

        self.env.timeout(seconds).callbacks.append(returns)

    # sysmon

    def _wake_watcher(self) -> None:
        """A goroutine that reads or writes wakes `sysmon` if it rests because no P was at work: each does."""
        if self.resting:
            self.resting = False
            self.sysmon.woken()
            self.looks += 1
            self._look_at_once(self.looks)

    def _look_later(self) -> None:
        self.looks += 1
        self.env.timeout(self.sysmon.sleep() + TIMER_SLACK, self.looks).callbacks.append(self._slept)

    def _slept(self, event: simpy.Event) -> None:
        if event.value != self.looks:
            return
        if self.go.resting:
            self.resting = True
        else:
            self._look_at_once(self.looks)

    def _look_at_once(self, look: int) -> None:
        """Look as soon as the thread of `sysmon` has a core."""
        life = self.life

        def has_core(_: simpy.Event) -> None:
            if life == self.life and look == self.looks:
                preempted, taken = self.go.look(self.env.now)
                self.sysmon.looked(taken)
                self.to_preempt.update(preempted)
                self._start_threads()
                self._look_later()

        Process.work(self.watcher, _NOTHING, has_core)


def _in_one_step(item: Item) -> Item:
    """Let an item be done in one go: a goroutine reads, and goes on with what it has read."""
    item.now, item.later = 1.0, 0.0
    return item
