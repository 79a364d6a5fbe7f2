"""Envoy's configuration as a WebSocket proxy, in YAML.

With a registry the cluster's servers are in a file of their own, which Envoy reads anew whenever the registrar has
replaced it; there are no checks then. Sources: Envoy 1.40 API reference, `envoy.config.bootstrap.v3.Bootstrap`,
`envoy.extensions.filters.network.http_connection_manager.v3`, `envoy.config.cluster.v3.Cluster`,
`envoy.config.core.v3.HealthCheck`, `envoy.config.core.v3.PathConfigSource`.
"""

import json
import re
from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path
from textwrap import indent
from typing import Any

from twin.config.base import REQUEST_WITHIN, Configuration, Site, loopback
from twin.rules.envoy import MERGED
from twin.rules.registry import Registration
from twin.scenario.addresses import CLIENT_ID
from twin.scenario.balancer.envoy import Envoy
from twin.scenario.scenario import Scenario

CLUSTER = "cluster"
"""Name of the cluster whose servers are the nodes."""

TYPES = "type.googleapis.com/envoy"
POLICIES = {
    "round_robin": "ROUND_ROBIN",
    "least_request": "LEAST_REQUEST",
    "random": "RANDOM",
    "ring_hash": "RING_HASH",
    "maglev": "MAGLEV",
}
"""Choice rule -> `lb_policy`."""

Json = dict[str, Any]

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_WORDS = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}


def yaml(value: Any) -> str:
    """Return tables, lists, texts, numbers and flags as YAML, one entry a line."""
    if isinstance(value, dict):
        return "".join(_entry(f"{_scalar(name)}:", one) for name, one in value.items())
    return "".join("- " + indent(yaml(one), "  ").lstrip() if _nested(one) else f"- {_scalar(one)}\n" for one in value)


def _entry(name: str, value: Any) -> str:
    return f"{name}\n" + indent(yaml(value), "  ") if _nested(value) else f"{name} {_scalar(value)}\n"


def _nested(value: Any) -> bool:
    return isinstance(value, dict | list) and bool(value)


def _scalar(value: Any) -> str:
    plain = isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS
    return str(value) if plain else json.dumps(value)


def seconds(duration: float) -> str:
    """Return a time as Envoy reads it."""
    return f"{max(duration, 0.001) if duration else 0:.3f}".rstrip("0").rstrip(".") + "s"


def endpoint(address: str) -> Json:
    """Return a server's entry in the list of a cluster."""
    host, _, port = address.rpartition(":")
    return {"endpoint": {"address": _address(host.strip("[]"), int(port))}}


def _address(host: str, port: int) -> Json:
    return {"socket_address": {"address": host, "port_value": port}}


def checked(balancer: Envoy, health: str = "/healthz", log: Path | None = None) -> Json:
    """Return the health check of every server.

    Args:
        balancer: the settings.
        health: the path that a node answers with 200 when it is well.
        log: file for the events; None is none.
    """
    check, every = balancer.check, balancer.check.intervals()
    found: Json = {
        "timeout": seconds(check.timeout),
        "interval": seconds(every.healthy),
        "unhealthy_interval": seconds(every.unhealthy),
        "unhealthy_edge_interval": seconds(every.unhealthy_edge),
        "healthy_edge_interval": seconds(every.healthy_edge),
        "no_traffic_interval": seconds(every.no_traffic),
        "unhealthy_threshold": check.unhealthy_threshold,
        "healthy_threshold": check.healthy_threshold,
        "http_health_check": {"path": health},
    }
    if log is not None:
        sink = {"@type": f"{TYPES}.extensions.health_check.event_sinks.file.v3.HealthCheckEventFileSink"}
        typed = sink | {"event_log_path": str(log)}
        found["event_logger"] = [{"name": "envoy.health_check.event_sink.file", "typed_config": typed}]
    return found


def breakers(balancer: Envoy) -> Json:
    """Return the limits of the cluster."""
    own = balancer.circuit_breakers
    found: Json = {
        "max_connections": own.max_connections,
        "max_pending_requests": own.max_pending_requests,
        "max_requests": own.max_requests,
        "max_retries": own.max_retries,
    }
    if own.budget_percent:
        percent = {"value": own.budget_percent}
        found["retry_budget"] = {"budget_percent": percent, "min_retry_concurrency": own.min_retry_concurrency}
    return found


