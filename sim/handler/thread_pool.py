"""A handler that hands its work to a pool of threads beside the event loop.

All of them need the interpreter lock to compute: a loop that wakes up beside a thread that computes waits for the lock
(`twin.rules.gil`). A blocking call gives the lock up. Source: concurrent/futures/thread.py (`_WorkItem`, a queue in the
order of the calls), asyncio/base_events.py (`run_in_executor`).
"""

from collections import deque
from collections.abc import Callable

from sim.connection import Tunnel
from sim.handler.loop import await_it
from sim.machine.computing import compute
from sim.machine.process import Cost, Process
from sim.machine.threads import Thread
from sim.ports import TaskExecutor
from twin.rules.handler import Demand

Job = tuple[Demand, Callable[[], None]]
"""What waits for a thread, and what is called in the loop when its CPU work and blocking call are done."""


class ThreadPool(TaskExecutor):
    """The threads of one node's pool.

    A call costs the loop one half of the hand-over when it is given away, and the other half when its result comes.

    Args:
        loop: the thread that serves the connections, under an interpreter lock.
        size: how many threads there are.
        cost: of a part of the hand-over.
    """

    def __init__(self, loop: Process, size: int, cost: Callable[[str], Cost]) -> None:
        assert isinstance(loop, Thread)
        self.loop = loop
        self.hand_over = cost("node_hand_over")
        self.idle = deque(Thread(loop.gil) for _ in range(size))
        self.threads = list(self.idle)
        self.waiting: deque[Job] = deque()
        self.life = 0

    def begin(self, tunnel: Tunnel, demand: Demand, then: Callable[[], None]) -> None:
        """Give the work of a request to the pool."""
        life = self.life

        def done() -> None:
            if life == self.life:
                self.loop.work(self.hand_over, lambda _: await_it(self.loop.sleep, demand.awaiting, then))

        def given() -> None:
            if life == self.life:
                self.waiting.append((demand, done))
                self.next()

        self.loop.work(self.hand_over, lambda _: given())

    def next(self) -> None:
        """Let a thread that has nothing to do take the call that waits longest."""
        if not self.waiting or not self.idle:
            return
        thread, (demand, done) = self.idle.popleft(), self.waiting.popleft()
        life = self.life

        def computed() -> None:
            if demand.blocking > 0.0:
                thread.block(demand.blocking, returned)
            else:
                returned()

        def returned() -> None:
            if life == self.life:
                self.idle.append(thread)
                done()
                self.next()

        compute(thread, demand.cpu, computed)

    def clear(self) -> None:
        """The node's process is gone, and its threads with it."""
        self.life += 1
        self.waiting.clear()
        for thread in self.threads:
            thread.clear()
        self.idle = deque(self.threads)
