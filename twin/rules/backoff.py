"""When a client that lost its connection tries again.

Source of the jitter formulas `full`, `equal` and `decorrelated`: Brooker, "Exponential Backoff And Jitter", AWS
Architecture Blog, 2015; `offset` is that of centrifuge-js (`backoff` in src/utils.ts), `around` that of Socket.IO
(`Backoff.duration` in contrib/backo2.ts of socket.io-client). Source of the stable time: reconnecting-websocket and its
successor partysocket (`minUptime`, `_acceptOpen`, `_getNextDelay`), where a connection that was lost before its minimum
uptime is one more retry; likewise aws-c-mqtt, pull request 212, and jitsi-videobridge, pull request 2415 ("infinite
tight reconnect loop"). Socket.IO, centrifuge-js, Phoenix and SignalR have none: any success starts anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Literal

Policy = Literal["immediate", "fixed", "exponential", "list"]
Jitter = Literal["none", "full", "equal", "decorrelated", "offset", "around"]
First = Literal["backoff", "immediate", "jittered"]
Then = Literal["repeat", "stop"]
Delay = float | Sequence[float]
"""A wait in seconds, or the bounds [low, high] of one that is drawn evenly."""


@dataclass(frozen=True)
class Reconnect:
    """A reconnect policy. Times in seconds.

    Attributes:
        policy: `immediate` retries at once, `fixed` waits `base`, `exponential` waits `base * factor**n` up to `cap`,
            `list` waits as `delays` says, without `cap` and `jitter`.
        base: the first wait.
        factor: growth a failed attempt.
        cap: no wait is longer.
        jitter: how a wait is spread, see `jittered`.
        first: the wait before the first attempt after the loss of a stable connection: `backoff` as after a failure,
            `immediate` none, `jittered` anything up to `base`.
        max_attempts: give up after so many failed attempts in a row; 0 is never.
        stable_time: a connection must have lasted so long before its loss starts from `base` again; the loss of a
            younger one is like a failed attempt, whatever `first` says.
        spread: share of the wait by which the jitter `around` changes it at most.
        delays: the waits of `list`, one after the other.
        then: when they are used up, `repeat` the last one or `stop`.
    """

    policy: Policy
    base: float
    factor: float
    cap: float
    jitter: Jitter
    first: First
    max_attempts: int
    stable_time: float
    spread: float = 0.5
    delays: Sequence[Delay] = ()
    then: Then = "repeat"


def exponential_delay(attempt: int, base: float, factor: float, cap: float) -> float:
    """Upper bound of the wait before reconnect attempt `attempt` (0 is the first), in seconds.

    `base * factor**attempt`, never above `cap`. Jitter is applied by `jittered`.
    Source: Brooker 2015.
    """
    if attempt * (factor - 1.0) > 700.0:  # the power could overflow; far past any cap
        return cap
    return min(cap, base * power(factor, attempt))


def power(factor: float, n: int) -> float:
    """Return `factor` to the power of `n`."""
    found: float = factor ** float(n)
    return found


def jittered(
    bound: float, jitter: Jitter, base: float, cap: float, previous: float, u: float, spread: float = 0.5
) -> float:
    """Spread a wait of at most `bound` seconds with the uniform number `u` in [0, 1).

    `none`: bound; `full`: U(0, bound); `equal`: bound/2 + U(0, bound/2); `decorrelated`: min(cap, U(base, 3 *
    previous)), which ignores the bound and grows with the wait before it (`previous`, `base` at first); `offset`:
    min(cap, base + U(0, bound)); `around`: min(cap, bound * (1 +- u * spread)), less if the first decimal of `u` is
    even, more if it is odd. The cap comes after the jitter there, so the bound must not have been capped below
    cap / (1 - spread), and waits pile up at the cap.
    Source: Brooker 2015; centrifuge-js; Socket.IO.
    """
    if jitter == "full":
        return u * bound
    if jitter == "equal":
        return bound / 2 + u * bound / 2
    if jitter == "decorrelated":
        high = max(base, 3.0 * previous)
        return min(cap, base + u * (high - base))
    if jitter == "offset":
        return min(cap, base + u * bound)
    if jitter == "around":
        deviation = u * spread * bound
        return min(cap, bound + deviation if int(u * 10.0) % 2 else bound - deviation)
    return bound


def bounds(delay: Delay) -> tuple[float, float]:
    """Return the lowest and the highest wait in seconds that an entry of a list stands for."""
    if isinstance(delay, int | float):
        return delay, delay
    low, high = delay
    return low, high


def listed_delay(lows: Sequence[float], highs: Sequence[float], stops: bool, n: int, u: float) -> float | None:
    """Return the `n`-th wait of a list in seconds, or None when the list has ended and the client stops.

    Args:
        lows: the lowest wait that each entry stands for.
        highs: the highest.
        stops: whether the client stops at the end of the list, and does not go on with its last entry.
        n: how many waits there were before.
        u: uniform number in [0, 1).
    """
    last = len(lows) - 1
    if n > last and stops:
        return None
    place = min(n, last)
    return lows[place] + u * (highs[place] - lows[place])


def list_delay(rule: Reconnect, n: int, u: float) -> float | None:
    """Return the `n`-th wait of a policy's list in seconds, or None when it has ended and the client stops."""
    lows, highs = zip(*(bounds(delay) for delay in rule.delays), strict=True)
    return listed_delay(lows, highs, rule.then == "stop", n, u)


