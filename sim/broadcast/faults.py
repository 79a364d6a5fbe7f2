"""What faults do to the shared servers, and to the links between them and the nodes."""

from collections.abc import Sequence
from typing import Protocol

from sim.node.faults import OnNode
from sim.node.node import Node
from sim.ports import Effect, Work
from sim.servers import SharedServers
from twin.rules.faults import acts
from twin.scenario.faults import Fault


class Connected(Protocol):
    """A cluster whose nodes share servers."""

    @property
    def nodes(self) -> Sequence[Node]:
        """All nodes; number 1 is the first."""
        ...

    @property
    def servers(self) -> SharedServers:
        """The shared servers, by what they are used for."""
        ...


class BusDown(Effect):
    """A shared server is killed, and started again after the duration; one that is dead already is not killed."""

    kind = "kill"

    def __init__(self, cluster: Connected, fault: Fault) -> None:
        self.fault = fault
        self.bus = cluster.servers.killed(fault.server)
        self.standing = self.bus.standing

    def begin(self) -> Work[None]:
        """Kill it."""
        self.bus.kill(self.fault.replica)
        yield from ()

    def end(self) -> Work[bool]:
        """Start it; it is healed when it answers, unless it was killed before."""
        begun = self.bus.standing.boots()
        yield from self.bus.start()
        return self.bus.standing.listens(begun)


class BusHang(Effect):
    """A shared server is stopped until the duration of all its hangs is over; a new process of it is not."""

    kind = "hang"

    def __init__(self, cluster: Connected, fault: Fault) -> None:
        self.fault = fault
        self.bus = cluster.servers.killed(fault.server)
        self.standing = self.bus.standing

    def begin(self) -> Work[None]:
        """Stop it."""
        assert self.fault.duration is not None
        self.bus.hang(self.fault.duration, self.fault.replica)
        yield from ()

    def end(self) -> Work[bool]:
        """It goes on by itself."""
        yield from ()
        return True


class BusCut(OnNode):
    """The bus cuts a node's subscription."""

    def __init__(self, cluster: Connected, fault: Fault) -> None:
        super().__init__(cluster, fault)
        self.bus = cluster.servers.of["messages"]

    def begins(self) -> int | None:
        """Tell whether there is a connection to cut: both ends must be up."""
        return super().begins() if acts(self.kind, self.bus.standing.phase, "") else None

    def begin(self) -> Work[None]:
        """Cut it."""
        self.bus.leave(self.node.number, "closed")
        yield from ()


class Partition(OnNode):
    """Nothing passes between a node and the shared servers, until the duration of all its partitions is over."""

    def __init__(self, cluster: Connected, fault: Fault) -> None:
        super().__init__(cluster, fault)
        self.links = cluster.servers.links(self.node.number)

    def begin(self) -> Work[None]:
        """Cut the links."""
        for link in self.links:
            link.cuts += 1
        yield from ()

    def over(self, life: int) -> bool:
        """Let pass what waits, if no other partition goes on."""
        for link in self.links:
            link.restore()
        return super().over(life)


class Delay(OnNode):
    """What passes between a node and the shared servers takes longer."""

    def __init__(self, cluster: Connected, fault: Fault) -> None:
        super().__init__(cluster, fault)
        self.links = cluster.servers.links(self.node.number)

    def begin(self) -> Work[None]:
        """Make the links slower."""
        for link in self.links:
            link.delay += self.fault.delay or 0.0
        yield from ()

    def end(self) -> Work[bool]:
        """Make them as fast as before."""
        for link in self.links:
            link.delay -= self.fault.delay or 0.0
        yield from ()
        return True


KINDS = {"bus_down": BusDown, "bus_hang": BusHang, "bus_cut": BusCut, "partition": Partition, "delay": Delay}
