"""Which thread of a Python process has the interpreter lock (GIL).

A thread that wants the lock while another one has it waits for `SWITCH_INTERVAL`. If nobody else got the lock in that
time, it asks for it, and who has it gives it up at its next chance, between two bytecodes, and does not get it back
before another thread had it; if somebody did, it waits for as long again. Whoever blocks gives it up by itself. So a
thread that only reads a socket, and needs the lock for microseconds, waits for 5 ms each time it wakes up beside one
that computes: the convoy.

Sources: CPython 3.11 to 3.14, Python/ceval_gil.c (`take_gil`, `drop_gil`, `FORCE_SWITCHING`; `DEFAULT_INTERVAL` 5000
microseconds, `sys.setswitchinterval`); Beazley, "Understanding the Python GIL", PyCon 2010. The longest waiting thread
is woken first: glibc, nptl/pthread_cond_wait.c (the older group of waiters first).
"""

from collections.abc import Hashable
from dataclasses import dataclass

SWITCH_INTERVAL = 0.005
"""Seconds that a thread waits before it asks for the lock. Source: `sys.getswitchinterval`."""


@dataclass
class Waiting:
    """A thread that waits for the lock.

    Attributes:
        thread: which one.
        since: when its present wait began, in seconds.
        switches: how often the lock had changed hands by then.
        woken: when it began to want the lock.
        displaced: whether it had to give it up in the middle of its work.
    """

    thread: Hashable
    since: float
    switches: int
    woken: float
    displaced: bool


class InterpreterLock:
    """The lock of one process; whoever keeps it tells the time, in seconds.

    Args:
        interval: seconds that a thread waits before it asks.

    Attributes:
        holder: the thread that has it; None if nobody does.
        switches: how often another thread than before has got it.
        asked: whether the holder is to give it up at its next chance.
        waiting: who waits, the longest first.
    """

    def __init__(self, interval: float = SWITCH_INTERVAL) -> None:
        self.interval = interval
        self.holder: Hashable | None = None
        self.last: Hashable | None = None
        self.switches = 0
        self.asked = False
        self.waiting: list[Waiting] = []

    def want(self, thread: Hashable, now: float, displaced: bool = False) -> bool:
        """A thread wants the lock: tell whether it gets it at once, else it waits."""
        if self.holder is None:
            self._give(thread)
            return True
        self.waiting.append(Waiting(thread, now, self.switches, now, displaced))
        return False

    @property
    def due(self) -> float | None:
        """When the next wait is over, in seconds; None if nobody waits, or the holder has been asked."""
        if self.asked or not self.waiting:
            return None
        return min(one.since for one in self.waiting) + self.interval

    def look(self, now: float) -> bool:
        """Let each thread whose wait is over ask or wait again; tell whether the holder is to give the lock up."""
        for one in self.waiting:
            if now >= one.since + self.interval - 1e-9 and not self.asked:
                self.asked = one.switches == self.switches
                one.since, one.switches = now, self.switches
        return self.asked

    def release(self, now: float, unseen: float = 0.0) -> Hashable | None:
        """The holder gives the lock up; return who gets it, None if nobody waits.

        Nobody is handed the lock: who runs first takes it. Of those that wait the longest waiting one is woken for it.
        Where all threads have one core, somebody who was woken while the holder ran has not run since, and does so
        first: he has had less of the core than one who was displaced from it.

        Args:
            now: in seconds.
            unseen: seconds for which a holder keeps the only core; 0 where there are others, or the holder had to
                give way, which it does only after somebody ran.
        """
        self.holder = None
        self.asked = False
        fresh = [one for one in self.waiting if not one.displaced and now - one.woken < unseen]
        if self.waiting:
            following = (fresh or self.waiting)[0]
            self.waiting.remove(following)
            self._give(following.thread)
        return self.holder

    def leave(self, thread: Hashable) -> None:
        """A thread is gone, and with it its process: nobody gets the lock from it."""
        self.waiting = [one for one in self.waiting if one.thread != thread]
        if self.holder == thread:
            self.holder = None
            self.asked = False

    def _give(self, thread: Hashable) -> None:
        self.holder = thread
        if thread != self.last:
            self.switches += 1
            self.last = thread
