"""Every event that a record can hold, with its own columns: the vocabulary, and the schema of what is stored.

Whoever adds an event adds a class here (those of handlers, pools, polls and balancers' counters are in modules of their
own) and a line to one of the lists; its name, docs/measures.md, the columns of `record.select(...)` and those of a
record's file follow.
"""

from collections.abc import Sequence

from twin.record.balancer_events import BalancerCounted
from twin.record.handler_events import OF_HANDLER
from twin.record.memory_events import OF_MEMORY, NodeMemory, OutOfMemory
from twin.record.poll_events import OF_POLLING
from twin.record.pool_events import OF_POOLS
from twin.record.typed import Event, Value, event, own

__all__ = ["COUNTS", "EVENTS", "MESSAGE_EVENTS", "OF_CLIENTS", "OF_CLUSTER", "OF_HANDLER", "OF_MESSAGES", "OF_POLLING",
           "OF_POOLS", "OF_SENDING", "OF_SESSIONS", "SORT_OF", "TYPES", "Event",
           "NodeMemory", "OutOfMemory"]  # fmt: skip

_KIND = "its kind, as the scenario has it"
_EPOCH = "epoch of the message, 0 if it is not known"
_KEY = "the publisher's number of the message"
_SESSION = "name of the session"
_HELD = "payload bytes that the client keeps in all"
_REASON = "why"


@event("client attempt")
class AttemptConnect(Event):
    """The client begins an attempt."""


@event("client node attempt")
class Connected(Event):
    """The handshake is complete."""


@event("client attempt")
class ConnectFailed(Event):
    """The attempt failed."""

    reason: str = own(
        "an HTTP status (`503`, `502`), `timeout` (`clients.open_timeout`), `refused` (nobody listens) or `reset` (the "
        "connection broke while the attempt was under way)"
    )


@event("client node")
class Disconnected(Event):
    """The client has noticed that its connection is over."""

    reason: str = own(
        "a close code (`1006`, `1001`, ...) or `heartbeat`; of a client that polls why a request was not answered, as "
        "for `connect_failed`"
    )


@event("client node")
class HeartbeatMissed(Event):
    """No pong came in time; `disconnected` follows after at most `close_timeout` and the client's work."""


@event("client attempt")
class GaveUp(Event):
    """The alarm of a client that makes no more attempts; `gave_up_share` counts it."""


@event("node")
class MarkedDown(Event):
    """The balancer takes the node out."""

    reason: str = own(
        "`registry` (the registrar told it to), `check` (simulated check), `passive` (nginx), `observed` (given "
        "mark-down), live HAProxy's own words"
    )


@event("node")
class MarkedUp(Event):
    """The balancer takes the node in again: HAProxy, or any balancer with a registry."""

    reason: str = own("as for `marked_down`")


@event("node")
class NodeStopped(Event):
    """The node's process is gone; live noticed by polling."""


@event("node")
class Drained(Event):
    """The last connection of a node that drains is gone."""


@event("node")
class NodeStarted(Event):
    """A restarted node listens."""


@event("node")
class BusLost(Event):
    """The node has noticed that its connection to the bus, or to the store of sessions, is broken."""

    reason: str = own(_REASON)


@event("node")
class BusJoined(Event):
    """The node reads from the bus again: subscribed again, or its cursor goes on. Not noted when it first joins."""


@event()
class RegistryLost(Event):
    """The registrar gets no answer from the registry at a look, and leaves the balancer as it is."""


@event()
class RegistryJoined(Event):
    """The registrar gets an answer from the registry again."""


@event("node? client?")
class Fault(Event):
    """A fault of the scenario is done; node or client as the fault has them."""

    kind: str = own(_KIND)


@event("node? client?")
class NoEffect(Event):
    """A fault of the scenario is due and can do nothing, as the [rule](model.md#two-faults-on-one-node) says. It stands
    in place of `fault`.
    """

    kind: str = own(_KIND)


