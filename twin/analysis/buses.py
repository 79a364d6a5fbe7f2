"""What each kind of bus makes of the same faults: the table of `./lab buses`.

A broadcast is looked at twice. By itself a bus is seen where no client asks for what it missed and the publisher sends
nothing again: what never came to a node, and what came to it more than once. With the whole protocol counts what
clients get, and when.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from math import inf, nan
from typing import Any

import numpy as np

from twin.analysis.bands import number
from twin.errors import ScenarioError
from twin.measures import measure_record
from twin.measures.base import Array
from twin.measures.broadcast import settles_in
from twin.measures.messages import Messages
from twin.record.record import Record
from twin.scenario.scenario import Scenario

BUSES: dict[str, dict[str, Any]] = {
    "pubsub": {"kind": "pubsub"},
    "stream": {"kind": "stream"},
    "kafka": {"kind": "kafka"},
    "jetstream": {"kind": "jetstream"},
    "jetstream, 3 servers": {"kind": "jetstream", "jetstream": {"replicas": 3}},
}
"""Row of the table -> which bus it is about, as changes of `bus`."""

AT = 2.002
"""When each fault comes, in seconds: shortly after a message is due at any whole rate."""
AWAY = 1.5
"""Seconds that it lasts."""
FAULTS: dict[str, dict[str, Any] | None] = {
    "nothing fails": None,
    "a node is killed and comes back": {"kind": "kill", "node": 1},
    "a node is cut off from the bus": {"kind": "partition", "node": 1},
    "the server is killed and comes back": {"kind": "bus_down"},
    "the server stands still": {"kind": "bus_hang"},
    "a follower is killed and comes back": {"kind": "bus_down", "replica": "follower"},
    "the leader is cut off from the followers": {"kind": "bus_partition"},
}
"""Name -> the fault; of several servers it is the leader that is killed or stands still, if it is not said."""

OWN = "its own faults"
"""Name of those that the scenario has itself."""
LATE = 0.5
"""Seconds behind its time from which on a delivery is late."""

ALONE: dict[str, Any] = {"clients": {"recovery": {"recover": False}}, "publisher": {"max_resends": 0}}
"""Changes of a scenario that leave nothing but the bus."""

SHARES = ("missing", "copies", "lost", "duplicated")
HEADINGS = {
    "missing": ("by itself:\nnever at a\nnode (%)", 100.0),
    "copies": ("copies at\na node\n(%)", 100.0),
    "lost": ("lost to\nclients\n(%)", 100.0),
    "duplicated": ("twice at\nclients\n(%)", 100.0),
    "latency": ("latency\np50\n(ms)", 1e3),
    "latency_p99": ("latency\np99\n(s)", 1.0),
    "consistent": ("consist-\nent p99\n(s)", 1.0),
    "recovery": ("recovery\n\n(s)", 1.0),
}
"""Figure -> how it is shown: heading and factor."""


@dataclass(frozen=True)
class BusFigures:
    """What one bus makes of a fault in some runs: means of shares, as few runs lose much, and medians of times; NaN is
    what is not known.

    Attributes:
        missing: share of (node, acknowledged message) that never came to the node, by the bus alone.
        copies: arrivals at a node of what it had had before, per arrival that was the first, by the bus alone.
        lost: share of (client, acknowledged message) that the client never applied.
        duplicated: arrivals at clients of what they had already, per application.
        latency, latency_p99: from a message's publication to its application, in seconds.
        consistent: 99th percentile of the time until a message is consistent, in seconds; infinite if it never was.
        recovery: seconds from the first fault until the last late delivery, 0 if none was late.
    """

    missing: float = nan
    copies: float = nan
    lost: float = nan
    duplicated: float = nan
    latency: float = nan
    latency_p99: float = nan
    consistent: float = nan
    recovery: float = nan

    def as_dict(self) -> dict[str, float | None]:
        """Return the figures as they appear in JSON: null is what is not known, or was not reached."""
        return {name: value if np.isfinite(value) else None for name, value in asdict(self).items()}


@dataclass(frozen=True)
class BusRow:
    """One row of the table.

    Attributes:
        fault, bus: keys of `FAULTS` and `BUSES`.
        predicted, measured: the figures; None where there are none.
    """

    fault: str
    bus: str
    predicted: BusFigures
    measured: BusFigures | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the row as it appears in JSON."""
        measured = None if self.measured is None else self.measured.as_dict()
        return {"fault": self.fault, "bus": self.bus, "predicted": self.predicted.as_dict(), "measured": measured}


