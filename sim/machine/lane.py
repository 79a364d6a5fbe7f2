"""Frames on their way through one process: connections that have data ready, some at a time.

What is ready on one connection is read (or written) together: frames that come while others wait for the same
connection join them, and cost less than the first. This is how a loaded event loop coalesces reads and writes. Source:
uvloop queues writes and does them at the end of an iteration (`_exec_queued_writes`); recv(2) returns all there is.
"""

from collections.abc import Callable, Iterable
from typing import Any, Protocol

import simpy

from sim.connection import Bundle, Frame, Tunnel
from sim.machine.process import Cost

CHUNK = 8
"""Most connections of one batch. Between two batches others may have the core, and what is done is handed over."""


Taken = Callable[[list[Bundle], float, float], None]
"""Receives what a batch has dealt with, and when it began and ended with the connections, one after the other."""


class Loop(Protocol):
    """Who reads or writes frames: a process, or a client with a machine of its own."""

    def work_on(self, cost: Cost, count: int, begin: Callable[[int], float], then: Callable[[Any], None]) -> None:
        """Queue work on `count` connections that are ready at once; see `sim.machine.process.Batch`."""
        ...


class Ended(Protocol):
    """The end of a batch.

    Attributes:
        span: seconds of the part that is done one connection after the other.
    """

    env: simpy.Environment
    span: float


class Lane:
    """The frames that wait for one process, in one direction.

    Args:
        process: who reads or writes them.
        cost: of a connection with one frame.
        more: of each further frame that is ready on the same connection.
        then: receives each batch when it is done.
        own: returns what a frame costs besides, None for nothing; None: no frame does.
    """

    def __init__(
        self, process: Loop, cost: Cost, more: Cost, then: Taken, own: Callable[[Frame], Cost | None] | None = None
    ) -> None:
        self.process = process
        self.cost = cost
        self.more = more
        self.then = then
        self.own = own
        self.waiting: dict[Tunnel, list[Frame]] = {}
        self._sums: dict[Cost, Cost] = {}

    def send(self, tunnels: Iterable[Tunnel], frame: Frame) -> None:
        """Queue one frame for each of some connections."""
        waiting = self.waiting
        fresh = []
        for tunnel in tunnels:
            if tunnel in waiting:
                waiting[tunnel].append(frame)
            else:
                waiting[tunnel] = [frame]
                fresh.append(tunnel)
        self._queue(fresh)

    def pass_on(self, bundles: Iterable[Bundle]) -> None:
        """Queue what another process has handed over."""
        waiting = self.waiting
        fresh = []
        for tunnel, frames in bundles:
            if tunnel in waiting:
                waiting[tunnel] += frames
            else:
                waiting[tunnel] = list(frames)
                fresh.append(tunnel)
        self._queue(fresh)

    def _queue(self, tunnels: list[Tunnel]) -> None:
        for start in range(0, len(tunnels), CHUNK):
            self._batch(tunnels[start : start + CHUNK])

    def _batch(self, tunnels: list[Tunnel]) -> None:
        taken: list[Bundle] = []

        def begin(level: int) -> float:
            pop = self.waiting.pop
            taken.extend([(tunnel, pop(tunnel)) for tunnel in tunnels])
            further = sum([len(frames) for _, frames in taken]) - len(taken)
            seconds = further * self.more.seconds(further, 0.0, level) if further else 0.0
            return seconds if self.own is None or not further else seconds + self._own(self.own, taken, level)

        def done(batch: Ended) -> None:
            now = batch.env.now
            self.then(taken, now - batch.span, now)

        self.process.work_on(self._cost_of(tunnels), len(tunnels), begin, done)

    def _cost_of(self, tunnels: list[Tunnel]) -> Cost:
        """Return what a connection costs, with what the frame costs for itself that is the first to come."""
        more = self.own(self.waiting[tunnels[0]][0]) if self.own is not None else None
        if more is None:
            return self.cost
        if more not in self._sums:
            self._sums[more] = self.cost.beside(more)
        return self._sums[more]

    @staticmethod
    def _own(own: Callable[[Frame], Cost | None], taken: list[Bundle], level: int) -> float:
        """Return the seconds that further frames of connections cost each for itself."""
        costs = [cost for _, frames in taken for frame in frames[1:] if (cost := own(frame)) is not None]
        return sum([cost.seconds(len(costs), 0.0, level) for cost in costs])

    def clear(self) -> None:
        """Forget what waits; the process has forgotten its work."""
        self.waiting.clear()


class Relay:
    """The frames that wait for one of several loops, in one direction: a lane for each of them.

    Args:
        worker: returns the loop that has a connection: a process of the balancer, or a client's.
        cost, more, then, own: as of a `Lane`.
    """

    def __init__(
        self,
        worker: Callable[[Tunnel], Loop],
        cost: Cost,
        more: Cost,
        then: Taken,
        own: Callable[[Frame], Cost | None] | None = None,
    ) -> None:
        self.worker = worker
        self.cost = cost
        self.more = more
        self.then = then
        self.own = own
        self.lanes: dict[Loop, Lane] = {}

    def pass_on(self, bundles: Iterable[Bundle]) -> None:
        """Queue what another process has handed over, each connection at the process that has it."""
        ready: dict[Loop, list[Bundle]] = {}
        for bundle in bundles:
            ready.setdefault(self.worker(bundle[0]), []).append(bundle)
        for process, ours in ready.items():
            if process not in self.lanes:
                self.lanes[process] = Lane(process, self.cost, self.more, self.then, self.own)
            self.lanes[process].pass_on(ours)

    def clear(self) -> None:
        """Forget what waits; the loops have forgotten their work."""
        for lane in self.lanes.values():
            lane.clear()
