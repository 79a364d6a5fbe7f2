"""What the lab tells nodes and clients about compression, and what it sees them use: CPU time and memory."""

from typing import TYPE_CHECKING, Any

from live.codec.codecs import CODECS
from live.control.usage import connections_to, resident_bytes
from live.machine.timing import ScheduledAction
from live.ports import ClusterPart
from twin.record.events import CpuUsed, NodeMemory
from twin.record.record import Row, row, versions
from twin.rules.usage import BEFORE_END

if TYPE_CHECKING:
    from live.control.process import ChildProcess
    from live.ports import Cluster


class Frames(ClusterPart):
    """The compression of a run, and its use of CPU time.

    Args:
        cluster: the cluster.
    """

    def __init__(self, cluster: "Cluster") -> None:
        self.cluster = cluster
        self.scenario = scenario = cluster.scenario
        self.compression = scenario.nodes.compression.model_dump() if scenario.nodes.compression else None
        self._before: dict[int, int] = {}
        self._used: list[tuple[int, int]] = []
        self._empty: dict[int, int] = {}
        self._memory: list[tuple[int, int, int, int]] = []

    def of_node(self, number: int) -> dict[str, Any]:
        """Return what a node does with the frames of its connections."""
        return {"compression": self.compression} if self.compression else {}

    def of_clients(self) -> dict[str, Any]:
        """Return what clients offer."""
        return {"compression": self.compression} if self.compression else {}

    def warm_up(self, start: float) -> None:
        """Look at the memory of nodes without clients."""
        self._empty = {node.pid: resident_bytes(node.pid) for node in self.cluster.nodes}

    def steps(self) -> list[ScheduledAction]:
        """Return the two looks at the processes."""
        end = self.scenario.duration - BEFORE_END
        return [
            ScheduledAction(0.0, "the first look at the CPU time", self._begin),
            ScheduledAction(end, "the last look at the CPU time", self._end),
        ]

    def _processes(self) -> "list[tuple[int, ChildProcess]]":
        """Return the number of each node and 0 for clients, each with a process that is there."""
        nodes = list(enumerate(self.cluster.nodes, 1))
        return [(number, one) for number, one in [*nodes, *((0, swarm) for swarm in self.cluster.swarm)] if one.running]

    def _begin(self) -> None:
        self._before = {one.pid: one.cpu_ns() for _, one in self._processes()}

    def _end(self) -> None:
        self._used = [
            (number, one.cpu_ns() - self._before[one.pid])
            for number, one in self._processes()
            if one.pid in self._before
        ]
        for number, node in enumerate(self.cluster.nodes, 1):
            if node.running and node.pid in self._empty and node.pid in self._before:
                count = connections_to(node.pid, self.cluster.node_ports[number - 1])
                self._memory.append((number, self._empty[node.pid], resident_bytes(node.pid), count))

    def describe(self) -> dict[str, Any]:
        """Return what encoded the messages."""
        kind = CODECS.get(self.scenario.codec)
        return {"codec": {"kind": self.scenario.codec, "versions": versions(*kind.packages)}} if kind else {}

    def finish(self, start: float) -> list[Row]:
        """Return what each node used, and all clients together."""
        end = self.scenario.duration - BEFORE_END
        total: dict[int, int] = {}
        for number, used in self._used:
            total[number] = total.get(number, 0) + used
        found = [
            row(end, "cpu_used", node=number if number else -1, detail=CpuUsed.pack(used // 1000))
            for number, used in sorted(total.items())
        ]
        return found + [row(end, "node_memory", node=n, detail=NodeMemory.pack(*kept)) for n, *kept in self._memory]


def attach(cluster: "Cluster") -> None:
    """Add it to a cluster where something decides how messages travel."""
    if cluster.scenario.counts_bytes:
        cluster.add(Frames(cluster))