def check(scenario: Scenario) -> None:
    """Make sure that buses can be compared on a scenario.

    Raises:
        ScenarioError: nothing is broadcast, or the run is over before a fault of the table is.
    """
    if scenario.publisher is None:
        raise ScenarioError(f"{scenario.name} has no [publisher]; buses are compared by a broadcast.")
    if not scenario.faults and scenario.duration < AT + 2 * AWAY:
        raise ScenarioError(
            f"duration of {scenario.name} is {scenario.duration:g}; needed are {AT + 2 * AWAY:g} s for the faults of "
            "the table, or faults of its own."
        )


def faults_of(scenario: Scenario) -> dict[str, list[dict[str, Any]]]:
    """Return the faults on which buses are compared: those of the scenario, or, if it has none, those of the table."""
    if scenario.faults:
        return {OWN: [fault.model_dump(exclude_none=True) for fault in scenario.faults]}
    return {name: [{"at": AT, "duration": AWAY} | fault] if fault else [] for name, fault in FAULTS.items()}


def over(scenario: Scenario, bus: str, faults: Sequence[dict[str, Any]]) -> Scenario | None:
    """Return a scenario over a bus and with some faults; None if the bus does not have one of them."""
    try:
        return scenario.vary(bus=BUSES[bus], faults=list(faults))
    except ScenarioError:
        return None


def of_bus(record: Record) -> dict[str, float]:
    """Return what a record of the bus alone says: `missing` and `copies`."""
    messages, end = Messages(record), record.scenario.duration
    received, (places, when, acknowledged) = messages["received"], messages.names
    came = received.where((received.client < 0) & (received.place >= 0))
    pairs = np.unique(np.stack([came.node, came.place]), axis=1)
    settled = places[acknowledged & (when <= end - settles_in(record.scenario))]
    if not len(settled) or not pairs.size:
        return {}
    there = np.isin(pairs[1], settled).sum()
    expected = len(settled) * record.scenario.nodes.count
    return {"missing": 1.0 - float(there) / expected, "copies": len(came.t) / pairs.shape[1] - 1.0}


def of_protocol(record: Record) -> dict[str, float]:
    """Return what a record of the whole protocol says: all figures but those of `of_bus`."""
    found = measure_record(record)
    names = {"lost": "lost_share", "duplicated": "duplicated_share", "latency": "latency_p50"}
    names |= {"latency_p99": "latency_p99", "consistent": "consistent_p99"}
    return {name: found.get(measure, nan) for name, measure in names.items()} | {"recovery": recovery(record)}


def recovery(record: Record) -> float:
    """Return the seconds from the first fault until the last delivery that came `LATE` s or more after its message was
    due; 0 if there is none, NaN without a fault.
    """
    scenario = record.scenario
    assert scenario.publisher is not None
    if not scenario.faults:
        return nan
    due = np.array(scenario.publisher.times(scenario.duration))
    delivered = Messages(record)["delivered"]
    known = delivered.where((delivered.key >= 1) & (delivered.key <= len(due)))
    late: Array = known.t[known.t - due[known.key - 1] >= LATE]
    return float(max(0.0, late.max(initial=-inf) - min(fault.at for fault in scenario.faults)))


def figures_of(alone: Sequence[dict[str, float]], whole: Sequence[dict[str, float]]) -> BusFigures:
    """Return what some runs have in common; what is not known of a run does not count.

    Args:
        alone: what `of_bus` says of each.
        whole: what `of_protocol` says of each.
    """
    runs = [*alone, *whole]
    names = [field.name for field in fields(BusFigures)]
    values = {name: [run[name] for run in runs if not np.isnan(run.get(name, nan))] for name in names}
    middle = {name: np.mean if name in SHARES else np.median for name in names}
    return BusFigures(**{name: float(middle[name](known)) for name, known in values.items() if known})


def cells(figures: BusFigures) -> list[str]:
    """Return the figures as they stand in a table."""
    return [number(factor * getattr(figures, name)) for name, (_, factor) in HEADINGS.items()]
