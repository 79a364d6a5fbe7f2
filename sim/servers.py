"""The servers that the nodes of a run share: which of them keeps what."""

from collections.abc import Mapping

from sim.broadcast.bus import Bus
from sim.broadcast.kinds import KINDS
from sim.broadcast.link import Link
from sim.machine.cores import Cores
from sim.machine.machine import Machine
from sim.machine.process import Process
from sim.ports import Run
from twin.scenario.servers import Use


class SharedServers:
    """The shared servers of a run: one for all uses that a scenario has, or one for each.

    Args:
        run: the replication.
        cores: of what runs beside the nodes, by its name.
        machine: what parts cost.

    Attributes:
        of: the server of each use.
    """

    def __init__(self, run: Run, cores: Mapping[str, Cores], machine: Machine) -> None:
        scenario = run.scenario
        self.of: dict[Use, Bus] = {}
        together = [scenario.uses] if scenario.bus.servers == "one" else [(use,) for use in scenario.uses]
        for uses in together:
            if uses:
                self.of |= dict.fromkeys(uses, _server(run, cores["bus"], machine, uses))

    @property
    def all(self) -> list[Bus]:
        """Each server once."""
        return list(dict.fromkeys(self.of.values()))

    def killed(self, use: Use | None) -> Bus:
        """Return the server of a use; without one, the only one."""
        return self.all[0] if use is None else self.of[use]

    def links(self, node: int) -> list[Link]:
        """Return the ways from a node to all servers."""
        return [link for server in self.all for link in server.links.get(node, [])]


def _server(run: Run, cores: Cores, machine: Machine, uses: tuple[Use, ...]) -> Bus:
    """Return a server; what a subscriber's connection to it holds hangs on the payload of the messages."""
    publisher, room = run.scenario.publisher, 0.0
    if publisher is not None and "messages" in uses:
        room = machine.profile.bus_path(machine.shape.payload, machine.host_quantile)
    asking = run.scenario.nodes.count * len([use for use in uses if use != "messages"])
    of_messages = "messages" in uses
    kind = KINDS.get(run.scenario.bus.kind, Bus) if of_messages else Bus
    cost = machine.message_cost if of_messages else machine.cost
    return kind(run, Process(cores), cost, machine.bus_start, room, machine.disk, asking)
