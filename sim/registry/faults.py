"""What is done to a cluster with a registry."""

from sim.node.faults import OnNode
from sim.node.lives import join
from sim.ports import Work


class Join(OnNode):
    """A process is started for a node that has none. Nothing goes wrong, so it is no event `fault`."""

    announced = False

    def begin(self) -> Work[None]:
        """Start it."""
        yield from join(self.node)


KINDS = {"join": Join}
