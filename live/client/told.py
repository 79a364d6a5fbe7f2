"""What the lab tells clients of what they do after a refusal."""

from typing import TYPE_CHECKING, Any

from live.ports import ClusterPart

if TYPE_CHECKING:
    from live.ports import Cluster
    from twin.scenario.rates import Refusals


class RefusalsOfClients(ClusterPart):
    """What the clients of one run do.

    Args:
        settings: `clients.refusals`.
    """

    def __init__(self, settings: "Refusals") -> None:
        self.settings = settings

    def of_clients(self) -> dict[str, Any]:
        """Return the settings."""
        return {"refusals": self.settings.model_dump()}


def attach(cluster: "Cluster") -> None:
    """Add it to a cluster whose clients do anything else than wait and try again."""
    settings = cluster.scenario.clients.refusals
    if settings.matters:
        cluster.add(RefusalsOfClients(settings))
