"""Processes beside a node's event loop, each with one call at a time through a pair of sockets.

It is this lab's own pool of prefork workers and not `concurrent.futures.ProcessPoolExecutor`, whose processes do not
notice that a killed parent is gone: they hold both ends of its queue themselves. A process of this one ends when its
socket closes, and belongs to the node's process group.
"""

import asyncio
import socket
import subprocess
from collections import deque
from collections.abc import Callable

from live.control.process import own, surroundings
from live.handler.executors import Executor
from live.handler.work import CALL

Call = tuple[bytes, Callable[[], None]]


class ProcessPool(Executor):
    """The processes of a node's pool; they have started when it is made."""

    def __init__(self, size: int) -> None:
        self.loop = asyncio.get_running_loop()
        self.waiting: deque[Call] = deque()
        self.workers = [Worker(self) for _ in range(size)]
        for worker in self.workers:
            worker.wait_ready()
        self.idle = deque(self.workers)

    def begin(self, cpu: float, blocking: float, then: Callable[[], None]) -> None:
        """Give the work to a process that has nothing to do, or let it wait for one."""
        self.waiting.append((CALL.pack(cpu, blocking), then))
        self.next()

    def next(self) -> None:
        """Let a process that has nothing to do have the call that waits longest."""
        if self.waiting and self.idle:
            self.idle.popleft().call(*self.waiting.popleft())

    def close(self) -> None:
        """Close the sockets: the processes end."""
        for worker in self.workers:
            worker.close()


class Worker:
    """One process of a pool.

    Args:
        pool: which gets it back after each call.
    """

    def __init__(self, pool: ProcessPool) -> None:
        self.pool = pool
        self.then: Callable[[], None] | None = None
        self.socket, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                own("live.handler.worker"), stdin=theirs.fileno(), stdout=subprocess.DEVNULL, env=surroundings()
            )

    def wait_ready(self) -> None:
        """Wait until the process has started.

        Raises:
            OSError: it has ended.
        """
        if not self.socket.recv(1):
            raise OSError("a process of the pool has ended while it started.")
        self.socket.setblocking(False)
        self.pool.loop.add_reader(self.socket.fileno(), self._read)

    def call(self, data: bytes, then: Callable[[], None]) -> None:
        """Write a call; the socket has room for it, as it is the only one."""
        self.then = then
        self.socket.send(data)

    def _read(self) -> None:
        if not self.socket.recv(1):
            self.close()
            return
        then, self.then = self.then, None
        self.pool.idle.append(self)
        self.pool.next()
        if then is not None:
            then()

    def close(self) -> None:
        """Close the socket."""
        if self.socket.fileno() >= 0:
            self.pool.loop.remove_reader(self.socket.fileno())
            self.socket.close()
