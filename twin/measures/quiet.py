"""What a record without any fault says about connections that end nevertheless."""

import numpy as np

from twin.advice import strikes_in_run
from twin.measures.base import Array, Measure
from twin.record.record import Record

QUIET = {
    "away_share": Measure("1", "timer", "share of the client-seconds of that run without a connection"),
}


def measure_quiet(record: Record) -> dict[str, float]:
    """Return the measures of a scenario without faults whose balancer cuts silent connections within the run; nothing
    for any other.
    """
    scenario = record.scenario
    if scenario.faults or not strikes_in_run(scenario):
        return {}
    count, end = scenario.clients.count, scenario.duration
    return {
        "losses_per_client": len(record.columns.where("disconnected")) / count,
        "away_share": away_seconds(record) / (count * end),
    }


def lifetimes(record: Record) -> Array:
    """Return how long the connections lasted that were made and lost during the run, in seconds, shape (connections,).

    Not a measure to compare: where a balancer's timeout decides it, both worlds agree to a fraction of a millisecond,
    and a band of so little says more about the kernel's timers than about the cluster.
    """
    events = record.columns.of("connected", "disconnected")
    events = events.at(np.argsort(events.client, kind="stable"))
    t, client, up = events.t, events.client, events.event.isin("connected")
    pairs = (client[1:] == client[:-1]) & up[:-1] & ~up[1:] & (t[:-1] >= 0.0)
    found: Array = (t[1:] - t[:-1])[pairs]
    return found


def away_seconds(record: Record) -> float:
    """Return the client-seconds of the run without a connection; every client is connected when it starts."""
    events = record.columns.of("connected", "disconnected")
    events = events.at(events.t >= 0.0)
    away, end = 0.0, record.scenario.duration
    left: dict[int, float] = {}
    columns = (column.tolist() for column in (events.t, events.event.spelled(), events.client))
    for t, event, client in zip(*columns, strict=True):
        if event == "disconnected":
            left.setdefault(client, t)
        elif client in left:
            away += t - left.pop(client)
    return float(away + sum(end - t for t in left.values()))
