"""A node that closes its connections at a pace: some of them, or all before it ends."""

from typing import TYPE_CHECKING

from sim.node.lives import emptied, end
from twin.rules.drain import close_after

if TYPE_CHECKING:
    from collections.abc import Sequence

    import simpy

    from sim.connection import Tunnel
    from sim.node.node import Node, State


def shed(node: "Node", count: int, pace: float) -> "simpy.events.ProcessGenerator":
    """Close the oldest `count` connections, `pace` a second."""
    yield from _let_go(node, [one for one in node.tunnels if not one.closing][:count], pace, "up")


def drain(node: "Node", lead: float, pace: float, again: bool = True) -> "simpy.events.ProcessGenerator":
    """Fail the check, after `lead` seconds stop listening, close `pace` connections a second, end.

    Args:
        node: the node.
        lead: seconds.
        pace: closes a second; 0 closes all at once.
        again: start a new process afterwards.
    """
    world, life = node.world, node.life
    yield from node.runs()
    if node.life != life or node.standing.order == "restart":
        return
    node.ready = False
    if world.registrar is not None:
        world.registrar.leave(node)
    yield node.process.sleep(lead)
    yield from node.runs()
    if node.life != life or node.state != "up":  # it died meanwhile, or is restarted
        return
    node.state = "draining"
    node.stop_listening()
    yield from _let_go(node, list(node.tunnels), pace, "draining")
    yield from emptied(node)
    yield from node.runs()
    if node.life != life or node.state != "draining":
        return
    world.note("drained", node=node.number)
    if node.fanout is not None:
        node.fanout.stop(goodbye=True)
    yield from end(node, life, again)


def _let_go(node: "Node", tunnels: "Sequence[Tunnel]", pace: float, state: "State") -> "simpy.events.ProcessGenerator":
    """Ask the clients of some connections to come back elsewhere, `pace` a second, while the node is in a state."""
    began, life = node.world.env.now, node.life
    for place, tunnel in enumerate(tunnels):
        wait = began + close_after(place, pace) - node.world.env.now
        if wait > 0:
            yield node.process.sleep(wait)
        if node.life != life or node.state != state:
            return
        node.let_go(tunnel)
