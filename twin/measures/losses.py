"""What faults cost the clients: connections lost, time away, attempts that failed and why, new lifetimes."""

from collections.abc import Mapping

import numpy as np

from twin.measures.base import RATE_WINDOW, Array, Measure, most_within
from twin.measures.censoring import Waits
from twin.measures.connection import SCHEDULE_DIGITS, Course

FAILURES = {
    "503": "that a balancer or a node refused with 503",
    "502": "that a balancer refused with 502",
    "504": "that a balancer refused with 504",
    "429": "that a balancer refused with 429",
    "401": "that a node refused with 401",
    "refused": "that the kernel refused, because nobody listened",
    "reset": "that broke without an answer",
    "timeout": "that were given up without an answer after clients.open_timeout",
    "other": "that failed with any other answer",
}
"""Answers to attempts, each with a measure of its own."""

LOSSES = {
    "losses_per_client": Measure(
        "1", "timer", "connections lost since the first fault, or in a run without faults, per client"
    ),
    "away_total": Measure(
        "client-s", "timer", "time without a connection, from losses to returns, summed over all clients", rare=True
    ),
    "away_per_client": Measure(
        "s", "timer", "time without a connection, from losses to returns, mean of all clients", rare=True, rescaled=True
    ),
    "away_per_loss": Measure(
        "s", "timer", "time without a connection, from losses to returns, per lost connection", rare=True
    ),
    "away_at_end": Measure("1", "timer", "clients without a connection at the end of the run", rare=True),
    "half_open": Measure(
        "1", "timer", "clients that at the end hold a connection to a silent node and do not know it", rare=True
    ),
    "peak_reconnects": Measure("1/s", "timer", "most lost connections that were replaced in any second", rare=True),
    "lifetime_p50": Measure("s", "timer", "median lifetime of connections made after the first fault", rare=True),
    **{
        f"failed_{answer}": Measure("1", "timer", f"attempts since the first fault {what}", rare=True)
        for answer, what in FAILURES.items()
    },
}


def measure_losses(course: Course) -> dict[str, float]:
    """Return what the faults of a run cost its clients; nothing for a run without a fault."""
    if not len(course.faults):
        return {}
    losses = len(course.lost_at)
    gone = np.where(np.isnan(course.back), course.end, course.back) - course.lost_at
    away = float(np.sum(np.maximum(0.0, gone)))
    found = {
        "losses_per_client": losses / course.count,
        "away_per_client": away / course.count,
        "away_total": away,
        "away_at_end": float(course.count - course.connected),
        "half_open": float(len(course.half_open)),
    }
    if losses:
        found["away_per_loss"] = away / losses
        found["peak_reconnects"] = most_within(course.back[~np.isnan(course.back)], RATE_WINDOW) / RATE_WINDOW
        found |= new_lifetimes(course).percentiles({"lifetime_p50": 50})
    return found | count_failures(course.failed)


def count_failures(failed: Mapping[str, int]) -> dict[str, float]:
    """Return for each measure of failed attempts how many there were, by the number of each answer."""
    counts = dict.fromkeys(FAILURES, 0)
    for answer, times in failed.items():
        counts[answer if answer in FAILURES else "other"] += times
    return {f"failed_{answer}": float(times) for answer, times in counts.items()}


def new_lifetimes(course: Course) -> Waits:
    """Return how long the connections lasted that replaced lost ones; those that are there at the end are censored."""
    order = np.lexsort((course.lost_at, course.lost_client))
    client, lost, back = (column[order] for column in (course.lost_client, course.lost_at, course.back))
    until: Array = np.full(len(lost), np.nan)
    same = client[1:] == client[:-1]
    until[:-1][same] = lost[1:][same]
    came = ~np.isnan(back)
    return Waits.of((until - back)[came], np.round(course.end - back[came], SCHEDULE_DIGITS))
