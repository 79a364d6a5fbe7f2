"""What rooms take from each other, as types: who is named here need not be imported, so that no room needs itself."""

import threading
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Protocol

from live.balancer.base import Balancer
from live.broadcast.broadcast import Broadcast
from live.broadcast.bus import Bus
from live.control.process import ChildProcess, Stage
from live.machine.placement import Placement
from live.machine.timing import Timers
from twin.draws import Purpose
from twin.rules.faults import Hold, Standing
from twin.scenario.scenario import Scenario

Event = tuple[float, str, int, int, int, int, str]
"""An event that a client notes: time by the host's monotonic clock, name, client, node, attempt, version, detail."""


class Equipped(Protocol):
    """A client that a mechanism gives what it needs: a part of its own, and options of the connection."""

    number: int
    options: dict[str, Any]
    inbox: Any
    member: Any
    outbox: Any


class Swarm(Protocol):
    """The clients of one process, for the mechanisms that attach to them."""

    start: float
    events: list[Event]
    timers: Timers

    @property
    def clients(self) -> Sequence[Equipped]:
        """All clients of the process."""
        ...

    def draw(self, client: int, purpose: Purpose, n: int) -> float:
        """Return the uniform number that the simulated client of the same number draws."""
        ...


class Joining(Protocol):
    """What lets nodes join."""

    def join(self, number: int) -> None:
        """Start the process of a node that is new, was killed or has ended."""
        ...


class Cluster(Protocol):
    """A cluster under way, for those who act on it: faults, the ends of nodes, the autoscaler.

    Attributes:
        killed, restarting: numbers of the nodes that were killed, or told to end and to come back.
        standings, bus_standing: what acts on each node, and on the bus.
        stalls, delays: what acts on each client, and seconds by which each node's way to the bus is slower.
        helpers: threads that wait for nodes.
        node_ports: where each node listens.
    """

    scenario: Scenario
    replication: int
    killed: list[int]
    restarting: set[int]
    standings: list[Standing]
    bus_standing: Standing
    stalls: defaultdict[int, Hold]
    delays: defaultdict[int, float]
    helpers: list[threading.Thread]
    nodes: list[ChildProcess]
    swarm: list[ChildProcess]
    links: dict[int, ChildProcess]
    node_ports: list[int]
    stage: Stage
    place: Placement
    balancer: Balancer
    broadcast: Broadcast | None
    server: Bus | None

    @property
    def elastic(self) -> Joining | None:
        """What lets nodes join, in a cluster with a registry."""
        ...

    def attend(self) -> None:
        """See which nodes are gone, and start those again that were told to end; raise if a part broke."""
        ...

    def start_node(self, number: int) -> ChildProcess:
        """Start the process of node `number`; it says `listening` when it does."""
        ...

    def note(self, t: float, event: str, node: int = -1, detail: str = "", client: int = -1) -> None:
        """Note an event of the cluster at the monotonic time `t`; may be called from any thread."""
        ...