def retried(balancer: Envoy) -> Json:
    """Return the retry policy of the route, nothing without retries."""
    own = balancer.retry_policy
    if not own.num_retries:
        return {}
    waits = {"base_interval": seconds(own.base_interval), "max_interval": seconds(own.longest)}
    found: Json = {"retry_on": ",".join(own.retry_on), "num_retries": own.num_retries, "retry_back_off": waits}
    if own.retriable_status_codes:
        found["retriable_status_codes"] = own.retriable_status_codes
    if own.per_try_timeout:
        found["per_try_timeout"] = seconds(own.per_try_timeout)
    if own.previous_hosts:
        typed = {"@type": f"{TYPES}.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"}
        found["retry_host_predicate"] = [{"name": "envoy.retry_host_predicates.previous_hosts", "typed_config": typed}]
        found["host_selection_retry_max_attempts"] = own.host_selection_retry_max_attempts
    return {"retry_policy": found}


def ejecting(balancer: Envoy) -> Json:
    """Return the outlier detection of the cluster, nothing without it."""
    own = balancer.outlier_detection
    if own is None:
        return {}
    times = ("interval", "base_ejection_time", "max_ejection_time")
    found: Json = {
        name: seconds(value) if name in times else value
        for name, value in own.model_dump().items()
        if name != "consecutive_gateway_failure"
    }
    if own.consecutive_gateway_failure:
        found["consecutive_gateway_failure"] = own.consecutive_gateway_failure
        found["enforcing_consecutive_gateway_failure"] = 100
    return {"outlier_detection": found}


def cluster(balancer: Envoy) -> Json:
    """Return the cluster without its servers and its checks."""
    window = (
        {} if balancer.update_merge_window == MERGED else {"update_merge_window": seconds(balancer.update_merge_window)}
    )
    found: Json = {
        "name": CLUSTER,
        "connect_timeout": seconds(balancer.connect_timeout),
        "lb_policy": POLICIES[balancer.algorithm],
        "common_lb_config": {"healthy_panic_threshold": {"value": balancer.panic_threshold}, **window},
        "circuit_breakers": {"thresholds": [breakers(balancer)]},
    }
    bias = {"default_value": balancer.active_request_bias, "runtime_key": "least_request_bias"}
    weighted = {"choice_count": balancer.choice_count, "active_request_bias": bias}
    own: dict[str, Json] = {
        "least_request": {"least_request_lb_config": weighted},
        "ring_hash": {"ring_hash_lb_config": {"minimum_ring_size": balancer.minimum_ring_size}},
        "maglev": {"maglev_lb_config": {"table_size": balancer.table_size}},
    }
    return found | own.get(balancer.algorithm, {})


def listed(servers: Sequence[str], weights: Sequence[int]) -> Json:
    """Return what a cluster with a fixed list of servers has besides; so much the first of them weigh."""
    numbers = all(_is_number(server.rpartition(":")[0]) for server in servers)
    ends = [endpoint(server) for server in servers]
    for end, weight in zip(ends, weights, strict=False):
        end["load_balancing_weight"] = weight
    assignment = {"cluster_name": CLUSTER, "endpoints": [{"lb_endpoints": ends}]}
    return {"type": "STATIC" if numbers else "STRICT_DNS", "load_assignment": assignment}


def _is_number(host: str) -> bool:
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def members_file(folder: Path) -> Path:
    """Return where the registrar writes the list of servers."""
    return folder / "members.yaml"


def endpoints(present: Mapping[int, Registration]) -> str:
    """Return the list of servers of a registry, in the order of their slots, as Envoy's file of endpoints."""
    ends = [endpoint(member.address) for _, member in sorted(present.items())]
    assignment: Json = {"@type": f"{TYPES}.config.endpoint.v3.ClusterLoadAssignment", "cluster_name": CLUSTER}
    assignment["endpoints"] = [{"lb_endpoints": ends}] if ends else []
    return yaml({"resources": [assignment]})


def followed(folder: Path) -> Json:
    """Return what a cluster has besides whose servers a registrar tells."""
    source = {"path": str(members_file(folder)), "watched_directory": {"path": str(folder)}}
    return {
        "type": "EDS",
        "eds_cluster_config": {"eds_config": {"path_config_source": source, "resource_api_version": "V3"}},
    }


