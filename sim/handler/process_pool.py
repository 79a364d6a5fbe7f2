"""A handler that hands its work to a pool of processes beside the event loop.

They have no lock in common with it: what they compute competes with the loop only for the cores. Each gets one call at
a time through a socket; calls for which no process is free wait in the order in which they were made. Source:
`live.handler.process_pool`.
"""

from collections import deque
from collections.abc import Callable

from sim.connection import Tunnel
from sim.handler.loop import await_it
from sim.machine.computing import compute
from sim.machine.process import Cost, Process
from sim.ports import TaskExecutor
from twin.rules.handler import Demand

Call = tuple[Demand, Callable[[], None]]
"""What waits for a process, and what is called in the loop when its CPU work and blocking call are done."""


class ProcessPool(TaskExecutor):
    """The processes of one node's pool.

    Args:
        loop: the process that serves the connections.
        size: how many processes there are beside it, on the same cores.
        cost: of a part of the hand-over.
    """

    def __init__(self, loop: Process, size: int, cost: Callable[[str], Cost]) -> None:
        self.loop = loop
        self.pass_on, self.take = cost("node_pass_on"), cost("node_worker")
        self.workers = [Process(loop.cores) for _ in range(size)]
        self.idle = deque(self.workers)
        self.waiting: deque[Call] = deque()
        self.life = 0

    def begin(self, tunnel: Tunnel, demand: Demand, then: Callable[[], None]) -> None:
        """Give the work of a request to the pool."""
        self.waiting.append((demand, lambda: await_it(self.loop.sleep, demand.awaiting, then)))
        self.next()

    def next(self) -> None:
        """Let a process that has nothing to do have the call that waits longest."""
        if not self.waiting or not self.idle:
            return
        worker, (demand, done), life = self.idle.popleft(), self.waiting.popleft(), self.life

        def written() -> None:
            if life == self.life:
                worker.work(self.take, lambda _: compute(worker, demand.cpu, computed))

        def computed() -> None:
            if demand.blocking > 0.0:
                worker.block(demand.blocking, returned)
            else:
                returned()

        def returned() -> None:
            if life == self.life:
                self.loop.work(self.pass_on, lambda _: read())

        def read() -> None:
            if life == self.life:
                self.idle.append(worker)
                self.next()
                done()

        self.loop.work(self.pass_on, lambda _: written())

    def clear(self) -> None:
        """The node's process is gone: those of its pool end when they see that."""
        self.life += 1
        self.waiting.clear()
        for worker in self.workers:
            worker.clear()
        self.idle = deque(self.workers)
