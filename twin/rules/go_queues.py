"""The queues of Go's scheduler: a P's own, with a place for who runs next, and how much is taken out of each at a time.

A P keeps up to 256 runnable goroutines in a ring. Who was made runnable last by the goroutine that runs, or by a timer,
waits before all these in `runnext`, and gets what is left of the time slice of who was there before. A ring that is
full gives its older half and the newcomer to the global queue. A P without work takes a share of the global queue, or
half of the ring of another P, rounded up.

Source: Go 1.27, src/runtime/proc.go: `runqput`, `runqputslow`, `runqputbatch`, `runqget`, `runqgrab`, `runqsteal`,
`globrunqgetbatch`, `randomOrder`; `runq` of the type p in runtime2.go.
"""

from collections import deque
from collections.abc import Iterable
from math import gcd
from typing import Generic, TypeVar

RING = 256
"""Goroutines that the ring of a P holds: `runq` of the type p."""

G = TypeVar("G")


class LocalQueue(Generic[G]):
    """The runnable goroutines of one P.

    Attributes:
        next: who runs before all others, and shares the present time slice: `runnext`.
        ring: the others, the oldest first.
    """

    def __init__(self) -> None:
        self.next: G | None = None
        self.ring: deque[G] = deque()

    def __bool__(self) -> bool:
        return self.next is not None or bool(self.ring)

    def __len__(self) -> int:
        """Return what `GODEBUG=schedtrace` prints for the P: without `runnext`."""
        return len(self.ring)

    def put(self, g: G, before: bool) -> list[G]:
        """Add a goroutine, `before` all others or at the end; return what goes to the global queue."""
        if before:
            earlier, self.next = self.next, g
            if earlier is None:
                return []
            g = earlier
        if len(self.ring) < RING:
            self.ring.append(g)
            return []
        return [*(self.ring.popleft() for _ in range(RING // 2)), g]

    def put_all(self, some: Iterable[G]) -> list[G]:
        """Add goroutines at the end while there is room; return what goes to the global queue."""
        left = []
        for g in some:
            if len(self.ring) < RING:
                self.ring.append(g)
            else:
                left.append(g)
        return left

    def take(self) -> tuple[G, bool] | None:
        """Take out who runs now, and whether it goes on with the present time slice; None if nobody waits."""
        if self.next is not None:
            g, self.next = self.next, None
            return g, True
        return (self.ring.popleft(), False) if self.ring else None

    def grab(self, also_next: bool) -> list[G]:
        """Take out what another P steals: the older half of the ring, or else, only if told so, who is to run next.

        The last one of these is what the thief runs first.
        """
        half = len(self.ring) - len(self.ring) // 2
        if half:
            return [self.ring.popleft() for _ in range(half)]
        if also_next and self.next is not None:
            g, self.next = self.next, None
            return [g]
        return []


def batch_size(waiting: int, procs: int) -> int:
    """Return how many goroutines a P without work takes out of a global queue of so many, one of `procs` Ps."""
    return min(RING // 2, waiting, waiting // procs + 1)


def steal_order(procs: int, number: int) -> list[int]:
    """Return in which order a P looks at all Ps, from a random number; each comes once.

    The step from one to the next has no common divisor with the number of Ps.
    """
    steps = [step for step in range(1, procs + 1) if gcd(step, procs) == 1]
    step = steps[number // procs % len(steps)]
    return [(number + i * step) % procs for i in range(procs)]