@event("node? client?")
class Healed(Event):
    """The effect of a fault is over. `hang`: the node goes on; `blackhole`: packets pass again; `restart`, `drain`,
    `kill`: the new process listens; `bus_down`: the bus answers again; `bus_hang`: it goes on; `bus_partition`,
    `stall`, `partition`, `delay`: taken away. What several faults hold is healed once, with the last of them; what
    another fault has put an end to is not.
    """

    kind: str = own(_KIND)


@event("node")
class NodeStarting(Event):
    """The process of a node that joins is about to be started."""


@event("node")
class Registered(Event):
    """A node has registered in the run. The registrations before the run are not noted."""

    generation: int = own("the generation that it got")


@event("node")
class Fenced(Event):
    """The registry has refused a heartbeat."""

    generation: int = own("the generation that it carried")


@event()
class Scaled(Event):
    """The autoscaler has changed the number of nodes."""

    before: int = own("nodes wanted before")
    after: int = own("nodes wanted from now on", after=" to ")
    reason: str = own("upstream's reason", after=": ")


@event("node")
class NodeBuffer(Event):
    """The most bytes that waited at one time in the node's memory for all its clients, seen when it fanned out a
    message; `t` is when. A process that is gone has told nothing.
    """

    waiting: int = own("how many", "B")


@event("node")
class BusBuffer(Event):
    """The most bytes that the bus counted in the output buffers of the node's subscriptions; `t` is when. Live it is
    asked every 0.2 s (`live/broadcast/buffers.py`), and only the embedded server is.
    """

    waiting: int = own("how many", "B")


@event("node")
class ServerConnections(Event):
    """Connections of the node at the end. Live: HAProxy's current sessions, so half-closed ones count; nginx writes
    none. Simulated: tunnels whose client has not left.
    """

    count: int = own("how many")


@event()
class BalancerQueue(Event):
    """The most requests that have waited at one time for a place of a server (`balancer.server_maxconn`), noted at the
    end. Live it is HAProxy's own count (`qmax`), and only of its present process.
    """

    longest: int = own("how many")


@event("node")
class NodeWritten(Event):
    """What the node has written to its clients in frames of the broadcast, their headers included; `t` is when it wrote
    the last one. Only where something decides how messages travel (`codec`, `compression`, `batch`, `nodelay`). A
    process that is gone tells nothing.
    """

    size: int = own("how many bytes", "B")
    frames: int = own("in how many frames")


@event("node?")
class CpuUsed(Event):
    """The CPU time that a process has used in the run, noted at its end where that is asked for (`host.accounts`),
    clients poll or something decides how messages travel; of a node only if it was there all along.
    """

    part: str = own("`node`, `balancer`, or `clients` (all of them together)")
    microseconds: int = own("how much", "us")


@event("client node version")
class SessionStarted(Event):
    """The client has logged in; `version` is the session's generation, 1."""

    session: str = own(_SESSION)


@event("client node version?")
class SessionResumed(Event):
    """Its token was good; `version` is the generation that the node has got, -1 when nobody asked the store."""

    session: str = own(_SESSION)
    trusted: bool = own("the node let it in without a look at the store", default=False)


@event("client node")
class SessionLost(Event):
    """A node has refused its token, and the client forgets it."""

    session: str = own(_SESSION)
    reason: str = own("`unknown`, `expired`, `forged` or `malformed`", default="")


@event("client node version")
class Batched(Event):
    """A message waits for others to leave with it (`clients.sends.batch`); `version` is its number, from 0."""


@event("client node version")
class Sent(Event):
    """A message was written to a connection; `version` is its number, from 0."""

    flushed: bool = own("it had been kept before", default=False)


@event("client version")
class Kept(Event):
    """The client is away and keeps the message."""

    held: int = own(_HELD, "B")


@event("client version")
class Discarded(Event):
    """The queue is full: this message, or the new one, is dropped."""

    held: int = own(_HELD, "B")


@event("client node version")
class Arrived(Event):
    """The node has read the message."""


@event("attempt version?")
class Published(Event):
    """A message was published, whatever became of it."""

    epoch: int = own(_EPOCH)
    key: int = own(_KEY)
    outcome: str = own("`acknowledged` or `unknown`")
    registered: int = own("nodes registered then, 0 if that is not known")


