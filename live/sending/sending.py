"""What the lab tells about what clients send."""

from typing import TYPE_CHECKING, Any

from live.ports import ClusterPart

if TYPE_CHECKING:
    from live.ports import Cluster


class Sending(ClusterPart):
    """The clients' messages of one run.

    Args:
        cluster: the cluster.
    """

    nodes_tell = True

    def __init__(self, cluster: "Cluster") -> None:
        clients = cluster.scenario.clients
        self.settings = clients.sends.model_dump() | {"offline": clients.offline.model_dump()}

    def of_node(self, number: int) -> dict[str, Any]:
        """Return that the node notes what arrives."""
        return {"sends": True}

    def of_clients(self) -> dict[str, Any]:
        """Return what each client sends, and keeps while it is away."""
        return {"sends": self.settings}


def attach(cluster: "Cluster") -> None:
    """Add it to a cluster whose clients send."""
    if cluster.scenario.clients.sends.rate > 0:
        cluster.add(Sending(cluster))
