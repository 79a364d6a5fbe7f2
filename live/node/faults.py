"""What faults do to the process of a node."""

import signal
from typing import TYPE_CHECKING

from live.node.lives import drain, see_off, start
from live.ports import Effect
from twin.scenario.faults import Fault

if TYPE_CHECKING:
    from live.ports import Cluster


class OnNode(Effect):
    """A fault that acts on one node."""

    def __init__(self, cluster: "Cluster", fault: Fault) -> None:
        assert fault.node is not None
        self.kind = fault.kind
        self.fault = fault
        self.cluster = cluster
        self.number = fault.node
        self.standing = cluster.standings[fault.node - 1]


class Kill(OnNode):
    """SIGKILL, and a new process after the duration."""

    heals = False

    def begins(self) -> int | None:
        """Tell that a new process will come, if there is a duration."""
        return self.cluster.standings[self.number - 1].begin("kill", returns=self.fault.duration is not None)

    def begin(self) -> None:
        """Kill it; what the process was told has come to nothing."""
        self.cluster.node(self.number).signal(signal.SIGKILL)
        self.cluster.killed.append(self.number)
        self.cluster.restarting.discard(self.number)

    def end(self) -> None:
        """Start a new process, which is noted when it listens."""
        see_off(self.cluster, self.number)
        start(self.cluster, self.number, self.kind)


class Hang(OnNode):
    """SIGSTOP, and SIGCONT after the duration."""

    def begin(self) -> None:
        """Stop the process."""
        self.cluster.node(self.number).signal(signal.SIGSTOP)

    def end(self) -> None:
        """Let it go on."""
        self.cluster.node(self.number).signal(signal.SIGCONT)


class Restart(OnNode):
    """SIGTERM, and a new process."""

    def begins(self) -> int | None:
        """See whether there is a process before a new one is ordered."""
        self.dead = self.cluster.standings[self.number - 1].phase == "dead"
        return super().begins()

    def begin(self) -> None:
        """Restart it; where there is no process, start one."""
        if self.dead:
            see_off(self.cluster, self.number)
            start(self.cluster, self.number, self.kind)
        else:
            self.cluster.node(self.number).signal(signal.SIGTERM)
            self.cluster.restarting.add(self.number)


class Drain(OnNode):
    """The node closes its connections at a pace, ends, and a new process is started."""

    def begin(self) -> None:
        """Drain it."""
        drain(self.cluster, self.number, self.fault.lead or 0.0, self.fault.pace or 0.0)


KINDS = {"kill": Kill, "hang": Hang, "restart": Restart, "drain": Drain}
