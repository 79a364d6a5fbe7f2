"""When a client that lost its connection tries again.

Source of the jitter formulas: Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
"""

from dataclasses import dataclass
from typing import Literal

Policy = Literal["immediate", "fixed", "exponential"]
Jitter = Literal["none", "full", "equal", "decorrelated"]
First = Literal["backoff", "immediate", "jittered"]


@dataclass(frozen=True)
class Reconnect:
    """A reconnect policy. Times in seconds.

    Attributes:
        policy: `immediate` retries at once, `fixed` waits `base`, `exponential` waits `base * factor**n` up to `cap`.
        base: the first wait.
        factor: growth a failed attempt.
        cap: no wait is longer.
        jitter: how a wait is spread, see `jittered`.
        first: the wait before the first attempt after a loss: `backoff` as after a failure, `immediate` none,
            `jittered` anything up to `base`.
        max_attempts: give up after so many failed attempts in a row; 0 is never.
        stable_time: a connection must have lasted so long before the next loss starts from `base` again.
    """

    policy: Policy
    base: float
    factor: float
    cap: float
    jitter: Jitter
    first: First
    max_attempts: int
    stable_time: float


def exponential_delay(attempt: int, base: float, factor: float, cap: float) -> float:
    """Upper bound of the wait before reconnect attempt `attempt` (0 is the first), in seconds.

    `base * factor**attempt`, never above `cap`. Jitter is applied by `jittered`.
    Source: Brooker 2015.
    """
    if attempt * (factor - 1.0) > 700.0:  # the power could overflow; far past any cap
        return cap
    return float(min(cap, base * factor**attempt))


def jittered(bound: float, jitter: Jitter, base: float, cap: float, previous: float, u: float) -> float:
    """Spread a wait of at most `bound` seconds with the uniform number `u` in [0, 1).

    `none`: bound; `full`: U(0, bound); `equal`: bound/2 + U(0, bound/2); `decorrelated`: min(cap, U(base, 3 *
    previous)), which ignores the bound and grows with the wait before it (`previous`, `base` at first).
    Source: Brooker 2015.
    """
    if jitter == "full":
        return u * bound
    if jitter == "equal":
        return bound / 2 + u * bound / 2
    if jitter == "decorrelated":
        high = max(base, 3.0 * previous)
        return min(cap, base + u * (high - base))
    return bound


class Backoff:
    """The memory of one client: how often it failed in a row and how long it waited last.

    It has no clock and no randomness: the caller says how long the connection lasted and gives the uniform numbers.
    """

    def __init__(self, rule: Reconnect) -> None:
        self.rule = rule
        self.waits = 0
        self.failed = 0
        self.previous = rule.base

    def after_loss(self, uptime: float, u: float) -> float:
        """Return the wait before the first attempt after a connection of `uptime` seconds was lost."""
        if uptime >= self.rule.stable_time:
            self.waits = 0
            self.previous = self.rule.base
        self.failed = 0
        if self.rule.first == "immediate":
            return 0.0
        if self.rule.first == "jittered":
            return u * self.rule.base
        return self._next(u)

    def after_failure(self, u: float) -> float | None:
        """Return the wait after one more failed attempt, or None when the client gives up."""
        self.failed += 1
        if self.rule.max_attempts and self.failed >= self.rule.max_attempts:
            return None
        return self._next(u)

    def _next(self, u: float) -> float:
        rule = self.rule
        if rule.policy == "immediate":
            return 0.0
        bound = rule.base if rule.policy == "fixed" else exponential_delay(self.waits, rule.base, rule.factor, rule.cap)
        self.previous = jittered(bound, rule.jitter, rule.base, rule.cap, self.previous, u)
        self.waits += 1
        return self.previous
