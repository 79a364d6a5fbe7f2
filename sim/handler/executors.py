"""Who does the work of a handler: listed by the runtime of the nodes; one with event loops has several executors."""

from collections.abc import Callable, Sequence

from sim.connection import Tunnel
from sim.handler.connection_threads import ConnectionThreads
from sim.handler.goroutines import Goroutines
from sim.handler.loop import InLoop
from sim.handler.process_pool import ProcessPool
from sim.handler.thread_pool import ThreadPool
from sim.machine.process import Cost, Process
from sim.node.node import Node
from sim.ports import Run, TaskExecutor
from twin.rules.handler import Demand
from twin.scenario.handler import ExecutorKind

PartCost = Callable[[str], Cost]
"""Returns what a part costs, nothing if the profile does not know it."""
Make = Callable[[Run, Node, PartCost], TaskExecutor]
"""Makes the executor of a node."""

OF_LOOP: dict[ExecutorKind, Callable[[Process, int, PartCost], TaskExecutor]] = {
    "loop": InLoop,
    "thread_pool": ThreadPool,
    "process_pool": ProcessPool,
}
"""Executors of one event loop."""


class ByWorker(TaskExecutor):
    """The executors of a node with several event loops: each serves its own connections.

    Args:
        each: one for each loop.
    """

    def __init__(self, each: Sequence[TaskExecutor]) -> None:
        self.each = each

    def begin(self, tunnel: Tunnel, demand: Demand, then: Callable[[], None]) -> None:
        """Let the loop that has the connection begin the work."""
        self.each[tunnel.worker].begin(tunnel, demand, then)

    def clear(self) -> None:
        """The node's processes are gone."""
        for one in self.each:
            one.clear()


def of_loops(run: Run, node: Node, cost: PartCost) -> TaskExecutor:
    """Return the executor of a node with one event loop or several."""
    settings = run.scenario.nodes.executor
    each = [OF_LOOP[settings.kind](process, settings.size, cost) for process in node.processes]
    return each[0] if len(each) == 1 else ByWorker(each)


EXECUTORS: dict[str, Make] = {
    "asyncio": of_loops,
    "processes": of_loops,
    "threads": ConnectionThreads,
    "go": Goroutines,
}
"""What makes the executor of a node, by its runtime."""
