"""What a record says about connections: who lost one, who noticed when, who was back when."""

import numpy as np

from twin.measures.base import Array, Measure, percentiles
from twin.record import MESSAGE_EVENTS, Record

CURVE_STEP = 0.02
"""Seconds between the points of a curve."""
PEAK_WINDOW = 0.1
"""Seconds of the window in which attempts are counted for the peak."""


CONNECTION = {
    "notice_p50": Measure("s", "cpu", "median time from a fault to the client's notice that its connection is lost"),
    "notice_p99": Measure("s", "cpu", "99th percentile of the same"),
    "reconnect_p50": Measure("s", "timer", "median time from a fault until an affected client is connected again"),
    "reconnect_p90": Measure("s", "timer", "90th percentile of the same"),
    "reconnect_p99": Measure("s", "timer", "99th percentile of the same"),
    "attempts_per_client": Measure("1", "timer", "attempts to connect after the first fault, per affected client"),
    "peak_attempts": Measure("1/100 ms", "cpu", "most attempts in any 100 ms"),
    "time_to_99": Measure("s", "timer", "time from the first fault until 99 % of the clients are connected for good"),
    "time_to_all": Measure("s", "timer", "time from the first fault until all are, those that gave up left out"),
    "gave_up_share": Measure("1", "count", "share of all clients that gave up"),
    "imbalance": Measure("1", "count", "largest over mean number of connections of the nodes that run at the end"),
    "mark_down_delay": Measure("s", "timer", "time from a fault until the balancer marks that node down"),
}


def measure_connections(record: Record) -> dict[str, float]:
    """Return every measure of connections that the record defines.

    A client that is not back at the end of the run counts with the time until then (censored), in both worlds alike.
    """
    t, event, client, node = _columns(record)
    faults = t[event == "fault"]
    if not len(faults):
        return {"imbalance": _imbalance(record)}
    first, end = faults[0], record.scenario.duration
    found: dict[str, float] = {}
    lost_at, lost_client = t[event == "disconnected"], client[event == "disconnected"]
    after = lost_at >= first
    lost_at, lost_client = lost_at[after], lost_client[after]
    if len(lost_at):
        cause = faults[np.searchsorted(faults, lost_at, side="right") - 1]
        notice = lost_at - cause
        found["notice_p50"], found["notice_p99"] = percentiles(notice, 50, 99)
        back = _back(t, event, client, lost_at, lost_client)
        waits = np.where(np.isnan(back), end, back) - cause
        p50, p90, p99 = percentiles(waits, 50, 90, 99)
        found.update(reconnect_p50=p50, reconnect_p90=p90, reconnect_p99=p99)
        attempts = t[(event == "attempt_connect") & (t >= first)]
        found["attempts_per_client"] = len(attempts) / len(np.unique(lost_client))
        found["peak_attempts"] = float(_peak(attempts))
        count = record.scenario.clients.count
        gave_up = int(np.sum(event == "gave_up"))
        found["gave_up_share"] = gave_up / count
        found["time_to_99"] = _time_to(t, event, first, end, count, int(np.ceil(0.99 * count)))
        found["time_to_all"] = _time_to(t, event, first, end, count, count - gave_up)
    found["imbalance"] = _imbalance(record)
    delays = _mark_down_delays(t, event, node)
    if delays:
        found["mark_down_delay"] = float(np.median(delays))
    return found


def reconnect_times(record: Record) -> dict[int, float]:
    """Return for each client that was affected and came back the time from the fault to its first reconnect."""
    t, event, client, _ = _columns(record)
    faults = t[event == "fault"]
    if not len(faults):
        return {}
    lost = (event == "disconnected") & (t >= faults[0])
    back = _back(t, event, client, t[lost], client[lost])
    cause = faults[np.searchsorted(faults, t[lost], side="right") - 1]
    times: dict[int, float] = {}
    for number, wait in zip(client[lost].tolist(), (back - cause).tolist(), strict=True):
        if wait == wait:  # not NaN
            times.setdefault(number, wait)
    return times


def connected_curve(record: Record) -> Array:
    """Return the number of connected clients at each `CURVE_STEP` of the run, shape (points,)."""
    t, event, _, _ = _columns(record)
    times = np.arange(0.0, record.scenario.duration, CURVE_STEP)
    ups = np.sort(t[event == "connected"])
    downs = np.sort(t[event == "disconnected"])
    return np.searchsorted(ups, times, side="right") - np.searchsorted(downs, times, side="right")


def marks(record: Record) -> list[tuple[float, int, bool]]:
    """Return what the balancer marked, as (time, node, up)."""
    table = record.select("marked_down", "marked_up")
    return [
        (float(t), int(node), event == "marked_up")
        for t, node, event in zip(table["t"], table["node"], table["event"], strict=True)
    ]


def _columns(record: Record) -> tuple[Array, Array, Array, Array]:
    events = record.events[~record.events["event"].isin(MESSAGE_EVENTS)]
    return (
        events["t"].to_numpy(),
        events["event"].to_numpy(dtype=object),
        events["client"].to_numpy(),
        events["node"].to_numpy(),
    )


def _back(t: Array, event: Array, client: Array, lost_at: Array, lost_client: Array) -> Array:
    """Return when each lost connection was replaced, NaN where it was not."""
    up = event == "connected"
    order = np.lexsort((t[up], client[up]))
    clients, times = client[up][order], t[up][order]
    back = np.full(len(lost_at), np.nan)
    for i, (when, who) in enumerate(zip(lost_at, lost_client, strict=True)):
        low, high = np.searchsorted(clients, who, "left"), np.searchsorted(clients, who, "right")
        place = low + np.searchsorted(times[low:high], when, "left")
        if place < high:
            back[i] = times[place]
    return back


def _peak(attempts: Array) -> int:
    if not len(attempts):
        return 0
    attempts = np.sort(attempts)
    return int(np.max(np.searchsorted(attempts, attempts + PEAK_WINDOW, side="left") - np.arange(len(attempts))))


def _time_to(t: Array, event: Array, first: float, end: float, count: int, wanted: int) -> float:
    """Return when the number of connected clients reaches `wanted` and stays there, after the first fault."""
    changes = np.where(event == "connected", 1, np.where(event == "disconnected", -1, 0))
    connected = np.cumsum(changes)
    below = (connected < wanted) & (t >= first)
    if not below.any():
        return 0.0
    last = int(np.flatnonzero(below)[-1])
    return float((t[last + 1] if last + 1 < len(t) and connected[-1] >= wanted else end) - first)


def _imbalance(record: Record) -> float:
    events = record.select("connected", "disconnected", "node_stopped", "node_started")
    held: dict[int, int] = {}
    home: dict[int, int] = {}
    running = set(range(1, record.scenario.nodes.count + 1))
    for event, client, node in zip(events["event"], events["client"], events["node"], strict=True):
        if event == "connected":
            home[client] = node
        elif event == "disconnected":
            home.pop(client, None)
        elif event == "node_stopped":
            running.discard(node)
        else:
            running.add(node)
    for node in home.values():
        held[node] = held.get(node, 0) + 1
    counts = [held.get(node, 0) for node in sorted(running)]
    total = sum(counts)
    return max(counts) * len(counts) / total if total else 1.0


def _mark_down_delays(t: Array, event: Array, node: Array) -> list[float]:
    delays = []
    for when, which in zip(t[event == "fault"], node[event == "fault"], strict=True):
        downs = t[(event == "marked_down") & (node == which) & (t >= when)]
        if len(downs):
            delays.append(float(downs[0] - when))
    return delays
