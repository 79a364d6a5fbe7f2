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
from typing import Any

from live.broadcast.base import BusServer, Counting
from live.control.address import Address
from live.control.process import ChildProcess, Stage
from live.jetstream.server import EVERY, PASSWORD_BYTES, ClusterPlace, NatsServer
from live.jetstream.stream import STREAM
from live.machine import placement
from twin.errors import ClusterError
from twin.scenario import broadcast
from twin.scenario.faults import Replica

LEADS_WITHIN = 2.0
"""Seconds in which the servers can tell who leads, unless they are without a leader."""


class NatsCluster(BusServer):
    """The servers of a run; the arguments are those of `live.broadcast.bus.Bus`."""

    def __init__(
        self,
        stage: Stage,
        port: int,
        cpus: list[int],
        url: str | Address | None = None,
        settings: broadcast.Bus | None = None,
        name: str = "",
    ) -> None:
        assert url is None, "live.limits refuses the user's own server"
        settings = settings or broadcast.Bus(kind="jetstream")
        count = settings.jetstream.replicas
        ports = [port, *placement.free_ports(2 * count - 1)]
        clients, routes = ports[:count], ports[count:]
        password, of_routes = (secrets.token_urlsafe(PASSWORD_BYTES) for _ in range(2))
        self.servers = []
        for number in range(count):
            others = tuple(routes[i] for i in range(count) if i != number)
            place = ClusterPlace(f"{number}-{name}".rstrip("-"), routes[number], others, of_routes, password)
            self.servers.append(NatsServer(stage, clients[number], cpus, None, settings, place=place))
        self.address = self.servers[0].address
        self.down: list[NatsServer] = []
        self.hung: list[NatsServer] = []

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


def start(
    stage: Stage,
    port: int,
    cpus: list[int],
    url: str | Address | None = None,
    settings: broadcast.Bus | None = None,
    name: str = "",
) -> BusServer:
    """Return a bus on one NATS server, or on several."""
    kind = NatsServer if settings is None or settings.jetstream.replicas == 1 else NatsCluster
    return kind(stage, port, cpus, url, settings, name)
