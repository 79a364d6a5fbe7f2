"""A node that closes its connections at a pace: some of them, or all before it ends."""

from collections.abc import Sequence

from sim.connection import Tunnel
from sim.node.lives import emptied, end
from sim.node.node import Node, State
from sim.ports import Work
from twin.rules.drain import close_after


def shed(node: Node, count: int, pace: float) -> Work[None]:
    """Close the oldest `count` connections, `pace` a second."""
    yield from _request_closes(node, [one for one in node.tunnels if not one.closing][:count], pace, "up")


def drain(node: Node, lead: float, pace: float) -> Work[None]:
    """Fail the check, after `lead` seconds stop listening, close `pace` connections a second, end, and start anew.

    Args:
        node: the node.
        lead: seconds.
        pace: closes a second; 0 closes all at once.
    """
    life = node.life
    yield from node.runs()
    if node.life != life or node.standing.order == "restart":
        return
    node.ready = False
    for part in node.parts:
        yield from part.leaving()
    yield node.process.sleep(lead)
    yield from node.runs()
    if node.life != life or node.state != "up":  # it died meanwhile, or is restarted
        return
    node.state = "draining"
    node.stop_listening()
    yield from _request_closes(node, list(node.tunnels), pace, "draining")
    yield from emptied(node)
    yield from node.runs()
    if node.life != life or node.state != "draining":
        return
    node.run.note("drained", node=node.number)
    for part in node.parts:
        part.ended("drained")
    yield from end(node, life)


def _request_closes(node: Node, tunnels: Sequence[Tunnel], pace: float, state: State) -> Work[None]:
    """Ask the clients of some connections to come back elsewhere, `pace` a second, while the node is in a state."""
    began, life = node.env.now, node.life
    for place, tunnel in enumerate(tunnels):
        wait = began + close_after(place, pace) - node.env.now
        if wait > 0:
            yield node.process.sleep(wait)
        if node.life != life or node.state != state:
            return
        node.request_close(tunnel)
