"""Three NATS servers that keep one stream: the leader of its group is killed, or a follower.

The servers know each other by their routes on loopback, with a password of their own. Which of them leads the stream
they tell themselves (/jsz). Processes of the run know all three, and go to the next when one does not answer.
Source: NATS manual, "Clustering" and "JetStream clustering"; nats-server, server/monitor.go (`Jsz`).
"""

import contextlib
import secrets
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from live.broadcast.base import BusServer, Counting
from live.control.process import ChildProcess, Stage
from live.jetstream.routes import Routes
from live.jetstream.server import EVERY, PASSWORD_BYTES, ClusterPlace, NatsServer
from live.jetstream.stream import STREAM
from live.machine import placement
from twin.errors import ClusterError
from twin.scenario import broadcast
from twin.scenario.faults import Replica

if TYPE_CHECKING:
    from live.ports import Cluster

LEADS_WITHIN = 2.0
"""Seconds in which the servers can tell who leads, unless they are without a leader."""


class NatsCluster(BusServer):
    """The servers of a run.

    Args:
        stage: where they run.
        port: where the first listens for nodes and publisher.
        cpus: on which cores.
        settings: of the bus.
        name: what distinguishes them from other servers of the run.
        relayed: whether one can be cut off from the others.

    Attributes:
        servers: each of them.
        routes: the ways between them.
        down, hung, apart: those that are killed, stopped, cut off.
    """

    def __init__(
        self,
        stage: Stage,
        port: int,
        cpus: list[int],
        settings: broadcast.Bus,
        name: str = "",
        relayed: bool = False,
    ) -> None:
        count = settings.jetstream.replicas
        ports = [port, *placement.free_ports(count - 1)]
        self.routes = Routes(stage, cpus, count, relayed)
        password, secret = (secrets.token_urlsafe(PASSWORD_BYTES) for _ in range(2))
        self.servers = []
        for number in range(count):
            own, dials = self.routes.ports[number], self.routes.dialled[number]
            named = f"{number}-{name}".rstrip("-")
            place = ClusterPlace(named, own, dials, self.routes.advertise, secret, password)
            self.servers.append(NatsServer(stage, ports[number], cpus, settings, place=place))
        self.address = self.servers[0].address
        self.down: list[NatsServer] = []
        self.hung: list[NatsServer] = []
        self.apart: list[int] = []

    @property
    def part(self) -> ChildProcess | None:  # type: ignore[override]
        """The process of the first server."""
        return self.servers[0].part

    @property
    def url(self) -> str:
        """Where the servers are, without what lets one in."""
        return ", ".join(server.url for server in self.servers)

    def told(self) -> dict[str, Any]:
        """Return what nodes and publisher ask of JetStream, and where all servers are."""
        return self.servers[0].told() | {"addresses": [asdict(server.address) for server in self.servers]}

    def wait_ready(self, timeout: float) -> dict[str, Any]:
        """Wait until all servers answer that are not killed, and know their leader.

        Raises:
            ClusterError: they did not within `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        there = [server for server in self.servers if server not in self.down]
        found = [server.wait_ready(max(0.0, deadline - time.monotonic())) for server in there]
        return found[0] | {"servers": len(self.servers)}

    def describe(self) -> dict[str, Any]:
        """Return how the servers were started, and what the first says of its settings."""
        commands = [server.command for server in self.servers]
        return self.servers[0].describe() | {"commands": commands}

    def leader(self) -> NatsServer | None:
        """Return the server that leads the stream; None if none does."""
        names = {server.server_name: server for server in self.servers}
        for server in self.servers:
            if server not in self.down and (name := server.leader_of(STREAM)):
                return names.get(name)
        return None

    def kill(self, replica: Replica | None = None) -> None:
        """Kill the leader of the stream, or another server, with SIGKILL and wait until it is gone.

        Raises:
            ClusterError: nobody leads.
        """
        victim = self._named(replica)
        self.down.append(victim)
        victim.kill()

    def _named(self, replica: Replica | None) -> NatsServer:
        """Return the leader of the stream, or the first of its followers."""
        deadline = time.monotonic() + LEADS_WITHIN
        while (leader := self.leader()) is None:
            if time.monotonic() > deadline:
                raise ClusterError("no NATS server leads the stream, so no fault can name one.")
            time.sleep(EVERY)
        others = [server for server in self.servers if server is not leader and server not in self.down]
        return others[0] if replica == "follower" else leader

    def hang(self, replica: Replica | None = None) -> None:
        """Stop the leader of the stream, or another server, with SIGSTOP.

        Raises:
            ClusterError: nobody leads.
        """
        server = self._named(replica)
        self.hung.append(server)
        server.hang()

    def go_on(self) -> None:
        """Let go on what was stopped (SIGCONT)."""
        while self.hung:
            self.hung.pop().go_on()

    def cut_off(self, replica: Replica | None = None) -> None:
        """Let nothing pass between the leader of the stream, or another server, and the others.

        Raises:
            ClusterError: nobody leads.
        """
        number = self.servers.index(self._named(replica))
        self.apart.append(number)
        self.routes.cut(number, True)

    def let_in(self) -> None:
        """Let pass again what was cut off."""
        while self.apart:
            self.routes.cut(self.apart.pop(), False)

    def start_again(self) -> None:
        """Start anew what was killed."""
        while self.down:
            self.down.pop().start_again()

    def cut(self, *names: str) -> int:
        """Not offered, see `NatsServer.cut`."""
        raise NotImplementedError

    @contextlib.contextmanager
    def counting(self, prefix: str) -> Iterator[Counting]:
        """Return what counts the bytes that wait for the nodes' connections on all servers."""
        with contextlib.ExitStack() as every:
            counts = [every.enter_context(server.counting(prefix)) for server in self.servers]

            def count() -> dict[int, int]:
                waiting: dict[int, int] = {}
                for one in counts:
                    for node, size in one().items():
                        waiting[node] = waiting.get(node, 0) + size
                return waiting

            yield count


def start(cluster: "Cluster", port: int, cpus: list[int], name: str) -> BusServer:
    """Return a bus on one NATS server, or on several."""
    stage, scenario = cluster.stage, cluster.scenario
    if scenario.bus.jetstream.replicas == 1:
        return NatsServer(stage, port, cpus, scenario.bus, name)
    relayed = any(fault.kind == "bus_partition" for fault in scenario.faults)
    return NatsCluster(stage, port, cpus, scenario.bus, name, relayed)
