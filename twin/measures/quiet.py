"""What a record without any fault says about connections that end nevertheless."""

import numpy as np

from twin.measures.base import Measure, percentiles
from twin.record import Record

QUIET = {
    "losses_per_client": Measure("1", "timer", "connections lost in a run without faults, per client"),
    "lifetime_p50": Measure("s", "timer", "median time from connect to loss of the connections of that run"),
    "lifetime_p99": Measure("s", "timer", "99th percentile of the same"),
    "away_share": Measure("1", "timer", "share of the client-seconds of that run without a connection"),
}


def measure_quiet(record: Record) -> dict[str, float]:
    """Return the measures of a scenario without faults; nothing for one that has some.

    A lifetime is that of a connection that was made and lost during the run.
    """
    scenario = record.scenario
    if scenario.faults:
        return {}
    count, end = scenario.clients.count, scenario.duration
    table = record.select("connected", "disconnected")
    t, client = table["t"].to_numpy(), table["client"].to_numpy()
    up = table["event"].eq("connected").to_numpy()
    found = {
        "losses_per_client": float(np.sum(~up)) / count,
        "away_share": away_seconds(record) / (count * end),
    }
    order = np.lexsort((np.arange(len(t)), client))
    t, client, up = t[order], client[order], up[order]
    pairs = (client[1:] == client[:-1]) & up[:-1] & ~up[1:] & (t[:-1] >= 0.0)
    lifetimes = (t[1:] - t[:-1])[pairs]
    if len(lifetimes):
        found["lifetime_p50"], found["lifetime_p99"] = percentiles(lifetimes, 50, 99)
    return found


def away_seconds(record: Record) -> float:
    """Return the client-seconds of the run without a connection; every client is connected when it starts."""
    table = record.select("connected", "disconnected")
    table = table[table["t"] >= 0.0]
    away, end = 0.0, record.scenario.duration
    left: dict[int, float] = {}
    for t, event, client in zip(table["t"], table["event"], table["client"], strict=True):
        if event == "disconnected":
            left.setdefault(client, t)
        elif client in left:
            away += t - left.pop(client)
    return float(away + sum(end - t for t in left.values()))
