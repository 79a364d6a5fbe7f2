"""What a balancer's configuration looks like when a registry decides about its servers.

HAProxy has a server line for each slot, out of service until the registrar gives it an address; there are no checks of
its own. A gray release is a second backend, to which a hash of the client's id sends a share of the clients. It has a
server for each slot, too: in which of the two backends a node comes into service is said by its version in the
registry, not by this file. nginx reads the list of its peers from a file of its own.

Sources: HAProxy 2.8 configuration manual (`disabled`, `use_backend`, `crc32`, `mod`, `nbsrv`) and management guide
(`set server`); nginx, `ngx_http_upstream_module` (`down`).
"""

from collections.abc import Mapping, Sequence
from textwrap import indent

from twin.config.balancer import nginx_rule
from twin.rules.registry import SHARES, Member, Pool, pool_of
from twin.scenario.addresses import CLIENT_ID
from twin.scenario.scenario import HAProxy, Nginx, Scenario

NGINX_HANDOVER = 0.1
"""Seconds for which old and new workers both accept connections after a reload. Source: nginx 1.22,
`ngx_master_process_cycle` in src/os/unix/ngx_process_cycle.c ("allow new processes to start").
"""


def server_of(slot: int, version: str, following: str | None) -> str:
    """Return HAProxy's name of a member's server, `backend/server`, by the version in its metadata.

    Args:
        slot: of the member.
        version: which it has written to the registry.
        following: the next version of a gray release, or None.
    """
    return f"{pool_of(version, following)}/n{slot}"


def haproxy_routes(scenario: Scenario) -> str:
    """Return the lines of the frontend that choose a backend."""
    canary = scenario.registry.canary if scenario.registry is not None else None
    lines = []
    if canary is not None:
        share = f"{{ req.hdr({CLIENT_ID}),crc32,mod({SHARES}) -m int lt {canary.parts} }}"
        lines.append(f"use_backend next if {share} {{ nbsrv(next) gt 0 }}")
    return "\n".join([*lines, "default_backend cluster"]) + "\n"


def haproxy_backends(scenario: Scenario, servers: Sequence[str]) -> str:
    """Return the backends, each with a server that is out of service for each slot.

    Args:
        scenario: with a registry, and HAProxy as the balancer.
        servers: an address for each slot, which the registrar replaces.
    """
    balancer = scenario.balancer
    assert isinstance(balancer, HAProxy)
    rule = {"random": "random(2)", "consistent": "source\nhash-type consistent"}.get(
        balancer.algorithm, balancer.algorithm
    )
    more = " on-marked-down shutdown-sessions" if balancer.on_marked_down == "shutdown-sessions" else ""
    more += f" slowstart {balancer.slowstart}s" if balancer.slowstart else ""
    gray = scenario.registry is not None and scenario.registry.canary is not None
    pools: tuple[Pool, ...] = ("cluster", "next") if gray else ("cluster",)
    lines = [f"balance {rule}", *(f"server n{n} {one} id {n} disabled{more}" for n, one in enumerate(servers, 1))]
    return "".join(f"backend {pool}\n" + indent("\n".join(lines) + "\n", "    ") for pool in pools)


def nginx_head(balancer: Nginx) -> list[str]:
    """Return the lines of the `upstream` block before its servers."""
    return [line for line in ("zone cluster 256k;", nginx_rule(balancer)) if line]


def nginx_peer(balancer: Nginx) -> str:
    """Return the line of a peer without its end, with `{address}` for its address."""
    return f"server {{address}} max_fails={balancer.max_fails} fail_timeout={balancer.fail_timeout}s"


def nginx_peers(head: list[str], server: str, absent: Mapping[int, str], members: Mapping[int, Member]) -> str:
    """Return nginx's `upstream` block: who is not in the registry keeps its place, marked `down`."""
    lines = [*head]
    for slot, address in sorted(absent.items()):
        member = members.get(slot)
        there = member.address if member is not None else address
        lines.append(server.format(address=there) + ("" if member is not None else " down") + ";")
    return "upstream cluster {\n" + "".join(f"    {line}\n" for line in lines) + "}\n"
