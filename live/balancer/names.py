"""What the lab tells clients whose balancer hashes who they are."""

from typing import TYPE_CHECKING, Any

from live.ports import ClusterPart

if TYPE_CHECKING:
    from live.ports import Cluster


class NamedClients(ClusterPart):
    """Clients that say who they are."""

    def of_clients(self) -> dict[str, Any]:
        """Return that they do."""
        return {"named": True}


def attach(cluster: "Cluster") -> None:
    """Add them to a cluster whose balancer asks for that."""
    if cluster.scenario.balancer.asks_who:
        cluster.add(NamedClients())
