"""Build the model of a scenario, run it, return its record; many replications make a prediction."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import joblib
import numpy as np
import pandas as pd
import simpy

from sim import balancer, client, faults, node
from sim.broadcast import OWN_ROUNDS, Broadcast
from sim.host import Cores, Cost, Process
from twin.draws import Purpose, stratified, uniform
from twin.errors import ScenarioError
from twin.measures import CURVE_STEP, connected_curve, latency_quantiles, measure_record, reconnect_times
from twin.measures import marks as marks_of
from twin.measures.broadcast import SHARES
from twin.profile import PACE_STEP, HostProfile
from twin.record import Record, Row, row
from twin.scenario import WARM_UP_SLACK, HAProxy, Scenario

MarkDowns = Sequence[tuple[float, int, bool]]
"""Observed marks of the balancer: (time in seconds, node from 1, up)."""


class World:
    """The whole model of one replication."""

    def __init__(
        self, scenario: Scenario, replication: int, profile: HostProfile, marks: MarkDowns | None = None, host: int = -1
    ) -> None:
        self.scenario = scenario
        self.replication = replication
        self.marks_given = marks is not None
        self.env = simpy.Environment()
        self.rows: list[Row] = []
        self.reconnect = scenario.clients.reconnect.rule()
        self.heartbeat = scenario.clients.heartbeat.rule()
        self._calibrate(profile, replication if host < 0 else host)
        cluster, clients, one_each = self._cores(profile, replication if host < 0 else host)
        self.nodes = [
            node.Node(self, i + 1, Process(cluster[i % len(cluster)] if one_each else cluster[0]))
            for i in range(scenario.nodes.count)
        ]
        self.balancer = balancer.Balancer(self, Process(cluster[0]))
        per_process = scenario.clients.per_process
        swarms = [Process(clients) for _ in range(-(-scenario.clients.count // per_process))]
        self.clients = [client.Client(self, i, swarms[i // per_process]) for i in range(scenario.clients.count)]
        self.broadcast = self._broadcast(profile, cluster[-1]) if scenario.publisher is not None else None
        self._warm_up()
        self.start_checks(self._phase())
        for t, number, up in marks or []:
            self._mark_at(t, number, up)
        for fault in scenario.faults:
            self.env.process(faults.befall(self, fault))

    def _calibrate(self, profile: HostProfile, host: int) -> None:
        """Look up what each part costs. Costs vary with the speed of the core; what happens once is drawn here."""
        kind = self.scenario.balancer.kind
        shares = {
            name: profile.first(name, stratified(self.scenario.seed, host, i, Purpose.ROUND))
            for i, name in enumerate(profile.first_part)
        }

        def cost(name: str) -> Cost:
            who = kind if name.startswith(("balancer", "haproxy")) else "node" if name.startswith("node") else name
            who = OWN_ROUNDS.get(name, who).format(kind)
            first_part = 0.0 if name == "node_exit" else shares.get(who, 0.0)
            return Cost(profile.curves(name, kind), first_part, client.HOPS.get(name, 0))

        self.cost = cost
        self.client_costs = client.Costs(cost)
        self.balancer_costs = balancer.Costs(cost, kind)
        self.node_costs = node.Costs(cost)
        self.host_quantile = u = stratified(self.scenario.seed, host, 0, Purpose.HOST)
        self.balancer_start = profile.start(kind, u)
        self.node_start = profile.lone("node_start", u)
        self.node_stop = profile.lone("node_stop", u)
        self.table_growth = profile.lone("table_growth", u)
        self.check_overhead = profile.lone("check_overhead", 0.5)

    def _broadcast(self, profile: HostProfile, cores: Cores) -> Broadcast:
        """Return the bus, the publisher and what nodes and clients have to do with them."""
        profile.must_know_broadcast()
        start, room = (profile.lone(name, self.host_quantile) for name in ("bus_start", "path_bytes"))
        broadcast = Broadcast(self, cores, self.cost, start, room)
        for one, fanout in zip(self.nodes, broadcast.fanouts, strict=True):
            one.fanout = fanout
        for member, subscriber in zip(self.clients, broadcast.subscribers, strict=True):
            member.subscriber = subscriber
        return broadcast

    def _cores(self, profile: HostProfile, host: int) -> tuple[list[Cores], Cores, bool]:
        """Return the cores of the cluster and of the clients, and whether each node has one of its own."""
        paces = profile.paces

        def pace(core: int) -> Callable[[float], int]:
            draw = uniform if core else stratified  # the cores' neighbours have nothing to do with each other
            u = draw(self.scenario.seed, host, core, Purpose.PACE)
            series = paces[int(u * len(paces))]
            start = (u * len(paces)) % 1.0 * len(series)
            return lambda now: series[int(start + now / PACE_STEP) % len(series)]

        clock = self.draw(0, Purpose.CLOCK, 0)

        def some(first: int, count: int) -> Cores:
            series = [pace(first + i) for i in range(count)]
            return Cores(self.env, count, profile.time_slice, profile.tick, series, clock)

        count = self.scenario.host.cores
        if self.scenario.host.placement == "free" or count == 1:
            shared = some(0, count)
            return [shared], shared, False
        half = count // 2
        return [some(i, 1) for i in range(half)], some(half, count - half), True

    def _phase(self) -> float:
        """Return when HAProxy first checks node 1 in this replication, in seconds after the start of the run."""
        if not isinstance(self.scenario.balancer, HAProxy):
            return 0.0
        return (
            stratified(self.scenario.seed, self.replication, 0, Purpose.CHECK_PHASE)
            * self.scenario.balancer.check.inter
        )

    def start_checks(self, phase: float) -> None:
        """Start the checks of a new balancer process, node 1 in `phase` seconds; given marks stand in for them."""
        if isinstance(self.scenario.balancer, HAProxy) and not self.marks_given:
            for server in range(self.scenario.nodes.count):
                self.env.process(self.balancer.check(server, phase))

    def _mark_at(self, t: float, number: int, up: bool) -> None:
        def mark(_: simpy.Event) -> None:
            self.balancer.mark(number - 1, up, "observed")

        self.env.timeout(max(0.0, t)).callbacks.append(mark)

    def _warm_up(self) -> None:
        """Connect everybody before the run starts, one after the other at the scenario's rate."""
        for one in self.clients:
            server = self.balancer.choose(one, [])
            self.balancer.rule.take(server)
            tunnel = balancer.Tunnel(self.env, one, server, 0)
            tunnel.opened = True
            self.nodes[server].tunnels[tunnel] = None
            one.attempts = 1
            if one.subscriber is not None:
                one.subscriber.connected(tunnel, again=False)
            one.first_beat = self.heartbeat.interval * self.draw(one.number, Purpose.PING_PHASE, 0)
            if one.beats is not None:
                one.beats.start(tunnel, one.first_beat, False)
            t = one.number / self.scenario.clients.connect_rate - self.scenario.warm_up
            self.balancer.idle.watch(tunnel, t - WARM_UP_SLACK)
            self.rows.append(row(t, "attempt_connect", one.number, attempt=1))
            self.rows.append(row(t, "connected", one.number, server + 1, attempt=1))
            self.env.process(one.live(tunnel))
        for one_node in self.nodes:
            one_node.warmed_up()

    def draw(self, entity: int, purpose: Purpose, n: int) -> float:
        """Return a uniform number of this replication."""
        return uniform(self.scenario.seed, self.replication, entity, purpose, n)

    def note(
        self, event: str, client: int = -1, node: int = -1, attempt: int = -1, detail: str = "", version: int = -1
    ) -> None:
        """Append one event at the present time."""
        self.rows.append((self.env.now, event, client, node, attempt, version, detail))

    def run(self) -> list[Row]:
        """Run to the end of the scenario and return the events."""
        self.env.run(until=self.scenario.duration)
        if self.broadcast is not None:
            self.broadcast.publisher.finish()
        counts = [sum(not t.client_left for t in n.tunnels) for n in self.nodes]
        for number, count in enumerate(counts, 1):
            self.note("server_connections", node=number, detail=str(count))
        return self.rows


