"""What the lab tells the clients of those who come in the run."""

from typing import TYPE_CHECKING, Any

from live.ports import ClusterPart

if TYPE_CHECKING:
    from live.ports import Cluster


class ArrivalsOfClients(ClusterPart):
    """The arrivals of one run.

    Args:
        times: when each of those clients comes, in seconds after the start of the run, by number.
    """

    def __init__(self, times: dict[int, float]) -> None:
        self.times = times

    def of_clients(self) -> dict[str, Any]:
        """Return when who comes; JSON has its keys as texts."""
        return {"arrivals": {str(number): at for number, at in self.times.items()}}


def attach(cluster: "Cluster") -> None:
    """Add them to a cluster to which clients come in the run."""
    times = cluster.scenario.clients.arrival_times
    if times:
        cluster.add(ArrivalsOfClients(times))
