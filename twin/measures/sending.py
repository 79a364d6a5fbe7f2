"""What a record says about the messages that clients kept while they were away."""

import numpy as np
from numpy.typing import NDArray

from twin.measures.base import Measure, most_within
from twin.record.record import Record

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
    kept, gone = record.columns.of("kept"), record.columns.of("discarded")
    flushed = record.columns.of("sent")
    flushed = flushed.at(flushed.flags("flushed"))
    kept_names, gone_names = (some.client * (1 << 32) + some.version for some in (kept, gone))
    less = np.concatenate([gone.t[np.isin(gone_names, kept_names)], flushed.t])
    times = np.concatenate([kept.t, less])
    steps = np.repeat([float(size), -float(size)], [len(kept), len(less)])
    order = np.lexsort((steps, times))
    return times[order], np.cumsum(steps[order])


def read_times(record: Record) -> NDArray[np.float64]:
    """Return when the nodes that never stopped read messages of clients, in seconds, in order."""
    stopped, read = record.columns.of("node_stopped").node, record.columns.of("arrived")
    return np.sort(read.t[~np.isin(read.node, stopped)])


def measure_offline(record: Record) -> dict[str, float]:
    """Return the measures of a scenario whose clients send, and that has a fault; nothing for any other."""
    scenario = record.scenario
    if not scenario.clients.sends.rate or not scenario.faults:
        return {}
    begun = record.columns.of("fault").t
    if not len(begun):
        return {}
    first, count = float(begun[0]), scenario.clients.count
    times = read_times(record)
    times = times[times >= first]
    _, held = held_bytes(record)
    found = {
        "kept_messages": len(record.columns.where("kept")) / count,
        "dropped_messages": len(record.columns.where("discarded")) / count,
        "offline_bytes": float(held.max()) if len(held) else 0.0,
    }
    if len(times):
        found["flush_peak"] = float(most_within(times, FLUSH_WINDOW))
    return found
