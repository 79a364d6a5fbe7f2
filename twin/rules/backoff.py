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
    return min(cap, base * factor ** float(attempt))


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
        return wait_after_loss(self, self.rule, uptime, u)

    def after_failure(self, u: float) -> float | None:
        """Return the wait after one more failed attempt, or None when the client gives up."""
        return wait_after_failure(self, self.rule, u)


def wait_after_loss(memory: Backoff, rule: Reconnect, uptime: float, u: float) -> float:
    """Return the wait before the first attempt after a connection of `uptime` seconds was lost, and remember it."""
    if uptime >= rule.stable_time:
        memory.waits = 0
        memory.previous = rule.base
    memory.failed = 0
    if rule.first == "immediate":
        return 0.0
    if rule.first == "jittered":
        return u * rule.base
    return next_wait(memory, rule, u)


def wait_after_failure(memory: Backoff, rule: Reconnect, u: float) -> float | None:
    """Return the wait after one more failed attempt, or None when the client gives up, and remember it."""
    memory.failed += 1
    if rule.max_attempts > 0 and memory.failed >= rule.max_attempts:
        return None
    return next_wait(memory, rule, u)


def next_wait(memory: Backoff, rule: Reconnect, u: float) -> float:
    """Return the wait that follows the last one, and remember it."""
    if rule.policy == "immediate":
        return 0.0
    bound = rule.base if rule.policy == "fixed" else exponential_delay(memory.waits, rule.base, rule.factor, rule.cap)
    memory.previous = jittered(bound, rule.jitter, rule.base, rule.cap, memory.previous, u)
    memory.waits += 1
    return memory.previous
