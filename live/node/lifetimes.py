"""What the lab tells about lifetimes of connections: the nodes theirs, and the clients to say who they are."""

from typing import TYPE_CHECKING, Any

from live.ports import ClusterPart

if TYPE_CHECKING:
    from live.ports import Cluster
    from twin.scenario.registry import Lifetime


class LifetimesOfNodes(ClusterPart):
    """The lifetimes of one run.

    Args:
        cluster: the cluster.
        settings: `nodes.lifetime`.
    """

    def __init__(self, cluster: "Cluster", settings: "Lifetime") -> None:
        self.settings = settings.model_dump()
        self.draws = {"seed": cluster.scenario.seed, "replication": cluster.replication}

    def of_node(self, number: int) -> dict[str, Any]:
        """Return the settings, and what draws the numbers of the model."""
        return {"lifetime": self.settings | self.draws}

    def of_clients(self) -> dict[str, Any]:
        """Return that clients say who they are, which decides how long a connection lasts."""
        return {"named": True}


def attach(cluster: "Cluster") -> None:
    """Add them to a cluster whose nodes end connections by themselves."""
    if cluster.scenario.nodes.lifetime is not None:
        cluster.add(LifetimesOfNodes(cluster, cluster.scenario.nodes.lifetime))
