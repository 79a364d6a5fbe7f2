"""The pings of a node, and which connections it gives up over them.

They are not simulated one by one. A ping is missed when the client does not read (`sim.client.stall`), when the
link is dead, or when the node itself stands still before it has read the pong.
"""

from math import inf

import simpy

from sim.connection import Tunnel
from sim.ports import Pinging, Run
from twin.rules.heartbeat import PONG_MISSED, beat_after, gives_up


class Pings:
    """What a node knows of its pings when its loop stands still, or its link does not carry them.

    Args:
        run: the replication.
        node: whose pings.
        round_trip: seconds from a ping to its pong on an idle machine.

    Attributes:
        stopped_at: when its loop stopped last, in seconds.
        dark_at, lit_at: when its link was lost last, and when it came back; infinite if it has not.
    """

    def __init__(self, run: Run, node: Pinging, round_trip: float) -> None:
        self.env = run.env
        self.node = node
        self.round_trip = round_trip
        settings = run.scenario.nodes
        self.interval, self.timeout = settings.ping_interval, settings.ping_timeout
        self.stopped_at = self.dark_at = self.lit_at = -inf

    def first(self, tunnel: Tunnel) -> float:
        """Return a time of a ping over a connection from which the others follow at the interval, in seconds."""
        return tunnel.pinged_at or tunnel.opened_at + self.interval

    def stopped(self) -> None:
        """The loop stands still."""
        self.stopped_at = self.env.now

    def goes_on(self) -> None:
        """The loop goes on: it gives up who did not answer in time, and sends the pings that were due meanwhile."""
        if not self.interval:
            return
        now, on_the_way = self.env.now, self.stopped_at - self.round_trip
        for tunnel in list(self.node.tunnels):
            if tunnel.closing or tunnel.client_left:
                continue
            first = self.first(tunnel)
            sent = beat_after(first, self.interval, min(on_the_way, self._unheard_since(tunnel)))
            if gives_up(sent, self.timeout, self.stopped_at, now):
                self._give_up(tunnel)
            elif sent >= self.stopped_at and beat_after(first, self.interval, self.stopped_at) <= now:
                tunnel.pinged_at = now
                if tunnel.client.stall.on:
                    self.in_vain(tunnel)

    def _unheard_since(self, tunnel: Tunnel) -> float:
        """Return since when no pong of a client had come when the loop stopped, infinite if one could have come."""
        since, stall = inf, tunnel.client.stall
        if self.dark_at < self.stopped_at < self.lit_at:
            since = self.dark_at
        if stall.stalled_at >= self.stopped_at:
            return since
        return min(since, stall.stalled_at) if stall.read_at >= self.stopped_at else since

    def in_vain(self, tunnel: Tunnel) -> None:
        """Foresee the end of the node's patience: the next ping gets no pong, and the node closes the connection."""
        if not self.interval:
            return
        node, pinged_at, again, now = self.node, tunnel.pinged_at, tunnel.client.stall.again, self.env.now
        wait = beat_after(self.first(tunnel), self.interval, now) + self.timeout - now

        def due(_: simpy.Event) -> None:
            if tunnel.pinged_at != pinged_at or again.triggered:  # the ping came later, or had its pong
                return
            if tunnel in node.tunnels and node.serves and not tunnel.closing:
                node.abandon(tunnel, str(PONG_MISSED))

        node.process.sleep(wait).callbacks.append(due)

    def link_lost(self) -> None:
        """Nothing passes between node and balancer any more."""
        self.dark_at, self.lit_at = self.env.now, inf

    def link_back(self) -> None:
        """Everything passes again: the node has given up who missed a pong; one that hangs looks when it goes on."""
        self.lit_at = now = self.env.now
        if not self.interval or self.node.hung:
            return
        for tunnel in list(self.node.tunnels):
            missed = beat_after(self.first(tunnel), self.interval, self.dark_at) + self.timeout <= now
            if missed and not tunnel.closing and not tunnel.client_left:
                self._give_up(tunnel)

    def _give_up(self, tunnel: Tunnel) -> None:
        """Close a connection with 1011; a client that does not read answers nothing."""
        if tunnel.client.stall.on:
            self.node.abandon(tunnel, str(PONG_MISSED))
        else:
            self.node.close(tunnel, str(PONG_MISSED))
