"""What rooms take from each other, as types: who is named here need not be imported, so that no room needs itself."""

import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from live.balancer.base import Balancer
from live.client.part import ClientPart
from live.control.address import Address
from live.control.messages import Orders
from live.control.noted import Event
from live.control.process import ChildProcess, Stage
from live.machine.placement import Placement
from live.machine.timing import ScheduledAction, Timers
from twin.draws import Purpose
from twin.record.record import Row
from twin.rules.faults import Hold, Standing
from twin.scenario.scenario import Scenario


class Equipped(Protocol):
    """A client that a mechanism gives a part of its own."""

    @property
    def number(self) -> int:
        """Its number."""
        ...


class Swarm(Protocol):
    """The clients of one process, for the mechanisms that attach to them.

    Attributes:
        orders: what the lab may order, made by `live.control.messages.on`.
    """

    start: float
    events: list[Event]
    timers: Timers
    orders: Orders

    def equip(self, make: Callable[[Equipped], ClientPart]) -> None:
        """Add a mechanism to each client."""
        ...

    def come_later(self, times: Mapping[int, float]) -> None:
        """Let some clients connect only in the run, by their numbers, at times in seconds after its start."""
        ...

    def draw(self, client: int, purpose: Purpose, n: int) -> float:
        """Return the uniform number that the simulated client of the same number draws."""
        ...


class ClusterPart:
    """What a mechanism adds to a cluster, in the lab's own process; what it does not override, it does not change.

    It is made before any node or client is started: what it needs for them to start, it starts at once. Times are those
    of the monotonic clock.

    Attributes:
        nodes_tell: whether nodes have noted something that is collected at the end of the run.
    """

    nodes_tell: bool = False

    def of_node(self, number: int) -> dict[str, Any]:
        """Return the tables that a node's settings get."""
        return {}

    def of_clients(self) -> dict[str, Any]:
        """Return the tables that the settings of the clients' processes get."""
        return {}

    def in_front(self, number: int) -> int | None:
        """Return the port at which the balancer reaches a node that is not reached directly."""
        return None

    def node_started(self, number: int, part: ChildProcess) -> None:
        """See the process of a node that has just been started, the first ones' and later ones'."""

    def node_gone(self, number: int) -> None:
        """The process of a node has ended, and none has been started in its place; `standings` say how it was."""

    def before_balancer(self) -> None:
        """Start what stands between the balancer and the nodes; they listen.

        Raises:
            ClusterError: that took too long.
        """

    def wait_ready(self) -> None:
        """Wait until it is ready; nodes listen and the balancer serves.

        Raises:
            ClusterError: that took too long.
        """

    def warm_up(self, start: float) -> None:
        """The clients are about to connect, and the run will begin at `start`."""

    def begin(self, start: float) -> None:
        """All clients are connected; the run begins, or has begun, at `start`."""

    def about_to_run(self) -> None:
        """All is ready for the first step of the schedule."""

    def changes(self) -> list[str]:
        """Return what has changed since then that makes the run void, as parts of a sentence."""
        return []

    def steps(self) -> list[ScheduledAction]:
        """Return what it does on a schedule, with times in seconds after the start of the run."""
        return []

    def attend(self) -> None:
        """Look at what has changed, a few times a second."""

    def finish(self, start: float) -> list[Row]:
        """Return what it has noted; times become seconds since `start`."""
        return []

    def may_be_gone(self, part: ChildProcess) -> bool:
        """Tell whether a node's process may have ended by an order, before it has told what it noted."""
        return False

    def timed(self) -> list[ChildProcess]:
        """Return its processes that tell how late their timers were."""
        return []

    def describe(self) -> dict[str, Any]:
        """Return what the record's provenance says of it."""
        return {}

    def close(self) -> None:
        """Leave nothing behind; all processes have ended. It may be that nothing was begun."""


SomePart = TypeVar("SomePart", bound=ClusterPart)


class Effect:
    """One fault of the schedule, in the room on which it acts; `live.faults` lists the kinds and does the rest.

    Attributes:
        kind: by which name the bookkeeping (`twin.rules.faults`) knows it.
        standing: whose bookkeeping says whether it has an effect, and when that is over; None: it always has one.
        announced: whether its begin is noted as a `fault`.
        heals: whether it is healed as soon as its effect is ended; else the room notes when it is.
    """

    kind: str
    standing: Standing | None = None
    announced: bool = True
    heals: bool = True

    def prepare(self) -> None:
        """Its time is near (`live.faults.AHEAD`): do what takes a while and nobody can feel."""

    def begins(self) -> int | None:
        """Its time has come: return the life that it belongs to, None if it has no effect."""
        return 0 if self.standing is None else self.standing.begin(self.kind)

    def begin(self) -> None:
        """Do it."""

    def over(self, life: int) -> bool:
        """Its duration has passed: tell whether its effect ends with it."""
        return self.standing is None or self.standing.over(self.kind, life)

    def end(self) -> None:
        """End its effect."""


class Cluster(Protocol):
    """A cluster under way, for its parts and for those who act on it: faults, the ends of nodes.

    Attributes:
        killed, restarting: numbers of the nodes that were killed, or told to end and to come back.
        standings: what acts on each node.
        stalls, delays: what acts on each client, and seconds by which each node's way to the bus is slower.
        helpers: threads that wait for nodes.
        node_ports: where each node listens.
        nodes, joined: processes of the first nodes in order, and of those that came later by number.
        redis_url: the user's own server, None for an embedded one.
    """

    scenario: Scenario
    replication: int
    redis_url: str | Address | None
    killed: list[int]
    restarting: set[int]
    standings: list[Standing]
    stalls: defaultdict[int, Hold]
    delays: defaultdict[int, float]
    helpers: list[threading.Thread]
    nodes: list[ChildProcess]
    joined: dict[int, ChildProcess]
    swarm: list[ChildProcess]
    node_ports: list[int]
    stage: Stage
    place: Placement
    balancer: Balancer

    @property
    def parts(self) -> Sequence[ClusterPart]:
        """What mechanisms have added."""
        ...

    def add(self, part: ClusterPart) -> None:
        """Add a mechanism."""
        ...

    def room(self, kind: type[SomePart]) -> SomePart | None:
        """Return what a mechanism has added, by its class; None if it is not there."""
        ...

    def port_of(self, number: int) -> int:
        """Return the port at which the balancer reaches a node."""
        ...

    def rooms(self, kind: type[SomePart]) -> list[SomePart]:
        """Return all that mechanisms have added, by its class."""
        ...

    def attend(self) -> None:
        """See which nodes are gone, and start those again that were told to end; raise if a part broke."""
        ...

    def node(self, number: int) -> ChildProcess:
        """Return the latest process of a node that is there, or was."""
        ...

    def renew_node(self, number: int) -> ChildProcess:
        """Start a process of a node that has none, and keep it as its latest one."""
        ...

    def start_node(self, number: int) -> ChildProcess:
        """Start the process of node `number`; it says `Listening` when it does."""
        ...

    def note(self, t: float, event: str, node: int = -1, detail: str = "", client: int = -1) -> None:
        """Note an event of the cluster at the monotonic time `t`; may be called from any thread."""
        ...
