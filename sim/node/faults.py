"""What faults do to the process of a node."""

from collections.abc import Sequence
from typing import Protocol

from sim.node.drain import drain
from sim.node.lives import kill, restart, start
from sim.node.node import Node
from sim.ports import Effect, Work
from twin.scenario.faults import Fault


class Nodes(Protocol):
    """A cluster with nodes."""

    @property
    def nodes(self) -> Sequence[Node]:
        """All nodes; number 1 is the first."""
        ...


class OnNode(Effect):
    """A fault that acts on one node."""

    def __init__(self, cluster: Nodes, fault: Fault) -> None:
        assert fault.node is not None
        self.kind = fault.kind
        self.fault = fault
        self.node = cluster.nodes[fault.node - 1]
        self.standing = self.node.standing


class Kill(OnNode):
    """SIGKILL, and a new process after the duration."""

    def begins(self) -> int | None:
        """Tell that a new process will come, if there is a duration."""
        return self.node.standing.begin("kill", returns=self.fault.duration is not None)

    def begin(self) -> Work[None]:
        """Kill it."""
        yield from kill(self.node)

    def end(self) -> Work[bool]:
        """Start a new process, which is noted when it listens."""
        yield from start(self.node, "kill")
        return False


class Hang(OnNode):
    """SIGSTOP, and SIGCONT after the duration."""

    def begin(self) -> Work[None]:
        """Stop the process."""
        self.node.hang()
        yield from ()

    def end(self) -> Work[bool]:
        """Let it go on."""
        self.node.resume()
        yield from ()
        return True


class Restart(OnNode):
    """SIGTERM, and a new process."""

    def begin(self) -> Work[None]:
        """Restart it."""
        yield from restart(self.node)


class Drain(OnNode):
    """The node closes its connections at a pace, ends, and a new process is started."""

    def begin(self) -> Work[None]:
        """Drain it."""
        yield from drain(self.node, self.fault.lead or 0.0, self.fault.pace or 0.0)


KINDS = {"kill": Kill, "hang": Hang, "restart": Restart, "drain": Drain}
