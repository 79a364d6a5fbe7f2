"""asyncio on uvloop, with `websockets`: one loop in one thread."""

from collections.abc import Callable
from typing import ClassVar

from sim.machine.process import Cost, Process, Scheduler
from sim.machine.threads import Gil, Thread
from sim.node.runtime import NodeCosts, Runtime

ACCEPTS = 1
"""Connections that a loop accepts in a round. Source: libuv 1.45 and later, `uv__server_io` in src/unix/stream.c."""

OWN_FILES = 16
"""Files that a node has open besides its connections. Source: /proc/PID/fd of a node."""

CLOSE_TIMEOUT = 10.0
"""Seconds for which a node waits for the answer to a close frame. Source: `websockets`, asyncio/server.py (`serve`)."""

POOL = 4
"""Further threads of a node. The kernel kills them, too; they want the core while it frees the process, get it when
the process first gives it up, and end at once. Source: libuv, src/threadpool.c; seen with sched_switch."""


class AsyncioRuntime(Runtime):
    """The runtime of the lab's own nodes."""

    accepts: ClassVar[int] = ACCEPTS
    own_files: ClassVar[int] = OWN_FILES
    close_timeout: ClassVar[float] = CLOSE_TIMEOUT
    further_threads: ClassVar[int] = POOL
    compiled: ClassVar[bool] = True

    @classmethod
    def costs_of(cls, cost: Callable[[str], Cost], start: str) -> NodeCosts:
        """Return its costs. Each connection that it closes is a task of its own, with no reading before. Source:
        `websockets`, asyncio/server.py (`_close`).
        """
        costs = NodeCosts(cost, start)
        costs.goodbye = costs.goodbye.in_one_step()
        return costs

    def process(self, cores: Scheduler) -> Process:
        """Return the loop: a thread under the interpreter lock where the work of a handler goes to other threads."""
        beside = self.settings.handler is not None and self.settings.executor.kind == "thread_pool"
        return Thread(Gil(cores)) if beside else Process(cores)
