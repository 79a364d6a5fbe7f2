"""What the lab tells about polls."""

from typing import TYPE_CHECKING, Any

from live.machine import placement
from live.ports import ClusterPart

if TYPE_CHECKING:
    from live.ports import Cluster


class Polls(ClusterPart):
    """The polls of one run. Each node has two servers: that of HTTP has the node's port, that of WebSockets another.

    Args:
        cluster: the cluster.
    """

    def __init__(self, cluster: "Cluster") -> None:
        scenario = cluster.scenario
        self.cluster = cluster
        self.settings = scenario.clients.transport
        self.limit = scenario.slow_consumer.limit_bytes
        self.spare = placement.free_ports(scenario.slots)

    def of_node(self, number: int) -> dict[str, Any]:
        """Return where the node's servers listen, and what it answers."""
        polls = {
            "port": self.cluster.node_ports[number - 1],
            "backlog": self.cluster.scenario.nodes.backlog,
            "hold": self.settings.held,
            "limit_bytes": self.limit,
        }
        return {"port": self.spare[number - 1], "polls": polls}

    def of_clients(self) -> dict[str, Any]:
        """Return how each client asks."""
        return {"polls": {"every": self.settings.every, "held": self.settings.held, "cursor": self.settings.cursor}}


def attach(cluster: "Cluster") -> None:
    """Add them to a cluster whose clients poll."""
    if cluster.scenario.clients.transport.polls:
        cluster.add(Polls(cluster))
