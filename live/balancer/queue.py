"""What the lab asks the balancer about its queues when a run is over."""

import time
from typing import TYPE_CHECKING

from live.ports import ClusterPart
from twin.record.events import BalancerQueue
from twin.record.record import Row, row

if TYPE_CHECKING:
    from live.ports import Cluster


class QueueOfBalancer(ClusterPart):
    """The queue of a balancer whose servers take so many connections only.

    Args:
        cluster: the cluster.
    """

    def __init__(self, cluster: "Cluster") -> None:
        self.cluster = cluster

    def finish(self, start: float) -> list[Row]:
        """Note how many requests waited at most."""
        most = self.cluster.balancer.most_queued()
        if most is None:
            return []
        end = min(time.monotonic() - start, self.cluster.scenario.duration)
        return [row(end, "balancer_queue", detail=BalancerQueue.pack(most))]


def attach(cluster: "Cluster") -> None:
    """Add it to a cluster whose balancer has such a limit."""
    if cluster.scenario.balancer.queues:
        cluster.add(QueueOfBalancer(cluster))
