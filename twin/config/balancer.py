"""Configurations of HAProxy and nginx as WebSocket proxies: what the lab runs, and what a user can take away.

The live cluster and the commands `./lab nginx` and `./lab haproxy` share these texts, so what was measured is what is
taken away: the choice rule, the health checks, the retries and the timeouts. A configuration to take away has its own
address, its own servers, headers for the nodes about the client, and stickiness if wanted.

Sources: nginx, "WebSocket proxying" and the manual of `ngx_http_proxy_module` and `ngx_http_upstream_module`; HAProxy
2.8 configuration manual.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import indent
from typing import Literal, TypeVar

from twin.advice import advice
from twin.advice.limits import haproxy_sessions, worker_connections, worker_files
from twin.errors import ScenarioError
from twin.scenario.scenario import HAProxy, Nginx, Scenario

REQUEST_WITHIN = 10.0
"""Seconds that a client has to send the head of its request: one that sends a byte now and then holds a connection no
longer. HAProxy has no limit of its own but `timeout client` between two bytes, nginx waits for 60 s. A client sends its
handshake in one go, so nobody else meets it. Sources: HAProxy manual, `timeout http-request`; nginx,
`client_header_timeout`."""

Sticky = Literal["none", "address", "cookie"]
_Kind = TypeVar("_Kind", HAProxy, Nginx)

_ADDRESS = re.compile(r"([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:]+\]):([0-9]{1,5})")
_TOKEN = re.compile(r"[A-Za-z0-9_]+")
_PATH = re.compile(r"/[A-Za-z0-9_./~-]*")


@dataclass(frozen=True)
class Site:
    """Where a configuration that is taken away stands.

    Attributes:
        listen: `address:port` on which the balancer listens; `*:8080` is every address.
        servers: `host:port` of each node.
        path: path of the WebSocket endpoint.
        health: path that a node answers with 200 when it is well (HAProxy only).
        sticky: what binds a client to a node beyond its connection: nothing, its address, or a cookie.
        cookie: name of that cookie.
    """

    listen: str = "*:8080"
    servers: Sequence[str] = ("127.0.0.1:9001", "127.0.0.1:9002", "127.0.0.1:9003")
    path: str = "/"
    health: str = "/healthz"
    sticky: Sticky = "none"
    cookie: str = "node"

    def check(self) -> None:
        """See whether the texts can stand in a configuration.

        Raises:
            ScenarioError: one of them cannot.
        """
        if not _is_address(self.listen.replace("*:", "any:", 1)):
            raise ScenarioError(f"--listen is '{self.listen}'; allowed is ADDRESS:PORT, as in *:8080.")
        for server in self.servers:
            if not _is_address(server):
                raise ScenarioError(f"--server is '{server}'; allowed is HOST:PORT, as in 10.0.0.5:9001.")
        for name, path in (("--path", self.path), ("--health", self.health)):
            if not _PATH.fullmatch(path):
                raise ScenarioError(f"{name} is '{path}'; allowed is a path of letters, digits and / . _ ~ -.")
        if self.sticky not in ("none", "address", "cookie"):
            raise ScenarioError(f"--sticky is '{self.sticky}'; allowed is none, address or cookie.")
        if not _TOKEN.fullmatch(self.cookie):
            raise ScenarioError(f"--cookie is '{self.cookie}'; allowed is letters, digits and _.")


def _is_address(text: str) -> bool:
    found = _ADDRESS.fullmatch(text)
    return found is not None and 0 < int(found[2]) < 65536


def milliseconds(seconds: float) -> str:
    """Return a time as both programs read it."""
    return f"{max(1, round(seconds * 1000))}ms"


# nginx


def nginx_rule(balancer: Nginx) -> str:
    """Return the line that names the choice rule; round robin has none."""
    return {"round_robin": "", "random_two": "random two least_conn;"}.get(balancer.algorithm, f"{balancer.algorithm};")


def nginx_upstream(balancer: Nginx, servers: Sequence[str], rule: str = "") -> str:
    """Return the `upstream` block; `rule` stands in for the scenario's choice rule."""
    lines = ["zone cluster 256k;", rule or nginx_rule(balancer)]
    lines += [
        f"server {server} max_fails={balancer.max_fails} fail_timeout={balancer.fail_timeout}s;" for server in servers
    ]
    return "upstream cluster {\n" + indent("\n".join(line for line in lines if line), "    ") + "\n}\n"


def nginx_location(balancer: Nginx, path: str = "/", forward: bool = False) -> str:
    """Return the `location` block of a WebSocket endpoint; `forward` tells the nodes about the client."""
    timeout = milliseconds(balancer.read_timeout)
    lines = [
        "proxy_pass http://cluster;",
        "proxy_http_version 1.1;",
        "proxy_set_header Upgrade $http_upgrade;",
        "proxy_set_header Connection $connection_upgrade;",
    ]
    if forward:
        lines += [
            "proxy_set_header Host $host;",
            "proxy_set_header X-Real-IP $remote_addr;",
            "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
            "proxy_set_header X-Forwarded-Proto $scheme;",
        ]
    lines += [
        f"proxy_connect_timeout {milliseconds(balancer.connect_timeout)};",
        f"proxy_read_timeout {timeout};",
        f"proxy_send_timeout {timeout};",
    ]
    return f"location {path} {{\n" + indent("\n".join(lines), "    ") + "\n}\n"


NGINX_UPGRADE = """map $http_upgrade $connection_upgrade {
    default upgrade;
    '' close;
}
"""
"""Passes an upgrade on, and closes after a request without one. Source: nginx, "WebSocket proxying"."""


NGINX_REQUEST = f"client_header_timeout {milliseconds(REQUEST_WITHIN)};\n"
"""Stands in a `server` block before its locations."""


