"""What the lab sees of the memory of nodes, and what it does when their limit has ended one."""

import contextlib
import resource
import signal
import time
from typing import TYPE_CHECKING

from live.control.process import ChildProcess
from live.control.usage import connections_to, resident_bytes, sizes
from live.machine.timing import ScheduledAction
from live.node.lives import see_off, start
from live.ports import ClusterPart
from twin.errors import ClusterError, HostError
from twin.record.events import NodeMemory
from twin.record.record import Row, row
from twin.rules.faults import Standing
from twin.rules.memory import data_limit
from twin.rules.usage import BEFORE_END

if TYPE_CHECKING:
    from live.ports import Cluster

ABORTED = -signal.SIGABRT
"""Status of a node in which something has aborted that got no memory."""
LEAST_PIECE = 2**17
"""Bytes that malloc asks the kernel for at least; with less to get, allocations fail. Source: mallopt(3), M_TOP_PAD."""


class MemoryUsage(ClusterPart):
    """How much memory the nodes use.

    Args:
        cluster: the cluster.
    """

    def __init__(self, cluster: "Cluster") -> None:
        self.cluster = cluster
        self.end = cluster.scenario.duration - BEFORE_END
        self._first: frozenset[int] = frozenset()
        self._empty: dict[int, int] = {}
        self._memory: list[tuple[int, int, int, int]] = []

    def warm_up(self, start: float) -> None:
        """Look at the memory of nodes without clients."""
        self._empty = {node.pid: resident_bytes(node.pid) for node in self.cluster.nodes}

    def begin(self, start: float) -> None:
        """See which nodes are there."""
        self._first = frozenset(node.pid for node in self.cluster.nodes if node.running)

    def steps(self) -> list[ScheduledAction]:
        """Return the look at the end of the run."""
        return [ScheduledAction(self.end, "the last look at the memory", self._look)]

    def _look(self) -> None:
        for number, node in enumerate(self.cluster.nodes, 1):
            if node.running and node.pid in self._empty and node.pid in self._first:
                count = connections_to(node.pid, self.cluster.node_ports[number - 1])
                self._memory.append((number, self._empty[node.pid], resident_bytes(node.pid), count))

    def finish(self, start: float) -> list[Row]:
        """Return how much memory each node used."""
        return [row(self.end, "node_memory", node=n, detail=NodeMemory.pack(*kept)) for n, *kept in self._memory]


class MemoryLimit(ClusterPart):
    """The limit of the nodes' memory: a process that has reached it is killed, and perhaps another one is started.

    The kernel gives a process no more than its limit (setrlimit(2), RLIMIT_DATA); it would not kill it, as it does in a
    container. Nor does a server end by itself whose allocations fail: it goes on to drop what it was just doing. So the
    lab kills it as soon as it sees that the limit is used up; libuv and C libraries abort at times before that.

    Args:
        cluster: the cluster.
    """

    def __init__(self, cluster: "Cluster") -> None:
        self.cluster = cluster
        self.settings = cluster.scenario.nodes
        self._bounds: dict[int, int] = {}
        self._due: dict[int, tuple[float, int]] = {}

    def node_started(self, number: int, part: ChildProcess) -> None:
        """Expect that it may abort."""
        part.may_end.add(ABORTED)

    def wait_ready(self) -> None:
        """Set the limits of the first nodes: what they have by now is their own size."""
        for node in self.cluster.nodes:
            self._bound(node)

    def _bound(self, node: ChildProcess) -> None:
        resident, data = sizes(node.pid)
        self._bounds[node.pid] = bound = data_limit(self.settings.memory_limit, resident, data)
        _, hard = resource.prlimit(node.pid, resource.RLIMIT_DATA)
        resource.prlimit(node.pid, resource.RLIMIT_DATA, (bound, hard))

    def _reached(self, node: ChildProcess) -> bool:
        """Tell whether a node gets no more memory."""
        if node.running and node.pid in self._bounds:
            with contextlib.suppress(HostError):  # it has just ended
                return self._bounds[node.pid] - sizes(node.pid)[1] <= LEAST_PIECE
        return node.status == ABORTED

    def begin(self, start: float) -> None:
        """See whether all nodes have lived through the warm-up.

        Raises:
            ClusterError: one has not.
        """
        for number, node in enumerate(self.cluster.nodes, 1):
            if self._reached(node):
                limit = self.settings.memory_limit
                raise ClusterError(f"nodes.memory_limit is {limit}: node {number} reached it before the run began.")

    def attend(self) -> None:
        """Kill who has reached the limit, set that of new processes, and start those whose time has come."""
        cluster = self.cluster
        for number, standing in enumerate(cluster.standings, 1):
            if standing.phase == "up":
                node = cluster.node(number)
                if node.running and node.pid not in self._bounds:
                    with contextlib.suppress(HostError, ProcessLookupError):  # it has just ended
                        self._bound(node)
                if self._reached(node):
                    self._kill(number, standing, node)
        for number, (when, life) in list(self._due.items()):
            if time.monotonic() >= when:
                del self._due[number]
                if cluster.standings[number - 1].over("kill", life):
                    see_off(cluster, number)
                    start(cluster, number)

    def _kill(self, number: int, standing: Standing, node: ChildProcess) -> None:
        now, cluster = time.monotonic(), self.cluster
        life = standing.begin("kill", returns=self.settings.memory_restart > 0)
        assert life is not None
        cluster.note(now, "out_of_memory", number)
        node.signal(signal.SIGKILL)
        cluster.killed.append(number)
        cluster.restarting.discard(number)  # what it was told has come to nothing
        if self.settings.memory_restart:
            self._due[number] = now + self.settings.memory_restart, life

    def may_be_gone(self, part: ChildProcess) -> bool:
        """Tell whether a node's process may have ended before it has told what it noted: its limit is no order."""
        return part.status == ABORTED


def attach(cluster: "Cluster") -> None:
    """Add what the scenario asks for to a cluster."""
    if cluster.scenario.notes_memory:
        cluster.add(MemoryUsage(cluster))
    if cluster.scenario.nodes.memory_limit:
        cluster.add(MemoryLimit(cluster))
