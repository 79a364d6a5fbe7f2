"""What of a scenario the compiled engine leaves to the SimPy model: the one list, of which messages and documents are
made.
"""

from collections.abc import Callable
from math import inf

from sim.node.lives import CLOSE_TIMEOUT
from twin.advice import strikes_in_run
from twin.rules.balancing import RULES
from twin.rules.faults import any_meet
from twin.scenario.scenario import Scenario

MOST_PEERS = 63
"""Peers that the compiled engine can tell apart in one request: one bit each of a signed number."""


def _has(*kinds: str) -> Callable[[Scenario], bool]:
    """Return what tells whether a scenario has a fault of one of some kinds."""
    return lambda scenario: any(fault.kind in kinds for fault in scenario.faults)


def _has_unread_goodbyes(scenario: Scenario) -> bool:
    """Tell whether a client may be stalled for longer than a node that ends waits for it."""
    stalls = (fault.duration or inf for fault in scenario.faults if fault.kind == "stall")
    return any(duration > CLOSE_TIMEOUT for duration in stalls) and _has("restart", "drain")(scenario)


NOT_COVERED: dict[str, Callable[[Scenario], bool]] = {
    "the scenario has a blackhole": _has("blackhole"),
    "a killed node is started again": lambda s: any(f.kind == "kill" and f.duration is not None for f in s.faults),
    "the clients send": lambda s: s.clients.sends.rate > 0,
    "a fault may find what another has left": lambda s: any_meet(s.faults),
    "a client may not answer a node that ends": _has_unread_goodbyes,
    "a broadcast goes through an outage": lambda s: s.publisher is not None and _has("outage")(s),
    "there are sessions": lambda s: s.sessions.store != "none",
    "the clients' heartbeat adapts to the network": lambda s: s.clients.heartbeat.max_interval > 0,
    "the scenario has a registry": lambda s: s.registry is not None,
    "the nodes end connections by themselves": lambda s: s.nodes.lifetime is not None,
    "the nodes ping": lambda s: s.nodes.ping_interval > 0,
    "a server of the balancer has a slowstart": lambda s: s.balancer.ramps_up,
    "the balancer hashes the names of its servers": lambda s: RULES[s.balancer.kind, s.balancer.algorithm].hashes_names,
    "the balancer's idle timeout can end within the run": strikes_in_run,
    f"a balancer that tries peer after peer has more than {MOST_PEERS} nodes": lambda s: (
        s.balancer.tries_peers and s.nodes.count > MOST_PEERS
    ),
}
"""What is not covered, as the end of a sentence that begins with "because" -> whether it is so in a scenario.

`docs/model.md` has the same list (`listed`), and the tests an example of each.
"""


def listed() -> str:
    """Return the list as `docs/model.md` has it."""
    return "\n".join(f"  - {reason}" for reason in NOT_COVERED)
