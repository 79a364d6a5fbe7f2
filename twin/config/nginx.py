"""nginx's configuration as a WebSocket proxy; with a registry it reads the list of its peers from a file of its own.

Sources: nginx, "WebSocket proxying" and the manual of `ngx_http_proxy_module` and `ngx_http_upstream_module`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import indent

from twin.config.base import REQUEST_WITHIN, Configuration, Site, loopback, milliseconds
from twin.rules.registry import Registration
from twin.scenario.balancer.base import BACKLOG
from twin.scenario.balancer.nginx import Nginx, worker_connections, worker_files
from twin.scenario.scenario import Scenario

HANDOVER = 0.1
"""Seconds for which old and new workers both accept connections after a reload. Source: nginx 1.22,
`ngx_master_process_cycle` in src/os/unix/ngx_process_cycle.c ("allow new processes to start").
"""

UPGRADE = """map $http_upgrade $connection_upgrade {
    default upgrade;
    '' close;
}
"""
"""Passes an upgrade on, and closes after a request without one. Source: nginx, "WebSocket proxying"."""

RULE_LINES = {
    "round_robin": "",
    "random_two": "random two least_conn;",
    "hash_consistent": "hash $remote_addr consistent;",
}
"""How the choice rules are written that have another name in a scenario."""

ZONE = "10m"
"""Memory in which addresses are counted, for about 80,000. Source: nginx, ngx_http_limit_req_module,
`limit_req_zone` (128 bytes an address on 64-bit platforms)."""

REQUEST = f"client_header_timeout {milliseconds(REQUEST_WITHIN)};\n"
"""Stands in a `server` block before its locations."""


def rule(balancer: Nginx) -> str:
    """Return the line that names the choice rule; round robin has none."""
    return RULE_LINES.get(balancer.algorithm, f"{balancer.algorithm};")


def upstream(balancer: Nginx, servers: Sequence[str], other: str = "") -> str:
    """Return the `upstream` block; `other` stands in for the scenario's choice rule."""
    lines = ["zone cluster 256k;", other or rule(balancer)]
    lines += [f"{peer(balancer).format(address=server)};" for server in servers]
    return "upstream cluster {\n" + indent("\n".join(line for line in lines if line), "    ") + "\n}\n"


def location(balancer: Nginx, path: str = "/", forward: bool = False) -> str:
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
        *limited(balancer),
    ]
    return f"location {path} {{\n" + indent("\n".join(lines), "    ") + "\n}\n"


def zones(balancer: Nginx) -> str:
    """Return the lines of the `http` context in which addresses are counted."""
    lines = []
    if balancer.limit_req is not None:
        lines.append(f"limit_req_zone $binary_remote_addr zone=requests:{ZONE} rate={balancer.limit_req.rate}r/m;")
        if balancer.limit_req.retry_after:
            lines.append(f"map $status $retry_after {{ 429 {balancer.limit_req.retry_after}; }}")
    if balancer.limit_conn:
        lines.append(f"limit_conn_zone $binary_remote_addr zone=connections:{ZONE};")
    return "".join(f"{line}\n" for line in lines)


def limited(balancer: Nginx) -> list[str]:
    """Return the lines of the `location` block by which addresses are limited."""
    lines = []
    if balancer.limit_req is not None:
        lines += [f"limit_req zone=requests burst={balancer.limit_req.burst} nodelay;", "limit_req_status 429;"]
        if balancer.limit_req.retry_after:
            lines.append("add_header Retry-After $retry_after always;")
    if balancer.limit_conn:
        lines += [f"limit_conn connections {balancer.limit_conn};", "limit_conn_status 429;"]
    return lines


def head(balancer: Nginx) -> list[str]:
    """Return the lines of the `upstream` block before its servers."""
    return [line for line in ("zone cluster 256k;", rule(balancer)) if line]


def peer(balancer: Nginx) -> str:
    """Return the line of a peer without its end, with `{address}` for its address."""
    return f"server {{address}} max_fails={balancer.max_fails} fail_timeout={balancer.fail_timeout}s"


def peers(first: list[str], server: str, absent: Mapping[int, str], members: Mapping[int, Registration]) -> str:
    """Return the `upstream` block of a registry: who is not in it keeps its place, marked `down`."""
    lines = [*first]
    for slot, address in sorted(absent.items()):
        member = members.get(slot)
        there = member.address if member is not None else address
        lines.append(server.format(address=there) + ("" if member is not None else " down") + ";")
    return "upstream cluster {\n" + "".join(f"    {line}\n" for line in lines) + "}\n"


def peers_file(folder: Path) -> Path:
    """Return where the registrar writes the list of peers."""
    return folder / "peers.conf"


class NginxConfiguration(Configuration[Nginx]):
    """A file for nginx's `http` context, such as `/etc/nginx/conf.d/websocket.conf`; a whole one for a run."""

    kind = "nginx"
    idle = "proxy_read_timeout"

    def of_run(self, scenario: Scenario, port: int, node_ports: Sequence[int], folder: Path) -> str:
        """Return nginx's configuration of a live run; see the base."""
        balancer = self.settings(scenario)
        own = scenario.registry is None
        block = upstream(balancer, loopback(node_ports)) if own else f"include {peers_file(folder)};\n"
        shutdown = f"worker_shutdown_timeout {balancer.hard_stop_after}s;" if balancer.hard_stop_after else ""
        return f"""daemon off;
worker_processes 1;
worker_rlimit_nofile {worker_files(scenario.clients.count)};
pid {folder}/nginx.pid;
error_log stderr notice;
{shutdown}
events {{ worker_connections {balancer.worker_connections or worker_connections(scenario.clients.count)}; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{indent(UPGRADE + zones(balancer) + block, "    ")}    server {{
        listen 127.0.0.1:{port} backlog={BACKLOG};
        {REQUEST.strip()}
{indent(location(balancer), "        ")}    }}
}}
"""

    def _notes(self, scenario: Scenario) -> str:
        balancer = self.settings(scenario)
        stop, connections = balancer.hard_stop_after, balancer.worker_connections
        return (
            "# nginx.conf itself needs, for two connections a client and some to spare:\n"
            f"#     worker_rlimit_nofile {worker_files(scenario.clients.count)};\n"
            f"#     events {{ worker_connections {connections or worker_connections(scenario.clients.count)}; }}\n"
            + (f"#     worker_shutdown_timeout {stop}s;\n" if stop else "")
        )

    def _parts(self, scenario: Scenario, balancer: Nginx, site: Site) -> list[str]:
        key = {"none": "", "address": "$remote_addr", "cookie": "$sticky_key"}[site.sticky]
        parts = [UPGRADE + zones(balancer)]
        if site.sticky == "cookie":
            parts.append(f"map $cookie_{site.cookie} $sticky_key {{\n    default $cookie_{site.cookie};\n")
            parts[-1] += "    '' $remote_addr;\n}\n"
        parts.append(upstream(balancer, site.servers, f"hash {key} consistent;" if key else ""))
        listen = site.listen.removeprefix("*:")
        server = f"listen {listen} backlog={BACKLOG};\n{REQUEST}" + location(balancer, site.path, forward=True)
        parts.append("server {\n" + indent(server, "    ") + "}\n")
        return parts


NGINX = NginxConfiguration(Nginx)
