"""What rooms take from each other, as types: who is named here need not be imported, so that no room needs itself."""

from collections.abc import Callable, Generator, Sequence
from typing import Any, Literal, Protocol, TypeVar

import simpy

from sim.connection import Attempt, Bundle, Frame, Peer, Refusal, Tunnel
from sim.machine.process import Cost, Process
from twin.draws import Purpose
from twin.record.record import Row
from twin.rules.choice import Rule
from twin.rules.faults import Standing
from twin.rules.handler import Demand
from twin.scenario.scenario import Scenario

Done = TypeVar("Done")
Work = Generator[simpy.Event, Any, Done]
"""What takes time in the model, and what it returns."""

End = Literal["drained", "restarted", "killed"]
"""How a node's process ends."""

Next = Literal["retry", "at once", "stop"] | float
"""What a client does after a refusal: wait and try again, try again at once, give up, or wait so many seconds."""


class Run(Protocol):
    """The replication that a room is part of.

    Attributes:
        rows: the events so far.
    """

    env: simpy.Environment
    scenario: Scenario
    replication: int
    rows: list[Row]

    @property
    def cost(self) -> Callable[[str], Cost]:
        """What a part costs in this replication, by its name."""
        ...

    def note(
        self, event: str, client: int = -1, node: int = -1, attempt: int = -1, detail: str = "", version: int = -1
    ) -> None:
        """Append one event at the present time."""
        ...

    def draw(self, entity: int, purpose: Purpose, n: int) -> float:
        """Return a uniform number of this replication."""
        ...


class Servers(Protocol):
    """What a balancer knows of its servers, for who changes their weights.

    Attributes:
        rule: chooses a server.
        up: whether each server may get connections.
        risen: how often each server has come up.
    """

    env: simpy.Environment
    rule: Rule
    up: list[bool]
    risen: list[int]


# What mechanisms add to clients and nodes


class ClientPart(Protocol):
    """What a mechanism adds to a client; what it does not name, it does not change."""

    def begins(self, tunnel: Tunnel, at: float) -> None:
        """The run starts with a connection that was opened at a time, in seconds after the start."""
        return None

    def before_connect(self, attempt: Attempt) -> None:
        """The client is about to send its request."""
        return None

    def connected(self, tunnel: Tunnel, attempt: Attempt) -> None:
        """An attempt has become a connection."""
        return None

    def turned_away(self, attempt: Attempt, status: int) -> Next | None:
        """Somebody has answered with a status other than 101. The first part that decides counts."""
        return None

    def refused(self, attempt: Attempt, refusal: Refusal, answer: str) -> Next | None:
        """The node has refused a handshake, and the client was told `answer`; as above, and asked after that."""
        return None

    def disconnected(self, tunnel: Tunnel) -> None:
        """The client has noticed that its connection is over."""
        return None

    def reads_again(self, tunnel: Tunnel) -> None:
        """The client reads its connection again after a stall."""
        return None


class NodePart(Protocol):
    """What a mechanism adds to a node; what it does not name, it does not change."""

    def connected(self, tunnel: Tunnel, at: float) -> None:
        """The node has opened a connection at a time, in seconds after the start of the run."""
        return None

    def disconnected(self, tunnel: Tunnel) -> None:
        """The balancer has forgotten a connection to the node."""
        return None

    def leaving(self) -> Work[None]:
        """The node is about to drain, and waits for this."""
        yield from ()

    def ended(self, how: End) -> None:
        """The node's process has been told to end, or was killed; a drained one has closed its connections."""
        return None

    def gone(self) -> None:
        """The node's process is no more, however it has ended."""
        return None

    def started(self, healed: bool) -> None:
        """A new process of the node listens; `healed`: in place of one that a fault has ended."""
        return None


class Gate(Protocol):
    """Who reads a node's handshakes in its place, and may refuse them."""

    def admit(self, attempt: Attempt) -> Work[Refusal | None]:
        """Read a handshake; return why it is refused, or None. A node asks in order, and the first refusal counts."""
        ...


class BalancerPart(Protocol):
    """What a mechanism adds to the balancer; what it does not name, it does not change. A request is accepted, read,
    given to a server, and over; one that a node answers with 101 becomes a tunnel before.
    """

    def begins(self, tunnel: Tunnel, since: float) -> None:
        """The run starts with a connection that was opened at `since`, in seconds after the start of the run."""
        return None

    def renewed(self) -> None:
        """A new process of the balancer listens; it knows nothing of the connections of the one before."""
        return None

    def accept(self, attempt: Attempt) -> Work[str | None]:
        """Wait until the balancer accepts a connection; return `reset` if it is closed. The first one counts."""
        yield from ()
        return None

    def admit(self, attempt: Attempt) -> Work[str | None]:
        """The balancer has read a request: return the status with which it is refused, or None, as above."""
        yield from ()
        return None

    def usable(self, servers: Sequence[bool]) -> Sequence[bool]:
        """Return which of some servers may be chosen."""
        return servers

    def place(self, attempt: Attempt, server: int) -> Work[int | str]:
        """A server was chosen for a request, -1 if there was none: wait until it may go to one, and return that one; -1
        if it may go to none, or the status with which it is refused then.
        """
        yield from ()
        return server

    def may_check(self, server: int) -> bool:
        """Tell whether a health check can connect to a server."""
        return True

    def opened(self, attempt: Attempt, tunnel: Tunnel) -> None:
        """A node has answered a request with 101: a tunnel takes its place."""
        return None

    def released(self, taken: Attempt | Tunnel) -> None:
        """A request, which may go to another server, or a tunnel, which is over, counts for its server no more."""
        return None

    def over(self, attempt: Attempt) -> None:
        """A request has been answered with an error, or nobody waits for its answer."""
        return None

    def marked(self, server: int, up: bool) -> None:
        """A server was marked up or down."""
        return None

    def finish(self) -> list[Row]:
        """The run is over: return what is noted at its end."""
        return []


