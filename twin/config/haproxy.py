"""HAProxy's configuration as a WebSocket proxy.

With a registry it has a server line for each slot, out of service until the registrar gives it an address; there are no
checks of its own. A gray release is a second backend, to which a hash of the client's id sends a share of the clients.
It has a server for each slot, too: in which of the two backends a node comes into service is said by its version in the
registry, not by this file.

Sources: HAProxy 2.8 configuration manual (`disabled`, `use_backend`, `crc32`, `mod`, `nbsrv`,
`load-server-state-from-file`) and management guide (`set server`, `show servers state`).
"""

from collections.abc import Sequence
from pathlib import Path
from textwrap import indent

from twin.config.base import REQUEST_WITHIN, Configuration, Site, loopback, milliseconds
from twin.rules.registry import SHARES, Pool, pool_of
from twin.scenario.addresses import CLIENT_ID
from twin.scenario.balancer.base import BACKLOG
from twin.scenario.balancer.haproxy import HAProxy, sessions, sessions_of_run
from twin.scenario.scenario import Scenario

TABLE_SIZE = 100_000
"""Addresses of a stick table; HAProxy forgets the oldest when there are more."""
FIRST_PORT = 1025
"""First of the ports of a `source`: those below are root's. Source: ip(7), `ip_unprivileged_port_start`."""


def rule(balancer: HAProxy) -> str:
    """Return the words that name the choice rule, after `balance`."""
    return {"random": "random(2)", "consistent": "source\nhash-type consistent"}.get(
        balancer.algorithm, balancer.algorithm
    )


def defaults(balancer: HAProxy) -> str:
    """Return the lines of `defaults` that a scenario decides."""
    option = {0: "", -1: "option redispatch"}.get(balancer.redispatch, f"option redispatch {balancer.redispatch}")
    lines = [
        "mode http",
        f"timeout connect {milliseconds(balancer.connect_timeout)}",
        f"timeout http-request {milliseconds(REQUEST_WITHIN)}",
        "timeout client 60s",
        f"timeout server {_whole(balancer.server_timeout)}",
        f"timeout tunnel {milliseconds(balancer.tunnel_timeout)}",
        f"timeout check {milliseconds(balancer.check.timeout)}",
        f"timeout queue {milliseconds(balancer.queue_timeout)}" if balancer.queue_timeout else "",
        f"retries {balancer.retries}",
        option,
    ]
    return "\n".join(line for line in lines if line) + "\n"


def _whole(seconds: float) -> str:
    """Return a time in seconds if they are whole, as HAProxy reads no fractions."""
    return f"{seconds:.0f}s" if seconds % 1 == 0 else milliseconds(seconds)


def kept_alive(scenario: Scenario) -> str:
    """Return the line that keeps the connection of a client that polls between two requests, which would else be closed
    after `timeout http-request`; nothing for WebSockets.
    """
    transport = scenario.clients.transport
    return f"timeout http-keep-alive {milliseconds(2 * transport.every + 60.0)}\n" if transport.polls else ""


def _more(balancer: HAProxy) -> str:
    """Return what every server line ends with."""
    more = " on-marked-down shutdown-sessions" if balancer.on_marked_down == "shutdown-sessions" else ""
    more += f" maxconn {balancer.server_maxconn}" if balancer.server_maxconn else ""
    return more + (f" slowstart {balancer.slowstart}s" if balancer.slowstart else "")


def backend(
    balancer: HAProxy, servers: Sequence[str], health: str = "/healthz", sticky: str = "", source: str = ""
) -> str:
    """Return the lines of the backend.

    Args:
        balancer: the settings.
        servers: their addresses.
        health: path of the health check.
        sticky: stands in for the scenario's choice rule, or names a cookie (`cookie NAME`).
        source: address and ports from which each server is reached; "": the kernel's.
    """
    check, more = balancer.check, _more(balancer)
    cookie = sticky.startswith("cookie ")
    lines = [f"balance {sticky if sticky and not cookie else rule(balancer)}", f"option httpchk GET {health}"]
    if cookie:
        lines.append(f"{sticky} insert indirect nocache httponly")
    lines += [
        f"server n{i} {server} check inter {milliseconds(check.inter)} fall {check.fall} rise {check.rise}"
        f"{more}{f' cookie n{i}' if cookie else ''}{source}"
        for i, server in enumerate(servers, 1)
    ]
    return "\n".join(lines) + "\n"


def frontend(balancer: HAProxy) -> str:
    """Return the lines of the frontend that limit it."""
    lines = [f"maxconn {balancer.maxconn}"] if balancer.maxconn else []
    if balancer.session_rate:
        lines.append(f"rate-limit sessions {balancer.session_rate}")
    rate = balancer.address_rate
    if rate is not None:
        table = f"expire {milliseconds(2 * rate.period)} store http_req_rate({milliseconds(rate.period)})"
        told = f" hdr Retry-After {rate.retry_after}" if rate.retry_after else ""
        lines += [
            f"stick-table type ip size {TABLE_SIZE} {table}",
            "http-request track-sc0 src",
            f"http-request deny deny_status 429{told} if {{ sc_http_req_rate(0) gt {rate.limit} }}",
        ]
    return "".join(f"{line}\n" for line in lines)


