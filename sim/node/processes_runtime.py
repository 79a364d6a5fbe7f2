"""Several processes that listen on one port, each with asyncio on uvloop: what one of them does costs the same."""

from typing import ClassVar

from sim.machine.process import Process, Scheduler
from sim.node.asyncio_runtime import AsyncioRuntime
from twin.rules.accepting import reuseport


class ProcessesRuntime(AsyncioRuntime):
    """The runtime of nodes with worker processes (`nodes.workers`)."""

    compiled: ClassVar[bool] = False

    @property
    def sockets(self) -> int:
        """One for each worker."""
        return self.settings.workers.count

    def socket_of(self, u: float) -> int:
        """Return the worker's socket that the kernel chooses by its hash `u`."""
        return reuseport(u, self.sockets)

    def processes(self, cores: Scheduler) -> list[Process]:
        """Return the workers."""
        return [self.process(cores) for _ in range(self.settings.workers.count)]
