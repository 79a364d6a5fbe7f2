"""What goes wrong, and when."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from twin.scenario.fields import Positive, Problem, Seconds, Table
from twin.scenario.servers import Use

FaultKind = Literal[
    "kill",
    "hang",
    "blackhole",
    "restart",
    "drain",
    "join",
    "reload",
    "outage",
    "bus_down",
    "bus_hang",
    "bus_partition",
    "bus_cut",
    "stall",
    "partition",
    "delay",
    "store_down",
]


Replica = Literal["leader", "follower"]
"""Which of several servers of the bus: the one that leads the stream, or another."""


@dataclass(frozen=True)
class FaultTarget:
    """What a kind of fault acts on.

    Attributes:
        on: what the fault names, if anything: a node, a client, a shared server; or the balancer, or all machines.
        lasts: whether it may have a duration.
        felt: whether messages can feel it.
    """

    on: Literal["node", "client", "server", "balancer", "machines"]
    lasts: bool = False
    felt: bool = False


KINDS: dict[FaultKind, FaultTarget] = {
    "kill": FaultTarget("node", lasts=True),
    "hang": FaultTarget("node", lasts=True),
    "blackhole": FaultTarget("node", lasts=True),
    "restart": FaultTarget("node"),
    "drain": FaultTarget("node"),
    "join": FaultTarget("node"),
    "reload": FaultTarget("balancer"),
    "outage": FaultTarget("machines", lasts=True),
    "bus_down": FaultTarget("server", lasts=True, felt=True),
    "bus_hang": FaultTarget("server", lasts=True, felt=True),
    "bus_partition": FaultTarget("server", lasts=True, felt=True),
    "bus_cut": FaultTarget("node", felt=True),
    "stall": FaultTarget("client", lasts=True, felt=True),
    "partition": FaultTarget("node", lasts=True, felt=True),
    "delay": FaultTarget("node", lasts=True, felt=True),
    "store_down": FaultTarget("server", lasts=True),
}
"""The kinds of faults; what each does is registered in the rooms of both worlds (`sim.faults`, `live.faults`)."""
BUS_FAULTS = frozenset(name for name, kind in KINDS.items() if kind.felt)
"""Faults that messages can feel."""
OF_MESSAGES = frozenset({"bus_cut", "stall"})
"""Faults that nothing else can feel."""
MOST_JOINING = 1000
"""Highest number of a node that joins."""
LINK_FAULTS = frozenset({"partition", "delay"})
"""Those that act on the way between a node and the bus."""


class Fault(Table):
    """Something that is done to the cluster at a set time."""

    at: Seconds = Field(description="Seconds after the start of the run.")
    kind: FaultKind = Field(
        description="kill: SIGKILL, a new process after `duration`; hang: SIGSTOP, SIGCONT after `duration`; "
        "blackhole: every packet between balancer and node is dropped, until `duration` is over; "
        "restart: SIGTERM, then a new process; "
        "drain: the node is no longer ready, after `lead` it accepts nobody, closes with 1012 `pace` a second, ends; "
        "then a new process; join: a process is started for a node that is new or was killed; "
        "reload: the balancer reloads its configuration; outage: balancer and nodes lose their power, and get it back "
        "after `duration` (in predictions only); bus_down: the shared `server` is killed and started again after "
        "`duration`; bus_hang: it is stopped (SIGSTOP) for `duration`, which emulates a disk that does not answer; "
        "bus_partition: nothing passes between one of its servers and the others (bus.jetstream.replicas 3); "
        "bus_cut: the bus cuts the node's subscription (CLIENT KILL); stall: `client` stops reading; "
        "partition: nothing passes between the node and the shared servers; delay: what passes between them takes "
        "`delay` longer; store_down: the store behind the nodes' pools is killed and started again after `duration`."
    )
    node: Annotated[int, Field(ge=1)] | None = Field(
        None,
        description="Number of the node, from 1; none for a reload, outage, bus_down, bus_hang, bus_partition, "
        "store_down or stall.",
    )
    client: Annotated[int, Field(ge=0)] | None = Field(
        None, description="Number of the client that stalls, from 0; only for a stall."
    )
    server: Use | None = Field(
        None,
        description="What the server is used for that a bus_down kills, a bus_hang stops or a bus_partition cuts off: "
        "messages, sessions or registry; left out: the one that there is. With bus.servers 'one' it is there for all "
        "of them.",
    )
    replica: Replica | None = Field(
        None,
        description="Which server a bus_down kills, a bus_hang stops or a bus_partition cuts off, with "
        "bus.jetstream.replicas 3: the leader of the stream or a follower; left out: the leader.",
    )
    delay: Annotated[float, Field(gt=0, le=60)] | None = Field(
        None,
        description="Seconds that each direction of the node's link to a shared server takes longer; only for a delay.",
    )
    pace: Annotated[float, Field(gt=0, le=100_000)] | None = Field(
        None, description="Connections that a drain closes a second; left out: all at once."
    )
    lead: Seconds | None = Field(
        None,
        description="Seconds from the failing readiness of a drain to its first close; left out: none. As long as the "
        "balancer takes to notice, nobody is sent to the node any more.",
    )
    duration: Positive | None = Field(
        None,
        description="Seconds until it is over, for hang, blackhole, outage, bus_down, bus_hang, bus_partition, "
        "store_down, stall, partition and delay, or until a killed node is started again; left out: never.",
    )


def fault_problem(fault: Fault, slots: int, clients: int) -> Problem | None:
    """Return what does not fit, or None; its field is one of the fault.

    A fault may name a node that is there only sometimes. Where there is none at its time, it has no effect.

    Args:
        fault: what the scenario asks for.
        slots: most nodes that the cluster may have.
        clients: number of its clients.
    """
    target = KINDS[fault.kind].on
    if target != "node" and fault.node is not None:
        return Problem("node", str(fault.node), f"no node for a {fault.kind}")
    most = MOST_JOINING if fault.kind == "join" else slots
    if target == "node" and not 1 <= (fault.node or 0) <= most:
        return Problem("node", "missing" if fault.node is None else str(fault.node), f"a node from 1 to {most}")
    if target == "client" and not 0 <= (-1 if fault.client is None else fault.client) < clients:
        return Problem(
            "client", "missing" if fault.client is None else str(fault.client), f"a client from 0 to {clients - 1}"
        )
    if target != "client" and fault.client is not None:
        return Problem("client", str(fault.client), "only with kind 'stall'")
    if fault.kind == "delay" and fault.delay is None:
        return Problem("delay", "missing", "more than 0 and at most 60 s")
    if fault.kind != "delay" and fault.delay is not None:
        return Problem("delay", f"{fault.delay:g}", "only with kind 'delay'")
    for name, value in (("pace", fault.pace), ("lead", fault.lead)):
        if value is not None and fault.kind != "drain":
            return Problem(name, f"{value:g}", "only with kind 'drain'")
    if fault.kind in ("bus_hang", "bus_partition") and fault.duration is None:
        return Problem("duration", "missing", f"more than 0 with kind '{fault.kind}'")
    if fault.duration is not None and not KINDS[fault.kind].lasts:
        *kinds, last = (f"'{name}'" for name, kind in KINDS.items() if kind.lasts)
        return Problem("duration", f"{fault.duration:g}", f"only with kind {', '.join(kinds)} or {last}")
    return None


def through_relay(faults: Sequence[Fault], placement: str) -> list[int]:
    """Return the nodes that reach the bus through a relay of the lab, because a fault acts on their link; none with
    machines of their own, where the network itself does what the relay does on one machine.
    """
    if placement == "separate":
        return []
    return sorted({fault.node or 0 for fault in faults if fault.kind in LINK_FAULTS})
