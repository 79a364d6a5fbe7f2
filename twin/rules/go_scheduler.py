"""Go's scheduler: goroutines (G) on processors (P), each of which a thread (M) drives.

`GoScheduler` is the state that these share, without clock, threads and randomness of its own: who drives it says what
happens when, and does what it answers. A P is idle, looks for a goroutine, or has one. Who looks takes, in this order:

1. what a timer of this P makes runnable, into its own queue, before all others there;
2. at every 61st time slice the oldest of the global queue;
3. who is next in its own queue, then the global queue's share of a P;
4. who waits for the network, if its descriptor is ready: only now, so not while a P never runs out of work;
5. half of another P's queue, and what timers of others make runnable.

Then the P is idle, and its thread waits for the network and the next timer if no other one does. Who is made runnable
wakes one idle P, unless a thread is on its way already that looks for work (it spins); that one wakes the next when it
has found some. A goroutine that is preempted goes to the end of the global queue. One that blocks in a system call
keeps its P until it comes back, or until `sysmon` takes the P for others.

So while a lone goroutine from the network computes, nobody looks at the network, although other Ps are idle, until
`sysmon` does after 10 ms; if it starts another one, the P that this wakes finds nothing, and waits for the network.

Left out: the garbage collector and its workers, locked threads, cgo, the 3 us for which a thief lets a P run its own
`runnext` first, the lock of the global queue.

Source: Go 1.27, src/runtime/proc.go: `findRunnable`, `stealWork`, `schedule`, `execute`, `resetspinning`, `ready`,
`wakep`, `handoffp`, `injectglist`, `goschedImpl`, `reentersyscall`, `exitsyscall`, `exitsyscallTryGetP`, `retake`,
`schedtrace`; time.go: `goroutineReady`, `timers.check`; netpoll_epoll.go: `netpoll`; netpoll.go: `netpollready`.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import floor
from typing import Generic, TypeVar

from twin.rules.go_queues import LocalQueue, batch_size, steal_order
from twin.rules.go_sysmon import POLL_AFTER, SysmonTick

G = TypeVar("G")

FAIR_EVERY = 61
"""Time slices of a P from one look at the global queue before its own to the next."""
STEAL_TRIES = 4
"""Rounds over all other Ps; only in the last one timers are looked at, and who is to run next is stolen."""
EVENTS = 128
"""Descriptors that one look at the network takes."""
MILLISECOND = 1e-3


def poll_timeout(delay: float) -> float:
    """Return for how many seconds a thread waits for the network that is to wake up for a timer in `delay` seconds.

    epoll_wait(2) counts whole milliseconds: the wait ends up to one too early, and then a last one follows.
    """
    return MILLISECOND if delay < MILLISECOND else floor(delay / MILLISECOND) * MILLISECOND


@dataclass
class Proc(Generic[G]):
    """A P.

    Attributes:
        number: from 0.
        goroutine: who has it, None while its thread looks for one, or it is idle.
        blocked: whether that one is in a system call.
        idle: whether no thread drives it.
        spinning: whether its thread looks for work that others have.
        slice: number of its time slice: `schedtick`.
        calls: system calls that ended here, or from which it was taken: `syscalltick`.
        timers: (when, order, goroutine) of who sleeps.
    """

    number: int
    goroutine: G | None = None
    blocked: bool = False
    idle: bool = True
    spinning: bool = False
    slice: int = 0
    calls: int = 0
    queue: LocalQueue[G] = field(default_factory=LocalQueue)
    timers: list[tuple[float, int, G]] = field(default_factory=list)
    watch: SysmonTick = field(default_factory=SysmonTick)


@dataclass(frozen=True)
class SchedTrace:
    """What a line of `GODEBUG=schedtrace` says, by its words."""

    idleprocs: int
    threads: int
    spinningthreads: int
    idlethreads: int
    runqueue: int
    local: tuple[int, ...]


class GoScheduler(Generic[G]):
    """The goroutines, threads and Ps of one program; it begins with a thread on P 0, which is to look for work.

    Args:
        procs: number of Ps (GOMAXPROCS).
        draw: returns a random number of 32 bits; only who steals asks for one.

    Attributes:
        waiting: the global queue.
        readable: who waits for the network and may go on, in the order in which their descriptors became ready.
        started: Ps that have got a thread, which looks for work (`find`) as soon as it runs; who drives takes them out.
        polling: whether a thread without a P waits for the network.
        polled_at: when somebody looked at the network last, in seconds.
        without: goroutines in system calls whose P was taken.
        threads: that there have been at a time, with that of `sysmon`.
    """

    def __init__(self, procs: int, draw: Callable[[], int]) -> None:
        self.procs: list[Proc[G]] = [Proc(number) for number in range(procs)]
        self.draw = draw
        self.waiting: deque[G] = deque()
        self.readable: list[G] = []
        self.idle: list[int] = [*range(1, procs)][::-1]
        self.procs[0].idle = False
        self.started: list[int] = []
        self.spinning = 0
        self.polling = False
        self.polled_at = 0.0
        self.without = 0
        self.threads = 2
        self._poller_spun = False
        self._order = 0

    # Who becomes runnable

    def ready(self, p: int, g: G) -> None:
        """A goroutine of a P starts another one, or makes it runnable; it runs there next."""
        self.waiting.extend(self.procs[p].queue.put(g, before=True))
        self._wake()

    def inject(self, found: list[G], p: int | None) -> None:
        """Make goroutines runnable whose descriptors are ready (`injectglist`).

        One for each idle P goes to the global queue, the others to the P that looked; all to the former if none did.
        """
        if not found:
            return
        shared = len(found) if p is None else min(len(self.idle), len(found))
        self.waiting.extend(found[:shared])
        for _ in range(min(shared, len(self.idle))):
            self._start(self.idle.pop())
        if p is not None:
            self.waiting.extend(self.procs[p].queue.put_all(found[shared:]))
            self._wake()

    def sleep(self, p: int, g: G, until: float) -> bool:
        """A goroutine sets a timer and waits; return whether the thread that waits for the network must know of it."""
        sooner = until < self.next_timer()
        self._order += 1
        heappush(self.procs[p].timers, (until, self._order, g))
        if sooner and not self.polling:
            self._wake()
        return sooner and self.polling

    def next_timer(self) -> float:
        """Return when the next timer of any P is due; infinite if there is none."""
        return min((proc.timers[0][0] for proc in self.procs if proc.timers), default=float("inf"))

    def _wake(self) -> None:
        """Start a thread that looks for work, unless one does already or no P is idle (`wakep`)."""
        if not self.spinning and self.idle:
            p = self.idle.pop()
            self._spin(self.procs[p])
            self._start(p)

    def _spin(self, proc: Proc[G]) -> None:
        proc.spinning = True
        self.spinning += 1

    def _start(self, p: int) -> None:
        self.procs[p].idle = False
        self.started.append(p)
        self._count_threads()

    def _count_threads(self) -> None:
        self.threads = max(self.threads, 1 + self.busy_threads)

    @property
    def busy_threads(self) -> int:
        """Threads besides that of `sysmon` that drive a P, block in a system call, or wait for the network."""
        return sum(not proc.idle for proc in self.procs) + self.without + self.polling

    # Who runs

    def find(self, p: int, now: float) -> G | None:
        """Return the goroutine that a P runs now; None if there is none, and the P is idle from now on."""
        proc = self.procs[p]
        proc.goroutine, proc.blocked, proc.idle = None, False, False
        self._run_timers(proc, proc, now)
        found = self._next(proc) or self._from_others(proc, now)
        if found is None:
            self._rest(proc)
            return None
        g, inherits = found
        return self._execute(proc, g, inherits)

    def _execute(self, proc: Proc[G], g: G, inherits: bool) -> G:
        """Run a goroutine; who has spun for it wakes another one to spin."""
        if proc.spinning:
            proc.spinning = False
            self.spinning -= 1
            self._wake()
        proc.goroutine = g
        proc.slice += not inherits
        return g

    def _run_timers(self, of: Proc[G], proc: Proc[G], now: float) -> bool:
        """Make runnable on `proc` who has slept long enough on another P or on itself; tell whether there was one."""
        ran = False
        while of.timers and of.timers[0][0] <= now:
            self.ready(proc.number, heappop(of.timers)[2])
            ran = True
        return ran

    def _next(self, proc: Proc[G]) -> tuple[G, bool] | None:
        """Take who waits in the queues of this P and of all."""
        if self.waiting and proc.slice % FAIR_EVERY == 0:
            return self.waiting.popleft(), False
        found = proc.queue.take()
        if found is None and self.waiting:
            batch = [self.waiting.popleft() for _ in range(batch_size(len(self.waiting), len(self.procs)))]
            proc.queue.put_all(batch[1:])
            return batch[0], False
        return found

    def _from_others(self, proc: Proc[G], now: float) -> tuple[G, bool] | None:
        """Look at the network, then at the other Ps, if not too many threads do that already."""
        if self.readable and not self.polling:
            found = self._take_descriptors()
            self.inject(found[1:], proc.number)
            return found[0], False
        if not proc.spinning:
            if 2 * self.spinning >= len(self.procs) - len(self.idle):
                return None
            self._spin(proc)
        for tried in range(STEAL_TRIES):
            for other in steal_order(len(self.procs), self.draw()) if len(self.procs) > 1 else ():
                stolen = self._steal(proc, self.procs[other], now, last=tried == STEAL_TRIES - 1)
                if stolen is not None:
                    return stolen
        return None

    def _steal(self, proc: Proc[G], other: Proc[G], now: float, last: bool) -> tuple[G, bool] | None:
        if other is proc:
            return None
        if last and self._run_timers(other, proc, now):
            found = proc.queue.take()
            if found is not None:
                return found
        if other.idle:
            return None
        stolen = other.queue.grab(also_next=last)
        if not stolen:
            return None
        proc.queue.put_all(stolen[:-1])
        return stolen[-1], False

    def _rest(self, proc: Proc[G]) -> None:
        """Nothing is to be done: give the P back, and wait for the network if nobody does."""
        if not self.polling:
            self._poller_spun = proc.spinning
            self.polling = True
        if proc.spinning:
            proc.spinning = False
            self.spinning -= 1
        proc.idle = True
        self.idle.append(proc.number)
        self._count_threads()

    # The network

    def _take_descriptors(self) -> list[G]:
        """Take who waits for the network and may go on, those whose descriptors became ready last first."""
        found = self.readable[:EVENTS][::-1]
        del self.readable[:EVENTS]
        return found

    def polled(self, now: float) -> int | None:
        """The thread that waits for the network wakes up, for a descriptor or a timer.

        Returns:
            The P that it got: it has a goroutine, or is to look for one (`find`). None if there was none; then whom it
            has found waits in the global queue, and nobody waits for the network.
        """
        self.polling = False
        self.polled_at = now
        found = self._take_descriptors()
        if not self.idle:
            self.inject(found, None)
            return None
        proc = self.procs[self.idle.pop()]
        proc.idle = False
        if found:
            self.inject(found[1:], proc.number)
            self._execute(proc, found[0], inherits=False)
        elif self._poller_spun:
            self._spin(proc)
        return proc.number

    # Who leaves its P

    def preempt(self, p: int) -> None:
        """The goroutine of a P goes to the end of the global queue; the P is to look for work."""
        proc = self.procs[p]
        assert proc.goroutine is not None
        self.waiting.append(proc.goroutine)
        proc.goroutine = None
        self._wake()

    def block(self, p: int) -> None:
        """The goroutine of a P makes a system call."""
        self.procs[p].blocked = True

    def returned(self, p: int, g: G) -> int | None:
        """A system call of a goroutine is over that it made on a P.

        Returns:
            The P on which it goes on at once: the same one, even if that waits for another system call, or one that is
            idle. None if it waits in the global queue.
        """
        proc = self.procs[p]
        if proc.goroutine is not g or not proc.blocked:
            self.without -= 1
            if proc.blocked:
                self._take(proc)
            elif self.idle:
                proc = self.procs[self.idle.pop()]
            else:
                self.waiting.append(g)
                return None
        proc.goroutine, proc.blocked, proc.idle = g, False, False
        proc.calls += 1
        return proc.number

    def _take(self, proc: Proc[G]) -> None:
        """Take a P from the goroutine that blocks there."""
        proc.goroutine, proc.blocked = None, False
        proc.calls += 1
        self.without += 1

    def _hand_off(self, proc: Proc[G]) -> None:
        """Let another thread drive a P if there may be something to do, and else let it be idle (`handoffp`)."""
        if proc.queue or self.waiting:
            self._start(proc.number)
        elif not self.spinning and not self.idle:
            self._spin(proc)
            self._start(proc.number)
        elif len(self.idle) == len(self.procs) - 1 and not self.polling:
            self._start(proc.number)
        else:
            proc.idle = True
            self.idle.append(proc.number)

    # sysmon

    def look(self, now: float) -> tuple[list[int], int]:
        """`sysmon` looks at the network, if nobody has for long, and at all Ps.

        Returns:
            The Ps whose goroutine is to be preempted, and how many it has taken from system calls.
        """
        if not self.polling and self.polled_at + POLL_AFTER < now:
            self.polled_at = now
            self.inject(self._take_descriptors(), None)
        preempted, taken = [], 0
        for proc in self.procs:
            if proc.idle:
                continue
            nobody_waits = not proc.queue and self.spinning + len(self.idle) > 0
            finding = proc.watch.look(now, proc.slice, proc.calls, proc.blocked, nobody_waits)
            if finding == "preempt" and proc.goroutine is not None:
                preempted.append(proc.number)
            elif finding == "retake":
                self._take(proc)
                self._hand_off(proc)
                taken += 1
        return preempted, taken

    @property
    def resting(self) -> bool:
        """Whether no P is at work: then `sysmon` sleeps until a timer is due or a system call is made."""
        return len(self.idle) == len(self.procs)

    def trace(self) -> SchedTrace:
        """Return what `GODEBUG=schedtrace` would print."""
        return SchedTrace(
            len(self.idle),
            self.threads,
            self.spinning,
            self.threads - 1 - self.busy_threads,
            len(self.waiting),
            tuple(len(proc.queue) for proc in self.procs),
        )