def nginx_site(scenario: Scenario, site: Site) -> str:
    """Return a file for nginx's `http` context, such as `/etc/nginx/conf.d/websocket.conf`.

    Raises:
        ScenarioError: the scenario's balancer is not nginx, or the site cannot stand in a configuration.
    """
    balancer = _must_be(scenario, Nginx, "nginx")
    site.check()
    key = {"none": "", "address": "$remote_addr", "cookie": "$sticky_key"}[site.sticky]
    heading = _heading(scenario, "nginx", balancer.read_timeout, "proxy_read_timeout")
    heading += (
        "# nginx.conf itself needs, for two connections a client and some to spare:\n"
        f"#     worker_rlimit_nofile {worker_files(scenario)};\n"
        f"#     events {{ worker_connections {worker_connections(scenario)}; }}\n"
    )
    parts = [heading, NGINX_UPGRADE]
    if site.sticky == "cookie":
        parts.append(f"map $cookie_{site.cookie} $sticky_key {{\n    default $cookie_{site.cookie};\n")
        parts[-1] += "    '' $remote_addr;\n}\n"
    parts.append(nginx_upstream(balancer, site.servers, f"hash {key} consistent;" if key else ""))
    listen = site.listen.removeprefix("*:")
    server = f"listen {listen} backlog=4096;\n{NGINX_REQUEST}" + nginx_location(balancer, site.path, forward=True)
    parts.append("server {\n" + indent(server, "    ") + "}\n")
    return "\n".join(parts)


# HAProxy


def haproxy_defaults(balancer: HAProxy) -> str:
    """Return the lines of `defaults` that a scenario decides."""
    option = {0: "", -1: "option redispatch"}.get(balancer.redispatch, f"option redispatch {balancer.redispatch}")
    lines = [
        "mode http",
        f"timeout connect {milliseconds(balancer.connect_timeout)}",
        f"timeout http-request {milliseconds(REQUEST_WITHIN)}",
        "timeout client 60s",
        "timeout server 60s",
        f"timeout tunnel {milliseconds(balancer.tunnel_timeout)}",
        f"timeout check {milliseconds(balancer.check.timeout)}",
        f"retries {balancer.retries}",
        option,
    ]
    return "\n".join(line for line in lines if line) + "\n"


def haproxy_backend(balancer: HAProxy, servers: Sequence[str], health: str = "/healthz", sticky: str = "") -> str:
    """Return the lines of the backend; `sticky` stands in for the scenario's choice rule, or names a cookie
    (`cookie NAME`).
    """
    rule = {"random": "random(2)", "consistent": "source\nhash-type consistent"}.get(
        balancer.algorithm, balancer.algorithm
    )
    check = balancer.check
    more = " on-marked-down shutdown-sessions" if balancer.on_marked_down == "shutdown-sessions" else ""
    more += f" slowstart {balancer.slowstart}s" if balancer.slowstart else ""
    cookie = sticky.startswith("cookie ")
    lines = [f"balance {sticky if sticky and not cookie else rule}", f"option httpchk GET {health}"]
    if cookie:
        lines.append(f"{sticky} insert indirect nocache httponly")
    lines += [
        f"server n{i} {server} check inter {milliseconds(check.inter)} fall {check.fall} rise {check.rise}"
        f"{more}{f' cookie n{i}' if cookie else ''}"
        for i, server in enumerate(servers, 1)
    ]
    return "\n".join(lines) + "\n"


def haproxy_site(scenario: Scenario, site: Site) -> str:
    """Return a whole configuration file for HAProxy.

    Raises:
        ScenarioError: the scenario's balancer is not HAProxy, or the site cannot stand in a configuration.
    """
    balancer = _must_be(scenario, HAProxy, "haproxy")
    site.check()
    sticky = {"none": "", "address": "source\nhash-type consistent", "cookie": f"cookie {site.cookie}"}[site.sticky]
    stop = f"    hard-stop-after {milliseconds(balancer.hard_stop_after)}\n" if balancer.hard_stop_after else ""
    head = f"global\n    maxconn {haproxy_sessions(scenario)}\n    log stdout format raw local0\n{stop}"
    defaults = "defaults\n    log global\n    option forwardfor\n" + indent(haproxy_defaults(balancer), "    ")
    lines = [f"bind {site.listen} backlog 4096"]
    if site.path == "/":
        lines.append("default_backend cluster")
    else:
        lines.append(f"use_backend cluster if {{ path_beg {site.path} }}")
    front = "frontend clients\n" + indent("\n".join(lines) + "\n", "    ")
    back = "backend cluster\n" + indent(haproxy_backend(balancer, site.servers, site.health, sticky), "    ")
    heading = _heading(scenario, "HAProxy", balancer.tunnel_timeout, "timeout tunnel")
    return "\n".join([heading, head, defaults, front, back])


def _heading(scenario: Scenario, program: str, timeout: float, name: str) -> str:
    lines = [f"{program} as a WebSocket proxy, made by the lab from the scenario {scenario.name}."]
    lines.append(f"{name}, {timeout:g} s, has to be longer than the pings of clients or nodes are apart.")
    lines += (f"WARNING: {text}" for text in advice(scenario))
    return "".join(f"# {line}\n" for line in lines)


def _must_be(scenario: Scenario, kind: type[_Kind], name: str) -> _Kind:
    if not isinstance(scenario.balancer, kind):
        raise ScenarioError(
            f"balancer.kind is '{scenario.balancer.kind}'; ./lab {name} allows '{name}': "
            f"add --set balancer.kind={name}, or use ./lab {scenario.balancer.kind}."
        )
    return scenario.balancer
