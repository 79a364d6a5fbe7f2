"""A handler that does its work in goroutines: one for each request."""

from collections.abc import Callable

from sim.connection import Tunnel
from sim.machine.goroutines import GoProcess, Goroutine
from sim.machine.process import Cost
from sim.node.node import Node
from sim.ports import Run, TaskExecutor
from twin.rules.handler import Demand


class Goroutines(TaskExecutor):
    """The goroutines of one node.

    Args:
        run: the replication.
        node: whose process it is.
        cost: of a part of a hand-over; to start a goroutine is part of what the request costs.
    """

    def __init__(self, run: Run, node: Node, cost: Callable[[str], Cost]) -> None:
        process = node.process
        assert isinstance(process, GoProcess)
        self.process = process

    def begin(self, tunnel: Tunnel, demand: Demand, then: Callable[[], None]) -> None:
        """Start a goroutine for a request: the one that has read it goes on first."""
        goroutine = Goroutine(None, demand.cpu, demand.blocking, demand.awaiting, then)
        self.process.spawn(goroutine)

    def clear(self) -> None:
        """The node's process is gone: its goroutines are cleared with it."""
