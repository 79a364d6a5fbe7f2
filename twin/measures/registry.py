"""What a record says about a cluster that changes its size: nodes that come and go, and who carries the clients."""

import numpy as np

from twin.measures.base import RATE_WINDOW, Measure, most_within
from twin.measures.censoring import Waits
from twin.measures.connection import SCHEDULE_DIGITS
from twin.measures.quiet import away_seconds
from twin.record.record import Record
from twin.scenario.scenario import Scenario

ENOUGH = 0.9
"""A node carries its share when it has so much of the mean of the nodes that run."""

ELASTIC = {
    "start_to_rotation": Measure(
        "s", "timer", "median time from the start of a node's process to its place in rotation"
    ),
    "start_to_first": Measure("s", "timer", "median time from the start of a node's process to its first connection"),
    "start_to_share": Measure(
        "s", "timer", "median time from the start of a node's process until it has 90 % of the mean of the nodes"
    ),
    "new_share": Measure("1", "timer", "median of the new nodes' connections at the end over the mean of the nodes"),
    "resume_to_rotation": Measure("s", "timer", "time from the end of a hang until the node is in rotation again"),
    "nodes_mean": Measure("1", "timer", "mean number of nodes that run, over the time of the run"),
    "nodes_end": Measure("1", "count", "nodes that run at the end"),
    "scalings": Measure("1", "count", "decisions of the autoscaler that change the number of nodes"),
    "churn_peak": Measure("1/s", "timer", "most attempts to connect in any second of the run"),
    "away_per_close": Measure("s", "timer", "client-seconds without a connection, per connection that ended"),
    "next_share": Measure("1", "count", "share of the connected clients that have the next version at the end"),
}


def is_elastic(scenario: Scenario) -> bool:
    """Tell whether a scenario has a registry, or connections of limited lifetime."""
    return scenario.registry is not None or scenario.nodes.lifetime is not None


def churns(scenario: Scenario) -> bool:
    """Tell whether nodes end connections all along: by lifetimes, read deadlines, rebalancing or scaling."""
    if 0.0 < scenario.nodes.read_deadline <= scenario.longest_silence:
        return True
    rebalances = scenario.registry is not None and scenario.registry.rebalance is not None
    return scenario.nodes.lifetime is not None or scenario.autoscaling is not None or rebalances


def measure_elastic(record: Record) -> dict[str, float]:
    """Return the measures of a cluster that changes its size; nothing for any other."""
    scenario = record.scenario
    if not is_elastic(scenario):
        return {}
    nodes = NodeHistory(record)
    found = nodes.newcomers()
    if scenario.autoscaling is not None:
        found["nodes_mean"] = nodes.mean_running()
        found["nodes_end"] = float(len(nodes.running))
        found["scalings"] = float(len(record.columns.where("scaled")))
    found |= _resumed(record).percentiles({"resume_to_rotation": 50})
    if churns(scenario):
        found |= _churn(record)
    if scenario.registry is not None and scenario.registry.canary is not None:
        total = sum(nodes.held.values())
        following = sum(nodes.held.get(node, 0) for node in scenario.registry.canary.nodes)
        found["next_share"] = following / total if total else 0.0
    return found


def _churn(record: Record) -> dict[str, float]:
    attempts = record.columns.of("attempt_connect").t
    found = {"churn_peak": most_within(attempts[attempts >= 0.0], RATE_WINDOW) / RATE_WINDOW}
    losses = len(record.columns.where("disconnected"))
    if losses:
        found["away_per_close"] = away_seconds(record) / losses
    if not record.scenario.faults and _may_give_up(record.scenario):  # with faults it is a measure of connections
        found["gave_up_share"] = len(record.columns.where("gave_up")) / record.scenario.clients.count
    return found


def _may_give_up(scenario: Scenario) -> bool:
    """Tell whether a client may stop for good: by its reconnect policy, or when its session is refused."""
    reconnect, sessions = scenario.clients.reconnect, scenario.sessions
    by_policy = reconnect.max_attempts > 0 or (reconnect.policy == "list" and reconnect.then == "stop")
    return by_policy or (sessions.store != "none" and sessions.on_refusal == "stop")


