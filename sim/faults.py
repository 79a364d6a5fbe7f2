"""Faults that act on the model on the scenario's schedule.

What a kind of fault does belongs to the room on which it acts, and is registered there: a table `KINDS` in its module
`faults`. Here is only what all have in common: when they begin and end, whether they have an effect, and what is noted.
"""

from collections.abc import Callable
from typing import Protocol

from sim.balancer import faults as of_balancer
from sim.broadcast import faults as of_broadcast
from sim.client import faults as of_client
from sim.jetstream import faults as of_jetstream
from sim.machine import faults as of_machine
from sim.network import faults as of_network
from sim.node import faults as of_node
from sim.pool import faults as of_pool
from sim.ports import Effect, Run, Work
from sim.registry import faults as of_registry
from twin.scenario.faults import Fault


class FaultTarget(
    of_node.Nodes, of_client.Clients, of_balancer.Balanced, of_broadcast.Connected, of_pool.Pooled, Run, Protocol
):
    """What faults act on."""


KINDS: dict[str, Callable[[FaultTarget, Fault], Effect]] = {
    **of_node.KINDS,
    **of_network.KINDS,
    **of_client.KINDS,
    **of_balancer.KINDS,
    **of_broadcast.KINDS,
    **of_jetstream.KINDS,
    **of_registry.KINDS,
    **of_machine.KINDS,
    **of_pool.KINDS,
}
"""What each kind of fault does, by its name in a scenario."""


def inject(cluster: FaultTarget, fault: Fault) -> Work[None]:
    """Wait for the fault's time, do it, and end it after its duration."""
    env = cluster.env
    yield env.timeout(fault.at)
    began = env.now
    effect = KINDS[fault.kind](cluster, fault)
    life = effect.begins()
    if life is None:
        note(cluster, "no_effect", fault)
        return
    if effect.announced:
        note(cluster, "fault", fault)
    yield from effect.begin()
    if fault.duration is None:
        return
    yield env.timeout(fault.duration if env.now == began else max(0.0, began + fault.duration - env.now))
    if effect.over(life) and (yield from effect.end()):
        note(cluster, "healed", fault)


def note(cluster: FaultTarget, event: str, fault: Fault) -> None:
    """Note that a fault begins, has no effect, or is over."""
    client, node = (-1 if number is None else number for number in (fault.client, fault.node))
    cluster.note(event, client=client, node=node, detail=fault.kind)