def reconnect_delay(rule: Reconnect, n: int, previous: float, u: float) -> float | None:
    """Return the `n`-th wait (from 0) of a policy in seconds, or None when its list has ended.

    Args:
        rule: the policy.
        n: how many waits there were since the backoff began.
        previous: the wait before this one, `rule.base` at first.
        u: uniform number in [0, 1).
    """
    if rule.policy == "immediate":
        return 0.0
    if rule.policy == "list":
        return list_delay(rule, n, u)
    # what is beyond cap / (1 - spread) exceeds the cap whatever is taken away; with a spread of 1 nothing is certain
    cap = rule.cap if rule.jitter != "around" else rule.cap / max(1.0 - rule.spread, 1e-6)
    bound = rule.base if rule.policy == "fixed" else exponential_delay(n, rule.base, rule.factor, cap)
    return jittered(bound, rule.jitter, rule.base, rule.cap, previous, u, rule.spread)


def uses_cap(policy: Policy, jitter: Jitter) -> bool:
    """Tell whether a wait of a policy can end at its cap: one that is given with the policy is not cut."""
    return policy == "exponential" or (policy == "fixed" and jitter in ("decorrelated", "offset", "around"))


def longest_delay(rule: Reconnect) -> float:
    """Return a bound in seconds that no wait of a policy exceeds."""
    if rule.policy == "immediate":
        longest = 0.0
    elif rule.policy == "list":
        longest = max(bounds(delay)[1] for delay in rule.delays)
    else:
        longest = rule.cap if uses_cap(rule.policy, rule.jitter) else rule.base
    return max(longest, rule.base) if rule.first == "jittered" else longest


EXTREMES = {False: (0.0, 1.0), True: (0.9 - 1e-9, 1.0 - 1e-9)}
"""Uniform numbers that give the least and the greatest wait of a policy; `around` takes what it draws away where the
first decimal is even, and adds it where that is odd."""


def spread_after_loss(rule: Reconnect) -> float:
    """Return within how many seconds of each other clients try again first that lost stable connections at one moment.

    It is the width of the first wait: 0 where that is given, and all of them come in the same moment.
    """
    if rule.policy == "immediate" or rule.first == "immediate":
        return 0.0
    if rule.first == "jittered":
        return rule.base
    earliest, latest = (reconnect_delay(rule, 0, rule.base, u) for u in EXTREMES[rule.jitter == "around"])
    return (latest or 0.0) - (earliest or 0.0)


def always_together(rule: Reconnect) -> bool:
    """Tell whether clients that lost stable connections at one moment try again in the same moments for ever."""
    if rule.policy == "list":
        spread = any(low < high for low, high in map(bounds, rule.delays))
    else:
        spread = rule.policy != "immediate" and rule.jitter != "none"
    return not spread and spread_after_loss(rule) == 0.0


def patience(rule: Reconnect) -> float:
    """Return the most seconds that a client waits in all until it gives up for good; infinite if it never does."""
    if not rule.max_attempts and not (rule.policy == "list" and rule.then == "stop"):
        return inf
    total, before, n = 0.0, -1.0, 0
    while n < (rule.max_attempts or inf):
        wait = reconnect_delay(rule, n, before if n else rule.base, EXTREMES[True][1])
        if wait is None:
            break
        if n > len(rule.delays) and wait == before:  # it grows no more
            return total + (rule.max_attempts - n) * wait
        total, before, n = total + wait, wait, n + 1
    return total


def tells_apart(rule: Reconnect) -> bool:
    """Tell whether clients that lost their connections at one moment surely try again at moments of their own.

    It is so where every wait is drawn evenly from nothing or half of a bound up to that bound: a wait that is given,
    left out, or cut at the cap after it was drawn, many clients share.
    """
    drawn = rule.policy in ("fixed", "exponential") and rule.jitter in ("full", "equal")
    return drawn and rule.base > 0 and rule.first != "immediate"


class Backoff:
    """The memory of one client: how often it failed in a row and how long it waited last.

    It has no clock and no randomness: the caller says how long the connection lasted and gives the uniform numbers.
    """

    def __init__(self, rule: Reconnect) -> None:
        self.rule = rule
        self.waits = 0
        self.failed = 0
        self.previous = rule.base

    def after_loss(self, uptime: float, u: float) -> float | None:
        """Return the wait before the first attempt after a connection of `uptime` seconds was lost, or None when the
        client gives up.
        """
        return wait_after_loss(self, self.rule, uptime, u)

    def after_failure(self, u: float) -> float | None:
        """Return the wait after one more failed attempt, or None when the client gives up."""
        return wait_after_failure(self, self.rule, u)


def wait_after_loss(memory: Backoff, rule: Reconnect, uptime: float, u: float) -> float | None:
    """Return the wait before the first attempt after a connection of `uptime` seconds was lost, and remember it; None
    when the client gives up.
    """
    stable = uptime >= rule.stable_time
    if stable:
        memory.waits = 0
        memory.previous = rule.base
    memory.failed = 0
    if stable and rule.first == "immediate":
        return 0.0
    if stable and rule.first == "jittered":
        return u * rule.base
    return next_wait(memory, rule, u)


def wait_after_failure(memory: Backoff, rule: Reconnect, u: float) -> float | None:
    """Return the wait after one more failed attempt, or None when the client gives up, and remember it."""
    memory.failed += 1
    if rule.max_attempts > 0 and memory.failed >= rule.max_attempts:
        return None
    return next_wait(memory, rule, u)


def next_wait(memory: Backoff, rule: Reconnect, u: float) -> float | None:
    """Return the wait that follows the last one, and remember it; None when a list of waits has ended."""
    wait = reconnect_delay(rule, memory.waits, memory.previous, u)
    if wait is not None:
        memory.previous = wait
        memory.waits += 1
    return wait
