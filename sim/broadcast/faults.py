"""What faults do to the bus, and to the links between it and the nodes."""

from collections.abc import Sequence
from typing import Protocol

from sim.broadcast.broadcast import Broadcast
from sim.broadcast.bus import Bus
from sim.node.faults import OnNode
from sim.node.node import Node
from sim.ports import Effect, Work
from twin.rules.faults import acts
from twin.scenario.faults import Fault


class Connected(Protocol):
    """A cluster with a shared server, over which something is broadcast."""

    @property
    def nodes(self) -> Sequence[Node]:
        """All nodes; number 1 is the first."""
        ...

    @property
    def bus(self) -> Bus | None:
        """The shared server, if there is one."""
        ...

    @property
    def broadcast(self) -> Broadcast | None:
        """What messages go through, if anybody publishes."""
        ...


class BusDown(Effect):
    """The bus is killed, and started again after the duration; one that is dead already is not killed."""

    kind = "kill"

    def __init__(self, cluster: Connected, fault: Fault) -> None:
        assert cluster.bus is not None
        self.bus = cluster.bus
        self.standing = self.bus.standing

    def begin(self) -> Work[None]:
        """Kill it."""
        self.bus.kill()
        yield from ()

    def end(self) -> Work[bool]:
        """Start it; it is healed when it answers, unless it was killed before."""
        begun = self.bus.standing.boots()
        yield from self.bus.start()
        return self.bus.standing.listens(begun)


class BusCut(OnNode):
    """The bus cuts a node's subscription."""

    def __init__(self, cluster: Connected, fault: Fault) -> None:
        super().__init__(cluster, fault)
        assert cluster.bus is not None
        self.bus = cluster.bus

    def begins(self) -> int | None:
        """Tell whether there is a connection to cut: both ends must be up."""
        return super().begins() if acts(self.kind, self.bus.standing.phase, "") else None

    def begin(self) -> Work[None]:
        """Cut it."""
        self.bus.leave(self.node.number, "closed")
        yield from ()


class Partition(OnNode):
    """Nothing passes between a node and the bus, until the duration of all its partitions is over."""

    def __init__(self, cluster: Connected, fault: Fault) -> None:
        super().__init__(cluster, fault)
        assert cluster.broadcast is not None
        self.link = cluster.broadcast.fanouts[self.node.number - 1].link

    def begin(self) -> Work[None]:
        """Cut the link."""
        self.link.cuts += 1
        yield from ()

    def over(self, life: int) -> bool:
        """Let pass what waits, if no other partition goes on."""
        self.link.restore()
        return super().over(life)


class Delay(OnNode):
    """What passes between a node and the bus takes longer."""

    def __init__(self, cluster: Connected, fault: Fault) -> None:
        super().__init__(cluster, fault)
        assert cluster.broadcast is not None
        self.link = cluster.broadcast.fanouts[self.node.number - 1].link

    def begin(self) -> Work[None]:
        """Make the link slower."""
        self.link.delay += self.fault.delay or 0.0
        yield from ()

    def end(self) -> Work[bool]:
        """Make it as fast as before."""
        self.link.delay -= self.fault.delay or 0.0
        yield from ()
        return True


KINDS = {"bus_down": BusDown, "bus_cut": BusCut, "partition": Partition, "delay": Delay}
