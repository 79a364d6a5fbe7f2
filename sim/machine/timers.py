"""Timers of an event loop, and what a sleep does to who sleeps.

A loop's timers count whole milliseconds of a clock, and a sleeping loop wakes late by a thousandth of its sleep.
Sources: libuv's `uv_timer_start`; Linux, `select_estimate_accuracy` in fs/select.c (0.1 % of the timeout).
"""

from math import floor

from twin.costs.curve import COLD_AFTER

TIMER_SLACK, MOST_SLACK = 0.001, 0.1
"""How much later than asked a poll returns: a share of its timeout, and at most so many seconds. Source: Linux,
`select_estimate_accuracy` in fs/select.c."""

MILLISECOND = 0.001


def timer_due(seconds: float, now: float, clock: float) -> float:
    """Return in how many seconds a timer of `seconds` is due that is set `now`, on a clock of whole milliseconds."""
    ticks = round(seconds / MILLISECOND)
    due = floor(now / MILLISECOND + clock) + ticks - clock
    return max(0.0, due * MILLISECOND - now)


def wakes_late(asleep_since: float, now: float, clock: float) -> float:
    """Return how much later than asked a loop wakes `now` that fell asleep at `asleep_since`, in seconds."""
    late = (asleep_since / MILLISECOND + clock) % 1.0 * MILLISECOND
    late += min(MOST_SLACK, TIMER_SLACK * (now - asleep_since))
    return late


def warm_after_sleep(warm: int, slept: float) -> int:
    """Return how much a process is warm that was so and then slept, in seconds."""
    return int(warm * max(0.0, 1.0 - slept / COLD_AFTER))
