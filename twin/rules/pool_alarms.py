"""When somebody is called because of a pool of connections: rules over what the pool does, without a look at why.

`saturated`: more than a share of the pool has been in use, or asked for, for a while. `slow`: a use has waited for too
long. `leak`: a connection is out for longer than anything takes. Each alarm is raised once until it is over: a pool is
slow until a use gets its connection in time. The times are exact, whenever the rules are asked, so both worlds note the
same.

Source: HikariCP, `leakDetectionThreshold` (a connection that is out for longer is reported once); "Utilization and
Saturation" of Gregg's USE method, ACM Queue 10, 2012.
"""

from collections import deque
from dataclasses import dataclass
from math import inf
from typing import Literal, NamedTuple

Kind = Literal["saturated", "slow", "leak"]


@dataclass(frozen=True)
class AlarmLimits:
    """What is too much.

    Attributes:
        share: of the pool in use or asked for, from 0 to 1.
        share_for: seconds for which more than that must be in use.
        wait: seconds of a wait.
        out: seconds for which a connection is out.
    """

    share: float
    share_for: float
    wait: float
    out: float


class Alarm(NamedTuple):
    """An alarm: when, in seconds, of which kind, and the number of the use it is about, -1 for none."""

    t: float
    kind: Kind
    use: int


class PoolWatch:
    """The alarms of one pool. Events come in the order of their times.

    Args:
        size: of the pool.
        limits: what is too much.
    """

    def __init__(self, size: int, limits: AlarmLimits) -> None:
        self.size = size
        self.limits = limits
        self._asked: dict[int, float] = {}
        self._out: dict[int, float] = {}
        self._reported: set[int] = set()
        self._above_since = inf
        self._saturated = False
        self._slow = False
        self._due: deque[tuple[float, int]] = deque()
        self._waits: deque[tuple[float, int]] = deque()

    def asked(self, t: float, use: int) -> list[Alarm]:
        """A use asks for a connection; return the alarms until then."""
        found = self.until(t)
        self._asked[use] = t
        self._waits.append((t + self.limits.wait, use))
        self._look(t)
        return found

    def borrowed(self, t: float, use: int) -> list[Alarm]:
        """A use has got a connection; return the alarms until then."""
        found = self.until(t)
        if t - self._asked.pop(use, t) < self.limits.wait:
            self._slow = False
        self._out[use] = t
        self._due.append((t + self.limits.out, use))
        return found

    def failed(self, t: float, use: int) -> list[Alarm]:
        """A use gets none; return the alarms until then."""
        found = self.until(t)
        self._asked.pop(use, None)
        self._look(t)
        return found

    def given_back(self, t: float, use: int) -> list[Alarm]:
        """A use has given its connection back; return the alarms until then."""
        found = self.until(t)
        self._out.pop(use, None)
        self._reported.discard(use)
        self._look(t)
        return found

    def until(self, t: float) -> list[Alarm]:
        """Return the alarms that are due before or at a time, in their order, each of them once."""
        found: list[Alarm] = []
        while self._waits and self._waits[0][0] <= t:
            due, use = self._waits.popleft()
            if use in self._asked and not self._slow:
                self._slow = True
                found.append(Alarm(due, "slow", use))
        while self._due and self._due[0][0] <= t:
            due, use = self._due.popleft()
            if use in self._out and use not in self._reported:
                self._reported.add(use)
                found.append(Alarm(due, "leak", use))
        if not self._saturated and self._above_since + self.limits.share_for <= t:
            self._saturated = True
            found.append(Alarm(self._above_since + self.limits.share_for, "saturated", -1))
        return sorted(found)

    def _look(self, t: float) -> None:
        """See how much of the pool is wanted: what is given back to who waits is in use all along."""
        if len(self._out) + len(self._asked) <= self.limits.share * self.size:
            self._above_since, self._saturated = inf, False
        elif self._above_since == inf:
            self._above_since = t
