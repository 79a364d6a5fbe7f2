"""A client whose interval between pings adapts to the network; its pings are simulated one by one."""

from typing import TYPE_CHECKING

from twin.rules.idle import Adaptive

if TYPE_CHECKING:
    import simpy

    from sim.client.client import Client
    from sim.connection import Tunnel


WAIT = 0.02
"""Seconds between two looks whether a peer that stood still goes on."""


class Beats:
    """The pings of one client over all its connections.

    Attributes:
        last: when it pinged last, in seconds.
    """

    def __init__(self, client: "Client") -> None:
        beat = client.world.heartbeat
        self.client = client
        self.rule = Adaptive.of(beat.interval, beat.most)
        self.last = float("-inf")

    def start(self, tunnel: "Tunnel", first: float, full: bool) -> None:
        """Ping over a new connection.

        Args:
            tunnel: the connection.
            first: seconds until the first ping.
            full: whether that is a whole interval, which the first ping then proves.
        """
        self.client.world.env.process(self._beat(tunnel, first, full))

    def _beat(self, tunnel: "Tunnel", wait: float, full: bool) -> "simpy.events.ProcessGenerator":
        client, env = self.client, self.client.world.env
        node = client.world.nodes[tunnel.server]
        while True:
            client.first_beat = env.now + wait
            yield client.process.sleep(wait)
            if tunnel.lost.triggered or tunnel.client_left:
                return
            client.first_beat = self.last = env.now
            while node.silent or (client.subscriber is not None and client.subscriber.stalled):
                yield env.timeout(WAIT)  # no pong yet; `Client.peer_hangs` ends that
                if tunnel.lost.triggered:
                    return
            wait = self.rule.answered() if full else self.rule.interval
            full = True

    def ended(self, tunnel: "Tunnel", reason: str) -> None:
        """A connection is over: without a close frame the silence may have been too long."""
        if reason == "1006":
            self.rule.broke(self.client.world.env.now - max(self.last, tunnel.opened_at))
