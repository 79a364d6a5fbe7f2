"""The control loop that starts and ends nodes by their load."""

from math import inf
from typing import TYPE_CHECKING

from sim.node.drain import drain
from sim.node.lives import join
from sim.node.node import POLL
from twin.rules.controller import Replica, to_end, to_start

if TYPE_CHECKING:
    import simpy

    from sim.registry.registry import Registrar
    from sim.world import World
    from twin.scenario.registry import Autoscaling


class Autoscaler:
    """Decides every sync period, and sees to it that the nodes are there.

    Attributes:
        wanted: nodes that are wanted.
        replicas: the nodes by slot, those that drain included; those of the start have run for ever.
    """

    def __init__(self, world: "World", settings: "Autoscaling", registrar: "Registrar") -> None:
        self.world = world
        self.settings = settings
        self.registrar = registrar
        self.controller = settings.controller(registrar.settings.heartbeat)
        self.wanted = world.scenario.nodes.count
        self.replicas = {slot: Replica(-inf) for slot in range(1, self.wanted + 1)}
        world.env.process(self._decide())

    def _decide(self) -> "simpy.events.ProcessGenerator":
        env = self.world.env
        due = 0.0
        while True:
            due += self.settings.sync_period
            yield env.timeout(due - env.now)
            members = self.registrar.leases.members(env.now)
            decision = self.controller.decide(self.wanted, self.replicas, members, env.now)
            if decision.replicas != self.wanted:
                self.world.note("scaled", detail=f"{self.wanted} to {decision.replicas}: {decision.reason}")
                self.wanted = decision.replicas
            self._reconcile()

    def _reconcile(self) -> None:
        for slot in to_start(self.wanted, self.replicas):
            self.replicas[slot] = Replica(self.world.env.now)
            self.world.env.process(join(self.world.nodes[slot - 1]))
        for slot in to_end(self.wanted, self.replicas):
            self.replicas[slot].deleting = True
            self.world.env.process(self._end(slot))

    def _end(self, slot: int) -> "simpy.events.ProcessGenerator":
        node = self.world.nodes[slot - 1]
        while node.state == "dead":  # it is about to start
            yield self.world.env.timeout(POLL)
        node.standing.begin("drain")
        yield from drain(node, self.settings.lead, self.settings.pace, again=False)
        del self.replicas[slot]
        self._reconcile()
