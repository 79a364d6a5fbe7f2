"""What faults do to the ways between several NATS servers."""

from typing import TYPE_CHECKING

from live.broadcast.server import server_of
from live.jetstream.cluster import NatsCluster
from live.ports import Effect
from twin.scenario.faults import Fault

if TYPE_CHECKING:
    from live.ports import Cluster


class BusPartition(Effect):
    """Nothing passes between one of the servers and the others, until the duration is over."""

    kind = "partition"

    def __init__(self, cluster: "Cluster", fault: Fault) -> None:
        self.fault = fault
        server = server_of(cluster, fault.server)
        assert isinstance(server.bus, NatsCluster), "twin.scenario.combinations refuses it of one server"
        self.bus = server.bus
        self.standing = server.standing

    def begin(self) -> None:
        """Cut the server off."""
        self.bus.cut_off(self.fault.replica)

    def end(self) -> None:
        """Let pass what waits."""
        self.bus.let_in()


KINDS = {"bus_partition": BusPartition}