def simulate(
    scenario: Scenario,
    replication: int = 0,
    profile: HostProfile | None = None,
    marks: MarkDowns | None = None,
    host: int = -1,
) -> Record:
    """Run one replication and return its record.

    Args:
        scenario: what to run.
        replication: which random numbers to use.
        profile: costs of the host; the scenario's `host.profile` by default.
        marks: observed mark-downs and mark-ups, which then replace the model's health checks.
        host: which draw of the host's speed to use, if not that of the replication.

    Raises:
        ScenarioError: there is no such profile, or it does not know the balancer.
    """
    profile = profile or HostProfile.load(scenario.host.profile)
    rows = World(scenario, replication, profile, marks, host).run()
    provenance = {
        "world": "sim",
        "engine": "simpy",
        "scenario": scenario.model_dump(exclude_none=True),
        "seed": scenario.seed,
        "replication": replication,
        "given_marks": [list(mark) for mark in marks] if marks is not None else None,
        "profile": {"made": profile.made, "machine": profile.machine},
        "versions": {name: version(name) for name in ("simpy", "stormlab")},
    }
    return Record.of(rows, provenance)


@dataclass(frozen=True)
class Prediction:
    """What many replications say about one run.

    Attributes:
        scenario: what was simulated.
        measures: one row a replication, one column a measure.
        curve_times: seconds after the start of the run, shape (points,).
        curves: connected clients, shape (replications, points).
        reconnects: for each replication the client's first reconnect time in seconds, by client number.
        latencies: seconds of delivery at each of `twin.measures.broadcast.SHARES` of the deliveries, shape
            (replications, 99); NaN where nothing was delivered.
    """

    scenario: Scenario
    measures: pd.DataFrame
    curve_times: np.ndarray[Any, np.dtype[np.float64]]
    curves: np.ndarray[Any, np.dtype[np.float64]]
    reconnects: list[Mapping[int, float]]
    latencies: np.ndarray[Any, np.dtype[np.float64]]


