"""A client that does not read: what comes to it waits, its pings get no pong that it sees, and it answers no ping."""

from collections.abc import Sequence
from math import inf
from typing import Protocol

import simpy

from sim.connection import Tunnel
from sim.machine.process import Alone, Process
from sim.ports import ClientPart, Upstream
from twin.rules.faults import Hold
from twin.rules.heartbeat import Heartbeat, beat_after


class Reader(Protocol):
    """A client, as its stalls see it.

    Attributes:
        tunnel: its connection, if there is one.
        parts: what mechanisms add to it.
    """

    tunnel: Tunnel | None
    parts: tuple[ClientPart, ...]

    @property
    def process(self) -> Process | Alone:
        """The process that it shares with others."""
        ...

    @property
    def first_beat(self) -> float:
        """When the first ping of its connection was or is due, in seconds."""
        ...


class StalledReading(Hold):
    """What keeps a client from reading.

    Args:
        env: the simulation.
        client: who reads.
        beat: the pings of the client.
        nodes: all nodes.

    Attributes:
        stalled_at: when it last stopped reading, in seconds.
        read_at: when it last began to read again, in seconds; infinite while it does not read.
        again: happens when it reads again; there is none before the first stall.
    """

    again: simpy.Event

    def __init__(self, env: simpy.Environment, client: Reader, beat: Heartbeat, nodes: Sequence[Upstream]) -> None:
        super().__init__()
        self.env = env
        self.client = client
        self.beat = beat
        self.nodes = nodes
        self.stalled_at = 0.0
        self.read_at = 0.0

    def begin(self) -> bool:
        """Stop reading. The next ping gets no pong that is seen, so its timeout ends the connection."""
        if not super().begin():
            return False
        self.stalled_at, self.read_at = self.env.now, inf
        self.again = again = self.env.event()
        tunnel, beat, now = self.client.tunnel, self.beat, self.env.now
        if tunnel is None:
            return True
        self.nodes[tunnel.server].pinged_in_vain(tunnel)
        if not beat.interval:
            return True
        wait = beat_after(self.client.first_beat, beat.interval, now) + beat.timeout - now

        def due(_: simpy.Event) -> None:
            if not tunnel.lost.triggered and not again.triggered:
                tunnel.lost.succeed("heartbeat")

        self.client.process.sleep(wait).callbacks.append(due)
        return True

    def over(self) -> bool:
        """End one stall: go on reading, if it was the last one, and tell whether it was."""
        if not super().over():
            return False
        self.read_at = self.env.now
        self.again.succeed()
        if self.client.tunnel is not None:
            for part in self.client.parts:
                part.reads_again(self.client.tunnel)
        return True
