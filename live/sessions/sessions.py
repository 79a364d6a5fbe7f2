"""The sessions of one run: what nodes and clients are told, and the server they share."""

import secrets
from dataclasses import asdict
from math import inf
from typing import Any

from live.broadcast.broker import Topic, run_prefix
from live.broadcast.bus import Bus
from live.control.address import Address
from live.control.process import READY_WITHIN, ChildProcess
from live.sessions.accounts import ACCOUNTS, Account
from twin.errors import ClusterError
from twin.scenario.scenario import Scenario


def access_config(scenario: Scenario, replication: int, address: Address, prefix: str) -> dict[str, Any]:
    """Return what a node has to know to reach the server; `prefix` begins the names of the run's keys."""
    return {
        "address": asdict(address),
        "topic": asdict(Topic(prefix, 0, 1.0)),
        "retry": scenario.bus.retry.model_dump(),
        "seed": scenario.seed,
        "replication": replication,
    }


class Sessions:
    """What the lab decides for a run: the nodes' secret, the users' accounts, the server's address.

    Args:
        scenario: with sessions.
        replication: which random numbers to use.
        bus: the shared server, needed only for the store `redis`.
    """

    def __init__(self, scenario: Scenario, replication: int, bus: Bus | None) -> None:
        settings = scenario.sessions
        self.settings = settings
        self.secret = secrets.token_hex(32)
        self.passwords = {f"user-{i}": secrets.token_urlsafe(12) for i in range(min(ACCOUNTS, scenario.clients.count))}
        self.accounts = {
            name: Account.of(password, {1, settings.login_iterations}) for name, password in self.passwords.items()
        }
        self.store: dict[str, Any] | None = None
        self.bus = bus if settings.store == "redis" else None
        self.running = False
        if settings.store == "redis":
            assert bus is not None
            self.prefix = run_prefix()
            self.store = access_config(scenario, replication, bus.address, self.prefix)

    def of_node(self) -> dict[str, Any]:
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
            "store": self.store,
        }

    def close(self) -> None:
        """Leave nothing behind in the user's own server."""
        if self.bus is not None:
            self.bus.forget_all(self.prefix)

    def of_clients(self) -> dict[str, Any]:
        """Return what the clients have to know."""
        return {"passwords": self.passwords, "on_refusal": self.settings.on_refusal}

    def wait_ready(self, nodes: list[ChildProcess]) -> None:
        """Wait until every node has a connection to the shared server.

        Raises:
            ClusterError: that took too long.
        """
        for node in nodes:
            node.tell(joined=True)
        for node in nodes:
            if "joined" not in node.hear(READY_WITHIN):
                raise ClusterError(f"{node.name} did not reach the server of the sessions.")

    def begin(self, nodes: list[ChildProcess], start: float) -> None:
        """Let logins cost their hash from `start` on, in seconds of the monotonic clock: before it, everybody has
        logged in long ago.
        """
        self.running = True
        for node in nodes:
            node.tell(begin=start)