Replicated = tuple[dict[str, float], np.ndarray[Any, Any], dict[int, float], np.ndarray[Any, Any]]
"""What is kept of a replication: measures, the curve of connected clients, reconnect times, latencies."""


def predict(
    scenario: Scenario,
    replications: int = 200,
    profile: HostProfile | None = None,
    marks: MarkDowns | None = None,
    paired: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    jobs: int = -1,
) -> Prediction:
    """Simulate many replications and return their measures.

    Args:
        scenario: what to predict.
        replications: how many; 200 or more for a 95 % interval.
        profile: costs of the host; the scenario's `host.profile` by default.
        marks: observed mark-downs, for the prediction given them.
        paired: use the random numbers of this replication throughout, and vary only the speed of the host.
        progress: receives (done, replications).
        jobs: processes to use; -1 is one a core.

    Raises:
        ScenarioError: `replications` is not from 1 to 100,000, or there is no such profile.
    """
    if not 1 <= replications <= 100_000:
        raise ScenarioError(f"replications is {replications}; allowed is 1 to 100000.")
    profile = profile or HostProfile.load(scenario.host.profile)
    if scenario.balancer.kind == "nginx":
        profile.curves("balancer_close", "nginx")
    calls = [(i, -1) if paired is None else (paired, i) for i in range(replications)]
    chunk = max(1, min(16, replications // 8))
    chunks = [calls[i : i + chunk] for i in range(0, replications, chunk)]
    if scenario.publisher is not None:
        profile.must_know_broadcast()
    found: list[Replicated] = []
    workers = joblib.Parallel(n_jobs=jobs if len(chunks) > 1 else 1, return_as="generator")
    for part in workers(joblib.delayed(_replicate)(scenario, profile, marks, calls) for calls in chunks):
        found += part
        if progress is not None:
            progress(len(found), replications)
    times = np.arange(0.0, scenario.duration, CURVE_STEP)
    return Prediction(
        scenario,
        pd.DataFrame([measures for measures, *_ in found]),
        times,
        np.array([curve for _, curve, _, _ in found]),
        [reconnects for _, _, reconnects, _ in found],
        np.array([latencies for *_, latencies in found]),
    )


def predict_given(
    records: Sequence[Record],
    replications: int = 40,
    profile: HostProfile | None = None,
    progress: Callable[[int, int], None] | None = None,
    jobs: int = -1,
) -> list[Prediction]:
    """Predict each measured run given what its balancer marked down and up, and when.

    The random numbers are those of the run's replication; only the speed of the host varies. What is left between
    prediction and measurement is then the model's fault and the host's noise, not the luck of a phase.

    Args:
        records: measured runs.
        replications: how many a run.
        profile, progress, jobs: as for `predict`.
    """
    found = []
    for i, record in enumerate(records):
        active = isinstance(record.scenario.balancer, HAProxy)
        seen = marks_of(record) if active else None
        found.append(predict(record.scenario, replications, profile, seen, record.replication, None, jobs))
        if progress is not None:
            progress(i + 1, len(records))
    return found


def _replicate(
    scenario: Scenario, profile: HostProfile, marks: MarkDowns | None, calls: list[tuple[int, int]]
) -> list[Replicated]:
    found = []
    for replication, host in calls:
        record = simulate(scenario, replication, profile, marks, host)
        latencies = latency_quantiles(record) if scenario.publisher is not None else np.full(len(SHARES), np.nan)
        found.append((measure_record(record), connected_curve(record), reconnect_times(record), latencies))
    return found
