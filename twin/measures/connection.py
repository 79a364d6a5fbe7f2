"""What a record says about connections: who lost one, who noticed when, who was back when."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from twin.measures.base import Array, Measure, most_within, percentiles
from twin.record import MESSAGE_EVENTS, Record

CURVE_STEP = 0.02
"""Seconds between the points of a curve."""
PEAK_WINDOW = 0.1
"""Seconds of the window in which attempts are counted for the peak."""
SCHEDULE_DIGITS = 2
"""Digits of seconds to which a live run keeps to its schedule."""


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


@dataclass(frozen=True)
class Course:
    """What a run says about connections, before it is summed up: read out of a record, or counted while it ran.

    Attributes:
        faults: times of the faults, in order; without one the rest but `imbalance` does not matter.
        end: length of the run in seconds.
        count: number of clients.
        lost_at: times of the losses since the first fault.
        lost_client: whose losses these are.
        back: when each lost connection was replaced, NaN where it was not.
        attempts: number of attempts since the first fault.
        peak: most of these attempts in any `PEAK_WINDOW`.
        gave_up: number of clients that gave up.
        time_to: returns how long after the first fault a number of connected clients is reached for good; NaN if never.
        imbalance: largest over mean number of connections of the running nodes at the end.
        mark_down_delays: for each fault of a node that was marked down afterwards, how long that took.
    """

    faults: Array
    end: float
    count: int
    lost_at: Array
    lost_client: Array
    back: Array
    attempts: int
    peak: int
    gave_up: int
    time_to: Callable[[int], float]
    imbalance: float
    mark_down_delays: Sequence[float]

    @cached_property
    def cause(self) -> Array:
        """The time of the latest fault at or before each loss."""
        return self.faults[np.searchsorted(self.faults, self.lost_at, side="right") - 1]

    def measures(self) -> dict[str, float]:
        """Return every measure of connections that the run defines.

        A client that is not back at the end of the run counts with the time until then (`censored`).
        """
        if not len(self.faults):
            return {"imbalance": self.imbalance}
        found: dict[str, float] = {}
        if len(self.lost_at):
            cause = self.cause
            found["notice_p50"], found["notice_p99"] = percentiles(self.lost_at - cause, 50, 99)
            waits = np.where(np.isnan(self.back), self.censored(cause), self.back - cause)
            p50, p90, p99 = percentiles(waits, 50, 90, 99)
            found.update(reconnect_p50=p50, reconnect_p90=p90, reconnect_p99=p99)
            affected = np.count_nonzero(np.bincount(self.lost_client.astype(np.int64)))
            found["attempts_per_client"] = self.attempts / affected
            found["peak_attempts"] = float(self.peak)
            found["gave_up_share"] = self.gave_up / self.count
            wanted = {"time_to_99": int(np.ceil(0.99 * self.count)), "time_to_all": self.count - self.gave_up}
            for name, connected in wanted.items():
                reached = self.time_to(connected)
                found[name] = float(self.censored(self.faults[0])) if np.isnan(reached) else reached
        found["imbalance"] = self.imbalance
        if self.mark_down_delays:
            found["mark_down_delay"] = float(np.median(self.mark_down_delays))
        return found

    def censored(self, since: Any) -> Any:
        """Return what counts for a time that began at `since` and did not end within the run, in seconds.

        It says how long the run still was, and nothing of what happened, so it is that of the schedule: a live fault
        comes up to a millisecond later than it is due.
        """
        return np.round(self.end - since, SCHEDULE_DIGITS)

    def reconnect_times(self) -> Mapping[int, float]:
        """Return for each client that was affected and came back the time from the fault to its first reconnect."""
        if not len(self.lost_at):
            return {}
        came = ~np.isnan(self.back)
        return ByClient(self.lost_client[came], (self.back - self.cause)[came])


class ByClient(Mapping[int, float]):
    """One number a client, in little memory: the first that is given for it."""

    def __init__(self, clients: Array, values: Array) -> None:
        self._clients, first = np.unique(clients, return_index=True)
        self._values = values[first]

    def __getitem__(self, client: int) -> float:
        place = int(np.searchsorted(self._clients, client))
        if place == len(self._clients) or self._clients[place] != client:
            raise KeyError(client)
        return float(self._values[place])

    def __iter__(self) -> Iterator[int]:
        return iter(self._clients.tolist())

    def __len__(self) -> int:
        return len(self._clients)


def course(record: Record) -> Course:
    """Read out of a record what its measures of connections are computed from."""
    t, event, client, node = _columns(record)
    faults = t[event == "fault"]
    first, end = faults[0] if len(faults) else np.inf, record.scenario.duration
    lost = (event == "disconnected") & (t >= first)
    attempts = t[(event == "attempt_connect") & (t >= first)]
    count = record.scenario.clients.count
    return Course(
        faults,
        end,
        count,
        t[lost],
        client[lost],
        _back(t, event, client, t[lost], client[lost]),
        len(attempts),
        most_within(attempts, PEAK_WINDOW),
        int(np.sum(event == "gave_up")),
        lambda wanted: _time_to(t, event, first, wanted),
        _imbalance(record),
        mark_down_delays(t, event, node),
    )


def reconnect_times(record: Record) -> Mapping[int, float]:
    """Return for each client that was affected and came back the time from the fault to its first reconnect."""
    return course(record).reconnect_times()


def connected_curve(record: Record) -> Array:
    """Return the number of connected clients at each `CURVE_STEP` of the run, shape (points,)."""
    t, event, _, _ = _columns(record)
    times = np.arange(0.0, record.scenario.duration, CURVE_STEP)
    ups = np.sort(t[event == "connected"])
    downs = np.sort(t[event == "disconnected"])
    return np.searchsorted(ups, times, side="right") - np.searchsorted(downs, times, side="right")


def window_edges(duration: float) -> Array:
    """Return the edges of the windows in which attempts are counted, in seconds."""
    return np.arange(0.0, duration + PEAK_WINDOW, PEAK_WINDOW)


def attempt_counts(record: Record) -> Array:
    """Return the attempts in each `PEAK_WINDOW` of the run, shape (windows,); the warm-up is left out."""
    t = record.select("attempt_connect")["t"].to_numpy()
    return np.histogram(t, window_edges(record.scenario.duration))[0]


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
    clients, times = client[up][order].tolist(), t[up][order].tolist()
    back = np.full(len(lost_at), np.nan)
    for i, (when, who) in enumerate(zip(lost_at.tolist(), lost_client.tolist(), strict=True)):
        low, high = bisect_left(clients, who), bisect_right(clients, who)
        place = bisect_left(times, when, low, high)
        if place < high:
            back[i] = times[place]
    return back


def _time_to(t: Array, event: Array, first: float, wanted: int) -> float:
    """Return how long after the first fault the number of connected clients reaches `wanted` for good, NaN if never."""
    changes = np.where(event == "connected", 1, np.where(event == "disconnected", -1, 0))
    connected = np.cumsum(changes)
    below = (connected < wanted) & (t >= first)
    if not below.any():
        return 0.0
    last = int(np.flatnonzero(below)[-1])
    return float(t[last + 1] - first) if last + 1 < len(t) and connected[-1] >= wanted else float("nan")


def _imbalance(record: Record) -> float:
    events = record.select("connected", "disconnected", "node_stopped", "node_started")
    held: dict[int, int] = {}
    home: dict[int, int] = {}
    running = set(range(1, record.scenario.nodes.count + 1))
    columns = (events[name].tolist() for name in ("event", "client", "node"))
    for event, client, node in zip(*columns, strict=True):
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
    return unevenness([held.get(node, 0) for node in sorted(running)])


def unevenness(counts: Sequence[int]) -> float:
    """Return the largest over the mean of some numbers of connections; 1 if there are none."""
    total = sum(counts)
    return max(counts) * len(counts) / total if total else 1.0


def mark_down_delays(t: Array, event: Array, node: Array) -> list[float]:
    """Return how long after each fault its node was marked down, in seconds, where it was."""
    delays = []
    for when, which in zip(t[event == "fault"], node[event == "fault"], strict=True):
        downs = t[(event == "marked_down") & (node == which) & (t >= when)]
        if len(downs):
            delays.append(float(downs[0] - when))
    return delays
