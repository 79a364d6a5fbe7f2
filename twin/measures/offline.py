"""What a record says about the messages that clients kept while they were away."""

import numpy as np
from numpy.typing import NDArray

from twin.measures.base import Measure, most_within
from twin.record import Record

FLUSH_WINDOW = 0.1
"""Seconds of the window in which arrivals are counted for the peak."""

OFFLINE = {
    "kept_messages": Measure("1", "timer", "messages that clients kept while they were away, per client"),
    "dropped_messages": Measure("1", "timer", "messages that did not fit any more, per client"),
    "offline_bytes": Measure("B", "timer", "most payload bytes that all clients together kept at one time"),
    "flush_peak": Measure("1/100 ms", "cpu", "most messages that the nodes which never stopped read in any 100 ms"),
}


def held_bytes(record: Record) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return when the bytes change that all clients together keep, in seconds, and what they keep from then on."""
    size = record.scenario.clients.sends.payload_bytes
    kept, gone = record.select("kept"), record.select("discarded")
    flushed = record.select("sent")
    flushed = flushed[flushed["detail"] == "flushed"]
    kept_names = kept["client"] * (1 << 32) + kept["version"]
    gone_names = gone["client"] * (1 << 32) + gone["version"]
    was_kept = gone_names.isin(kept_names).to_numpy()
    steps = [(t, size) for t in kept["t"]]
    steps += [(t, -size) for t in gone["t"].to_numpy()[was_kept]]
    steps += [(t, -size) for t in flushed["t"]]
    steps.sort()
    times = np.array([t for t, _ in steps], dtype=float)
    return times, np.cumsum([float(change) for _, change in steps])


def read_times(record: Record) -> NDArray[np.float64]:
    """Return when the nodes that never stopped read messages of clients, in seconds, in order."""
    stopped = record.select("node_stopped")["node"].unique()
    read = record.select("arrived")
    return np.sort(read[~read["node"].isin(stopped)]["t"].to_numpy(dtype=float))


def measure_offline(record: Record) -> dict[str, float]:
    """Return the measures of a scenario whose clients send, and that has a fault; nothing for any other."""
    scenario = record.scenario
    if not scenario.clients.sends.rate or not scenario.faults:
        return {}
    begun = record.select("fault")["t"]
    if not len(begun):
        return {}
    first, count = float(begun.iloc[0]), scenario.clients.count
    times = read_times(record)
    times = times[times >= first]
    _, held = held_bytes(record)
    found = {
        "kept_messages": len(record.select("kept")) / count,
        "dropped_messages": len(record.select("discarded")) / count,
        "offline_bytes": float(held.max()) if len(held) else 0.0,
    }
    if len(times):
        found["flush_peak"] = float(most_within(times, FLUSH_WINDOW))
    return found
