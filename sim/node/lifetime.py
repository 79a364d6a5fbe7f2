"""Nodes that end a connection after its lifetime."""

from sim.connection import Tunnel
from sim.node.node import POLL, Node
from sim.ports import NodePart, Run, Work
from twin.draws import Purpose
from twin.rules.lifetime import lifetime
from twin.scenario.registry import Lifetime


class Lifetimes(NodePart):
    """Ends each connection of a node after a time that its client and its attempt decide."""

    def __init__(self, run: Run, node: Node, settings: Lifetime) -> None:
        self.run = run
        self.node = node
        self.settings = settings

    def connected(self, tunnel: Tunnel, at: float) -> None:
        """Let a connection end that the node opened at a time, in seconds after the start of the run."""
        client = tunnel.client
        u = self.run.draw(client.number, Purpose.LIFETIME, client.attempts)
        self.run.env.process(self._end(tunnel, at + lifetime(self.settings.mean, self.settings.jitter, u)))

    def _end(self, tunnel: Tunnel, at: float) -> Work[None]:
        node, env = self.node, self.run.env
        yield node.process.sleep(max(0.0, at - env.now))
        while node.hung:
            yield env.timeout(POLL)
        if node.state in ("up", "draining"):
            node.request_close(tunnel)
