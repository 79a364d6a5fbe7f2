"""What happens to machines as a whole."""

from typing import Protocol

import simpy

from sim.balancer.faults import Balanced
from sim.balancer.reload import come_back
from sim.client.faults import Clients
from sim.node.faults import Nodes
from sim.node.lives import start
from sim.node.node import Node
from sim.ports import Effect, Run, Work
from twin.scenario.faults import Fault


class Powered(Balanced, Clients, Nodes, Run, Protocol):
    """A cluster on machines that need power."""


class Outage(Effect):
    """Balancer and nodes lose their power at once, so that every connection breaks, and get it back afterwards."""

    def __init__(self, cluster: Powered, fault: Fault) -> None:
        self.kind = fault.kind
        self.cluster = cluster
        self.away = 0

    @property
    def env(self) -> simpy.Environment:
        """The environment of the run."""
        return self.cluster.env

    def begin(self) -> Work[None]:
        """Cut the power."""
        self.cluster.balancer.die()
        for node in self.cluster.nodes:
            node.die()
        for client in self.cluster.clients:
            client.cut_off()
        yield from ()

    def end(self) -> Work[bool]:
        """Give it back; the outage is over when all have started that there are."""
        for node in self.cluster.nodes:
            node.standing.powered = True
        back = [node for node in self.cluster.nodes if not node.standing.absent]
        self.away = 1 + len(back)
        self.env.process(self._balancer_back())
        for node in back:
            self.env.process(self._node_back(node))
        yield from ()
        return False

    def _back(self) -> None:
        self.away -= 1
        if self.away == 0:
            self.cluster.note("healed", detail=self.kind)

    def _balancer_back(self) -> Work[None]:
        yield from come_back(self.cluster.balancer)
        self._back()

    def _node_back(self, node: Node) -> Work[None]:
        life = node.life
        yield from start(node)
        if node.life == life:  # else another fault has ended it before it listened
            self._back()


KINDS = {"outage": Outage}
