"""Frames on their way over connections whose sender has no TCP_NODELAY."""

from collections.abc import Callable, Iterable

import simpy

from sim.connection import Bundle, Frame, Tunnel
from twin.rules.nagle import Receiver

PassOn = Callable[[list[Bundle]], None]


class _Way:
    """One direction of one connection.

    Attributes:
        held: frames that wait for the acknowledgement of what was sent before them.
        awaited: number of the segment whose acknowledgement is late, 0 if none is.
    """

    __slots__ = ("awaited", "held", "receiver", "segments")

    def __init__(self) -> None:
        self.receiver = Receiver()
        self.held: list[Frame] = []
        self.awaited = 0
        self.segments = 0


class Nagle:
    """One direction of all connections: it holds back what is written while an acknowledgement is late.

    One that is not late comes as soon as the other side has read, so it is taken to come at once.

    Args:
        env: the simulation.
        pass_on: lets the other side have what is sent.
    """

    def __init__(self, env: simpy.Environment, pass_on: PassOn) -> None:
        self.env = env
        self.pass_on = pass_on
        self._ways: dict[Tunnel, _Way] = {}

    def send(self, bundles: Iterable[Bundle]) -> None:
        """Write frames to their connections."""
        ready = []
        for tunnel, frames in bundles:
            way = self._ways.setdefault(tunnel, _Way())
            if way.awaited:
                way.held += frames
            else:
                ready.append((tunnel, frames))
                self._segment(tunnel, way)
        if ready:
            self.pass_on(ready)

    def _segment(self, tunnel: Tunnel, way: _Way) -> None:
        way.segments += 1
        delay = way.receiver.received(self.env.now)
        if delay:
            way.awaited = segment = way.segments
            self.env.timeout(delay).callbacks.append(lambda _: self._timed_out(tunnel, way, segment))

    def _timed_out(self, tunnel: Tunnel, way: _Way, segment: int) -> None:
        if way.awaited == segment:
            way.receiver.timed_out()
            self._acknowledged(tunnel, way)

    def answered(self, tunnel: Tunnel) -> None:
        """The other side sends something over a connection, and with it the acknowledgement of what it has."""
        way = self._ways.setdefault(tunnel, _Way())
        way.receiver.sent(self.env.now)
        if way.awaited:
            self._acknowledged(tunnel, way)

    def _acknowledged(self, tunnel: Tunnel, way: _Way) -> None:
        way.awaited = 0
        if way.held:
            held, way.held = way.held, []
            self._segment(tunnel, way)
            self.pass_on([(tunnel, held)])
