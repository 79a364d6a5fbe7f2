"""A client whose interval between pings adapts to the network; its pings are simulated one by one."""

from collections.abc import Sequence
from typing import Protocol

import simpy

from sim.client.stall import StalledReading
from sim.connection import Tunnel
from sim.machine.process import Alone, Process
from sim.ports import Upstream, Work
from twin.rules.heartbeat import Heartbeat
from twin.rules.idle import Adaptive

WAIT = 0.02
"""Seconds between two looks whether a peer that stood still goes on."""


class Beating(Protocol):
    """A client, as its pings see it.

    Attributes:
        first_beat: when the first ping of its connection was or is due, in seconds.
        process: the process that it shares with others.
        stall: what keeps it from reading.
    """

    first_beat: float
    process: Process | Alone
    stall: StalledReading


class Beats:
    """The pings of one client over all its connections.

    Args:
        env: the simulation.
        client: who pings.
        beat: at which intervals.
        nodes: all nodes.

    Attributes:
        last: when it pinged last, in seconds.
    """

    def __init__(self, env: simpy.Environment, client: Beating, beat: Heartbeat, nodes: Sequence[Upstream]) -> None:
        self.env = env
        self.client = client
        self.nodes = nodes
        self.rule = Adaptive.of(beat.interval, beat.max_interval)
        self.last = float("-inf")

    def start(self, tunnel: Tunnel, first: float, full: bool) -> None:
        """Ping over a new connection.

        Args:
            tunnel: the connection.
            first: seconds until the first ping.
            full: whether that is a whole interval, which the first ping then proves.
        """
        self.env.process(self._beat(tunnel, first, full))

    def _beat(self, tunnel: Tunnel, wait: float, full: bool) -> Work[None]:
        client, env = self.client, self.env
        node = self.nodes[tunnel.server]
        while True:
            client.first_beat = env.now + wait
            yield client.process.sleep(wait)
            if tunnel.lost.triggered or tunnel.client_left:
                return
            client.first_beat = self.last = env.now
            while node.silent or client.stall.on:
                yield env.timeout(WAIT)  # no pong yet; `Client.peer_hangs` ends that
                if tunnel.lost.triggered:
                    return
            wait = self.rule.answered() if full else self.rule.interval
            full = True

    def ended(self, tunnel: Tunnel, reason: str) -> None:
        """A connection is over: without a close frame the silence may have been too long."""
        if reason == "1006":
            self.rule.broke(self.env.now - max(self.last, tunnel.opened_at))
