"""What the lab tells nodes about the deadlines of their connections."""

from typing import TYPE_CHECKING, Any

from live.ports import ClusterPart

if TYPE_CHECKING:
    from live.ports import Cluster


class DeadlinesOfNodes(ClusterPart):
    """The deadlines of one run.

    Args:
        read, write: seconds; 0 is none.
    """

    def __init__(self, read: float, write: float) -> None:
        self.settings = {"read": read, "write": write}

    def of_node(self, number: int) -> dict[str, Any]:
        """Return the deadlines."""
        return {"deadlines": self.settings}


def attach(cluster: "Cluster") -> None:
    """Add them to a cluster whose nodes have some."""
    nodes = cluster.scenario.nodes
    if nodes.read_deadline or nodes.write_deadline:
        cluster.add(DeadlinesOfNodes(nodes.read_deadline, nodes.write_deadline))
