"""Limits of the system and of the balancer's program that a scenario comes near, or exceeds.

Neither world has them: the lab raises them for its own runs, and the model does not know them. A cluster that is set up
like the scenario meets them.
"""

from collections.abc import Iterator
from math import ceil, inf

from twin.scenario.faults import Fault
from twin.scenario.scenario import Nginx, Scenario

NEAR = 0.8
"""Share of a limit from which there is something to say: within 20 % of it."""

PORTS = 60_999 - 32_768 + 1
"""Ports for connections from one address to one address and port. Source: Linux, Documentation/networking/ip-sysctl.rst
(`ip_local_port_range`, by default 32768 to 60999)."""

WORKER_CONNECTIONS = 512
"""Connections of an nginx worker, to clients and to nodes. Source: nginx 1.22 src/event/ngx_event.c
(`DEFAULT_CONNECTIONS`)."""

FILES = 1024
"""Open files that a process may have unless it asks for more. Source: Linux, include/uapi/linux/fs.h (`INR_OPEN_CUR`);
systemd has the same (`DefaultLimitNOFILE=1024:524288`)."""

MOST_FILES = 524_288
"""Open files to which a process may raise its limit. Source: systemd-system.conf(5), `DefaultLimitNOFILE=`."""

KERNEL_FILES = 1_048_576
"""Most open files of a process, whatever its limit. Source: Linux, Documentation/admin-guide/sysctl/fs.rst
(`nr_open`)."""

HASHING = ("source", "consistent", "ip_hash")
"""Choice rules that send all clients of one address to one node."""

AWAY = ("kill", "hang", "blackhole", "restart", "drain")
"""Faults whose node's clients go to the others."""


def worker_connections(scenario: Scenario) -> int:
    """Return `worker_connections` for nginx: two for each client, and some to spare."""
    return 2 * scenario.clients.count + 1000


def worker_files(scenario: Scenario) -> int:
    """Return `worker_rlimit_nofile` for nginx."""
    return 4 * scenario.clients.count + 1000


def haproxy_sessions(scenario: Scenario) -> int:
    """Return `maxconn` for HAProxy: twice as many sessions as clients, because those to a hung node stay half closed
    while its clients have new ones, and some to spare for a storm.
    """
    return 2 * scenario.clients.count + 1000


def limit_advice(scenario: Scenario) -> list[str]:
    """Return one sentence for each limit that the scenario comes within 20 % of, or exceeds."""
    return [*_ports(scenario), *_balancer(scenario), *_node_files(scenario)]


def _ports(scenario: Scenario) -> Iterator[str]:
    need = on_fullest_node(scenario)
    if need >= NEAR * PORTS:
        yield (
            f"Linux has {PORTS} ports for the balancer's connections to one node (net.ipv4.ip_local_port_range, by "
            f"default 32768 to 60999), and the fullest node gets {need}: widen the range, or use more nodes, or give "
            "each several ports."
        )


def _balancer(scenario: Scenario) -> Iterator[str]:
    clients = scenario.clients.count
    need = 2 * clients
    if isinstance(scenario.balancer, Nginx):
        if need >= NEAR * WORKER_CONNECTIONS:
            yield (
                f"An nginx worker has {WORKER_CONNECTIONS} connections by default (worker_connections), and "
                f"{clients} clients need {need}, two each: set events {{ worker_connections "
                f"{worker_connections(scenario)}; }}."
            )
        if need >= NEAR * FILES:
            yield (
                f"An nginx worker may open {FILES} files by default (the soft limit, ulimit -n), and {clients} clients "
                f"need {need}, two each: set worker_rlimit_nofile {worker_files(scenario)};."
            )
        return
    need, maxconn = 2 * haproxy_sessions(scenario), haproxy_sessions(scenario)
    if need >= NEAR * MOST_FILES:
        more = f" and fs.nr_open, by default {KERNEL_FILES}" if need >= NEAR * KERNEL_FILES else ""
        yield (
            f"HAProxy may open {MOST_FILES} files by default (the hard limit, ulimit -Hn), and maxconn {maxconn} for "
            f"{clients} clients needs {need}, two a session: raise LimitNOFILE of its service{more}."
        )


def _node_files(scenario: Scenario) -> Iterator[str]:
    need = on_fullest_node(scenario)
    if need >= NEAR * FILES:
        yield (
            f"A node may open {FILES} files by default (the soft limit, ulimit -n), and the fullest one gets {need} "
            "clients, one file each: raise ulimit -n, or LimitNOFILE of its service."
        )


def on_fullest_node(scenario: Scenario) -> int:
    """Return how many clients the fullest node has when they are spread evenly over the nodes that are left at the
    worst moment of the run; clients of one address are not spread by a choice rule that hashes it.
    """
    parts = fewest_nodes(scenario)
    if scenario.balancer.algorithm in HASHING:
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
