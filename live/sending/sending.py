"""What the lab tells about what clients send."""

from math import ceil
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
        scenario, clients = cluster.scenario, cluster.scenario.clients
        self.sends, self.codec = clients.sends, scenario.codec
        messages = ceil(scenario.duration * clients.sends.rate)
        self.settings = clients.sends.model_dump() | {"codec": self.codec, "messages": messages}
        self.settings |= {"offline": clients.offline.model_dump()}

    def of_node(self, number: int) -> dict[str, Any]:
        """Return how the node reads what arrives."""
        return {"sends": {"codec": self.codec, "batch_of": self.sends.payload_bytes if self.sends.batch else 0}}

    def of_clients(self) -> dict[str, Any]:
        """Return what each client sends, and keeps while it is away."""
        return {"sends": self.settings}


def attach(cluster: "Cluster") -> None:
    """Add it to a cluster whose clients send."""
    if cluster.scenario.clients.sends.rate > 0:
        cluster.add(Sending(cluster))
