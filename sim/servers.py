"""The servers that the nodes of a run share: which of them keeps what."""

from typing import Literal

from sim.broadcast.bus import Bus
from sim.broadcast.link import Link
from sim.machine.cores import Cores
from sim.machine.machine import Machine
from sim.machine.process import Process
from sim.ports import Run
from twin.scenario.scenario import Scenario

Use = Literal["broadcast", "sessions"]
"""What a server is there for."""


class SharedServers:
    """The shared servers of a run: one for all uses that a scenario has.

    Args:
        run: the replication.
        cores: of the servers.
        machine: what parts cost.

    Attributes:
        of: the server of each use.
    """

    def __init__(self, run: Run, cores: Cores, machine: Machine) -> None:
        self.of: dict[Use, Bus] = {}
        uses = uses_of(run.scenario)
        if uses:
            self.of = dict.fromkeys(uses, _server(run, cores, machine))

    @property
    def all(self) -> list[Bus]:
        """Each server once."""
        return list(dict.fromkeys(self.of.values()))

    def links(self, node: int) -> list[Link]:
        """Return the ways from a node to all servers."""
        return [link for server in self.all for link in server.links.get(node, [])]


def uses_of(scenario: Scenario) -> list[Use]:
    """Return for what a scenario needs a shared server."""
    uses: list[Use] = ["broadcast"] if scenario.publisher is not None else []
    return [*uses, "sessions"] if scenario.sessions.store == "redis" else uses


def _server(run: Run, cores: Cores, machine: Machine) -> Bus:
    """Return a server; what a subscriber's connection to it holds hangs on the payload of the messages."""
    publisher, room = run.scenario.publisher, 0.0
    if publisher is not None:
        room = machine.profile.bus_path(publisher.payload_bytes, machine.host_quantile)
    return Bus(run, Process(cores), machine.cost, machine.bus_start, room, machine.disk)
