"""Start a real cluster, connect its clients, attend to its parts, collect the record, stop everything."""

import contextlib
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, ClassVar, Self

from live.balancer.balancer import start_balancer
from live.client.messages import AllConnected, Warm
from live.conditions import Conditions
from live.control.address import Address
from live.control.attaching import MODULES
from live.control.collecting import collect
from live.control.messages import Listening, Ready
from live.control.process import READY_WITHIN, ChildProcess, Stage
from live.control.supervisor import Supervisor
from live.limits import check
from live.machine import placement
from live.machine.timing import ScheduledAction, Timing, stood_still
from live.node import lives
from live.node.kinds import RUNTIMES
from live.node.messages import Look, Seen
from live.ports import ClusterPart, SomePart
from live.rooms import ROOMS, Room
from live.transport.kinds import PROGRAMS
from twin.draws import Purpose, stratified
from twin.errors import ClusterError, LateError
from twin.record.balancer_events import BalancerCounted
from twin.record.events import ServerConnections
from twin.record.record import Row, row
from twin.rules.faults import Hold, Standing
from twin.scenario.combinations import WARM_UP_SLACK
from twin.scenario.scenario import Scenario

NOTICE = 0.05
"""Seconds from the order to connect to the first attempt, so that all swarm processes have read it."""
LATE = 10.0
"""Seconds after the start of the run for which clients that have not connected by then are waited for, to say how late
they are."""