def source_ports(balancer: HAProxy) -> str:
    """Return from where servers are reached in a live run if the ports are limited: from below those that the kernel
    gives away, the same ones to each server, as connections to different addresses may share them.
    """
    if not balancer.source_ports:
        return ""
    return f" source 127.0.0.1:{FIRST_PORT}-{FIRST_PORT + balancer.source_ports - 1}"


def server_of(slot: int, version: str, following: str | None) -> str:
    """Return HAProxy's name of a member's server, `backend/server`, by the version in its metadata.

    Args:
        slot: of the member.
        version: which it has written to the registry.
        following: the next version of a gray release, or None.
    """
    return f"{pool_of(version, following)}/n{slot}"


def routes(scenario: Scenario) -> str:
    """Return the lines of the frontend that choose a backend."""
    canary = scenario.registry.canary if scenario.registry is not None else None
    lines = []
    if canary is not None:
        share = f"{{ req.hdr({CLIENT_ID}),crc32,mod({SHARES}) -m int lt {canary.parts} }}"
        lines.append(f"use_backend next if {share} {{ nbsrv(next) gt 0 }}")
    return "\n".join([*lines, "default_backend cluster"]) + "\n"


def slots(scenario: Scenario, balancer: HAProxy, servers: Sequence[str]) -> str:
    """Return the backends of a registry, each with a server that is out of service for each slot.

    Args:
        scenario: with a registry.
        balancer: its balancer.
        servers: an address for each slot, which the registrar replaces.
    """
    gray = scenario.registry is not None and scenario.registry.canary is not None
    pools: tuple[Pool, ...] = ("cluster", "next") if gray else ("cluster",)
    more = _more(balancer)
    lines = [f"balance {rule(balancer)}"]
    lines += [f"server n{n} {one} id {n} disabled{more}" for n, one in enumerate(servers, 1)]
    return "".join(f"backend {pool}\n" + indent("\n".join(lines) + "\n", "    ") for pool in pools)


def state_file(folder: Path) -> Path:
    """Return where HAProxy finds the state of its servers when it is reloaded: what it was told over its socket."""
    return folder / "haproxy.state"


class HAProxyConfiguration(Configuration[HAProxy]):
    """A whole configuration file."""

    kind = "haproxy"
    idle = "timeout tunnel"

    def of_run(self, scenario: Scenario, port: int, node_ports: Sequence[int], folder: Path) -> str:
        """Return HAProxy's configuration of a live run; see the base."""
        balancer, servers = self.settings(scenario), loopback(node_ports)
        stop = f"hard-stop-after {milliseconds(balancer.hard_stop_after)}" if balancer.hard_stop_after else ""
        general = defaults(balancer) + kept_alive(scenario)
        if scenario.registry is None:
            back = "backend cluster\n" + indent(backend(balancer, servers, source=source_ports(balancer)), "    ")
        else:
            back = slots(scenario, balancer, servers)
            stop = "\n    ".join([*([stop] if stop else []), f"server-state-file {state_file(folder)}"])
            general += "load-server-state-from-file global\n"
        return f"""global
    maxconn {sessions_of_run(scenario.clients.count)}
    nbthread 1
    stats socket {folder}/haproxy.sock mode 600 level admin expose-fd listeners
    log {folder}/haproxy.log.sock local0
    {stop}
defaults
    log global
{indent(general, "    ")}frontend clients
    bind 127.0.0.1:{port} backlog {BACKLOG}
    no log
{indent(frontend(balancer) + routes(scenario), "    ")}{back}"""

    def _parts(self, scenario: Scenario, balancer: HAProxy, site: Site) -> list[str]:
        sticky = {"none": "", "address": "source\nhash-type consistent", "cookie": f"cookie {site.cookie}"}[site.sticky]
        stop = f"    hard-stop-after {milliseconds(balancer.hard_stop_after)}\n" if balancer.hard_stop_after else ""
        head = f"global\n    maxconn {sessions(scenario.clients.count)}\n    log stdout format raw local0\n{stop}"
        general = "defaults\n    log global\n    option forwardfor\n" + indent(
            defaults(balancer) + kept_alive(scenario), "    "
        )
        lines = [f"bind {site.listen} backlog {BACKLOG}", *frontend(balancer).splitlines()]
        if site.path == "/":
            lines.append("default_backend cluster")
        else:
            lines.append(f"use_backend cluster if {{ path_beg {site.path} }}")
        front = "frontend clients\n" + indent("\n".join(lines) + "\n", "    ")
        back = "backend cluster\n" + indent(backend(balancer, site.servers, site.health, sticky), "    ")
        return [head, general, front, back]


HAPROXY = HAProxyConfiguration(HAProxy)
