"""The one Redis-protocol server of a cluster, which serves messages, sessions and the registry, and the ways there."""

from typing import TYPE_CHECKING, Any

from live.broadcast.bus import Bus
from live.broadcast.leftovers import Keeper
from live.broadcast.server_watch import ServerWatch
from live.control.address import Address
from live.control.process import READY_WITHIN, ChildProcess
from live.machine import placement
from live.ports import ClusterPart
from twin.scenario.scenario import Scenario

if TYPE_CHECKING:
    from live.ports import Cluster


_THROUGH_RELAY = ("partition", "delay")


class Server(ClusterPart):
    """The server of one run, the keys in it that must not end before the run does, and the relays before it of those
    nodes whose link to it a fault acts on.

    Args:
        cluster: the cluster.

    Attributes:
        relays: by number of the node.
    """

    def __init__(self, cluster: "Cluster") -> None:
        cpus, nodes = cluster.place.cluster, relayed(cluster.scenario)
        port, *ports = placement.free_ports(1 + len(nodes))
        self.bus = Bus(cluster.stage, port, cpus, cluster.redis_url, cluster.scenario.bus)
        self.ports = dict(zip(nodes, ports, strict=True))
        self.relays: dict[int, ChildProcess] = {}
        for node, of_node in self.ports.items():
            config = {"port": of_node, "to": self.bus.address.way}
            self.relays[node] = cluster.stage.python(f"relay {node}", "live.broadcast.relay", config, cpus)
        self.keeper = Keeper(self.bus)
        self.watch = ServerWatch(self.bus)
        self.found: dict[str, Any] = {}

    def reach(self, number: int) -> Address:
        """Return the address at which a node reaches the server."""
        return self.bus.address.through(self.ports[number]) if number in self.ports else self.bus.address

    def wait_ready(self) -> None:
        """Wait until the server answers and the relays pass everything on, and renew the run's keys from now on."""
        for relay in self.relays.values():
            relay.hear()
        self.found = self.bus.wait_ready(READY_WITHIN) | self.bus.describe()
        self.keeper.begin()

    def describe(self) -> dict[str, Any]:
        """Return what the server is, how it was started, and its settings."""
        return {"bus": self.found}

    def about_to_run(self) -> None:
        """Ask the user's own server from now on whether it is there."""
        self.watch.begin()

    def changes(self) -> list[str]:
        """Return what is wrong with the user's own server."""
        return self.watch.changes()

    def close(self) -> None:
        """Ask and renew nothing any more."""
        self.watch.close()
        self.keeper.close()


def relayed(scenario: Scenario) -> list[int]:
    """Return the nodes that reach the server through a relay, because a fault of the scenario acts on their link."""
    return sorted({fault.node or 0 for fault in scenario.faults if fault.kind in _THROUGH_RELAY})


def server_of(cluster: "Cluster") -> Server:
    """Return the server of a cluster that has one."""
    found = cluster.room(Server)
    assert found is not None, "the room of the server comes before those that use it"
    return found


def attach(cluster: "Cluster") -> None:
    """Add it to a cluster that needs one."""
    if cluster.scenario.bus.kind != "none" or cluster.scenario.registry is not None:
        cluster.add(Server(cluster))
