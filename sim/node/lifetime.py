"""Nodes that end a connection after its lifetime."""

from typing import TYPE_CHECKING

from sim.node.node import POLL
from twin.draws import Purpose
from twin.rules.lifetime import lifetime

if TYPE_CHECKING:
    import simpy

    from sim.connection import Tunnel
    from sim.world import World
    from twin.scenario.registry import Lifetime


class Lifetimes:
    """Ends each connection after a time that its client and its attempt decide."""

    def __init__(self, world: "World", settings: "Lifetime") -> None:
        self.world = world
        self.settings = settings

    def begin(self, tunnel: "Tunnel", opened: float) -> None:
        """Let a connection end that the node opened at a time, in seconds after the start of the run."""
        client = tunnel.client
        u = self.world.draw(client.number, Purpose.LIFETIME, client.attempts)
        self.world.env.process(self._end(tunnel, opened + lifetime(self.settings.mean, self.settings.jitter, u)))

    def _end(self, tunnel: "Tunnel", at: float) -> "simpy.events.ProcessGenerator":
        node, env = self.world.nodes[tunnel.server], self.world.env
        yield node.process.sleep(max(0.0, at - env.now))
        while node.hung:
            yield env.timeout(POLL)
        if node.state in ("up", "draining"):
            node.let_go(tunnel)
