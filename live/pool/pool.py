"""The pools of one run: the store behind them, and what nodes are told."""

from typing import TYPE_CHECKING, Any

from live.control.process import READY_WITHIN, ChildProcess
from live.pool.base import PoolSettings
from live.pool.messages import AskPool, PoolReady, UseFrom
from live.pool.stores import start_store
from live.ports import ClusterPart
from twin.scenario.pool import MOST_USES, Pool

if TYPE_CHECKING:
    from live.ports import Cluster

SPARE = 4
"""Connections that the store takes beside those of the pools."""


class Pools(ClusterPart):
    """The pools of one run.

    Args:
        cluster: the cluster.
        settings: of the scenario.

    Attributes:
        store: the server behind them.
    """

    nodes_tell = True

    def __init__(self, cluster: "Cluster", settings: Pool) -> None:
        self.cluster = cluster
        self.settings = settings
        self.started: dict[int, int] = {}
        self.start: float | None = None
        self.found: dict[str, Any] = {}
        self.store = start_store(
            settings.store, cluster.stage, cluster.place.cluster, settings.size * cluster.scenario.slots + SPARE
        )
        self.found = self.store.wait_ready()  # nodes connect as soon as they start

    def of_node(self, number: int) -> dict[str, Any]:
        """Return what a node has to know; the uses of each of its processes have numbers of their own."""
        before = self.started.get(number, 0)
        self.started[number] = before + 1
        own = self.settings.model_dump() | {"address": self.store.address, "begin": self.start}
        own |= {"seed": self.cluster.scenario.seed, "replication": self.cluster.replication}
        return {"pool": PoolSettings(first=before * MOST_USES, **own)}

    def wait_ready(self) -> None:
        """Wait until every node has the connections that there are always.

        Raises:
            ClusterError: that took too long.
        """
        for node in self._nodes():
            node.tell(AskPool())
        for node in self._nodes():
            node.hear(PoolReady, READY_WITHIN)

    def begin(self, start: float) -> None:
        """Let uses begin with the run."""
        self.start = start
        for node in self._nodes():
            node.tell(UseFrom(start))

    def describe(self) -> dict[str, Any]:
        """Return what the store is."""
        return {"store of pools": self.found}

    def _nodes(self) -> list[ChildProcess]:
        return [self.cluster.node(number) for number in range(1, self.cluster.scenario.nodes.count + 1)]


def attach(cluster: "Cluster") -> None:
    """Add them to a cluster whose nodes have pools."""
    if cluster.scenario.nodes.pool is not None:
        cluster.add(Pools(cluster, cluster.scenario.nodes.pool))
