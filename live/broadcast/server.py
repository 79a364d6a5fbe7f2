"""The Redis-protocol servers of a cluster, one for messages, sessions and the registry or one for each, and the ways
there.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from live.broadcast.base import BusServer
from live.broadcast.bus import Bus
from live.broadcast.leftovers import Keeper
from live.broadcast.messages import RelaySettings
from live.broadcast.server_watch import ServerWatch
from live.control.address import Address
from live.control.messages import Listening
from live.control.process import READY_WITHIN, ChildProcess
from live.jetstream import cluster as jetstream
from live.machine import placement
from live.ports import ClusterPart
from twin.rules.faults import Standing
from twin.scenario.buses import BusKind
from twin.scenario.scenario import Scenario
from twin.scenario.servers import Use

if TYPE_CHECKING:
    from live.ports import Cluster


_THROUGH_RELAY = ("partition", "delay")

KINDS: "dict[BusKind, Callable[[Cluster, int, list[int], str], BusServer]]" = {"jetstream": jetstream.start}
"""Kind of bus -> its server, where that is another one than Valkey."""


def valkey(cluster: "Cluster", port: int, cpus: list[int], name: str) -> Bus:
    """Return an embedded Valkey, or the user's own server."""
    return Bus(cluster.stage, port, cpus, cluster.redis_url, cluster.scenario.bus, name)


class Server(ClusterPart):
    """A server of one run, the keys in it that must not end before the run does, and the relays before it of those
    nodes whose link to it a fault acts on.

    Args:
        cluster: the cluster.
        uses: what it is there for.
        name: what distinguishes it from the others, empty for the only one.

    Attributes:
        relays: by number of the node.
        standing: what acts on it.
        before_loss: called when it is about to be killed by order.
    """

    def __init__(self, cluster: "Cluster", uses: Sequence[Use] = (), name: str = "") -> None:
        cpus, nodes = cluster.place.cluster, relayed(cluster.scenario)
        port, *ports = placement.free_ports(1 + len(nodes))
        self.uses = uses
        self.name = name
        self.standing = Standing()
        self.before_loss: list[Callable[[], None]] = []
        start = KINDS.get(cluster.scenario.bus.kind, valkey) if "messages" in uses else valkey
        self.bus: BusServer = start(cluster, port, cpus, name)
        self.ports = dict(zip(nodes, ports, strict=True))
        self.relays: dict[int, ChildProcess] = {}
        for node, of_node in self.ports.items():
            config = RelaySettings(of_node, self.bus.address.way)
            self.relays[node] = cluster.stage.python(
                f"relay {node} {name}".rstrip(), "live.broadcast.relay", config, cpus
            )
        self.keeper = Keeper(self.bus)
        self.watch = ServerWatch(self.bus)
        self.found: dict[str, Any] = {}

    def reach(self, number: int) -> Address:
        """Return the address at which a node reaches the server."""
        return self.bus.address.through(self.ports[number]) if number in self.ports else self.bus.address

    def wait_ready(self) -> None:
        """Wait until the server answers and the relays pass everything on, and renew the run's keys from now on."""
        for relay in self.relays.values():
            relay.hear(Listening)
        self.found = self.bus.wait_ready(READY_WITHIN) | self.bus.describe()
        self.keeper.begin()

    def describe(self) -> dict[str, Any]:
        """Return what the server is, how it was started, and its settings."""
        return {f"bus {self.name}".rstrip(): self.found}

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


def servers_of(cluster: "Cluster") -> list[Server]:
    """Return all servers of a cluster."""
    return cluster.rooms(Server)


def server_of(cluster: "Cluster", use: Use | None = None) -> Server:
    """Return the server of a cluster that is there for a use; without one, the only one."""
    found = [server for server in servers_of(cluster) if use is None or use in server.uses]
    assert found, "the room of the servers comes before those that use them"
    return found[0]


def attach(cluster: "Cluster") -> None:
    """Add them to a cluster that needs one, or runs one without need."""
    scenario = cluster.scenario
    if scenario.bus.servers == "several" and len(scenario.uses) > 1:
        for use in scenario.uses:
            cluster.add(Server(cluster, [use], use))
    elif scenario.bus.kind != "none" or scenario.uses:
        cluster.add(Server(cluster, scenario.uses))
