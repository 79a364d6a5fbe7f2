"""What every kind of balancer's configuration promises: the file of a live run, and one to take away.

Both come from the same texts, so what was measured is what is taken away: the choice rule, the health checks, the
retries and the timeouts. A configuration to take away has its own address, its own servers, headers for the nodes about
the client, and stickiness if wanted.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Generic, Literal, TypeVar

from twin.advice import advice, findings
from twin.errors import ScenarioError
from twin.scenario.balancer.kinds import Balancer
from twin.scenario.scenario import Scenario

REQUEST_WITHIN = 10.0
"""Seconds that a client has to send the head of its request: one that sends a byte now and then holds a connection no
longer. HAProxy has no limit of its own but `timeout client` between two bytes, nginx waits for 60 s. A client sends its
handshake in one go, so nobody else meets it. Sources: HAProxy manual, `timeout http-request`; nginx,
`client_header_timeout`."""

Sticky = Literal["none", "address", "cookie"]
Settings = TypeVar("Settings", bound=Balancer)

_ADDRESS = re.compile(r"([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:]+\]):([0-9]{1,5})")
_TOKEN = re.compile(r"[A-Za-z0-9_]+")
_PATH = re.compile(r"/[A-Za-z0-9_./~-]*")


@dataclass(frozen=True)
class Site:
    """Where a configuration that is taken away stands.

    Attributes:
        listen: `address:port` on which the balancer listens; `*:8080` is every address.
        servers: `host:port` of each node.
        path: path of the WebSocket endpoint.
        health: path that a node answers with 200 when it is well (HAProxy only).
        sticky: what binds a client to a node beyond its connection: nothing, its address, or a cookie.
        cookie: name of that cookie.
    """

    listen: str = "*:8080"
    servers: Sequence[str] = ("127.0.0.1:9001", "127.0.0.1:9002", "127.0.0.1:9003")
    path: str = "/"
    health: str = "/healthz"
    sticky: Sticky = "none"
    cookie: str = "node"

    def check(self) -> None:
        """See whether the texts can stand in a configuration.

        Raises:
            ScenarioError: one of them cannot.
        """
        if not _is_address(self.listen.replace("*:", "any:", 1)):
            raise ScenarioError(f"--listen is '{self.listen}'; allowed is ADDRESS:PORT, as in *:8080.")
        for server in self.servers:
            if not _is_address(server):
                raise ScenarioError(f"--server is '{server}'; allowed is HOST:PORT, as in 10.0.0.5:9001.")
        for name, path in (("--path", self.path), ("--health", self.health)):
            if not _PATH.fullmatch(path):
                raise ScenarioError(f"{name} is '{path}'; allowed is a path of letters, digits and / . _ ~ -.")
        if self.sticky not in ("none", "address", "cookie"):
            raise ScenarioError(f"--sticky is '{self.sticky}'; allowed is none, address or cookie.")
        if not _TOKEN.fullmatch(self.cookie):
            raise ScenarioError(f"--cookie is '{self.cookie}'; allowed is letters, digits and _.")


def _is_address(text: str) -> bool:
    found = _ADDRESS.fullmatch(text)
    return found is not None and 0 < int(found[2]) < 65536


def _notes_on_balancer(scenario: Scenario, site: Site) -> list[str]:
    """Return the notes on settings of the balancer; stickiness by address stands in for the choice rule."""
    absent = "balancer.algorithm" if site.sticky == "address" else ""
    notes = [one for one in findings(scenario) if one.level == "note" and one.field.startswith("balancer.")]
    return [one.text for one in notes if one.field != absent]


def milliseconds(seconds: float) -> str:
    """Return a time as both programs read it."""
    return f"{max(1, round(seconds * 1000))}ms"


def loopback(ports: Sequence[int]) -> list[str]:
    """Return the addresses of servers on this machine."""
    return [f"127.0.0.1:{port}" for port in ports]


class Configuration(ABC, Generic[Settings]):
    """How the settings of one kind of balancer are written for its program.

    Attributes:
        kind: as in `balancer.kind`, and the name of the command that prints a configuration to take away.
        idle: what the program calls the time after which it cuts a silent connection.
    """

    kind: ClassVar[str]
    idle: ClassVar[str]

    def __init__(self, settings: type[Settings]) -> None:
        self._settings = settings

    def settings(self, scenario: Scenario) -> Settings:
        """Return the scenario's balancer.

        Raises:
            ScenarioError: it is of another kind.
        """
        balancer = scenario.balancer
        if not isinstance(balancer, self._settings):
            raise ScenarioError(
                f"balancer.kind is '{balancer.kind}'; ./lab {self.kind} allows '{self.kind}': "
                f"add --set balancer.kind={self.kind}, or use ./lab {balancer.kind}."
            )
        return balancer

    def of_site(self, scenario: Scenario, site: Site) -> str:
        """Return a configuration to take away.

        Raises:
            ScenarioError: the scenario's balancer is of another kind, or the site cannot stand in a configuration.
        """
        balancer = self.settings(scenario)
        site.check()
        timeout = scenario.idle_timeout
        lines = [f"{balancer.program} as a WebSocket proxy, made by the lab from the scenario {scenario.name}."]
        lines.append(f"{self.idle}, {timeout:g} s, has to be longer than the pings of clients or nodes are apart.")
        lines += (f"WARNING: {text}" for text in advice(scenario))
        lines += (f"NOTE: {text}" for text in _notes_on_balancer(scenario, site))
        return "\n".join(
            ["".join(f"# {line}\n" for line in lines) + self._notes(scenario), *self._parts(scenario, balancer, site)]
        )

    def _notes(self, scenario: Scenario) -> str:
        """Return what else a user has to know, as comment lines."""
        return ""

    @abstractmethod
    def _parts(self, scenario: Scenario, balancer: Settings, site: Site) -> list[str]:
        """Return the parts of a configuration to take away."""

    @abstractmethod
    def of_run(self, scenario: Scenario, port: int, node_ports: Sequence[int], folder: Path) -> str:
        """Return the configuration of a live run.

        Args:
            scenario: with a balancer of this kind.
            port: on which it listens, on the loopback interface.
            node_ports: of the nodes.
            folder: where its sockets and files are.
        """
