"""The control loop that starts and ends nodes by their load, and replaces those that have ended."""

from collections.abc import Sequence
from math import inf

from sim.node.drain import drain
from sim.node.lives import join
from sim.node.node import Node
from sim.ports import NodePart, Run, Work
from sim.registry.registry import Registrar
from twin.record.events import Scaled
from twin.rules.controller import Replica, forgets, to_end, to_start
from twin.scenario.registry import Autoscaling


class Autoscaler:
    """Decides every sync period, and sees to it that the nodes are there.

    Attributes:
        wanted: nodes that are wanted.
        replicas: the nodes by slot, those that drain included; those of the start have run for ever.
        ends: tells of each node that its process is no more.
    """

    def __init__(self, run: Run, settings: Autoscaling, registrar: Registrar, nodes: Sequence[Node]) -> None:
        self.run = run
        self.env = run.env
        self.nodes = nodes
        self.settings = settings
        self.registrar = registrar
        self.controller = settings.controller(registrar.settings.heartbeat)
        self.wanted = run.scenario.nodes.count
        self.replicas = {slot: Replica(-inf) for slot in range(1, self.wanted + 1)}
        self.ends = [Ends(self, node) for node in nodes]

    def begin(self) -> None:
        """Decide from now on."""
        self.env.process(self._decide())

    def _decide(self) -> Work[None]:
        env = self.env
        due = 0.0
        while True:
            due += self.settings.sync_period
            yield env.timeout(due - env.now)
            decision = self.controller.decide(self.wanted, self.replicas, self.registrar.ask_members(), env.now)
            if decision.replicas != self.wanted:
                self.run.note("scaled", detail=Scaled.pack(self.wanted, decision.replicas, decision.reason))
                self.wanted = decision.replicas
            self._reconcile()

    def _reconcile(self) -> None:
        for slot in to_start(self.wanted, self.replicas):
            if not self.nodes[slot - 1].standing.powered:
                continue
            self.replicas[slot] = Replica(self.env.now)
            self.env.process(join(self.nodes[slot - 1]))
        for slot in to_end(self.wanted, self.replicas):
            self._end(slot)

    def _end(self, slot: int) -> None:
        node, replica = self.nodes[slot - 1], self.replicas[slot]
        replica.deleting = True
        drains = node.standing.order
        node.standing.leave()
        if node.standing.absent:  # its process is gone, or about to be
            if node.state == "dead":
                del self.replicas[slot]
        elif not drains:
            self.env.process(drain(node, self.settings.lead, self.settings.pace))

    def ended(self, node: Node) -> None:
        """The process of a node is no more: replace a node that ended for good, if it is wanted."""
        replica = self.replicas.get(node.number)
        if node.standing.phase != "dead":  # another fault has started a new process already
            return
        if replica is not None and forgets(replica, node.standing.returns):
            del self.replicas[node.number]
            self._reconcile()


class Ends(NodePart):
    """Tells the controller of the ends of one node's processes."""

    def __init__(self, autoscaler: Autoscaler, node: Node) -> None:
        self.autoscaler = autoscaler
        self.node = node

    def gone(self) -> None:
        """The process is no more."""
        self.autoscaler.ended(self.node)
