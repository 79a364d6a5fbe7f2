"""Start a real cluster, connect its clients, attend to its parts, collect the record, stop everything."""

import contextlib
import signal
import threading
import time
from collections import defaultdict
from typing import Any, ClassVar, Self

from live.balancer.balancer import start_balancer
from live.broadcast.broadcast import Broadcast, collect, relayed
from live.broadcast.bus import Bus
from live.broadcast.leftovers import Keeper
from live.conditions import Conditions
from live.control.address import Address
from live.control.process import READY_WITHIN, ChildProcess, Stage
from live.control.supervisor import Supervisor
from live.limits import check
from live.machine import placement
from live.machine.timing import Timing, stood_still
from live.node import lives
from live.node.base import FENCED
from live.node.kinds import RUNTIMES
from live.registry.autoscaler import Elastic
from live.sessions.sessions import Sessions
from twin.draws import Purpose, stratified
from twin.errors import ClusterError, LateError
from twin.record.record import Row, row
from twin.rules.faults import Hold, Standing
from twin.scenario.scenario import WARM_UP_SLACK, Scenario

NOTICE = 0.05
"""Seconds from the order to connect to the first attempt, so that all swarm processes have read it."""
LATE = 10.0
"""Seconds after the start of the run for which clients that have not connected by then are waited for, to say how late
they are."""


