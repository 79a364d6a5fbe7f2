"""Who does the CPU work and the blocking calls of a handler in a node with an event loop: listed here."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Protocol

from live.handler.work import do


class Executor(Protocol):
    """Does the work of requests; it is made with a number of threads or processes."""

    def begin(self, cpu: float, blocking: float, then: Callable[[], None]) -> None:
        """Begin the work of a request; `then` is called in the event loop when it is done."""
        ...

    def close(self) -> None:
        """End what it has started, without waiting for it."""
        return None


class InLoop(Executor):
    """The event loop itself."""

    def __init__(self, size: int) -> None:
        """Need no threads and no processes."""

    def begin(self, cpu: float, blocking: float, then: Callable[[], None]) -> None:
        """Do the work at once: while it lasts, nobody else is served."""
        do(cpu, blocking)
        then()


class ThreadPool(Executor):
    """Threads beside the event loop."""

    def __init__(self, size: int) -> None:
        self.pool = ThreadPoolExecutor(size)
        self.loop = asyncio.get_running_loop()

    def begin(self, cpu: float, blocking: float, then: Callable[[], None]) -> None:
        """Give the work to the pool."""
        self.loop.run_in_executor(self.pool, do, cpu, blocking).add_done_callback(lambda _: then())

    def close(self) -> None:
        """Forget what waits for a thread."""
        self.pool.shutdown(wait=False, cancel_futures=True)


OF_LOOP: dict[str, str] = {
    "loop": "live.handler.executors:InLoop",
    "thread_pool": "live.handler.executors:ThreadPool",
    "process_pool": "live.handler.process_pool:ProcessPool",
}
"""`nodes.executor.kind` -> the class that does it; only the one that a node needs is loaded."""


def executor(kind: str, size: int) -> Executor:
    """Return a new executor."""
    module, _, name = OF_LOOP[kind].partition(":")
    made: Executor = getattr(import_module(module), name)(size)
    return made
