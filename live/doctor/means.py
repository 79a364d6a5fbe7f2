"""How a live run makes each fault and each condition of a scenario: real, emulated, or not at all."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from live.doctor.abilities import Ability
from live.faults import KINDS as LIVE
from twin.scenario.faults import KINDS

State = Literal["real", "emulated", "unavailable"]

RELAY = "a relay of the lab on the way holds back or delays what passes; no packet is dropped"


class Method(NamedTuple):
    """One way to make something.

    Attributes:
        state: `real` if it is the thing itself, `emulated` if it only looks so to the parts.
        how: what is done.
        needs: abilities of the machine, by their names.
    """

    state: State
    how: str
    needs: tuple[str, ...] = ()


class Means(NamedTuple):
    """How something is made here.

    Attributes:
        name: of the fault or condition.
        state: of the first way that works here.
        how: what is done, or why nothing can be.
        used_by: who asks for it; a condition that nothing asks for yet says so.
    """

    name: str
    state: State
    how: str
    used_by: str


FAULTS: dict[str, tuple[Method, ...]] = {
    "kill": (Method("real", "SIGKILL", ("signals",)),),
    "hang": (Method("real", "SIGSTOP, SIGCONT", ("signals",)),),
    "blackhole": (Method("emulated", RELAY),),
    "restart": (Method("real", "SIGTERM, and a new process", ("signals",)),),
    "drain": (Method("real", "the node is told to drain"),),
    "join": (Method("real", "a further process"),),
    "reload": (Method("real", "the balancer's own reload", ("signals",)),),
    "outage": (),
    "bus_down": (Method("real", "SIGKILL to the embedded server, and a new process", ("signals",)),),
    "bus_cut": (Method("real", "CLIENT KILL"),),
    "stall": (Method("real", "the client reads no more"),),
    "partition": (Method("emulated", RELAY),),
    "delay": (Method("emulated", RELAY),),
    "store_down": (Method("real", "SIGKILL to the embedded store, and a new process", ("signals",)),),
}
"""For each kind of fault the ways to make it, the best one first; none is for predictions only."""

NOBODY = "no scenario asks for it yet"
NAMESPACE = "network namespace"

CONDITIONS: dict[str, tuple[str, tuple[Method, ...]]] = {
    "clients on cores of their own": ("host.placement", (Method("real", "sched_setaffinity", ("core binding",)),)),
    "cores kept awake": ("every run", (Method("real", "SCHED_IDLE", ("idle priority",)),)),
    "clients of several addresses": ("clients.addresses", (Method("real", "127.0.0.0/8", ("source addresses",)),)),
    "several processes on one port": ("nodes.runtime 'processes'", (Method("real", "SO_REUSEPORT", ("shared port",)),)),
    "a limit of open files": (NOBODY, (Method("real", "setrlimit"),)),
    "a limit of memory": (NOBODY, (Method("real", "memory controller of a control group", ("control groups",)),)),
    "a full disk": ("./lab campaign --disturb", (Method("real", "tmpfs in a mount namespace", ("own disks",)),)),
    "packet loss": (NOBODY, (Method("real", "nft in a network namespace", (NAMESPACE, "packet filter")),)),
    "limited bandwidth": (NOBODY, (Method("real", "tc tbf in a network namespace", (NAMESPACE, "rate limit")),)),
    "network delay": (
        "faults.kind 'delay', by the relay",
        (Method("real", "tc netem in a network namespace", (NAMESPACE, "netem")), Method("emulated", RELAY)),
    ),
}
"""For each condition who asks for it, and the ways to make it, the best one first."""


def means(abilities: Mapping[str, Ability]) -> tuple[list[Means], list[Means]]:
    """Return how the faults and the conditions are made on a machine with some abilities."""
    faults = [_best(kind, f"faults.kind '{kind}'", FAULTS[kind], abilities) for kind in KINDS]
    conditions = [_best(name, used_by, ways, abilities) for name, (used_by, ways) in CONDITIONS.items()]
    return faults, conditions


def _best(name: str, used_by: str, ways: tuple[Method, ...], abilities: Mapping[str, Ability]) -> Means:
    lacks = ""
    for way in ways:
        missing = [abilities[need] for need in way.needs if not abilities[need].works]
        if not missing:
            return Means(name, way.state, way.how, used_by)
        lacks = lacks or f"{missing[0].name}: {missing[0].said}"
    return Means(name, "unavailable", lacks or "in predictions only", used_by)


def unknown() -> set[str]:
    """Return the kinds of faults of which one list knows and another does not; there are none."""
    live = {kind for kind, ways in FAULTS.items() if ways}
    return (set(KINDS) ^ set(FAULTS)) | (set(LIVE) ^ live)
