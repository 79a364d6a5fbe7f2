"""The pings of a node, and which connections it gives up over them.

They are not simulated one by one. A ping is missed when the client does not read (`sim.broadcast.subscriber`), when the
link is dead, or when the node itself stands still before it has read the pong; here are the last two.
"""

from math import inf
from typing import TYPE_CHECKING

from sim.machine.process import lone_seconds
from twin.rules.heartbeat import PONG_MISSED, beat_after, gives_up

if TYPE_CHECKING:
    from sim.connection import Tunnel
    from sim.node.node import Node


class Pings:
    """What a node knows of its pings when its loop stands still, or its link does not carry them.

    Attributes:
        stopped_at: when its loop stopped last, in seconds.
        dark_at, lit_at: when its link was lost last, and when it came back; infinite if it has not.
    """

    def __init__(self, node: "Node") -> None:
        self.node = node
        settings = node.world.scenario.nodes
        self.interval, self.timeout = settings.ping_interval, settings.ping_timeout
        self.stopped_at = self.dark_at = self.lit_at = -inf

    def first(self, tunnel: "Tunnel") -> float:
        """Return a time of a ping over a connection from which the others follow at the interval, in seconds."""
        return tunnel.pinged_at or tunnel.opened_at + self.interval

    @property
    def round_trip(self) -> float:
        """Seconds from a ping to its pong on an idle machine: both pass the balancer, and the client answers.

        An answer to a control frame is what a client does to a close frame, too.
        """
        world = self.node.world
        return 2 * lone_seconds(world.balancer_costs.frame) + lone_seconds(world.client_costs.goodbye)

    def stopped(self) -> None:
        """The loop stands still."""
        self.stopped_at = self.node.world.env.now

    def goes_on(self) -> None:
        """The loop goes on: it gives up who did not answer in time, and sends the pings that were due meanwhile."""
        if not self.interval:
            return
        now, on_the_way = self.node.world.env.now, self.stopped_at - self.round_trip
        for tunnel in list(self.node.tunnels):
            if tunnel.closing or tunnel.client_left:
                continue
            first = self.first(tunnel)
            sent = beat_after(first, self.interval, min(on_the_way, self._unheard_since(tunnel)))
            if gives_up(sent, self.timeout, self.stopped_at, now):
                self._give_up(tunnel)
            elif sent >= self.stopped_at and beat_after(first, self.interval, self.stopped_at) <= now:
                tunnel.pinged_at = now
                if tunnel.client.subscriber is not None and tunnel.client.subscriber.stalled:
                    tunnel.client.subscriber.pinged_in_vain(tunnel)

    def _unheard_since(self, tunnel: "Tunnel") -> float:
        """Return since when no pong of a client had come when the loop stopped, infinite if one could have come."""
        since, subscriber = inf, tunnel.client.subscriber
        if self.dark_at < self.stopped_at < self.lit_at:
            since = self.dark_at
        if subscriber is None or subscriber.stalled_at >= self.stopped_at:
            return since
        return min(since, subscriber.stalled_at) if subscriber.read_at >= self.stopped_at else since

    def link_lost(self) -> None:
        """Nothing passes between node and balancer any more."""
        self.dark_at, self.lit_at = self.node.world.env.now, inf

    def link_back(self) -> None:
        """Everything passes again: the node has given up who missed a pong; one that hangs looks when it goes on."""
        self.lit_at = now = self.node.world.env.now
        if not self.interval or self.node.hung:
            return
        for tunnel in list(self.node.tunnels):
            missed = beat_after(self.first(tunnel), self.interval, self.dark_at) + self.timeout <= now
            if missed and not tunnel.closing and not tunnel.client_left:
                self._give_up(tunnel)

    def _give_up(self, tunnel: "Tunnel") -> None:
        """Close a connection with 1011; a client that does not read answers nothing."""
        node, subscriber = self.node, tunnel.client.subscriber
        if subscriber is not None and subscriber.stalled:
            del node.tunnels[tunnel]
            node.world.balancer.upstream_closed(tunnel, str(PONG_MISSED))
        else:
            node.close(tunnel, str(PONG_MISSED))
