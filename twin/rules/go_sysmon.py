"""Go's `sysmon`: a thread without a P that looks at all Ps, takes those whose goroutine blocks, and preempts.

It sleeps between two looks: 20 us, doubled after 50 looks in a row at which it had to take no P, up to 10 ms. So among
goroutines that only compute it looks every 10 ms, for to preempt somebody does not count. A look knows no time when a
goroutine began, it only sees that the number of the time slice is another one, and begins to count there. The next look
comes 10 ms later and preempts. So a time slice lasts from 10 to 20 ms, and 20 ms if it follows another one that ended
by preemption, as that was at a look, too: twice the 10 ms of `forcePreemptNS`.

Source: Go 1.27, src/runtime/proc.go: `sysmon`, `retake`, `sysmontick`, `forcePreemptNS`.
"""

from dataclasses import dataclass
from typing import Literal

FIRST_SLEEP, LONGEST_SLEEP = 20e-6, 0.010
"""Seconds between two looks, at first and at most."""
PATIENCE = 50
"""Looks in a row without a P to take, after which sleeps get longer."""
TIME_SLICE = 0.010
"""Seconds that a look has to see the same time slice before it preempts: `forcePreemptNS`."""
POLL_AFTER = 0.010
"""Seconds for which nobody has looked at the network before `sysmon` does."""
IDLE_RETAKE = 0.010
"""Seconds of a blocking call after which its P is taken also if nothing waits for one."""
CLOCK = 1e-9
"""Seconds of a tick of the clock by which it counts."""

Finding = Literal["preempt", "retake"]


@dataclass
class Sysmon:
    """How long `sysmon` sleeps.

    Attributes:
        quiet: looks in a row at which it took no P.
        delay: seconds of the last sleep.
    """

    quiet: int = 0
    delay: float = 0.0

    def sleep(self) -> float:
        """Return the seconds to sleep before the next look."""
        if self.quiet == 0:
            self.delay = FIRST_SLEEP
        elif self.quiet > PATIENCE:
            self.delay *= 2
        self.delay = min(self.delay, LONGEST_SLEEP)
        return self.delay

    def looked(self, taken: int) -> None:
        """A look is over, at which it took so many Ps."""
        self.quiet = 0 if taken else self.quiet + 1

    def woken(self) -> None:
        """A goroutine that made a system call has woken it from the sleep in which no P was at work."""
        self.quiet, self.delay = 0, FIRST_SLEEP


@dataclass
class SysmonTick:
    """What `sysmon` remembers of one P: `sysmontick`.

    Attributes:
        slice: number of the time slice that it saw last.
        since: when it saw that first, in seconds.
        call: number of the system call that it saw last.
        call_since: when it saw that first.
    """

    slice: int = 0
    since: float = 0.0
    call: int = 0
    call_since: float = 0.0

    def look(self, now: float, time_slice: int, call: int, blocked: bool, idle: bool) -> Finding | None:
        """Look at a P that has a goroutine; return what is to be done with it.

        Args:
            now: seconds.
            time_slice: number of the P's time slice.
            call: number of system calls that have ended on it, or were taken from it.
            blocked: whether its goroutine is in a system call.
            idle: whether nobody waits in the P's queue while another P has no work.
        """
        over = False
        if self.slice != time_slice:
            self.slice, self.since = time_slice, now
        else:
            over = self.since + TIME_SLICE <= now + CLOCK
        if not blocked:
            return "preempt" if over else None
        if not over and self.call != call:
            self.call, self.call_since = call, now
            return None
        if idle and self.call_since + IDLE_RETAKE > now:
            return None
        return "retake"
