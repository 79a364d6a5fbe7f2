"""What faults do to the shared servers, and to the links between them and the nodes."""

import contextlib
import threading
import time
from typing import TYPE_CHECKING

from live.broadcast import messages
from live.broadcast.broadcast import Broadcast
from live.broadcast.bus import ClientKill
from live.broadcast.messages import Cut
from live.broadcast.server import Server, server_of, servers_of
from live.control.process import READY_WITHIN
from live.node.faults import OnNode
from live.ports import Effect
from twin.errors import ClusterError, HostError
from twin.rules.faults import acts
from twin.scenario.faults import Fault

if TYPE_CHECKING:
    from live.ports import Cluster


class BusDown(Effect):
    """A shared server is killed, and started again after the duration; one that is dead already is not killed."""

    kind = "kill"
    heals = False

    def __init__(self, cluster: "Cluster", fault: Fault) -> None:
        self.cluster = cluster
        self.fault = fault
        self.server = server_of(cluster, fault.server)
        self.standing = self.server.standing

    def begins(self) -> int | None:
        """Let those who need it read what is about to be lost."""
        for save in self.server.before_loss:
            save()
        return super().begins()

    def begin(self) -> None:
        """Kill it."""
        self.server.bus.kill()

    def end(self) -> None:
        """Start it; it is healed when it answers, unless it was killed before."""
        begun = self.server.standing.boots()
        self.server.bus.start_again()
        threading.Thread(target=self._answers_again, args=(begun,), daemon=True).start()

    def _answers_again(self, begun: int) -> None:
        with contextlib.suppress(ClusterError, HostError, OSError):
            self.server.bus.wait_ready(READY_WITHIN)
            if self.server.standing.listens(begun):
                self.cluster.note(time.monotonic(), "healed", detail=self.fault.kind)


class BusCut(OnNode):
    """The bus cuts a node's subscription."""

    _ready: ClientKill | None = None

    def prepare(self) -> None:
        """Find the connections."""
        self._kill().look()

    def begins(self) -> int | None:
        """Tell whether there is a connection to cut: both ends must be up."""
        there = acts(self.kind, server_of(self.cluster, "messages").standing.phase, "")
        return super().begins() if there else None

    def begin(self) -> None:
        """Cut it."""
        with contextlib.closing(self._kill()) as kill:
            kill.cut()

    def _kill(self) -> ClientKill:
        broadcast = self.cluster.room(Broadcast)
        assert broadcast is not None, "such a fault needs a publisher"
        if self._ready is None:
            self._ready = broadcast.client_kill(self.number)
        return self._ready


class OnLinks(OnNode):
    """A fault that acts on the links between a node and all shared servers."""

    def __init__(self, cluster: "Cluster", fault: Fault) -> None:
        super().__init__(cluster, fault)
        self.servers: list[Server] = servers_of(cluster)


class Partition(OnLinks):
    """Nothing passes between a node and the shared servers, until the duration of all its partitions is over."""

    def begin(self) -> None:
        """Cut the links."""
        for server in self.servers:
            server.relays[self.number].tell(Cut(True))

    def end(self) -> None:
        """Let pass what waits."""
        for server in self.servers:
            server.relays[self.number].tell(Cut(False))


class Delay(OnLinks):
    """What passes between a node and the shared servers takes longer."""

    def begin(self) -> None:
        """Make the links slower."""
        self._slow(self.fault.delay or 0.0)

    def end(self) -> None:
        """Make them as fast as before."""
        self._slow(-(self.fault.delay or 0.0))

    def _slow(self, delay: float) -> None:
        delays = self.cluster.delays
        delays[self.number] = max(0.0, delays[self.number] + delay)
        for server in self.servers:
            server.relays[self.number].tell(messages.SetDelay(delays[self.number]))


KINDS = {"bus_down": BusDown, "bus_cut": BusCut, "partition": Partition, "delay": Delay}
