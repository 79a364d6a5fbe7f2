"""Several processes that listen on one port, each with asyncio on uvloop: what one of them does costs the same."""

from collections.abc import Sequence
from typing import ClassVar

from sim.machine.process import Process, Scheduler
from sim.node.asyncio_runtime import AsyncioRuntime
from twin.rules.accepting import SOCKETS_SHARED, reuseport, woken_first


class ProcessesRuntime(AsyncioRuntime):
    """The runtime of nodes with worker processes (`nodes.workers`)."""

    compiled: ClassVar[bool] = False

    @property
    def sockets(self) -> int:
        """One for each worker, or one for all."""
        return 1 if SOCKETS_SHARED[self.settings.workers.accepting] else self.settings.workers.count

    def socket_of(self, u: float) -> int:
        """Return the worker's socket that the kernel chooses by its hash `u`."""
        return reuseport(u, self.sockets)

    def acceptor(self, socket: int, processes: Sequence[Process]) -> int:
        """Return the worker whose socket it is, or who is woken first for the socket of all."""
        if not SOCKETS_SHARED[self.settings.workers.accepting]:
            return socket
        return woken_first([not one.ready for one in processes], [one.load for one in processes])

    def processes(self, cores: Scheduler) -> list[Process]:
        """Return the workers."""
        return [self.process(cores) for _ in range(self.settings.workers.count)]
