"""Who does the work of a handler: listed by the runtime of the nodes; one with an event loop has several executors."""

from collections.abc import Callable

from sim.handler.goroutines import Goroutines
from sim.handler.loop import InLoop
from sim.handler.process_pool import ProcessPool
from sim.handler.thread_pool import ThreadPool
from sim.machine.process import Cost
from sim.node.node import Node
from sim.ports import Run, TaskExecutor
from twin.scenario.handler import ExecutorKind

PartCost = Callable[[str], Cost]
"""Returns what a part costs, nothing if the profile does not know it."""
Make = Callable[[Run, Node, PartCost], TaskExecutor]
"""Makes the executor of a node."""

OF_LOOP: dict[ExecutorKind, Make] = {"loop": InLoop, "thread_pool": ThreadPool, "process_pool": ProcessPool}
"""Executors of a node with an event loop."""


def of_loop(run: Run, node: Node, cost: PartCost) -> TaskExecutor:
    """Return the executor of a node with an event loop."""
    return OF_LOOP[run.scenario.nodes.executor.kind](run, node, cost)


EXECUTORS: dict[str, Make] = {"asyncio": of_loop, "go": Goroutines}
"""What makes the executor of a node, by its runtime."""
