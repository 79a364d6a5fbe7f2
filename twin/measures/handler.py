"""What a record says about requests that make nodes work: how long answers take, and how late the loops are."""

import numpy as np

from twin.measures.base import Array, Measure, percentiles
from twin.record.columns import Events
from twin.record.record import Record

TASKS = ("short", "medium", "long")
"""Names that tasks have (`twin.scenario.handler.TaskName`)."""
TIME_TO_ANSWER = 1.0
"""Seconds before the end of a run after which a request may be without its answer."""

HANDLER = {
    f"{task}_answer_p{which}": Measure(
        "s", "cpu", f"time from a request of the task `{task}` to its answer at the client, {words}"
    )
    for task in TASKS
    for which, words in ((50, "median"), (90, "90th percentile"), (99, "99th percentile"))
} | {
    "unanswered_share": Measure(
        "1", "count", "share of the requests made earlier than 1 s before the end that got no answer", rare=True
    ),
    "loop_late_p50": Measure("s", "cpu", "how late a timer of a node's loop goes off, median over time"),
    "loop_late_p90": Measure("s", "cpu", "how late a timer of a node's loop goes off, 90th percentile over time"),
    "loop_late_p99": Measure("s", "cpu", "how late a timer of a node's loop goes off, 99th percentile over time"),
}
WHICH = (50, 90, 99)


def answer_times(record: Record, task: str) -> tuple[Array, Array]:
    """Return when each request of a task was made, in seconds, and after how many seconds its answer was read; NaN for
    one without an answer.
    """
    asked, answered = (_of_task(record.columns.of(name), task) for name in ("requested", "answered"))
    names, found = (some.client * (1 << 32) + some.version for some in (asked, answered))
    order = np.argsort(found, kind="stable")
    known, times = found[order], answered.t[order]
    took = np.full(len(names), np.nan)
    if len(known):
        place = np.minimum(np.searchsorted(known, names), len(known) - 1)
        same = known[place] == names
        took[same] = (times[place] - asked.t)[same]
    return asked.t, took


def _of_task(events: Events, task: str) -> Events:
    return events.at(events.words("task").isin(task))


def measure_handler(record: Record) -> dict[str, float]:
    """Return the measures of a scenario whose nodes have a handler; nothing for any other.

    How late a loop is, is measured at the nodes that never stopped.
    """
    handler = record.scenario.nodes.handler
    if handler is None:
        return {}
    found, made, lost = dict[str, float](), 0, 0
    for task in handler.tasks:
        asked, took = answer_times(record, task.name)
        there = took[~np.isnan(took)]
        if len(there):
            names = [f"{task.name}_answer_p{which}" for which in WHICH]
            found |= dict(zip(names, percentiles(there, *WHICH), strict=True))
        early = asked < record.scenario.duration - TIME_TO_ANSWER
        made += int(np.sum(early))
        lost += int(np.sum(np.isnan(took[early])))
    if made:
        found["unanswered_share"] = lost / made
    stopped, looks = record.columns.of("node_stopped").node, record.columns.of("loop_late")
    late = looks.numbers("late")[~np.isin(looks.node, stopped) & (looks.t >= 0.0)] / 1e6
    if len(late):
        found |= dict(zip([f"loop_late_p{which}" for which in WHICH], percentiles(late, *WHICH), strict=True))
    return found