class Cluster:
    """All processes of one run, started and ready; used as a context manager."""

    measured: ClassVar[bool] = True
    """Whether times are taken: its cores are then kept from falling asleep, which takes all of them."""

    def __init__(
        self,
        scenario: Scenario,
        replication: int,
        redis_url: str | Address | None = None,
        more: Sequence[Room] = (),
    ) -> None:
        check(scenario, redis_url)
        self.scenario = scenario
        self.replication = replication
        self.redis_url = redis_url
        self.events: list[tuple[float, str, int, str, int]] = []
        self.killed: list[int] = []
        self.restarting: set[int] = set()
        later = scenario.slots - scenario.nodes.count
        self.standings = [Standing() for _ in range(scenario.nodes.count)]
        self.standings += [Standing("dead", absent=True) for _ in range(later)]
        self.stalls = defaultdict[int, Hold](Hold)
        self.delays = defaultdict[int, float](float)
        self.place = placement.placement(scenario)
        self._lock = threading.Lock()
        self.helpers: list[threading.Thread] = []
        self._exit = contextlib.ExitStack()
        self.parts: list[ClusterPart] = []
        self.nodes: list[ChildProcess] = []
        self.joined: dict[int, ChildProcess] = {}
        self.swarm: list[ChildProcess] = []
        self.port, *self.node_ports = placement.free_ports(1 + scenario.slots)
        with contextlib.ExitStack() as undo:
            undo.callback(self._close)  # when nobody writes any more
            self.stage = undo.enter_context(Stage())
            self.supervisor = Supervisor(self.stage)
            undo.callback(self.supervisor.close)
            if self.measured:
                placement.keep_awake(self.stage, self.place.all)
            self._start([*ROOMS, *more], undo)
            self._exit = undo.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._exit.close()

    def _close(self) -> None:
        """Let every part clean up, also if another one fails to, the last one first."""
        with contextlib.ExitStack() as undo:
            for part in self.parts:
                undo.callback(part.close)

    def add(self, part: ClusterPart) -> None:
        """Add a mechanism."""
        self.parts.append(part)

    def room(self, kind: type[SomePart]) -> SomePart | None:
        """Return what a mechanism has added, by its class; None if it is not there."""
        return next(iter(self.rooms(kind)), None)

    def rooms(self, kind: type[SomePart]) -> list[SomePart]:
        """Return all that mechanisms have added, by its class."""
        return [part for part in self.parts if isinstance(part, kind)]

    def note(self, t: float, event: str, node: int = -1, detail: str = "", client: int = -1) -> None:
        """Note an event of the cluster at the monotonic time `t`; may be called from any thread."""
        with self._lock:
            self.events.append((t, event, node, detail, client))

    def _start(self, rooms: Sequence[Room], undo: contextlib.ExitStack) -> None:
        scenario, began = self.scenario, time.monotonic()
        for attach in rooms:
            attach(self)
        self.nodes += [self.start_node(number) for number in range(1, scenario.nodes.count + 1)]
        count, size = scenario.clients.count, scenario.clients.per_process
        self.swarm += [self._start_swarm(first, min(size, count - first)) for first in range(0, count, size)]
        self.watch = placement.Watch(self.stage, self.place.all)
        for node in self.nodes:
            node.hear(Listening)
        for part in self.parts:
            part.before_balancer()
        self.balancer = start_balancer(
            self.stage,
            scenario,
            self.port,
            [self.port_of(number) for number in range(1, scenario.slots + 1)],
            self.place.cluster,
            lambda t, e, n, d: self.note(t, e, n, d),
        )
        undo.callback(self.balancer.close)
        self.supervisor.others.append(self.balancer.disturbed)
        self.balancer.wait_ready(READY_WITHIN)
        for swarm in self.swarm:
            swarm.hear(Ready)
        for part in self.parts:
            part.wait_ready()
        self.conditions = Conditions(self.stage.folder)
        self.timing = Timing()
        self.start_up = time.monotonic() - began

    def port_of(self, number: int) -> int:
        """Return the port at which the balancer reaches a node: its own, or that of a relay in front of it."""
        ports = (part.in_front(number) for part in self.parts)
        return next((port for port in ports if port is not None), self.node_ports[number - 1])

    def node_config(self, number: int) -> dict[str, Any]:
        """Return what node `number` has to know."""
        config: dict[str, Any] = {"number": number, "port": self.node_ports[number - 1]}
        nodes = self.scenario.nodes
        config |= {"backlog": nodes.backlog, "ping_interval": nodes.ping_interval, "ping_timeout": nodes.ping_timeout}
        config["workers"] = nodes.workers.model_dump()
        return self._with_tables(config, [part.of_node(number) for part in self.parts])

    @staticmethod
    def _with_tables(config: dict[str, Any], tables: list[dict[str, Any]]) -> dict[str, Any]:
        """Return settings with what each part adds; modules that several name are all attached."""
        modules = [module for table in tables for module in table.get(MODULES, ())]
        for table in tables:
            config |= table
        return config | ({MODULES: modules} if modules else {})

    def start_node(self, number: int) -> ChildProcess:
        """Start the process of node `number`; it says `Listening` when it does."""
        config, cpus = self.node_config(number), self.place.cluster
        own = [cpus[(number - 1) % len(cpus)]] if self._pinned else cpus
        node = RUNTIMES[self.scenario.nodes.runtime].start(self.stage, f"node {number}", config, own)
        for part in self.parts:
            part.node_started(number, node)
        return node

    def node(self, number: int) -> ChildProcess:
        """Return the latest process of a node that is there, or was."""
        return self.nodes[number - 1] if number <= len(self.nodes) else self.joined[number]

    def renew_node(self, number: int) -> ChildProcess:
        """Start a process of a node that has none, and keep it as its latest one."""
        process = self.start_node(number)
        if number <= len(self.nodes):
            self.nodes[number - 1] = process
        else:
            self.joined[number] = process
        return process

    @property
    def _pinned(self) -> bool:
        return self.scenario.host.placement == "pinned"

    def _start_swarm(self, first: int, count: int) -> ChildProcess:
        clients = self.scenario.clients
        config: dict[str, Any] = {
            "port": self.port,
            "seed": self.scenario.seed,
            "replication": self.replication,
            "first": first,
            "count": count,
            "connect_rate": clients.connect_rate,
            "open_timeout": clients.open_timeout,
            "addresses": clients.addresses,
            "reconnect": clients.reconnect.model_dump(),
            "heartbeat": clients.heartbeat.model_dump(),
        }
        config = self._with_tables(config, [part.of_clients() for part in self.parts])
        program = PROGRAMS[clients.transport.kind]
        return self.stage.python(f"swarm {first}", program, config, self.place.clients)

    def warm_up(self) -> float:
        """Connect all clients and return the start of the run on the monotonic clock.

        The start is chosen so that the balancer's health checks stand in the phase that this replication draws.

        Raises:
            LateError: not all clients could connect.
            VoidError: nor could they, as something has happened to a part that the schedule does not know.
        """
        first = time.monotonic() + NOTICE
        start = first + self.scenario.warm_up + WARM_UP_SLACK
        inter = self.scenario.balancer.check_interval
        if inter is not None and self.scenario.registry is None:
            draw = stratified(self.scenario.seed, self.replication, 0, Purpose.CHECK_PHASE)
            start += (self._last_check() - start - draw * inter) % inter
        first = start - self.scenario.warm_up - WARM_UP_SLACK
        for part in self.parts:
            part.warm_up(start)
        for swarm in self.swarm:
            swarm.tell(Warm(first, start))
        for swarm in self.swarm:
            swarm.hear(AllConnected, start - time.monotonic() + LATE)
        late = time.monotonic() - start
        if late > 0:
            self.supervisor.check()  # who was stopped meanwhile is the reason
            raise LateError(
                f"the clients could not connect at clients.connect_rate {self.scenario.clients.connect_rate:g} a "
                f"second ({late:.1f} s late); set a lower rate."
            )
        for part in self.parts:
            part.begin(start)
        return start

    def _last_check(self) -> float:
        """Return when the balancer last checked node 1 on the monotonic clock."""
        deadline = time.monotonic() + READY_WITHIN
        while time.monotonic() < deadline:
            self.nodes[0].tell(Look())
            checked = self.nodes[0].hear(Seen).checked
            if checked:
                return checked
            time.sleep(0.02)
        raise ClusterError(f"the balancer did not check node 1 within {READY_WITHIN:g} s.")

    def attend(self) -> None:
        """See which nodes are gone, and start those again that were told to end.

        Raises:
            VoidError: something has happened to a part that the schedule does not know.
        """
        self.supervisor.check()
        lives.attend(self)
        for part in self.parts:
            part.attend()

    def about_to_run(self) -> None:
        """Look at everything that a run depends on, before the first step of its schedule."""
        self.watch.begin()
        self.conditions.begin()
        for part in self.parts:
            part.about_to_run()

    def steps(self) -> list[ScheduledAction]:
        """Return what the parts do on a schedule, with times in seconds after the start of the run."""
        return [step for part in self.parts for step in part.steps()]

    def finish(self, start: float) -> list[Row]:
        """Collect the events of all processes; times become seconds since `start`."""
        rows = [row(t - start, event, client, node, detail=detail) for t, event, node, detail, client in self.events]
        counts = self.balancer.connections()
        if counts is not None:
            end = time.monotonic() - start
            told = [ServerConnections.pack(count) for count in counts]
            rows += [row(end, "server_connections", node=i, detail=detail) for i, detail in enumerate(told, 1)]
        rows += [
            row(time.monotonic() - start, "balancer_counted", detail=BalancerCounted.pack(name, count))
            for name, count in self.balancer.counters().items()
        ]
        for swarm in self.swarm:
            rows += collect(self.stage, swarm, start)
        for node in self.all_nodes:
            node.signal(signal.SIGCONT)  # one that hangs tells what it noted before
        for part in self.parts:
            rows += part.finish(start)
        for helper in self.helpers:  # two must not listen to one node
            helper.join(READY_WITHIN)
        if any(part.nodes_tell for part in self.parts):
            for node in self.all_nodes:
                if node.running:
                    rows += self._told_by(node, start)
        return rows

    @property
    def all_nodes(self) -> list[ChildProcess]:
        """The processes of all nodes, those that came later included."""
        return [*self.nodes, *self.joined.values()]

    def _told_by(self, node: ChildProcess, start: float) -> list[Row]:
        """Return what a node has noted; nothing if it has ended meanwhile, as it was told to."""
        try:
            return collect(self.stage, node, start)
        except ClusterError:
            told = [self.node(number) for number in (*self.killed, *self.restarting)]
            if node in told or any(part.may_be_gone(node) for part in self.parts):
                return []
            raise

    def describe(self) -> dict[str, Any]:
        """Return what the record's provenance says of the parts."""
        return {name: found for part in self.parts for name, found in part.describe().items()}

    @property
    def timed(self) -> list[ChildProcess]:
        """The parts that tell how late their timers were."""
        return [*self.swarm, *(process for part in self.parts for process in part.timed())]

    def disturbances(self, start: float) -> list[str]:
        """Return why a run that is over does not count, as parts of a sentence; none if it does."""
        still = [stood_still(part.name, part.timers) for part in self.timed]
        changes = [change for part in self.parts for change in part.changes()]
        return [*self.timing.slips(start), *(one for one in still if one), *self.conditions.changes(), *changes]
