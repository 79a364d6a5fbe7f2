"""The relays before those nodes whose packets will be dropped."""

from typing import TYPE_CHECKING

from live.control.messages import Listening
from live.control.process import ChildProcess
from live.machine import placement
from live.network.messages import Drop, LinkSettings
from live.ports import ClusterPart

if TYPE_CHECKING:
    from live.ports import Cluster


class Links(ClusterPart):
    """The links of a run that can go dark: one process for each node that a blackhole acts on.

    Args:
        cluster: the cluster.
        nodes: numbers of these nodes.
    """

    def __init__(self, cluster: "Cluster", nodes: list[int]) -> None:
        self.cluster = cluster
        self.ports = dict(zip(nodes, placement.free_ports(len(nodes)), strict=True))
        self.links: dict[int, ChildProcess] = {}

    def in_front(self, number: int) -> int | None:
        """Return the port of a node's relay, if it has one."""
        return self.ports.get(number)

    def before_balancer(self) -> None:
        """Start the relays, between the balancer and the nodes, and wait until they listen."""
        cluster = self.cluster
        for number, port in self.ports.items():
            config = LinkSettings(port, "127.0.0.1", cluster.node_ports[number - 1])
            self.links[number] = cluster.stage.python(
                f"link {number}", "live.network.blackhole", config, cluster.place.cluster
            )
        for link in self.links.values():
            link.hear(Listening)

    def drop(self, number: int, on: bool) -> None:
        """Let nothing pass between the balancer and a node, or let it pass again."""
        self.links[number].tell(Drop(on))


def attach(cluster: "Cluster") -> None:
    """Add them to a cluster in which packets will be dropped."""
    faults = cluster.scenario.faults
    dark = sorted({fault.node for fault in faults if fault.kind == "blackhole" and fault.node is not None})
    if dark:
        cluster.add(Links(cluster, dark))
