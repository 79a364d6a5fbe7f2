"""The sessions of one run: what nodes and clients are told, and the server they share."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import asdict
from math import inf
from typing import TYPE_CHECKING, Any

from live.broadcast.base import BusServer
from live.broadcast.broker import Topic, run_prefix
from live.broadcast.server import server_of
from live.control.address import Address
from live.control.process import READY_WITHIN, ChildProcess
from live.ports import ClusterPart
from live.sessions.accounts import ACCOUNTS, Account
from live.sessions.messages import AskJoined, HashFrom, Joined
from twin.scenario.scenario import Scenario

if TYPE_CHECKING:
    from live.ports import Cluster


def access_config(scenario: Scenario, replication: int, address: Address, prefix: str) -> dict[str, Any]:
    """Return what a node has to know to reach the server; `prefix` begins the names of the run's keys."""
    return {
        "address": asdict(address),
        "topic": asdict(Topic(prefix, 0, 1.0)),
        "retry": scenario.bus.retry.model_dump(),
        "seed": scenario.seed,
        "replication": replication,
    }


class Sessions(ClusterPart):
    """What the lab decides for a run: the nodes' secret, the users' accounts, the server's address.

    Args:
        scenario: with sessions.
        replication: which random numbers to use.
        bus: the shared server, needed only for the store `redis`.
        nodes: returns the processes of the nodes.
        reach: returns the address at which a node reaches the server; the server's own by default.
    """

    nodes_tell = True

    def __init__(
        self,
        scenario: Scenario,
        replication: int,
        bus: BusServer | None,
        nodes: Callable[[], Sequence[ChildProcess]] = tuple,
        reach: Callable[[int], Address] | None = None,
    ) -> None:
        self.nodes = nodes
        settings = scenario.sessions
        self.settings = settings
        self.secret = secrets.token_hex(32)
        self.passwords = {f"user-{i}": secrets.token_urlsafe(12) for i in range(min(ACCOUNTS, scenario.clients.count))}
        self.accounts = {
            name: Account.of(password, {1, settings.login_iterations}) for name, password in self.passwords.items()
        }
        self.bus = bus if settings.store == "redis" else None
        self.running = False
        self.prefix = run_prefix()
        self._access: Callable[[int], dict[str, Any] | None] = lambda number: None
        if settings.store == "redis":
            assert bus is not None
            way = reach or (lambda number: bus.address)
            self._access = lambda number: access_config(scenario, replication, way(number), self.prefix)

    def of_node(self, number: int) -> dict[str, Any]:
        """Return what a node has to know, as a table of its settings."""
        return {"sessions": self.for_node(number)}

    def of_clients(self) -> dict[str, Any]:
        """Return what the clients have to know, as a table of their settings."""
        return {"sessions": self.for_clients()}

    def for_node(self, number: int) -> dict[str, Any]:
        """Return what a node has to know; one that is started during the run hashes every password in full."""
        settings = self.settings
        return {
            "secret": self.secret,
            "expiry": settings.expiry,
            "refresh": settings.refresh,
            "token_lifetime": settings.token_lifetime,
            "when_down": settings.when_down,
            "accounts": {name: one.as_config() for name, one in self.accounts.items()},
            "begin": 0.0 if self.running else inf,
            "store": self._access(number),
        }

    def close(self) -> None:
        """Leave nothing behind in the user's own server."""
        if self.bus is not None:
            self.bus.forget_all(self.prefix)

    def for_clients(self) -> dict[str, Any]:
        """Return what the clients have to know."""
        return {"passwords": self.passwords, "on_refusal": self.settings.on_refusal}

    def wait_ready(self) -> None:
        """Wait until every node has a connection to the shared server.

        Raises:
            ClusterError: that took too long.
        """
        nodes = self.nodes()
        for node in nodes:
            node.tell(AskJoined())
        for node in nodes:
            node.hear(Joined, READY_WITHIN)

    def begin(self, start: float) -> None:
        """Let logins cost their hash from `start` on, in seconds of the monotonic clock: before it, everybody has
        logged in long ago.
        """
        self.running = True
        for node in self.nodes():
            node.tell(HashFrom(start))


def attach(cluster: "Cluster") -> None:
    """Add them to a cluster that has sessions."""
    scenario = cluster.scenario
    if scenario.sessions.store != "none":
        server = server_of(cluster, "sessions") if scenario.sessions.store == "redis" else None
        bus, reach = (None, None) if server is None else (server.bus, server.reach)
        cluster.add(Sessions(scenario, cluster.replication, bus, lambda: cluster.nodes, reach))
