"""What the lab tells nodes and clients about compression, and how much memory it sees nodes use."""

from typing import TYPE_CHECKING, Any

from live.codec.codecs import CODECS
from live.control.usage import connections_to, resident_bytes
from live.machine.timing import ScheduledAction
from live.ports import ClusterPart
from twin.record.events import NodeMemory
from twin.record.record import Row, row, versions
from twin.rules.usage import BEFORE_END

if TYPE_CHECKING:
    from live.ports import Cluster


class Frames(ClusterPart):
    """The compression of a run, and its use of memory.

    Args:
        cluster: the cluster.
    """

    def __init__(self, cluster: "Cluster") -> None:
        self.cluster = cluster
        self.scenario = scenario = cluster.scenario
        self.compression = scenario.nodes.compression.model_dump() if scenario.nodes.compression else None
        self._first: frozenset[int] = frozenset()
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

    def begin(self, start: float) -> None:
        """See which nodes are there."""
        self._first = frozenset(node.pid for node in self.cluster.nodes if node.running)

    def steps(self) -> list[ScheduledAction]:
        """Return the look at the end of the run."""
        return [ScheduledAction(self.scenario.duration - BEFORE_END, "the last look at the memory", self._end)]

    def _end(self) -> None:
        for number, node in enumerate(self.cluster.nodes, 1):
            if node.running and node.pid in self._empty and node.pid in self._first:
                count = connections_to(node.pid, self.cluster.node_ports[number - 1])
                self._memory.append((number, self._empty[node.pid], resident_bytes(node.pid), count))

    def describe(self) -> dict[str, Any]:
        """Return what encoded the messages."""
        kind = CODECS.get(self.scenario.codec)
        return {"codec": {"kind": self.scenario.codec, "versions": versions(*kind.packages)}} if kind else {}

    def finish(self, start: float) -> list[Row]:
        """Return how much memory each node used."""
        end = self.scenario.duration - BEFORE_END
        return [row(end, "node_memory", node=n, detail=NodeMemory.pack(*kept)) for n, *kept in self._memory]


def attach(cluster: "Cluster") -> None:
    """Add it to a cluster where something decides how messages travel."""
    if cluster.scenario.counts_bytes:
        cluster.add(Frames(cluster))
