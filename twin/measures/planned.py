"""What it costs the clients when nodes end and come back: restarts, drains, kills of which a new process follows."""

import numpy as np

from twin.measures.base import RATE_WINDOW, Measure, most_within
from twin.measures.censoring import Waits
from twin.measures.connection import SCHEDULE_DIGITS
from twin.record.record import Record
from twin.scenario.scenario import Scenario

PLANNED = frozenset({"restart", "drain"})

PLANNED_ENDS = {
    "peak_reconnect_rate": Measure("1/s", "timer", "most attempts to connect in any second after the first fault"),
    "drain_time": Measure("s", "timer", "median time from the begin of a drain until the node has no connection left"),
}


def is_planned(scenario: Scenario) -> bool:
    """Tell whether in every fault of a scenario a node ends and a new process takes its place."""
    return bool(scenario.faults) and all(
        fault.kind in PLANNED or (fault.kind == "kill" and fault.duration is not None) for fault in scenario.faults
    )


def measure_planned(record: Record) -> dict[str, float]:
    """Return the measures of a scenario in whose faults nodes end and come back; nothing for any other."""
    if not is_planned(record.scenario):
        return {}
    begun, attempts, drained = (record.columns.of(name) for name in ("fault", "attempt_connect", "drained"))
    if not len(begun):
        return {}
    since = attempts.t[attempts.t >= begun.t[0]]
    found = {"peak_reconnect_rate": most_within(since, RATE_WINDOW) / RATE_WINDOW}
    begun = begun.at(begun.words("kind").isin("drain"))
    took = []
    for when, which in zip(begun.t, begun.node, strict=True):
        over = drained.t[(drained.node == which) & (drained.t >= when)]
        took.append(float(over[0] - when) if len(over) else np.nan)
    watched = np.round(record.scenario.duration - begun.t, SCHEDULE_DIGITS)
    return found | Waits.of(np.array(took), watched).percentiles({"drain_time": 50})
