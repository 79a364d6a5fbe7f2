"""The event loop of one client that has a machine of its own, where frames come to it.

`sim.machine.process.Alone` stands for all such clients while each of them does one thing after the other. Frames come
whenever they come: what is ready while the loop is at work waits for it, and what came first is read first.
"""

from collections import deque
from collections.abc import Callable, Sequence

import simpy

from sim.connection import Frame, Peer, Tunnel
from sim.machine.lane import Loop, Relay, Taken
from sim.machine.process import Alone, Cost, Process


class LoopBatch(simpy.Timeout):
    """The end of a batch; see `sim.machine.process.Batch`.

    Attributes:
        span: seconds of the part that is done one connection after the other.
    """

    def __init__(self, env: simpy.Environment, seconds: float, span: float) -> None:
        super().__init__(env, seconds)
        self.span = span


class OwnLoop:
    """One client's loop on a core of medium speed that nobody else wants.

    It pays for waking up by how long it has slept, as a process does, and one batch is done after the other.
    """

    def __init__(self, env: simpy.Environment) -> None:
        self.env = env
        self.queue: deque[tuple[Cost, int, Callable[[int], float], Callable[[LoopBatch], None]]] = deque()
        self.busy = False
        self.asleep_since = -1.0

    def work_on(self, cost: Cost, count: int, begin: Callable[[int], float], then: Callable[[LoopBatch], None]) -> None:
        """Queue work on `count` connections that are ready at once; see `sim.machine.process.Batch`."""
        self.queue.append((cost, count, begin, then))
        if not self.busy:
            self._next(self.env.now - self.asleep_since)

    def _next(self, asleep: float) -> None:
        cost, count, begin, then = self.queue.popleft()
        self.busy = True
        level = (len(cost.curves) - 1) // 2
        one = cost.seconds(count, 0.0, level)
        first = cost.seconds(count, asleep, level) if asleep > 0.0 else one
        total = first + (count - 1) * one + begin(level)
        LoopBatch(self.env, total, (1.0 - cost.first_part) * total).callbacks += [then, self._done]

    def _done(self, _: simpy.Event) -> None:
        if self.queue:
            self._next(0.0)
        else:
            self.busy = False
            self.asleep_since = self.env.now


class Loops:
    """Which loop has the frames of a client: that of its process, or one of its own.

    Args:
        env: the simulation.
        clients: all of the run.
    """

    def __init__(self, env: simpy.Environment, clients: Sequence[Peer]) -> None:
        apart = any(isinstance(client.process, Alone) for client in clients)
        self.own = {client.number: OwnLoop(env) for client in clients} if apart else {}

    def _own(self, tunnel: Tunnel) -> Loop:
        return self.own[tunnel.client.number]

    @staticmethod
    def _shared(tunnel: Tunnel) -> Loop:
        process = tunnel.client.process
        assert isinstance(process, Process)
        return process

    def lanes(self, cost: Cost, more: Cost, then: Taken, own: Callable[[Frame], Cost | None] | None = None) -> Relay:
        """Return the lanes of frames in one direction; the arguments are those of `sim.machine.lane.Lane`."""
        return Relay(self._own if self.own else self._shared, cost, more, then, own)
