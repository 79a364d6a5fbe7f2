"""A handler that does its work in the thread of the connection: one request of a client after the other."""

from collections import deque
from collections.abc import Callable

from sim.connection import Tunnel
from sim.machine.computing import compute
from sim.machine.process import Cost
from sim.node.node import Node
from sim.ports import Run, TaskExecutor
from twin.rules.handler import Demand

Turn = tuple[Demand, Callable[[], None]]
"""What waits for the thread of its connection, and what is called there when it is done."""


class ConnectionThreads(TaskExecutor):
    """The threads of one node's connections. Who computes needs the interpreter lock; who blocks or waits does not.

    Args:
        run: the replication.
        node: whose threads they are.
        cost: of a part of a hand-over; there is none.
    """

    def __init__(self, run: Run, node: Node, cost: Callable[[str], Cost]) -> None:
        self.node = node
        self.waiting: dict[Tunnel, deque[Turn]] = {}
        self.life = 0

    def begin(self, tunnel: Tunnel, demand: Demand, then: Callable[[], None]) -> None:
        """Do the work of a request when those before it on the same connection are done."""
        turns = self.waiting.setdefault(tunnel, deque())
        turns.append((demand, then))
        if len(turns) == 1:
            self.next(tunnel)

    def next(self, tunnel: Tunnel) -> None:
        """Do the work of the request whose turn it is."""
        (demand, then), life = self.waiting[tunnel][0], self.life
        thread, idle = self.node.loop_of(tunnel), demand.blocking + demand.awaiting

        def computed() -> None:
            if idle > 0.0:
                thread.block(idle, returned)
            else:
                returned()

        def returned() -> None:
            if life != self.life:
                return
            then()
            turns = self.waiting[tunnel]
            turns.popleft()
            if turns:
                self.next(tunnel)
            else:
                del self.waiting[tunnel]

        compute(thread, demand.cpu, computed)

    def clear(self) -> None:
        """The node's process is gone, and its threads with it."""
        self.life += 1
        self.waiting.clear()
