"""The one Redis-protocol server of a cluster, which serves messages, sessions and the registry."""

from typing import TYPE_CHECKING, Any

from live.broadcast.bus import Bus
from live.broadcast.leftovers import Keeper
from live.broadcast.server_watch import ServerWatch
from live.control.process import READY_WITHIN
from live.machine import placement
from live.ports import ClusterPart

if TYPE_CHECKING:
    from live.ports import Cluster


class Server(ClusterPart):
    """The server of one run, and the keys in it that must not end before the run does.

    Args:
        cluster: the cluster.
    """

    def __init__(self, cluster: "Cluster") -> None:
        (port,) = placement.free_ports(1)
        self.bus = Bus(cluster.stage, port, cluster.place.cluster, cluster.redis_url, cluster.scenario.bus)
        self.keeper = Keeper(self.bus)
        self.watch = ServerWatch(self.bus)
        self.found: dict[str, Any] = {}

    def wait_ready(self) -> None:
        """Wait until the server answers, and renew the run's keys from now on."""
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


def server_of(cluster: "Cluster") -> Server:
    """Return the server of a cluster that has one."""
    found = cluster.room(Server)
    assert found is not None, "the room of the server comes before those that use it"
    return found


def attach(cluster: "Cluster") -> None:
    """Add it to a cluster that needs one."""
    if cluster.scenario.bus.kind != "none" or cluster.scenario.registry is not None:
        cluster.add(Server(cluster))
