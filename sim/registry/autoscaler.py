"""The control loop that starts and ends nodes by their load."""

from collections.abc import Sequence
from math import inf

from sim.node.drain import drain
from sim.node.lives import join
from sim.node.node import POLL, Node
from sim.ports import Run, Work
from sim.registry.registry import Registrar
from twin.record.events import Scaled
from twin.rules.controller import Replica, to_end, to_start
from twin.scenario.registry import Autoscaling


class Autoscaler:
    """Decides every sync period, and sees to it that the nodes are there.

    Attributes:
        wanted: nodes that are wanted.
        replicas: the nodes by slot, those that drain included; those of the start have run for ever.
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
        run.env.process(self._decide())

    def _decide(self) -> Work[None]:
        env = self.env
        due = 0.0
        while True:
            due += self.settings.sync_period
            yield env.timeout(due - env.now)
            members = self.registrar.leases.members(env.now)
            decision = self.controller.decide(self.wanted, self.replicas, members, env.now)
            if decision.replicas != self.wanted:
                self.run.note("scaled", detail=Scaled.pack(self.wanted, decision.replicas, decision.reason))
                self.wanted = decision.replicas
            self._reconcile()

    def _reconcile(self) -> None:
        for slot in to_start(self.wanted, self.replicas):
            self.replicas[slot] = Replica(self.env.now)
            self.env.process(join(self.nodes[slot - 1]))
        for slot in to_end(self.wanted, self.replicas):
            self.replicas[slot].deleting = True
            self.env.process(self._end(slot))

    def _end(self, slot: int) -> Work[None]:
        node = self.nodes[slot - 1]
        while node.state == "dead":  # it is about to start
            yield self.env.timeout(POLL)
        node.standing.begin("drain")
        yield from drain(node, self.settings.lead, self.settings.pace, again=False)
        del self.replicas[slot]
        self._reconcile()
