"""Goroutines: a node in Go, whose scheduler runs them on as many Ps as it has cores (`sim.machine.goroutines`)."""

from typing import ClassVar

from sim.machine.goroutines import GoProcess
from sim.machine.process import Process, Scheduler
from sim.node.runtime import Runtime

ACCEPTS = 1
"""Connections that an accept takes. Source: src/net/fd_unix.go (`accept`): one call of accept4(2)."""

OWN_FILES = 8
"""Files that a node has open besides its connections. Source: /proc/PID/fd of a node."""

CLOSE_TIMEOUT = 10.0
"""Seconds for which a node waits for the answer to a close frame. Source: live/node/go/connection.go, `openWithin`."""

THREADS = 4
"""Further threads of a node. Source: /proc/PID/task of a node."""


class GoRuntime(Runtime):
    """The runtime of nodes in Go."""

    accepts: ClassVar[int] = ACCEPTS
    own_files: ClassVar[int] = OWN_FILES
    close_timeout: ClassVar[float] = CLOSE_TIMEOUT
    further_threads: ClassVar[int] = THREADS

    def process(self, cores: Scheduler) -> Process:
        """Return a process with a P for each core that it may use. Source: src/runtime/os_linux.go (`getproccount`)."""
        return GoProcess(cores, cores.count)
