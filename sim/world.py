"""Build the model of a scenario, run it, return its record; many replications make a prediction."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
import simpy

from sim import balancer, client, faults, node
from sim.autoscaler import Autoscaler
from sim.broadcast import Broadcast
from sim.bus import Bus
from sim.cores import Cores
from sim.engines import Engine, pick
from sim.host import Alone, Process
from sim.lifetime import Lifetimes
from sim.machine import Machine
from sim.registry import Registrar
from sim.session import Costs as SessionCosts
from sim.session import Sessions
from sim.uplink import Uplink
from twin.draws import Purpose, uniform
from twin.errors import ScenarioError
from twin.measures import (
    CURVE_STEP,
    attempt_counts,
    connected_curve,
    latency_quantiles,
    measure_record,
    reconnect_times,
)
from twin.measures import marks as marks_of
from twin.measures.broadcast import SHARES
from twin.measures.planned import is_planned
from twin.profile import HostProfile
from twin.record import Record, Row, row
from twin.scenario import WARM_UP_SLACK, HAProxy, Scenario
from twin.session_settings import HASH_UNIT

WORTH_A_WORKER = 3.0
"""Seconds of work in this process after which the compiled engine's further replications go to others."""

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
        machine = Machine(scenario, profile, replication if host < 0 else host)
        self._calibrate(machine)
        groups = [self._cores(machine, cores) for cores in machine.groups]
        self.nodes = [node.Node(self, i + 1, Process(groups[of])) for i, of in enumerate(machine.of_node)]
        self.balancer = balancer.Balancer(self, Process(groups[machine.of_balancer]))
        per_process = scenario.clients.per_process
        swarms: list[Process] | list[Alone] = [Alone(self.env)]
        if machine.swarm is not None:
            cores = groups[0] if machine.swarm == machine.groups[0] else self._cores(machine, machine.swarm)
            swarms = [Process(cores) for _ in range(-(-scenario.clients.count // per_process))]
        self.clients = [
            client.Client(self, i, swarms[i // per_process if len(swarms) > 1 else 0])
            for i in range(scenario.clients.count)
        ]
        self.broadcast = self._broadcast(profile, groups[-1]) if scenario.publisher is not None else None
        registry, scaling, lifetime = scenario.registry, scenario.autoscaling, scenario.nodes.lifetime
        self.lifetimes = Lifetimes(self, lifetime) if lifetime is not None else None
        self.registrar = Registrar(self, registry) if registry is not None else None
        self.bus = self.broadcast.bus if self.broadcast is not None else None
        self.sessions = self._sessions(profile, groups[-1]) if scenario.sessions.store != "none" else None
        self.uplink = self._uplink(profile) if scenario.clients.sends.rate else None
        self._warm_up()
        if self.registrar is not None:
            self.registrar.begin()
            if scaling is not None:
                Autoscaler(self, scaling, self.registrar)
        self.start_checks(machine.check_phase(replication))
        for t, number, up in marks or []:
            self._mark_at(t, number, up)
        for fault in scenario.faults:
            self.env.process(faults.befall(self, fault))

    def _calibrate(self, machine: Machine) -> None:
        """Keep what each part costs in this replication."""
        self.cost = machine.cost
        self.client_costs = machine.client_costs
        self.balancer_costs = machine.balancer_costs
        self.node_costs = machine.node_costs
        self.host_quantile = machine.host_quantile
        self.balancer_start = machine.balancer_start
        self.node_start = machine.node_start
        self.node_stop = machine.node_stop
        self.table_growth = machine.table_growth
        self.check_overhead = machine.check_overhead

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

    def _sessions(self, profile: HostProfile, cores: Cores) -> Sessions:
        """Return what keeps the sessions, and let each client have its side of it."""
        shared, iterations = self.scenario.sessions.store == "redis", self.scenario.sessions.login_iterations
        profile.must_know_sessions(self.scenario.balancer.kind, shared)
        if shared:
            start = profile.lone("bus_start", self.host_quantile)
            self.bus = Bus(self, Process(cores), self.cost, start, 0.0)
        each = profile.once("node_hash", self.host_quantile) * iterations / HASH_UNIT
        sessions = Sessions(self, SessionCosts(self.cost, each), self.bus)
        for one, member in zip(self.clients, sessions.members, strict=True):
            one.member = member
        return sessions

    def _uplink(self, profile: HostProfile) -> Uplink:
        """Return what takes the clients' messages to the nodes."""
        profile.must_know_broadcast()
        uplink = Uplink(self, self.cost)
        for one, outbox in zip(self.clients, uplink.outboxes, strict=True):
            one.outbox = outbox
        return uplink

    def _cores(self, machine: Machine, cores: range) -> Cores:
        """Return some cores of the machine."""
        profile, clock = machine.profile, machine.clock(self.replication)
        paces = [machine.pace(core) for core in cores]
        return Cores(self.env, len(cores), profile.time_slice, profile.tick, paces, clock)

    def start_checks(self, phase: float) -> None:
        """Start the checks of a new balancer process, node 1 in `phase` seconds; given marks stand in for them."""
        if isinstance(self.scenario.balancer, HAProxy) and not self.marks_given and self.scenario.registry is None:
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
            tunnel = self.balancer.tunnel(one, server, 0)
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
            if self.lifetimes is not None:
                self.lifetimes.begin(tunnel, t - WARM_UP_SLACK)
            self.rows.append(row(t, "attempt_connect", one.number, attempt=1))
            self.rows.append(row(t, "connected", one.number, server + 1, attempt=1))
            if one.member is not None:
                one.member.begin(self.nodes[server], t)
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
    engine: Engine = "simpy",
) -> Record:
    """Run one replication and return its record.

    Args:
        scenario: what to run.
        replication: which random numbers to use.
        profile: costs of the host; the scenario's `host.profile` by default.
        marks: observed mark-downs and mark-ups, which then replace the model's health checks.
        host: which draw of the host's speed to use, if not that of the replication.
        engine: see `sim.engines`; all give the same record.

    Raises:
        ScenarioError: there is no such profile, or it does not know the balancer, or the engine not the scenario.
    """
    profile = profile or HostProfile.load(scenario.host.profile)
    engine, _ = pick(scenario, engine)
    if engine == "compiled":
        from sim.compiled.engine import Run

        rows = Run(scenario, replication, profile, marks, host).go().rows()
    else:
        rows = World(scenario, replication, profile, marks, host).run()
    provenance = {
        "world": "sim",
        "engine": engine,
        "scenario": scenario.model_dump(exclude_none=True),
        "seed": scenario.seed,
        "replication": replication,
        "given_marks": [list(mark) for mark in marks] if marks is not None else None,
        "profile": {"made": profile.made, "machine": profile.machine},
        "versions": {name: version(name) for name in ("numba" if engine == "compiled" else "simpy", "stormlab")},
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
        engine: which engine was used, `simpy` or `compiled`.
        attempts: attempts to connect in each `twin.measures.PEAK_WINDOW` of the run, shape (replications, windows).
    """

    scenario: Scenario
    measures: pd.DataFrame
    curve_times: np.ndarray[Any, np.dtype[np.float64]]
    curves: np.ndarray[Any, np.dtype[np.float64]]
    reconnects: list[Mapping[int, float]]
    latencies: np.ndarray[Any, np.dtype[np.float64]]
    engine: str = "simpy"
    attempts: np.ndarray[Any, np.dtype[np.int64]] = field(default_factory=lambda: np.zeros((0, 0), np.int64))


Array = np.ndarray[Any, Any]
Replicated = tuple[dict[str, float], Array, Mapping[int, float], Array, Array]
"""What is kept of a replication: measures, the curve of connected clients, reconnect times, latencies, attempts."""


def predict(
    scenario: Scenario,
    replications: int = 200,
    profile: HostProfile | None = None,
    marks: MarkDowns | None = None,
    paired: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    jobs: int = -1,
    engine: Engine = "auto",
) -> Prediction:
    """Simulate many replications and return their measures.

    Args:
        scenario: what to predict.
        replications: how many; 200 or more for a 95 % interval.
        profile: costs of the host; the scenario's `host.profile` by default.
        marks: observed mark-downs, for the prediction given them.
        paired: use the random numbers of this replication throughout, and vary only the speed of the host.
        progress: receives (done, replications).
        jobs: processes to use; -1 is one a core. What the compiled engine does in a few seconds it does in this one.
        engine: see `sim.engines`; all give the same prediction.

    Raises:
        ScenarioError: `replications` is not from 1 to 100,000, there is no such profile, or the engine does not know
            the scenario.
    """
    if not 1 <= replications <= 100_000:
        raise ScenarioError(f"replications is {replications}; allowed is 1 to 100000.")
    engine, _ = pick(scenario, engine)
    profile = profile or HostProfile.load(scenario.host.profile)
    if scenario.balancer.kind == "nginx":
        profile.curves("balancer_close", "nginx")
    calls = [(i, -1) if paired is None else (paired, i) for i in range(replications)]
    if scenario.publisher is not None:
        profile.must_know_broadcast()
    if scenario.sessions.store != "none":
        profile.must_know_sessions(scenario.balancer.kind, scenario.sessions.store == "redis")
    found: list[Replicated] = []
    began = time.perf_counter()
    while engine == "compiled" and calls and time.perf_counter() - began < WORTH_A_WORKER:
        found += replicate(scenario, profile, marks, [calls.pop(0)], engine)
        if progress is not None:
            progress(len(found), replications)
    for part in _side_by_side(scenario, profile, marks, calls, engine, max(1, min(16, replications // 8)), jobs):
        found += part
        if progress is not None:
            progress(len(found), replications)
    times = np.arange(0.0, scenario.duration, CURVE_STEP)
    return Prediction(
        scenario,
        pd.DataFrame([measures for measures, *_ in found]),
        times,
        np.array([curve for _, curve, *_ in found]),
        [reconnects for _, _, reconnects, *_ in found],
        np.array([latencies for *_, latencies, _ in found]),
        engine,
        np.array([attempts for *_, attempts in found]),
    )


def _side_by_side(
    scenario: Scenario,
    profile: HostProfile,
    marks: MarkDowns | None,
    calls: list[tuple[int, int]],
    engine: Engine,
    chunk: int,
    jobs: int,
) -> Iterator[list[Replicated]]:
    """Replicate in as many processes as `jobs` says, so many calls at a time."""
    if not calls:
        return
    import joblib  # takes a while to load, and a short prediction needs no workers

    chunks = [calls[i : i + chunk] for i in range(0, len(calls), chunk)]
    workers = joblib.Parallel(n_jobs=jobs if len(chunks) > 1 else 1, return_as="generator")
    yield from workers(joblib.delayed(replicate)(scenario, profile, marks, some, engine) for some in chunks)


def predict_given(
    records: Sequence[Record],
    replications: int = 40,
    profile: HostProfile | None = None,
    progress: Callable[[int, int], None] | None = None,
    jobs: int = -1,
    engine: Engine = "auto",
) -> list[Prediction]:
    """Predict each measured run given what its balancer marked down and up, and when.

    The random numbers are those of the run's replication; only the speed of the host varies. What is left between
    prediction and measurement is then the model's fault and the host's noise, not the luck of a phase.

    Args:
        records: measured runs.
        replications: how many a run.
        profile, progress, jobs, engine: as for `predict`.
    """
    found = []
    for i, record in enumerate(records):
        active = isinstance(record.scenario.balancer, HAProxy)
        seen = marks_of(record) if active else None
        found.append(predict(record.scenario, replications, profile, seen, record.replication, None, jobs, engine))
        if progress is not None:
            progress(i + 1, len(records))
    return found


def needs_record(scenario: Scenario) -> bool:
    """Tell whether the measures of a scenario are taken from the whole record: of messages, and of planned faults."""
    return scenario.publisher is not None or is_planned(scenario)


def replicate(
    scenario: Scenario, profile: HostProfile, marks: MarkDowns | None, calls: Sequence[tuple[int, int]], engine: Engine
) -> list[Replicated]:
    """Return what is kept of some replications.

    Args:
        scenario, profile, marks: as for `predict`.
        calls: for each replication its number and that of the host's draw, -1 for its own.
        engine: `simpy` or `compiled`.
    """
    found = []
    for replication, host in calls:
        if engine == "compiled" and not needs_record(scenario):
            from sim.compiled.engine import Run

            done = Run(scenario, replication, profile, marks, host, full=False).go()
            course = done.course()
            nothing = np.full(len(SHARES), np.nan)
            found.append((course.measures(), done.curve(), course.reconnect_times(), nothing, done.attempts()))
            continue
        record = simulate(scenario, replication, profile, marks, host, engine)
        latencies = latency_quantiles(record) if scenario.publisher is not None else np.full(len(SHARES), np.nan)
        curve, attempts = connected_curve(record), attempt_counts(record)
        found.append((measure_record(record), curve, reconnect_times(record), latencies, attempts))
    return found
