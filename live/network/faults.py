"""What faults do to the link between the balancer and a node."""

from typing import TYPE_CHECKING

from live.network.links import Links
from live.node.faults import OnNode
from twin.scenario.faults import Fault

if TYPE_CHECKING:
    from live.ports import Cluster


class Blackhole(OnNode):
    """Nothing passes between balancer and node until the duration is over."""

    def __init__(self, cluster: "Cluster", fault: Fault) -> None:
        super().__init__(cluster, fault)
        links = cluster.room(Links)
        assert links is not None, "the room of the links is there for such a fault"
        self.links = links

    def begin(self) -> None:
        """Drop every packet."""
        self.links.drop(self.number, True)

    def end(self) -> None:
        """Let packets pass."""
        self.links.drop(self.number, False)


KINDS = {"blackhole": Blackhole}
