"""Limits of the system and of the balancer's program that a scenario comes near, or exceeds.

Neither world has them: the lab raises them for its own runs, and the model does not know them. A cluster that is set up
like the scenario meets them.
"""

from collections.abc import Iterator
from math import ceil, inf

from twin.advice.finding import Bite, LintFinding, found, rule
from twin.rules.balancing import RULES as BALANCING
from twin.scenario.balancer.base import FILES, NEAR
from twin.scenario.faults import Fault
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
    if need >= NEAR * PORTS:
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


RULES = (ports, balancer_limits, node_files)


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
