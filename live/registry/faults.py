"""What is done to a cluster with a registry."""

from live.node.faults import OnNode
from live.node.lives import join, see_off


class Join(OnNode):
    """A process is started for a node that has none. Nothing goes wrong, so it is no event `fault`."""

    announced = False

    def begin(self) -> None:
        """Start it."""
        see_off(self.cluster, self.number)
        join(self.cluster, self.number)


KINDS = {"join": Join}
