"""What lies between a client and a node: an attempt, the tunnel that it becomes, and what is sent over it."""

from dataclasses import dataclass, field
from typing import Any, Protocol

import simpy

from sim.machine.process import Alone, Cost, Process
from twin.rules.delivery import Message, RecoveryAnswer
from twin.rules.slow_consumer import Outlet


class Reading(Protocol):
    """Whether a client reads what comes to it.

    Attributes:
        stalled_at: when it last stopped reading, in seconds.
        read_at: when it last began to read again, in seconds; infinite while it does not read.
        again: happens when it reads again.
    """

    stalled_at: float
    read_at: float
    again: simpy.Event

    @property
    def on(self) -> bool:
        """Whether anything keeps it from reading at present."""
        ...


class Peer(Protocol):
    """The client of a connection, as balancer and nodes see it.

    Attributes:
        number: counts from 0.
        attempts: how often it has tried to connect.
    """

    number: int
    attempts: int

    @property
    def process(self) -> Process | Alone:
        """The process that it shares with others."""
        ...

    @property
    def first_beat(self) -> float:
        """When the first ping of its connection was or is due, in seconds."""
        ...

    @property
    def last_beat(self) -> float | None:
        """When it pinged last, in seconds, if its pings are simulated one by one."""
        ...

    @property
    def stall(self) -> Reading:
        """Whether it reads."""
        ...

    def peer_hangs(self, tunnel: "Tunnel") -> None:
        """The node of a connection has fallen silent."""
        ...

    def on_close_frame(self, tunnel: "Tunnel") -> None:
        """The node's close frame has come."""
        ...


@dataclass(slots=True, eq=False)
class Frame:
    """What is sent over connections.

    Attributes:
        body: a message, the answer to a question, the (epoch, version) where a client stands, or whose messages it has
            and their numbers.
        mechanism: to which it belongs, for the node that reads it.
        size: bytes with the header; what a client sends counts against no limit.
        detail: epoch and number of a message, as events show them.
        left: connections over which it is still to be written before the node acknowledges it; 0 from the beginning:
            that does not hang on the writing.
        question: whether the client asks what followed.
        writing, reading: what it costs to write and to read it besides what every frame costs; None: nothing.
    """

    body: Message | RecoveryAnswer | tuple[int, int] | list[int]
    size: int = 0
    detail: str = ""
    left: int = field(default=0)
    question: bool = False
    mechanism: str = ""
    writing: Cost | None = None
    reading: Cost | None = None


@dataclass(frozen=True)
class Refusal:
    """A node's answer to a handshake that it refuses.

    Attributes:
        status: of HTTP.
        reason: why, in a word.
        relay: what it costs the balancer to pass it on.
        read: what it costs the client to read it.
    """

    status: str
    reason: str
    relay: Cost
    read: Cost


class Tunnel:
    """An established connection from a client through the balancer to a node.

    Attributes:
        in_flight: bytes of messages that were sent and that the client has not read.
        order: how many tunnels the balancer had made before it.
        standing: epoch and version that the client has told the node it stands at.
        held: frames that wait for a client that does not read.
        closing: code of the close frame that the node has sent; empty before that.
        ended: the client's half has ended, and the balancer has passed that on.
        half_closed: life of the node in which it ended its half and began to wait for the client's; -1 before that.
        outlet: the node's bound for a client that does not keep up.
        pinged_at: when the node sent the ping from which it counts the others, if that was not one interval after the
            handshake, see `sim.node.pings`; 0 else.
        told: the node has sent its close frame.
        worker: place of the node's process that has it.
        opened_at, touched: when it was opened and when anything but a ping last passed, kept for `sim.balancer.idle`.
    """

    __slots__ = (
        *("client", "client_left", "closing", "ended", "generation", "half_closed", "held", "in_flight", "lost"),
        *("opened", "opened_at", "order", "outlet", "pinged_at", "server", "standing", "told", "touched"),
        *("upstream_gone", "worker"),
    )

    def __init__(self, env: simpy.Environment, client: Peer, server: int, generation: int, order: int) -> None:
        self.client = client
        self.order = order
        self.server = server
        self.worker = 0
        self.generation = generation
        self.lost = env.event()
        self.opened = False
        self.opened_at = self.touched = 0.0
        self.client_left = False
        self.ended = False
        self.half_closed = -1
        self.closing = ""
        self.told = False
        self.pinged_at = 0.0
        self.upstream_gone = False
        self.in_flight = 0
        self.standing = (0, 0)
        self.held: list[Frame] = []
        self.outlet: Outlet | None = None


Bundle = tuple[Tunnel, list[Frame]]
"""What is ready on one connection."""


class Attempt:
    """One try of a client to connect; `answer` becomes a Tunnel or the reason of the failure.

    Args:
        env: the simulation.
        client: who tries.
        timeout: seconds for which the client waits; None if the run ends before.

    Attributes:
        headers: what mechanisms put into the request and into the answer, each under a name of its own.
        refusal: what the node has answered if it refused the handshake.
    """

    __slots__ = ("answer", "client", "generation", "headers", "refusal", "server", "tried")

    def __init__(self, env: simpy.Environment, client: Peer, timeout: float | None) -> None:
        self.client = client
        self.server = -1
        self.generation = -1
        self.tried: list[int] = []
        self.headers: dict[str, Any] = {}
        self.refusal: Refusal | None = None
        self.answer = env.event()
        if timeout is not None:
            env.timeout(timeout).callbacks.append(self._expire)

    def reuses(self, node: int) -> bool:
        """Take a connection to a node (from 1) that the balancer has kept from an earlier request, if there is one."""
        return False

    def forwarded(self) -> None:
        """The balancer has sent the request to a node, and waits for the answer."""

    def _expire(self, _: simpy.Event) -> None:
        self.fail("timeout")

    def fail(self, reason: str) -> None:
        """Answer with a failure, unless there is an answer already."""
        if not self.answer.triggered:
            self.answer.succeed(reason)