@event("client? node version")
class Received(Event):
    """A node has taken the message from the bus, a resend included; or, with a client, a message arrived there that was
    not simply the next.
    """

    epoch: int = own(_EPOCH)
    key: int = own(_KEY)
    how: str = own(
        "at a node `duplicate` for a version it has seen; at a client `early`, `late` or `duplicate`", default=""
    )


@event("client node version")
class Delivered(Event):
    """The client has applied the message, in its order; `node` is the one it is connected to."""

    epoch: int = own(_EPOCH)
    key: int = own(_KEY)


@event("client node version")
class Gap(Event):
    """The client has noticed that messages are missing; `version` is the first one missing: its position + 1."""

    epoch: int = own("epoch of the client's position, 0 if it is not known")
    arrived_epoch: int = own("epoch of the arrival")
    arrived_version: int = own("version of the arrival")


@event("client node version")
class Recovered(Event):
    """An answer came."""

    epoch: int = own("epoch of the position that the answer leads to")
    how: str = own("`replayed` or `snapshot`")
    replayed: int = own("number of messages replayed", default=-1)


@event("node version")
class Acked(Event):
    """The publisher has counted the node's first acknowledgement of the message; later ones of the same node are not
    noted.
    """

    epoch: int = own(_EPOCH)
    key: int = own(_KEY)


@event("attempt version")
class Resent(Event):
    """The publisher has sent the message again, for the `attempt`-th time, from 1."""

    epoch: int = own(_EPOCH)
    key: int = own(_KEY)


@event("version")
class Consistent(Event):
    """The publisher declares the message consistent, once: the threshold is reached."""

    epoch: int = own(_EPOCH)
    key: int = own(_KEY)


OF_CLUSTER: tuple[type[Event], ...] = (
    *(AttemptConnect, Connected, ConnectFailed, Disconnected, HeartbeatMissed, GaveUp, MarkedDown, MarkedUp),
    *(NodeStopped, Drained, NodeStarted, BusLost, BusJoined, RegistryLost, RegistryJoined, Fault, NoEffect, Healed),
    *(NodeStarting, Registered, Fenced, Scaled, NodeBuffer, BusBuffer, ServerConnections, BalancerQueue),
    *(NodeWritten, CpuUsed, BalancerCounted, *OF_MEMORY),
)
"""Events of connections, nodes and balancer, in the order of docs/measures.md."""
OF_SESSIONS: tuple[type[Event], ...] = (SessionStarted, SessionResumed, SessionLost)
OF_SENDING: tuple[type[Event], ...] = (Batched, Sent, Kept, Discarded, Arrived)
"""Events of what clients send."""
OF_MESSAGES: tuple[type[Event], ...] = (Published, Received, Delivered, Gap, Recovered, Acked, Resent, Consistent)
"""Events of the broadcast; all others are of connections and the cluster."""

OF_NODES = (*OF_HANDLER, *OF_POOLS, *OF_POLLING)
"""Events of what nodes do beside carrying connections and messages."""

TYPES = {one.name: one for one in (*OF_CLUSTER, *OF_SESSIONS, *OF_SENDING, *OF_NODES, *OF_MESSAGES)}
"""Every type of event, by its name."""
EVENTS = frozenset(TYPES)
MESSAGE_EVENTS = frozenset(one.name for one in OF_MESSAGES)
OF_CLIENTS = frozenset(name for name, one in TYPES.items() if "client" in one.required)
"""Events that say which client they are of."""
COUNTS = frozenset(name for name, one in TYPES.items() if one.is_count())
"""Events whose only own column is a whole number."""
SORT_OF = {column.name: column.sort for one in TYPES.values() for column in one.columns}
"""Sort of every own column that an event has."""


def packed(name: str, own: str | Sequence[Value]) -> str:
    """Return the detail of an event whose own columns are values in their order, or its only one, a text, as it stands.

    Raises:
        KeyError: there is no such event.
    """
    return own if isinstance(own, str) else TYPES[name].pack(*own)
