"""Limits of the system and of the balancer's program that a scenario comes near, or exceeds.

Those that the scenario sets hold in both worlds. Those that a system and a program have by default neither world has:
the lab raises them for its own runs, and a cluster that is set up like the scenario meets them.
"""

from collections.abc import Iterator
from math import ceil, inf

from twin.advice.finding import Bite, LintFinding, found, rule
from twin.rules.backoff import longest_delay
from twin.rules.balancing import RULES as BALANCING
from twin.scenario.balancer.base import FILES, NEAR
from twin.scenario.faults import Fault
from twin.scenario.limits import value_of
from twin.scenario.scenario import Scenario

PORTS = 60_999 - 32_768 + 1
"""Ports for connections from one address to one address and port. Source: Linux, Documentation/networking/ip-sysctl.rst
(`ip_local_port_range`, by default 32768 to 60999)."""

AWAY = ("kill", "hang", "blackhole", "restart", "drain")
"""Faults whose node's clients go to the others."""


@rule("ports", "Linux, Documentation/networking/ip-sysctl.rst (`ip_local_port_range`)")
def ports(scenario: Scenario) -> Iterator[Bite]:
    """Yield how many clients come to one node, when the balancer comes near the end of its ports to it."""
    need = on_fullest_node(scenario)
    if need >= NEAR * PORTS and "source_ports" not in scenario.balancer.rooms(1):
        yield Bite(
            *_clients(scenario),
            f"Linux has {PORTS} ports for the balancer's connections to one node (net.ipv4.ip_local_port_range, by "
            f"default 32768 to 60999), and the fullest node gets {need}.",
            "Widen the range, or use more nodes, or give each several ports.",
        )


@rule("balancer-limits", "the manual of the balancer's program")
def balancer_limits(scenario: Scenario) -> Iterator[Bite]:
    """Yield how many clients there are, when a limit that the balancer's program has by default is near."""
    for limit in scenario.balancer.limits(scenario.clients.count):
        if limit.need >= NEAR * limit.has:
            yield Bite(*_clients(scenario), limit.sentence, limit.remedy, source=limit.source)


@rule("node-files", "systemd-system.conf(5), `DefaultLimitNOFILE=`; Linux, include/uapi/linux/fs.h (`INR_OPEN_CUR`)")
def node_files(scenario: Scenario) -> Iterator[Bite]:
    """Yield how many clients come to one node, when it comes near the files that it may open."""
    need = on_fullest_node(scenario)
    if need >= NEAR * FILES:
        yield Bite(
            *_clients(scenario),
            f"A node may open {FILES} files by default (the soft limit, ulimit -n), and the fullest one gets {need} "
            "clients, one file each.",
            "Raise ulimit -n, or LimitNOFILE of its service.",
        )


@rule("room", "HAProxy 2.8 manual, `maxconn` of a proxy and of a server")
def room(scenario: Scenario) -> Iterator[Bite]:
    """Yield each limit of the balancer that the clients come near, with the nodes that are left at the worst moment."""
    count = scenario.clients.count
    for name, most in scenario.balancer.rooms(fewest_nodes(scenario)).items():
        if count >= NEAR * most:
            yield Bite(
                f"balancer.{name}",
                f"{getattr(scenario.balancer, name)}",
                f"With the nodes that are left at the worst moment balancer.{name} lets {most} clients have a "
                f"connection at once, and there are {count}: what is above waits, and is refused.",
                "Raise it, or use more nodes.",
            )


@rule("queue-patience", "HAProxy 2.8 manual, `timeout queue`, `option abortonclose` (off by default)")
def queue_patience(scenario: Scenario) -> Iterator[Bite]:
    """Yield how long clients wait for an answer, if their requests may wait longer in the balancer's queue."""
    balancer, patience = scenario.balancer, scenario.clients.open_timeout
    if balancer.queues and balancer.queues_for >= patience:
        yield Bite(
            "clients.open_timeout",
            f"{patience:g}",
            f"A request waits for up to {balancer.queues_for:g} s for a place of a server, and its client leaves after "
            f"{patience:g} s: who has left keeps the place in the queue, and is sent to a node in vain.",
            f"Set balancer.queue_timeout below clients.open_timeout, {patience:g} s.",
            "note",
        )


@rule("address-limit", "HAProxy 2.8 manual, `http_req_rate`; nginx manual, `limit_req`, `limit_conn`")
def address_limit(scenario: Scenario) -> Iterator[Bite]:
    """Yield each limit of an address that its clients come near when all of them come."""
    together = ceil(scenario.clients.count / scenario.clients.addresses)
    for name, most in scenario.balancer.per_address.items():
        if together >= NEAR * most:
            yield Bite(
                f"balancer.{name}",
                f"{value_of(scenario.balancer, name)}",
                f"Up to {most} clients of one address are let in at once, and {together} share one, as behind a NAT: "
                "after a fault they all come back.",
                "Raise the limit above what one address may hold, or count by something that tells clients apart.",
            )


@rule("lock-out", "HAProxy 2.8 manual, `http-request track-sc0` (what is refused counts); RFC 9110, section 10.2.3")
def lock_out(scenario: Scenario) -> Iterator[Bite]:
    """Yield the limit of an address above which its clients keep themselves out by trying."""
    counted, clients = scenario.balancer.counts_refused, scenario.clients
    if counted is None or clients.refusals.retry_after or 429 in clients.refusals.fatal:
        return
    limit, period = counted
    refused = ceil(clients.count / clients.addresses) - limit
    longest = longest_delay(clients.reconnect.rule())
    if refused > 0 and refused * period >= limit * longest:
        yield Bite(
            "balancer.address_rate.limit",
            f"{limit}",
            f"{refused} clients of an address are refused, and what is refused counts, too: trying again after "
            f"{longest:g} s at most, they alone make more than {limit} requests in {period:g} s, so none of them ever "
            "gets in.",
            "Send a Retry-After and let clients wait as long as it says, or let their waits grow.",
            "note",
        )


RULES = (ports, balancer_limits, node_files, room, queue_patience, address_limit, lock_out)


def limit_advice(scenario: Scenario) -> list[LintFinding]:
    """Return what is found about each limit that the scenario comes within 20 % of, or exceeds."""
    return found(RULES, scenario)


def _clients(scenario: Scenario) -> tuple[str, str]:
    return "clients.count", f"{scenario.clients.count}"


def on_fullest_node(scenario: Scenario) -> int:
    """Return how many clients the fullest node has when they are spread evenly over the nodes that are left at the
    worst moment of the run; clients of one address are not spread by a choice rule that hashes it.
    """
    parts = fewest_nodes(scenario)
    hashes = BALANCING[scenario.balancer.kind, scenario.balancer.algorithm].hashes_address
    if hashes and not scenario.balancer.asks_who:
        parts = min(parts, scenario.clients.addresses)
    return ceil(scenario.clients.count / parts)


def fewest_nodes(scenario: Scenario) -> int:
    """Return the smallest number of nodes that serve at some moment of the run; moments without any do not count."""
    faults = [fault for fault in scenario.faults if fault.kind in AWAY]
    left = [scenario.nodes.count]
    for moment in faults:
        gone = {fault.node for fault in faults if fault.at <= moment.at <= _back(fault)}
        left.append(scenario.nodes.count - len(gone))
    return min(nodes for nodes in left if nodes > 0)


def _back(fault: Fault) -> float:
    """Return when a node serves again, in seconds; that of a restart is away for a moment."""
    if fault.kind in ("restart", "drain"):
        return fault.at
    return inf if fault.duration is None else fault.at + fault.duration