class TaskExecutor(Protocol):
    """Who does the work of a node's handler; each runtime has its own, listed in `sim.handler.executors`."""

    def begin(self, tunnel: Tunnel, demand: Demand, then: Callable[[], None]) -> None:
        """Begin the work of a request that the node has read from a connection just now.

        `then` is called when the node may write the answer, in the thread that serves the connection.
        """
        ...

    def clear(self) -> None:
        """The node's process is gone, and all work that it had begun."""
        ...


# What faults do


class Effect(Protocol):
    """One fault of the schedule, in the room on which it acts; `sim.faults` lists the kinds and does the rest.

    Attributes:
        kind: by which name the bookkeeping (`twin.rules.faults`) knows it.
        standing: whose bookkeeping says whether it has an effect, and when that is over; None: it always has one.
        announced: whether its begin is noted as a `fault`.
    """

    kind: str
    standing: Standing | None = None
    announced: bool = True

    def begins(self) -> int | None:
        """Its time has come: return the life that it belongs to, None if it has no effect."""
        return 0 if self.standing is None else self.standing.begin(self.kind)

    def begin(self) -> Work[None]:
        """Do it."""
        yield from ()

    def over(self, life: int) -> bool:
        """Its duration has passed: tell whether its effect ends with it."""
        return self.standing is None or self.standing.over(self.kind, life)

    def end(self) -> Work[bool]:
        """End its effect, and tell whether it is healed by that; False where the room itself notes when it is."""
        yield from ()
        return True


# The core, as its rooms see each other


class Upstream(Protocol):
    """A node, as clients see it.

    Attributes:
        silent_since: when it last fell silent, in seconds.
    """

    silent_since: float

    @property
    def silent(self) -> bool:
        """Whether nothing comes from the node and nobody was told."""
        ...

    def on_close_frame(self, tunnel: Tunnel) -> None:
        """The client has answered the close frame."""
        ...

    def pinged_in_vain(self, tunnel: Tunnel) -> None:
        """The client of a connection does not read the node's pings any more."""
        ...


class Pinging(Protocol):
    """A node, as its pings see it.

    Attributes:
        process: its process.
        tunnels: its connections.
    """

    process: Process
    tunnels: dict[Tunnel, None]

    @property
    def hung(self) -> bool:
        """Whether its process is stopped."""
        ...

    @property
    def serves(self) -> bool:
        """Whether its process does anything for its clients."""
        ...

    def close(self, tunnel: Tunnel, code: str) -> None:
        """Begin the closing handshake of a connection."""
        ...

    def abandon(self, tunnel: Tunnel, code: str) -> None:
        """Break a connection whose client would not read a close frame."""
        ...


class Frontend(Protocol):
    """The balancer, as clients see it.

    Attributes:
        listening: whether it takes connections.
    """

    listening: bool

    def reserve(self, client: Peer) -> Tunnel:
        """Choose the node of a connection that is there when the run starts."""
        ...

    def install(self, tunnel: Tunnel, since: float) -> None:
        """Have such a connection, which was opened at `since`, in seconds after the start of the run."""
        ...

    def accept(self) -> None:
        """Accept a connection that a client has opened."""
        ...

    def serve(self, attempt: Attempt) -> Work[None]:
        """Handle one request."""
        ...

    def relay(self, tunnel: Tunnel, then: Callable[[simpy.Event], None]) -> None:
        """Pass on a frame through a tunnel."""
        ...

    def on_client_fin(self, tunnel: Tunnel) -> None:
        """The client's half of a tunnel has ended."""
        ...

    def client_left(self, tunnel: Tunnel) -> None:
        """The client has closed its side without a closing handshake."""
        ...


class Backend(Protocol):
    """The balancer, as nodes see it; `number` is that of the node."""

    def answered(self, attempt: Attempt, number: int) -> None:
        """A node has sent its 101."""
        ...

    def denied(self, attempt: Attempt, refusal: Refusal, number: int) -> None:
        """A node has refused a handshake."""
        ...

    def relay(self, tunnel: Tunnel, then: Callable[[simpy.Event], None]) -> None:
        """Pass on a frame through a tunnel."""
        ...

    def upstream_closed(self, tunnel: Tunnel, reason: str) -> None:
        """The node's side of a tunnel is gone."""
        ...

    def left(self, tunnel: Tunnel) -> None:
        """A node has closed a tunnel whose client is gone."""
        ...

    def reset_pending(self, number: int) -> None:
        """A node does not answer those who wait for it any more."""
        ...


# Rooms of one mechanism, as they see each other


class Paths(Protocol):
    """The ways of a broadcast's frames, as nodes and clients see them.

    Attributes:
        room: bytes that the path from a node to a client holds outside of the node's own memory.
        scope: who confirms a message.
    """

    room: int
    scope: str

    def relay(self, taken: list[Bundle]) -> None:
        """Let the balancer have what a node has written."""
        ...

    def cut(self, tunnel: Tunnel) -> None:
        """Drop what waits for a client in the node's own memory."""
        ...

    def release(self, tunnel: Tunnel) -> None:
        """Let a client read what has gathered on its connection."""
        ...

    def ask(self, tunnel: Tunnel, frame: Frame) -> None:
        """Send a question or a confirmation."""
        ...
