"""What the lab tells nodes and clients about compression."""

from typing import TYPE_CHECKING, Any

from live.codec.codecs import CODECS
from live.ports import ClusterPart
from twin.record.record import versions

if TYPE_CHECKING:
    from live.ports import Cluster


class Frames(ClusterPart):
    """The compression of a run.

    Args:
        cluster: the cluster.
    """

    def __init__(self, cluster: "Cluster") -> None:
        self.scenario = scenario = cluster.scenario
        self.compression = scenario.nodes.compression.model_dump() if scenario.nodes.compression else None

    def of_node(self, number: int) -> dict[str, Any]:
        """Return what a node does with the frames of its connections."""
        return {"compression": self.compression} if self.compression else {}

    def of_clients(self) -> dict[str, Any]:
        """Return what clients offer."""
        return {"compression": self.compression} if self.compression else {}

    def describe(self) -> dict[str, Any]:
        """Return what encoded the messages."""
        kind = CODECS.get(self.scenario.codec)
        return {"codec": {"kind": self.scenario.codec, "versions": versions(*kind.packages)}} if kind else {}


def attach(cluster: "Cluster") -> None:
    """Add it to a cluster where something decides how messages travel."""
    if cluster.scenario.counts_bytes:
        cluster.add(Frames(cluster))
