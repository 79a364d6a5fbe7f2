"""What the lab orders a node to do, and what a node says."""

from live.control.messages import ControlMessage


class StartDrain(ControlMessage):
    """An order: drain (`live.node.drain`) `lead` seconds later, at `pace` closes a second, say `Drained` and end."""

    lead: float
    pace: float


class Drained(ControlMessage):
    """All connections are closed since `at`, by the monotonic clock."""

    at: float


class Look(ControlMessage):
    """A question: what has the node seen? The answer is `Seen`."""


class Seen(ControlMessage):
    """When the balancer's check came last, by the monotonic clock (0: never), and how many connections are open."""

    checked: float
    connections: int


class Closed(ControlMessage):
    """The server has closed, and the process has used `cpu` seconds of CPU time in all."""

    cpu: float
