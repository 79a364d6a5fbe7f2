"""A thread for each connection, with `websockets.sync`, all under one interpreter lock; another one reads it."""

from typing import ClassVar

from sim.machine.process import Process, Scheduler
from sim.machine.threads import Gil, Thread
from sim.node.runtime import Runtime

ACCEPTS = 1
"""Connections that an accept takes. Source: `websockets`, sync/server.py (`serve_forever`)."""

OWN_FILES = 8
"""Files that a node has open besides its connections. Source: /proc/PID/fd of a node."""

CLOSE_TIMEOUT = 10.0
"""Seconds for which a node waits for the answer to a close frame. Source: `websockets`, sync/server.py (`serve`)."""

THREADS = 2
"""Further threads of a node without connections: one that obeys, one that looks how late timers are."""


class ThreadsRuntime(Runtime):
    """The runtime of nodes that accept in one thread, and read and serve each connection in two of its own."""

    accepts: ClassVar[int] = ACCEPTS
    own_files: ClassVar[int] = OWN_FILES
    close_timeout: ClassVar[float] = CLOSE_TIMEOUT
    further_threads: ClassVar[int] = THREADS

    def process(self, cores: Scheduler) -> Process:
        """Return the thread that accepts."""
        return Thread(Gil(cores))

    def serving(self, processes: list[Process], worker: int) -> int:
        """Return the place of a new thread for a connection; the one behind it reads."""
        gil = self._first(processes).gil
        processes += [Thread(gil), Thread(gil)]
        return len(processes) - 2

    def reader(self, processes: list[Process], worker: int) -> Process:
        """Return the thread that reads a connection for the one that serves it."""
        return processes[worker + 1]

    def leaders(self, processes: list[Process]) -> list[Process]:
        """All threads are of one process."""
        return processes[:1]

    def leader(self, processes: list[Process], worker: int) -> Process:
        """All threads are of one process."""
        return processes[0]

    def lookers(self, processes: list[Process]) -> list[Process]:
        """Return a thread that does nothing else."""
        return [Thread(self._first(processes).gil)]

    @staticmethod
    def _first(processes: list[Process]) -> Thread:
        first = processes[0]
        assert isinstance(first, Thread)
        return first