def _resumed(record: Record) -> Waits:
    """Return for each hang that ended, and for which the node had been taken out, how long it took to be in again."""
    healed, marks = record.columns.of("healed"), record.columns.of("marked_up", "marked_down")
    healed, up = healed.at(healed.words("kind").isin("hang")), marks.event.isin("marked_up")
    seconds, watched = [], []
    for when, which in zip(healed.t.tolist(), healed.node.tolist(), strict=True):
        mine = marks.node == which
        ups = marks.t[up & mine & (marks.t >= when)]
        if len(ups) or (mine.any() and not up[mine][-1]):
            seconds.append(float(ups[0]) - when if len(ups) else np.nan)
            watched.append(round(record.scenario.duration - when, SCHEDULE_DIGITS))
    return Waits.of(np.array(seconds), np.array(watched))


class NodeHistory:
    """The nodes of a record over time.

    Attributes:
        held: connections of each node at the end.
        running: the nodes that run at the end.
        started: for each process that was started in the run its node and time, in order.
        up: for each of them when it came into rotation, NaN if never; one whose node has never been taken out is there
            as soon as it listens.
        first: when it got its first connection, NaN if never.
        carried: when it had its share, NaN if never.
        ended: when the process ended, the end of the run if it did not.
    """

    def __init__(self, record: Record) -> None:
        self.end = record.scenario.duration
        self.running = set(range(1, record.scenario.nodes.count + 1))
        self.held: dict[int, int] = {}
        self.started: list[tuple[int, float]] = []
        self.up: list[float] = []
        self.first: list[float] = []
        self.carried: list[float] = []
        self.ended: list[float] = []
        self.changes: list[tuple[float, int]] = [(0.0, len(self.running))]
        self._current: dict[int, int] = {}
        self._in_rotation = set(self.running)
        events = record.columns.of(
            *("connected", "disconnected", "node_starting", "node_started", "node_stopped", "marked_up", "marked_down")
        )
        home: dict[int, int] = {}
        columns = (column.tolist() for column in (events.t, events.event.spelled(), events.client, events.node))
        for t, event, client, node in zip(*columns, strict=True):
            if event == "connected":
                home[client] = node
                self.held[node] = self.held.get(node, 0) + 1
                self._gained(t, node)
            elif event == "disconnected" and client in home:
                self.held[home.pop(client)] -= 1
            elif event in ("marked_up", "marked_down"):
                self._marked(t, node, event == "marked_up")
            elif event == "node_starting":
                self._current[node] = len(self.started)
                self.started.append((node, t))
                for times in (self.up, self.first, self.carried):
                    times.append(np.nan)
                self.ended.append(self.end)
            elif event in ("node_started", "node_stopped"):
                (self.running.add if event == "node_started" else self.running.discard)(node)
                self.changes.append((max(0.0, t), len(self.running)))
                if event == "node_started" and node in self._in_rotation:
                    self._note(self.up, t, node)
                if event == "node_stopped" and node in self._current:
                    self.ended[self._current[node]] = t

    def _marked(self, t: float, node: int, up: bool) -> None:
        """Note that the balancer has taken a node in, or out."""
        (self._in_rotation.add if up else self._in_rotation.discard)(node)
        if up:
            self._note(self.up, t, node)

    def _note(self, times: list[float], t: float, node: int) -> None:
        """Note the first time of something for the present process of a node."""
        place = self._current.get(node)
        if place is not None and np.isnan(times[place]):
            times[place] = t

    def _gained(self, t: float, node: int) -> None:
        self._note(self.first, t, node)
        if node in self._current and self.held[node] >= ENOUGH * self.mean():
            self._note(self.carried, t, node)

    def mean(self) -> float:
        """Return the present mean number of connections of the nodes that run."""
        return sum(self.held.values()) / max(1, len(self.running))

    def mean_running(self) -> float:
        """Return the mean number of running nodes over the time of the run."""
        total = 0.0
        for i, (t, count) in enumerate(self.changes):
            until = self.changes[i + 1][0] if i + 1 < len(self.changes) else self.end
            total += count * (min(until, self.end) - min(t, self.end))
        return total / self.end

    def newcomers(self) -> dict[str, float]:
        """Return the measures of the processes that were started in the run."""
        found: dict[str, float] = {}
        began = np.array([t for _, t in self.started])
        for name, times in (
            ("start_to_rotation", self.up),
            ("start_to_first", self.first),
            ("start_to_share", self.carried),
        ):
            watched = np.round(np.array(self.ended) - began, SCHEDULE_DIGITS)
            found |= Waits.of(np.array(times) - began, watched).percentiles({name: 50})
        new = [node for node in self._current if node in self.running]
        if new and self.mean():
            found["new_share"] = float(np.median([self.held.get(node, 0) for node in new])) / self.mean()
        return found