class Cluster:
    """All processes of one run, started and ready; used as a context manager."""

    measured: ClassVar[bool] = True
    """Whether times are taken: its cores are then kept from falling asleep, which takes all of them."""

    def __init__(self, scenario: Scenario, replication: int, redis_url: str | Address | None = None) -> None:
        check(scenario, redis_url)
        self.scenario = scenario
        self.replication = replication
        self.events: list[tuple[float, str, int, str, int]] = []
        self.killed: list[int] = []
        self.restarting: set[int] = set()
        self.standings = [Standing("up" if i < scenario.nodes.count else "dead") for i in range(scenario.slots)]
        self.bus_standing = Standing()
        self.stalls = defaultdict[int, Hold](Hold)
        self.delays = defaultdict[int, float](float)
        self.place = placement.placement(scenario)
        self._lock = threading.Lock()
        self.helpers: list[threading.Thread] = []
        self._exit = contextlib.ExitStack()
        self.broadcast: Broadcast | None = None
        self.sessions: Sessions | None = None
        self.keeper: Keeper | None = None
        self.elastic: Elastic | None = None
        with contextlib.ExitStack() as undo:
            undo.callback(self._forget)  # when nobody writes any more
            self.stage = undo.enter_context(Stage())
            self.supervisor = Supervisor(self.stage)
            undo.callback(self.supervisor.close)
            if self.measured:
                placement.keep_awake(self.stage, self.place.all)
            self._start(redis_url, undo)
            self._exit = undo.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._exit.close()

    def _forget(self) -> None:
        """Leave nothing behind in the user's own server."""
        for one in (self.keeper, self.elastic, self.sessions, self.broadcast):
            if one is not None:
                one.close()

    def note(self, t: float, event: str, node: int = -1, detail: str = "", client: int = -1) -> None:
        """Note an event of the cluster at the monotonic time `t`; may be called from any thread."""
        with self._lock:
            self.events.append((t, event, node, detail, client))

    def _start(self, redis_url: str | Address | None, undo: contextlib.ExitStack) -> None:
        scenario, began = self.scenario, time.monotonic()
        dark = sorted({fault.node for fault in scenario.faults if fault.kind == "blackhole" and fault.node is not None})
        last = 2 + scenario.slots
        end = last + len(relayed(scenario))
        ports = placement.free_ports(end + len(dark))
        self.port, self.node_ports = ports[0], ports[2:last]
        ways = dict(zip(dark, ports[end:], strict=True))
        bus = None
        if scenario.bus.kind != "none" or scenario.registry is not None:
            bus = Bus(self.stage, ports[1], self.place.cluster, redis_url, scenario.bus)
            if scenario.publisher is not None:
                self.broadcast = Broadcast(
                    self.stage, scenario, self.replication, bus, self.place.cluster, ports[last:end]
                )
        self.elastic = Elastic(self, bus) if bus is not None and scenario.registry is not None else None
        self.server = bus
        if scenario.sessions.store != "none":
            self.sessions = Sessions(scenario, self.replication, bus)
        self.nodes = [self.start_node(number) for number in range(1, scenario.nodes.count + 1)]
        first, self.swarm = 0, list[ChildProcess]()
        while first < scenario.clients.count:
            count = min(scenario.clients.per_process, scenario.clients.count - first)
            self.swarm.append(self._start_swarm(first, count))
            first += count
        self.watch = placement.Watch(self.stage, self.place.all)
        for node in self.nodes:
            node.hear()
        self.links = {number: self._start_link(number, port) for number, port in ways.items()}
        for link in self.links.values():
            link.hear()
        self.balancer = start_balancer(
            self.stage,
            scenario,
            self.port,
            [ways.get(number, port) for number, port in enumerate(self.node_ports, 1)],
            self.place.cluster,
            lambda t, e, n, d: self.note(t, e, n, d),
        )
        undo.callback(self.balancer.close)
        self.supervisor.others.append(self.balancer.disturbed)
        self.balancer.wait_ready(READY_WITHIN)
        for part in self.swarm:
            part.hear()
        self.bus = bus.wait_ready(READY_WITHIN) | bus.describe() if bus is not None else {}
        if self.elastic is not None:
            self.elastic.start()
        if self.broadcast is not None:
            self.broadcast.wait_ready()
        if self.sessions is not None:
            self.sessions.wait_ready(self.nodes)
        if bus is not None:
            topic = [self.broadcast.topic.head, self.broadcast.topic.log] if self.broadcast is not None else []
            slots = [self.elastic.slots.generations, self.elastic.slots.log] if self.elastic is not None else []
            self.keeper = Keeper(bus, topic + slots)
            self.keeper.begin()
        self.conditions = Conditions(self.stage.folder, bus)
        self.timing = Timing()
        self.start_up = time.monotonic() - began

    def node_config(self, number: int) -> dict[str, Any]:
        """Return what node `number` has to know."""
        config: dict[str, Any] = {"number": number, "port": self.node_ports[number - 1]}
        nodes = self.scenario.nodes
        config |= {"backlog": nodes.backlog, "ping_interval": nodes.ping_interval, "ping_timeout": nodes.ping_timeout}
        if self.broadcast is not None:
            config["broadcast"] = self.broadcast.of_node(number)
        if self.elastic is not None:
            config["registry"] = self.elastic.of_node(number)
        if nodes.lifetime is not None:
            draws = {"seed": self.scenario.seed, "replication": self.replication}
            config["lifetime"] = nodes.lifetime.model_dump() | draws
        if self.sessions is not None:
            config["sessions"] = self.sessions.of_node()
        config["sends"] = self.scenario.clients.sends.rate > 0
        return config

    def start_node(self, number: int) -> ChildProcess:
        """Start the process of node `number`; it says `listening` when it does."""
        config, cpus = self.node_config(number), self.place.cluster
        program = RUNTIMES[self.scenario.nodes.runtime].program
        part = self.stage.python(
            f"node {number}", program, config, [cpus[(number - 1) % len(cpus)]] if self._pinned else cpus
        )
        if "registry" in config:
            part.may_end.add(FENCED)
        return part

    def _start_link(self, number: int, port: int) -> ChildProcess:
        """Start the relay between the balancer and a node whose packets will be dropped."""
        config = {"port": port, "host": "127.0.0.1", "to_port": self.node_ports[number - 1]}
        return self.stage.python(f"link {number}", "live.network.blackhole", config, self.place.cluster)

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
            "named": self.scenario.registry is not None or self.scenario.nodes.lifetime is not None,
            "reconnect": clients.reconnect.model_dump(),
            "heartbeat": clients.heartbeat.model_dump(),
        }
        if self.broadcast is not None:
            config["broadcast"] = self.broadcast.of_clients()
        if self.sessions is not None:
            config["sessions"] = self.sessions.of_clients()
        if clients.sends.rate:
            config["sends"] = clients.sends.model_dump() | {"offline": clients.offline.model_dump()}
        return self.stage.python(f"swarm {first}", "live.client.client", config, self.place.clients)

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
        if self.elastic is not None:
            self.elastic.begin(start)
        for part in self.swarm:
            part.tell(warm=first, start=start)
        for part in self.swarm:
            part.hear(start - time.monotonic() + LATE)
        late = time.monotonic() - start
        if late > 0:
            self.supervisor.check()  # who was stopped meanwhile is the reason
            raise LateError(
                f"the clients could not connect at clients.connect_rate {self.scenario.clients.connect_rate:g} a "
                f"second ({late:.1f} s late); set a lower rate."
            )
        if self.broadcast is not None:
            self.broadcast.publisher.tell(start=start)
            self.broadcast.buffers.begin()
        if self.sessions is not None:
            self.sessions.begin(self.nodes, start)
        return start

    def _last_check(self) -> float:
        """Return when the balancer last checked node 1 on the monotonic clock."""
        deadline = time.monotonic() + READY_WITHIN
        while time.monotonic() < deadline:
            self.nodes[0].tell(ask="checked")
            checked = float(self.nodes[0].hear()["checked"])
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
        if self.elastic is not None:
            self.elastic.attend()

    def finish(self, start: float) -> list[Row]:
        """Collect the events of all processes; times become seconds since `start`."""
        scenario = self.scenario
        rows = [row(t - start, event, client, node, detail=detail) for t, event, node, detail, client in self.events]
        counts = self.balancer.connections()
        if counts is not None:
            end = time.monotonic() - start
            rows += [row(end, "server_connections", node=i, detail=str(n)) for i, n in enumerate(counts, 1)]
        for part in self.swarm:
            rows += collect(self.stage, part, start)
        for part in [*self.nodes, *(self.elastic.extra.values() if self.elastic is not None else ())]:
            part.signal(signal.SIGCONT)  # one that hangs tells what it noted before
        if self.elastic is not None:
            rows += self.elastic.finish(start)
        for helper in self.helpers:  # two must not listen to one node
            helper.join(READY_WITHIN)
        nodes = [*self.nodes, *(self.elastic.extra.values() if self.elastic is not None else ())]
        if self.broadcast is not None:
            rows += self.broadcast.buffers.finish(start)
            rows += collect(self.stage, self.broadcast.publisher, start)
        if self.broadcast is not None or self.sessions is not None or scenario.clients.sends.rate:
            for part in nodes:
                if part.running:
                    with contextlib.suppress(*([ClusterError] if self._may_end(part) else [])):
                        rows += collect(self.stage, part, start)
        return rows

    @property
    def timed(self) -> list[ChildProcess]:
        """The parts that tell how late their timers were."""
        return [*self.swarm, *([self.broadcast.publisher] if self.broadcast is not None else [])]

    def disturbances(self, start: float) -> list[str]:
        """Return why a run that is over does not count, as parts of a sentence; none if it does."""
        still = [stood_still(part.name, part.timers) for part in self.timed]
        return [*self.timing.slips(start), *(one for one in still if one), *self.conditions.changes()]

    def _may_end(self, part: ChildProcess) -> bool:
        """Tell whether a node's process was told to end, so that it may be gone before it tells anything."""
        told = [self.nodes[number - 1] for number in (*self.killed, *self.restarting)]
        return part in told or (self.elastic is not None and part in self.elastic.leaving)
