"""Build the model of a scenario, run it, return its record."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import simpy

from sim import faults
from sim.balancer.balancer import Balancer
from sim.balancer.kinds import KINDS
from sim.build import Core, Mechanisms
from sim.client import client
from sim.machine.accounts import cpu_used
from sim.machine.cores import CoreContention, Cores
from sim.machine.machine import Machine
from sim.machine.process import Alone, Process, lone_seconds
from sim.node import node
from sim.node.kinds import RUNTIMES
from sim.node.listening import Times
from sim.transport.kinds import TRANSPORTS
from twin.costs.profile import HostProfile
from twin.costs.starts import start_part
from twin.draws import Purpose, uniform
from twin.record.balancer_events import BalancerCounted
from twin.record.events import ServerConnections
from twin.record.record import Row
from twin.scenario.scenario import Scenario

DRAWN_AT_ONCE = 8
"""How many of the numbers for its reconnect policy are drawn for each client together with those of all others."""


MarkDowns = Sequence[tuple[float, int, bool]]
"""Observed marks of the balancer: (time in seconds, node from 1, up)."""


class World:
    """The whole model of one replication."""

    def __init__(
        self, scenario: Scenario, replication: int, profile: HostProfile, marks: MarkDowns | None = None, host: int = -1
    ) -> None:
        profile.must_know(scenario)
        self.scenario = scenario
        self.replication = replication
        self.marks_given = marks is not None
        self.env = simpy.Environment()
        self.rows: list[Row] = []
        self._drawn: list[list[float]] = []
        machine = Machine(scenario, profile, replication if host < 0 else host)
        self.cost = machine.cost
        self._busy = machine.busy
        self._check_overhead = machine.check_overhead
        self._contention = CoreContention(scenario.host.cores, machine.contention_steps)
        groups = [self._cores(machine, cores) for cores in machine.groups]
        self.nodes, self.balancer = self._nodes_and_balancer(machine, groups)
        self.clients = self._clients(machine, groups)
        core = Core(self.clients, self.balancer, self.nodes)
        beside = {name: groups[place] for name, place in machine.of_service.items()}
        self.mechanisms = Mechanisms(self, core, machine, beside, looks=not self.marks_given)
        self.broadcast = self.mechanisms.broadcast
        self.servers = self.mechanisms.servers
        self.sessions = self.mechanisms.sessions
        self.registrar = self.mechanisms.registrar
        self.pools = self.mechanisms.pools
        if self.registrar is not None:
            self.registrar.enroll()
        self._warm_up()
        self.mechanisms.begin()
        self.start_checks(machine.check_phase(replication))
        for t, number, up in marks or []:
            self._mark_at(t, number, up)
        for fault in scenario.faults:
            self.env.process(faults.inject(self, fault))

    def _nodes_and_balancer(self, machine: Machine, groups: list[Cores]) -> tuple[list[node.Node], Balancer]:
        """Return the nodes, and the balancer before them."""
        settings = self.scenario.nodes
        runtime = RUNTIMES[settings.runtime](self.cost, start_part(self.scenario), settings)
        times, processes = _times(machine), [runtime.processes(groups[of]) for of in machine.of_node]
        nodes = [node.Node(self, i, some, runtime, times) for i, some in enumerate(processes, 1)]
        process, start = Process(groups[machine.of_balancer]), machine.balancer_start
        kind = KINDS[self.scenario.balancer.kind]
        found = kind(self, process, nodes, start, self.start_checks)
        for one in nodes:
            one.balancer = found
        return nodes, found

    def _clients(self, machine: Machine, groups: list[Cores]) -> list[client.Client]:
        """Return the clients, with so many in each process as the scenario says."""
        settings = self.scenario.clients
        processes: list[Process] | list[Alone] = [Alone(self.env)]
        if machine.swarm is not None:
            cores = groups[0] if machine.swarm == machine.groups[0] else self._cores(machine, machine.swarm)
            processes = [Process(cores) for _ in range(-(-settings.count // settings.per_process))]
        swarm = client.Swarm.of(self, self.balancer, self.nodes, self.draw_for_reconnect)
        of = settings.per_process if len(processes) > 1 else settings.count
        kind = TRANSPORTS[settings.transport.kind]
        return [kind(swarm, i, processes[i // of]) for i in range(settings.count)]

    def _cores(self, machine: Machine, cores: range) -> Cores:
        """Return some cores of the machine."""
        profile, clock = machine.profile, machine.clock(self.replication)
        paces = [machine.pace(core).level for core in cores]
        return Cores(self.env, len(cores), profile.time_slice, profile.tick, paces, clock, self._contention)

    def start_checks(self, phase: float) -> None:
        """Start the checks of a new balancer process, node 1 in `phase` seconds; given marks stand in for them."""
        if not self.marks_given and self.scenario.registry is None:
            for check in self.balancer.checks(phase, self._check_overhead):
                self.env.process(check)

    def _mark_at(self, t: float, number: int, up: bool) -> None:
        registry = self.scenario.registry

        def mark(_: simpy.Event) -> None:
            if registry is not None:  # where the registrar does not look, the node's version is known all the same
                self.balancer.route(number - 1, registry.version(number))
            self.balancer.mark(number - 1, up, "observed")

        self.env.timeout(max(0.0, t)).callbacks.append(mark)

    def _warm_up(self) -> None:
        """Connect everybody but who comes later before the run starts, one after the other at the scenario's rate."""
        rate, warm_up = self.scenario.clients.connect_rate, self.scenario.warm_up
        arrivals = self.scenario.clients.arrival_times
        for one in self.clients:
            if one.number in arrivals:
                one.come(arrivals[one.number])
            else:
                one.warm_up(one.number / rate - warm_up)
        for one_node in self.nodes:
            one_node.warmed_up()

    def draw(self, entity: int, purpose: Purpose, n: int) -> float:
        """Return a uniform number of this replication."""
        return uniform(self.scenario.seed, self.replication, entity, purpose, n)

    def draw_for_reconnect(self, client: int, n: int) -> float:
        """Return a client's `n`-th number for its reconnect policy, as `draw` does.

        A herd needs many of the first ones, and a thousand drawn at once take as long as fifteen drawn one by one.
        """
        if n >= DRAWN_AT_ONCE:
            return self.draw(client, Purpose.RECONNECT, n)
        while n >= len(self._drawn):
            everybody: Any = np.arange(len(self.clients), dtype=np.uint64)
            drawn: Any = uniform(self.scenario.seed, self.replication, everybody, Purpose.RECONNECT, len(self._drawn))
            self._drawn.append(drawn.tolist())
        return self._drawn[n][client]

    def note(
        self, event: str, client: int = -1, node: int = -1, attempt: int = -1, detail: str = "", version: int = -1
    ) -> None:
        """Append one event at the present time."""
        self.rows.append((self.env.now, event, client, node, attempt, version, detail))

    def run(self) -> list[Row]:
        """Run to the end of the scenario and return the events."""
        self.env.run(until=self.scenario.duration)
        self.rows += self.mechanisms.finish()
        if self.scenario.notes_cpu:
            self.rows += cpu_used(self.env.now, self.nodes, self.balancer.workers, self.clients, self._busy)
        for name, count in self.balancer.counters().items():
            self.note("balancer_counted", detail=BalancerCounted.pack(name, count))
        counts = [sum(not t.client_left for t in n.tunnels) for n in self.nodes]
        for number, count in enumerate(counts, 1):
            self.note("server_connections", node=number, detail=ServerConnections.pack(count))
        return self.rows


def _times(machine: Machine) -> Times:
    """Return what takes how long at each node. Ping and pong pass the balancer, and the client answers: an answer to a
    control frame is what a client does to a close frame, too.
    """
    round_trip = 2 * lone_seconds(machine.cost("balancer_frame")) + lone_seconds(machine.cost("client_goodbye"))
    return Times(machine.node_stop, machine.table_growth, round_trip)