def listener(balancer: Envoy, listen: str, path: str, policy: list[Json], forward: bool = False) -> Json:
    """Return the listener.

    Args:
        balancer: the settings.
        listen: `address:port`; `*` is every address.
        path: of the WebSocket endpoint.
        policy: what is hashed.
        forward: tell the nodes about the client.
    """
    host, _, port = listen.rpartition(":")
    route: Json = {"cluster": CLUSTER, "timeout": seconds(balancer.timeout)}
    route |= ({"hash_policy": policy} if policy else {}) | retried(balancer)
    routes = [{"match": {"prefix": path}, "route": route}]
    router = {"@type": f"{TYPES}.extensions.filters.http.router.v3.Router"}
    manager: Json = {
        "@type": f"{TYPES}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "clients",
        "codec_type": "HTTP1",
        "use_remote_address": forward,
        "generate_request_id": False,
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "request_headers_timeout": seconds(REQUEST_WITHIN),
        "stream_idle_timeout": seconds(balancer.stream_idle_timeout),
        "delayed_close_timeout": seconds(balancer.delayed_close_timeout),
        "route_config": {"virtual_hosts": [{"name": "nodes", "domains": ["*"], "routes": routes}]},
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": router}],
    }
    if balancer.max_stream_duration:
        limit = {"max_stream_duration": seconds(balancer.max_stream_duration)}
        manager["common_http_protocol_options"] = limit
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    address = _address("0.0.0.0" if host == "*" else host.strip("[]"), int(port))
    return {"name": "clients", "address": address, "tcp_backlog_size": 4096, "filter_chains": [chain]}


def admin_socket(folder: Path) -> Path:
    """Return where the administration interface of a run is: only its owner gets there."""
    return folder / "envoy.sock"


def events_file(folder: Path) -> Path:
    """Return where Envoy notes what its health checks and its outlier detection change."""
    return folder / "envoy-events.log"


HASHED: dict[str, list[Json]] = {
    "source_ip": [{"connection_properties": {"source_ip": True}}],
    "header": [{"header": {"header_name": CLIENT_ID}}],
}
"""What is hashed -> `hash_policy` of the route."""


class EnvoyConfiguration(Configuration[Envoy]):
    """A whole configuration file."""

    kind = "envoy"
    idle = "stream_idle_timeout"

    def of_run(self, scenario: Scenario, port: int, node_ports: Sequence[int], folder: Path) -> str:
        """Return Envoy's configuration of a live run; see the base."""
        balancer = self.settings(scenario)
        upstream = cluster(balancer)
        logs: Json = {}
        if scenario.registry is None:
            upstream |= listed(loopback(node_ports), balancer.weights) | {
                "health_checks": [checked(balancer, log=events_file(folder))]
            }
            upstream |= ejecting(balancer)
            logs = {"cluster_manager": {"outlier_detection": {"event_log_path": str(events_file(folder))}}}
        else:
            upstream |= followed(folder)
        front = listener(balancer, f"127.0.0.1:{port}", "/", HASHED[balancer.hash_policy])
        admin = {"address": {"pipe": {"path": str(admin_socket(folder)), "mode": 0o600}}}
        node = {"node": {"id": "stormlab", "cluster": "stormlab"}}
        return yaml(node | logs | {"admin": admin, "static_resources": {"listeners": [front], "clusters": [upstream]}})

    def _parts(self, scenario: Scenario, balancer: Envoy, site: Site) -> list[str]:
        upstream, policy = cluster(balancer) | ejecting(balancer), HASHED[balancer.hash_policy]
        if site.sticky != "none":
            upstream["lb_policy"], policy = POLICIES["ring_hash"], HASHED["source_ip"]
        if site.sticky == "cookie":
            policy = [{"cookie": {"name": site.cookie, "ttl": "0s", "path": site.path}}]
        upstream |= listed(site.servers, balancer.weights) | {"health_checks": [checked(balancer, site.health)]}
        front = listener(balancer, site.listen, site.path, policy, forward=True)
        return [yaml({"static_resources": {"listeners": [front], "clusters": [upstream]}})]


ENVOY = EnvoyConfiguration(Envoy)
