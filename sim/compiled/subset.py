"""What of a scenario the compiled engine leaves to the SimPy model: the one list, of which messages and documents are
made.
"""

from collections.abc import Callable
from math import inf

from sim.compiled.balancer.kinds import KINDS as KERNELS
from sim.node.kinds import RUNTIMES
from twin.advice import pings_prevent_cuts, strikes_in_run
from twin.costs.profile import HostProfile
from twin.costs.relay import RELAY_PARTS
from twin.rules.balancing import RULES
from twin.rules.faults import any_meet
from twin.scenario.faults import through_relay
from twin.scenario.scenario import Scenario

MOST_PEERS = 63
"""Peers that the compiled engine can tell apart in one request: one bit each of a signed number."""


Holds = Callable[[Scenario, HostProfile | None], bool]
"""Tells whether something is so in a scenario on a host; None is one on which the relay of a fault costs nothing."""


def _has(*kinds: str) -> Holds:
    """Return what tells whether a scenario has a fault of one of some kinds."""
    return lambda scenario, _: any(fault.kind in kinds for fault in scenario.faults)


def _has_unread_goodbyes(scenario: Scenario, profile: HostProfile | None) -> bool:
    """Tell whether a client may be stalled for longer than a node that ends waits for it."""
    stalls = (fault.duration or inf for fault in scenario.faults if fault.kind == "stall")
    return any(duration > RUNTIMES[scenario.nodes.runtime].close_timeout for duration in stalls) and _has(
        "restart", "drain"
    )(scenario, profile)


def _relay_costs(scenario: Scenario, profile: HostProfile | None) -> bool:
    """Tell whether links go through a relay of the lab whose CPU time is known."""
    relayed = through_relay(scenario.faults, scenario.host.placement)
    return profile is not None and bool(relayed) and profile.knows_parts(RELAY_PARTS)


NOT_COVERED: dict[str, Holds] = {
    "the nodes run on something else than asyncio": lambda s, _: not RUNTIMES[s.nodes.runtime].compiled,
    "the balancer is of another kind than the kernel knows": lambda s, _: s.balancer.kind not in KERNELS,
    "the relay of a fault takes CPU time": _relay_costs,
    "the scenario has a blackhole": _has("blackhole"),
    "a server of the bus hangs": _has("bus_hang"),
    "a killed node is started again": lambda s, _: any(f.kind == "kill" and f.duration is not None for f in s.faults),
    "messages are encoded, compressed, gathered or held back": lambda s, _: s.counts_bytes,
    "clients come in the run": lambda s, _: s.clients.arrivals is not None,
    "the balancer has limits": lambda s, _: s.balancer.limited,
    "clients look at the status of a refusal": lambda s, _: s.clients.refusals.matters,
    "the clients send": lambda s, _: s.clients.sends.rate > 0,
    "the nodes have a handler": lambda s, _: s.nodes.handler is not None,
    "the bus is a NATS server": lambda s, _: s.publisher is not None and not s.bus.traits.compiled,
    "the clients poll": lambda s, _: s.clients.transport.polls,
    "the CPU time of processes is noted": lambda s, _: s.host.accounts,
    "the memory of nodes is noted or has a limit": lambda s, _: s.host.memory or s.nodes.memory_limit > 0,
    "a fault may find what another has left": lambda s, _: any_meet(s.faults),
    "a client may not answer a node that ends": _has_unread_goodbyes,
    "the clients of a broadcast have machines of their own": lambda s, _: (
        s.publisher is not None and s.host.placement == "separate"
    ),
    "a broadcast goes through an outage": lambda s, _: s.publisher is not None and _has("outage")(s, _),
    "there are sessions": lambda s, _: s.sessions.store != "none",
    "the clients' heartbeat adapts to the network": lambda s, _: s.clients.heartbeat.max_interval > 0,
    "the scenario has a registry": lambda s, _: s.registry is not None,
    "the nodes end connections by themselves": lambda s, _: s.nodes.lifetime is not None,
    "the nodes have deadlines": lambda s, _: s.nodes.read_deadline > 0 or s.nodes.write_deadline > 0,
    "the nodes have pools of connections": lambda s, _: s.nodes.pool is not None,
    "the nodes ping": lambda s, _: s.nodes.ping_interval > 0,
    "a server of the balancer has a slowstart": lambda s, _: s.balancer.ramps_up,
    "the balancer hashes the names of its servers": lambda s, _: (
        RULES[s.balancer.kind, s.balancer.algorithm].hashes_names
    ),
    "the balancer's idle timeout can end within the run": lambda s, _: strikes_in_run(s) and not pings_prevent_cuts(s),
    f"a balancer that tries peer after peer has more than {MOST_PEERS} nodes": lambda s, _: (
        s.balancer.tries_peers and s.nodes.count > MOST_PEERS
    ),
}
"""What is not covered, as the end of a sentence that begins with "because" -> whether it is so in a scenario.

`docs/model.md` has the same list (`listed`), and the tests an example of each.
"""


def listed() -> str:
    """Return the list as `docs/model.md` has it."""
    return "\n".join(f"  - {reason}" for reason in NOT_COVERED)
