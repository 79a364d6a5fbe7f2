"""What a record says about connections: who lost one, who noticed when, who was back when."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import Any

import numpy as np

from twin.measures.base import Array, Measure, most_within
from twin.measures.censoring import Waits, not_within
from twin.record.columns import Events
from twin.record.record import EVENTS, MESSAGE_EVENTS, Record
from twin.scenario.scenario import Scenario

CURVE_STEP = 0.02
"""Seconds between the points of a curve over a run of an hour or less."""
HOUR = 3600.0
PEAK_WINDOW = 0.1
"""Seconds of the window in which attempts are counted for the peak."""
SCHEDULE_DIGITS = 2
"""Digits of seconds to which a live run keeps to its schedule."""
OF_CONNECTIONS = EVENTS - MESSAGE_EVENTS

CONNECTION = {
    "notice_p50": Measure("s", "cpu", "median time from a fault to the client's notice that its connection is lost"),
    "notice_p99": Measure("s", "cpu", "99th percentile of the time from a fault to the client's notice"),
    "reconnect_p50": Measure("s", "timer", "median time from a fault until an affected client is connected again"),
    "reconnect_p90": Measure("s", "timer", "90th percentile of the time from a fault to an affected client's return"),
    "reconnect_p99": Measure("s", "timer", "99th percentile of the time from a fault to an affected client's return"),
    "attempts_per_client": Measure("1", "timer", "attempts to connect after the first fault, per affected client"),
    "peak_attempts": Measure("1/100 ms", "cpu", "most attempts in any 100 ms"),
    "time_to_99": Measure("s", "timer", "time from the first fault until 99 % of the clients are connected for good"),
    "time_to_all": Measure(
        "s", "timer", "time from the first fault until all clients that did not give up are connected for good"
    ),
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
        half_open: for each client that at the end still holds a connection to a node which hangs or cannot be reached,
            when that began; nobody has told it.
        attempts: number of attempts since the first fault.
        peak: most of these attempts in any `PEAK_WINDOW`.
        failed: number of these attempts that failed, by the answer.
        gave_up: number of clients that gave up.
        connected: number of clients that are connected at the end, as they see it.
        time_to: returns how long after the first fault a number of connected clients is reached for good; NaN if never.
        imbalance: largest over mean number of connections of the running nodes at the end; NaN where clients poll and
            so have none.
        mark_downs: how long after each fault the balancer marked its node down.
    """

    faults: Array
    end: float
    count: int
    lost_at: Array
    lost_client: Array
    back: Array
    half_open: Array
    attempts: int
    peak: int
    failed: Mapping[str, int]
    gave_up: int
    connected: int
    time_to: Callable[[int], float]
    imbalance: float
    mark_downs: Waits

    @cached_property
    def cause(self) -> Array:
        """The time of the latest fault at or before each loss."""
        return self.faults[np.searchsorted(self.faults, self.lost_at, side="right") - 1]

    def measures(self) -> dict[str, float]:
        """Return every measure of connections that the run defines, with the bounds of those that were not reached."""
        if not len(self.faults):
            return self._of_imbalance()
        found: dict[str, float] = {}
        unnoticed = np.full(len(self.half_open), np.nan)
        watched = self.censored(np.concatenate([self.lost_at, self.half_open]))
        notice = Waits.of(np.concatenate([self.lost_at - self.cause, unnoticed]), watched)
        found |= notice.percentiles({"notice_p50": 50, "notice_p99": 99})
        watched = self.censored(np.concatenate([self.cause, self.half_open]))
        returns = Waits.of(np.concatenate([self.back - self.cause, unnoticed]), watched)
        found |= returns.percentiles({"reconnect_p50": 50, "reconnect_p90": 90, "reconnect_p99": 99})
        if len(self.lost_at):
            affected = np.count_nonzero(np.bincount(self.lost_client.astype(np.int64)))
            found["attempts_per_client"] = self.attempts / affected
            found["peak_attempts"] = float(self.peak)
        if len(returns):
            wanted = {"time_to_99": int(np.ceil(0.99 * self.count)), "time_to_all": self.count - self.gave_up}
            for name, clients in wanted.items():
                found |= self._time_to(name, clients)
            found["gave_up_share"] = self.gave_up / self.count
        found |= self._of_imbalance()
        return found | self.mark_downs.percentiles({"mark_down_delay": 50})

    def _of_imbalance(self) -> dict[str, float]:
        return {} if np.isnan(self.imbalance) else {"imbalance": self.imbalance}

    def _time_to(self, name: str, clients: int) -> dict[str, float]:
        """Return when so many clients were connected for good; a half-open connection connects nobody."""
        reached = self.time_to(clients) if 0 < clients <= self.count - len(self.half_open) else float("nan")
        return not_within(name, self.censored(self.faults[0])) if np.isnan(reached) else {name: reached}

    def censored(self, since: Any) -> Any:
        """Return for how long a time was watched that began at `since` and did not end within the run, in seconds.

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
    events = record.columns.of(*OF_CONNECTIONS)
    t, event = events.t, events.event
    faults = t[event.isin("fault")]
    first, end = faults[0] if len(faults) else np.inf, record.scenario.duration
    since = t >= first
    lost = event.isin("disconnected") & since
    attempts = t[event.isin("attempt_connect") & since]
    held, running = _held(record)
    stays = not record.scenario.clients.transport.polls
    return Course(
        faults,
        end,
        record.scenario.clients.count,
        t[lost],
        events.client[lost],
        _back(record.columns.of("connected"), t[lost], events.client[lost]),
        half_open(events, held if stays else {}),
        len(attempts),
        most_within(attempts, PEAK_WINDOW),
        events.words("reason").at(event.isin("connect_failed") & since).counts(),
        int(np.sum(event.isin("gave_up"))),
        sum(held.values()),
        lambda wanted: _time_to(events, first, wanted),
        unevenness([held.get(number, 0) for number in sorted(running)]) if stays else float("nan"),
        mark_downs(events, record.scenario),
    )


def reconnect_times(record: Record) -> Mapping[int, float]:
    """Return for each client that was affected and came back the time from the fault to its first reconnect."""
    return course(record).reconnect_times()


def curve_step(duration: float) -> float:
    """Return the seconds between two points of a curve over a run: so many `CURVE_STEP` as the run has hours, so that
    a curve never has more points than one over an hour.
    """
    return CURVE_STEP * max(1, ceil(duration / HOUR))


def curve_times(duration: float) -> Array:
    """Return the times of the points of a curve over a run, in seconds."""
    return np.arange(0.0, duration, curve_step(duration))


def connected_curve(record: Record) -> Array:
    """Return the number of connected clients at each `curve_times` of the run, shape (points,)."""
    times = curve_times(record.scenario.duration)
    ups, downs = (np.sort(record.columns.of(name).t) for name in ("connected", "disconnected"))
    return np.searchsorted(ups, times, side="right") - np.searchsorted(downs, times, side="right")


def window_edges(duration: float) -> Array:
    """Return the edges of the windows in which attempts are counted, in seconds."""
    return np.arange(0.0, duration + PEAK_WINDOW, PEAK_WINDOW)


def attempt_counts(record: Record) -> Array:
    """Return the attempts in each `PEAK_WINDOW` of the run, shape (windows,); the warm-up is left out."""
    t = record.columns.of("attempt_connect").t
    return np.histogram(t, window_edges(record.scenario.duration))[0]


def marks(record: Record) -> list[tuple[float, int, bool]]:
    """Return what the balancer marked, as (time, node, up)."""
    events = record.columns.of("marked_down", "marked_up")
    up = events.event.isin("marked_up")
    return list(zip(events.t.tolist(), events.node.tolist(), up.tolist(), strict=True))


def _back(ups: Events, lost_at: Array, lost_client: Array) -> Array:
    """Return when each lost connection was replaced by one of those that were made, NaN where it was not."""
    order = np.lexsort((ups.t, ups.client))
    clients, times = ups.client[order].tolist(), ups.t[order].tolist()
    back = np.full(len(lost_at), np.nan)
    for i, (when, who) in enumerate(zip(lost_at.tolist(), lost_client.tolist(), strict=True)):
        low, high = bisect_left(clients, who), bisect_right(clients, who)
        place = bisect_left(times, when, low, high)
        if place < high:
            back[i] = times[place]
    return back


def _time_to(events: Events, first: float, wanted: int) -> float:
    """Return how long after the first fault the number of connected clients reaches `wanted` for good, NaN if never."""
    t = events.t
    changes = {"connected": 1, "disconnected": -1}
    connected = np.cumsum(events.event.say([changes.get(name, 0) for name in events.event.texts], np.int64))
    below = (connected < wanted) & (t >= first)
    if not below.any():
        return 0.0
    last = int(np.flatnonzero(below)[-1])
    return float(t[last + 1] - first) if last + 1 < len(t) and connected[-1] >= wanted else float("nan")


def _held(record: Record) -> tuple[dict[int, int], set[int]]:
    """Return how many connections each node has at the end, as the clients see it, and which nodes run then."""
    events = record.columns.of("connected", "disconnected", "node_stopped", "node_started")
    held: dict[int, int] = {}
    home: dict[int, int] = {}
    running = set(range(1, record.scenario.nodes.count + 1))
    columns = (column.tolist() for column in (events.event.spelled(), events.client, events.node))
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
    return held, running


def unevenness(counts: Sequence[int]) -> float:
    """Return the largest over the mean of some numbers of connections; 1 if there are none."""
    total = sum(counts)
    return max(counts) * len(counts) / total if total else 1.0


SILENT = ("hang", "blackhole")
"""Faults after which a node says nothing more, not even that a connection is over."""
FATAL = (*SILENT, "kill")
"""Faults after which a health check fails until they are over."""


def lasts(events: Events, kinds: Sequence[str]) -> Array:
    """Tell which faults are of some kinds and not over by the end of the run, shape (faults,).

    What was done to a process is over with a new process of its node, whoever starts it; a dead link is not.
    """
    begun = events.at(events.event.isin("fault"))
    kind = begun.words("kind")
    lasting: Array = kind.isin(*kinds)
    if not lasting.any():
        return lasting
    ends = (events.at(events.event.isin(name)) for name in ("healed", "node_started"))
    healed, anew = (dict(zip(over.node.tolist(), over.t.tolist(), strict=True)) for over in ends)
    lasting &= [
        max(healed.get(which, -np.inf), -np.inf if of_link else anew.get(which, -np.inf)) < when
        for when, which, of_link in zip(begun.t, begun.node.tolist(), kind.isin("blackhole"), strict=True)
    ]
    return lasting


def half_open(events: Events, held: Mapping[int, int]) -> Array:
    """Return for each connection that is held at the end to a node which is silent by then, when that began."""
    silent = events.at(events.event.isin("fault")).at(lasts(events, SILENT))
    since: dict[int, float] = {}
    for when, which in zip(silent.t.tolist(), silent.node.tolist(), strict=True):
        since.setdefault(which, when)
    return np.array([when for which, when in since.items() for _ in range(held.get(which, 0))], dtype=float)


def mark_downs(events: Events, scenario: Scenario) -> Waits:
    """Return how long after each fault its node was marked down, in seconds.

    A fault that lasts to the end of the run, at a node that was up and that a health check or the registry should take
    out, is watched until then. Any other fault without a mark is left out.
    """
    begun = events.at(events.event.isin("fault"))
    marks = events.at(events.event.isin("marked_down", "marked_up"))
    down = marks.event.isin("marked_down")
    expected = lasts(events, FATAL)
    if scenario.balancer.check_interval is None and scenario.registry is None:
        expected[:] = False  # passive: without an attempt nobody looks
    seconds, watched = [], []
    for when, which, due in zip(begun.t, begun.node, expected, strict=True):
        mine = marks.node == which
        downs = marks.t[mine & down & (marks.t >= when)]
        earlier = down[mine & (marks.t < when)]
        if len(downs) or (due and (not len(earlier) or not earlier[-1])):
            seconds.append(float(downs[0] - when) if len(downs) else np.nan)
            watched.append(round(scenario.duration - float(when), SCHEDULE_DIGITS))
    return Waits.of(np.array(seconds), np.array(watched))
