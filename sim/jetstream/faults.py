"""What faults do to the ways between several NATS servers."""

from sim.broadcast.faults import Connected
from sim.jetstream.cluster import JetStreamCluster
from sim.ports import Effect, Work
from twin.scenario.faults import Fault


class BusPartition(Effect):
    """Nothing passes between one of the servers and the others, until the duration is over."""

    kind = "partition"

    def __init__(self, cluster: Connected, fault: Fault) -> None:
        self.fault = fault
        bus = cluster.servers.killed(fault.server)
        assert isinstance(bus, JetStreamCluster), "twin.scenario.combinations refuses it of one server"
        self.bus = bus
        self.standing = bus.standing

    def begin(self) -> Work[None]:
        """Cut the server off."""
        self.bus.cut_off(self.fault.replica)
        yield from ()

    def end(self) -> Work[bool]:
        """Let pass what waits."""
        self.bus.let_in()
        yield from ()
        return True


KINDS = {"bus_partition": BusPartition}
