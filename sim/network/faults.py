"""What faults do to the link between the balancer and a node."""

from sim.node.faults import OnNode
from sim.ports import Work


class Blackhole(OnNode):
    """Nothing passes between balancer and node until the duration is over."""

    def begin(self) -> Work[None]:
        """Drop every packet."""
        self.node.vanish()
        yield from ()

    def end(self) -> Work[bool]:
        """Let packets pass."""
        self.node.reappear()
        yield from ()
        return True


KINDS = {"blackhole": Blackhole}
