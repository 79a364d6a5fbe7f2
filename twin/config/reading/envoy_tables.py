"""What the lab says of Envoy's fields, by their paths in a cluster, a route, or the connection manager.

Sources: Envoy 1.40, API reference: Cluster, OutlierDetection, CircuitBreakers, HealthCheck, RouteAction, RetryPolicy,
HttpConnectionManager.
"""

from twin.config.reading.report import Verdict

TLS = "TLS: handshakes cost more CPU time and round trips"
ZONES = "nodes in several zones, or of several priorities"
LOGS = "logging"
START = "how it is started"
DNS = "how names become addresses"
POOL = "between requests, not within a WebSocket"
HTTP2 = "HTTP/2"

UNCHECKED = 300.0
"""Seconds between active checks where there are none: so many that a run sees none."""
BUDGET = 20.0
"""Percent of a `retry_budget` that does not say it."""

RULES = {
    "ROUND_ROBIN": "round_robin",
    "LEAST_REQUEST": "least_request",
    "RANDOM": "random",
    "RING_HASH": "ring_hash",
    "MAGLEV": "maglev",
}
"""`lb_policy` -> the choice rule."""
USUAL_RULE = "round_robin"

THRESHOLDS, CHECKS, EJECTS = "circuit_breakers.thresholds", "health_checks", "outlier_detection"
WHOLE = {
    **{
        f"{THRESHOLDS}.{name}": f"circuit_breakers.{name}"
        for name in ("max_connections", "max_pending_requests", "max_requests", "max_retries")
    },
    f"{THRESHOLDS}.retry_budget.min_retry_concurrency": "circuit_breakers.min_retry_concurrency",
    **{f"{CHECKS}.{name}": f"check.{name}" for name in ("unhealthy_threshold", "healthy_threshold")},
    **{
        f"{EJECTS}.{name}": f"{EJECTS}.{name}"
        for name in (
            *("consecutive_5xx", "consecutive_gateway_failure", "max_ejection_percent", "success_rate_minimum_hosts"),
            *("success_rate_request_volume", "success_rate_stdev_factor"),
        )
    },
    "ring_hash_lb_config.minimum_ring_size": "minimum_ring_size",
    "maglev_lb_config.table_size": "table_size",
    "least_request_lb_config.choice_count": "choice_count",
    "route.retry_policy.num_retries": "retry_policy.num_retries",
    "route.retry_policy.host_selection_retry_max_attempts": "retry_policy.host_selection_retry_max_attempts",
}
"""Field -> setting of the balancer, a whole number."""

PERCENT = {
    "common_lb_config.healthy_panic_threshold.value": "panic_threshold",
    f"{THRESHOLDS}.retry_budget.budget_percent.value": "circuit_breakers.budget_percent",
    "least_request_lb_config.active_request_bias.default_value": "active_request_bias",
}
"""The same, a number."""

CHECK_TIMES = ("timeout", "interval", "unhealthy_interval", "unhealthy_edge_interval", "healthy_edge_interval")
TIMES = {
    "connect_timeout": "connect_timeout",
    **{f"{CHECKS}.{name}": f"check.{name}" for name in (*CHECK_TIMES, "no_traffic_interval")},
    **{f"{EJECTS}.{name}": f"{EJECTS}.{name}" for name in ("interval", "base_ejection_time", "max_ejection_time")},
    "common_lb_config.update_merge_window": "update_merge_window",
    "route.timeout": "timeout",
    "route.idle_timeout": "stream_idle_timeout",
    "route.retry_policy.per_try_timeout": "retry_policy.per_try_timeout",
    "route.retry_policy.retry_back_off.base_interval": "retry_policy.base_interval",
    "route.retry_policy.retry_back_off.max_interval": "retry_policy.max_interval",
    "stream_idle_timeout": "stream_idle_timeout",
    "delayed_close_timeout": "delayed_close_timeout",
    "common_http_protocol_options.max_stream_duration": "max_stream_duration",
    "route.max_stream_duration.max_stream_duration": "max_stream_duration",
}
"""The same, a time."""
UNLIMITED = {"timeout", "stream_idle_timeout"}
"""Settings of which 0 is no limit, for Envoy."""

BLOCKS = {
    *("circuit_breakers", THRESHOLDS, f"{THRESHOLDS}.retry_budget", f"{THRESHOLDS}.retry_budget.budget_percent"),
    *(CHECKS, EJECTS, "common_lb_config", "common_lb_config.healthy_panic_threshold"),
    *("ring_hash_lb_config", "maglev_lb_config", "least_request_lb_config"),
    *("least_request_lb_config.active_request_bias", "route", "route.max_stream_duration"),
    *("route.retry_policy", "route.retry_policy.retry_back_off"),
    "common_http_protocol_options",
}
"""Tables of fields that are listed one by one."""

NO_EFFECT = {
    "name": "a name",
    "type": DNS,
    "@type": "which message it is",
    "dns_lookup_family": DNS,
    "dns_refresh_rate": DNS,
    "respect_dns_ttl": DNS,
    "dns_resolvers": DNS,
    "alt_stat_name": LOGS,
    "close_connections_on_host_health_failure": "it ends connections of TCP proxies; open WebSockets stay",
    "stat_prefix": LOGS,
    "access_log": LOGS,
    "tracing": LOGS,
    "codec_type": "WebSockets are HTTP/1.1",
    "generate_request_id": "a header",
    "use_remote_address": "a header",
    "xff_num_trusted_hops": "a header",
    "server_name": "a header",
    "server_header_transformation": "a header",
    "add_user_agent": "a header",
    "normalize_path": "a path",
    "merge_slashes": "a path",
    "request_headers_timeout": "clients send their request in one go",
    "request_timeout": "a WebSocket's request has no body",
    "drain_timeout": HTTP2,
    "http2_protocol_options": HTTP2,
    "http_protocol_options": "the form of headers",
    "upstream_connection_options": "the kernel's probes of a silent connection; the heartbeat is sooner",
    "per_connection_buffer_limit_bytes": "buffers",
    "common_http_protocol_options.idle_timeout": POOL,
    "common_http_protocol_options.max_requests_per_connection": POOL,
    "common_http_protocol_options.max_connection_duration": "it ends no connection with an open WebSocket",
    "common_http_protocol_options.max_headers_count": "the size of a header",
    "circuit_breakers.thresholds.priority": "the priority of requests, which WebSockets do not have",
    "circuit_breakers.thresholds.track_remaining": LOGS,
    "circuit_breakers.thresholds.max_connection_pools": POOL,
    "health_checks.event_logger": LOGS,
    "health_checks.event_log_path": LOGS,
    "health_checks.always_log_health_check_failures": LOGS,
    "health_checks.reuse_connection": "how a check is asked",
    "health_checks.http_health_check": "how a check is asked",
    "least_request_lb_config.active_request_bias.runtime_key": "a name",
    "ring_hash_lb_config.maximum_ring_size": "far above the minimum",
    "route.host_rewrite_literal": "a header",
    "route.auto_host_rewrite": "a header",
    "route.prefix_rewrite": "a path",
    "route.regex_rewrite": "a path",
    "route.cors": "a header, which no WebSocket needs",
    "route.request_mirror_policies": "Envoy never mirrors an upgrade",
    "route.max_grpc_timeout": "gRPC",
    "route.retry_policy.rate_limited_retry_back_off": "answers with a header that says when to come back",
    "decorator": LOGS,
    "request_headers_to_add": "a header",
    "response_headers_to_add": "a header",
    "request_headers_to_remove": "a header",
    "typed_per_filter_config": "settings of a filter",
}
"""Field -> why it changes nothing of what the lab predicts."""

NOT_MODELLED = {
    "transport_socket": TLS,
    "transport_socket_matches": TLS,
    "typed_extension_protocol_options": "protocol and lifetimes of connections to nodes",
    "lb_subset_config": "a share of the clients that is sent to some nodes",
    "load_balancing_policy": "the newer form of lb_policy; write that",
    "preconnect_policy": "connections to nodes that are made before they are needed",
    "common_lb_config.locality_weighted_lb_config": ZONES,
    "common_lb_config.zone_aware_lb_config": ZONES,
    "common_lb_config.consistent_hashing_lb_config": "a bound on the load of a node",
    "round_robin_lb_config": "a node that comes back gets its share slowly",
    "least_request_lb_config.slow_start_config": "a node that comes back gets its share slowly",
    "health_checks.initial_jitter": "checks that are spread",
    "health_checks.interval_jitter": "checks that are spread",
    "health_checks.interval_jitter_percent": "checks that are spread",
    "health_checks.no_traffic_healthy_interval": "the lab has no_traffic_interval in its place",
    "health_checks.tcp_health_check": "the lab's check asks for a page, and a node may answer that it is not ready",
    "health_checks.grpc_health_check": "the lab's check asks for a page, and a node may answer that it is not ready",
    "outlier_detection.split_external_local_origin_errors": "connects in vain counted apart from answers",
    "outlier_detection.max_ejection_time_jitter": "ejections that end apart",
    "outlier_detection.failure_percentage_threshold": "a share of failures that ejects",
    "route.weighted_clusters": "a share of the clients is sent to another version or host",
    "route.rate_limits": "dials that are refused as there are too many",
    "route.retry_policy.retry_priority": ZONES,
    "fault": "faults that Envoy injects: dials that are delayed, or refused",
    "redirect": "clients are sent elsewhere",
    "direct_response": "clients are answered by the proxy",
}
"""Field -> what its absence in the lab may hide."""


AROUND_NO_EFFECT = {
    **dict.fromkeys(("name", "address", "additional_addresses", "domains", "filter_chain_match"), "where it listens"),
    **dict.fromkeys(("traffic_direction", "stat_prefix", "access_log"), LOGS),
    **dict.fromkeys(("listener_filters", "listener_filters_timeout", "socket_options"), "how a connection begins"),
    **dict.fromkeys(("per_connection_buffer_limit_bytes", "transparent", "freebind"), "buffers and addresses"),
    **dict.fromkeys(
        ("enable_reuse_port", "connection_balance_config"), "how workers share connections; the lab has one"
    ),
    "tcp_backlog_size": "the accept queue, which the lab makes long",
    "cors": "a header, which no WebSocket needs",
    **dict.fromkeys(("request_headers_to_add", "response_headers_to_add", "request_headers_to_remove"), "a header"),
    "typed_per_filter_config": "settings of a filter",
}
"""Field of a listener, a filter chain or a virtual host -> why it changes nothing of what the lab predicts."""
AROUND_NOT_MODELLED = {
    "transport_socket": TLS,
    "retry_policy": "retries of all routes of the host; write them into the route",
    "hedge_policy": "requests that are sent to two nodes",
    "rate_limits": "dials that are refused as there are too many",
    "max_connections_to_accept_per_socket_event": "how many connections are accepted in one go",
}
"""The same -> what its absence in the lab may hide."""


def around(path: str) -> tuple[Verdict, str]:
    """Return what becomes of a field of a listener, a filter chain or a virtual host, and why."""
    if path in AROUND_NO_EFFECT:
        return "no effect", AROUND_NO_EFFECT[path]
    return "not modelled", AROUND_NOT_MODELLED.get(path, "the lab does not know it")


def without(path: str) -> tuple[Verdict, str]:
    """Return what becomes of a field that sets nothing, and why."""
    if path in NO_EFFECT:
        return "no effect", NO_EFFECT[path]
    if path.startswith("outlier_detection.enforcing_"):
        return "not modelled", "a share of the ejections that is done; all are"
    return "not modelled", NOT_MODELLED.get(path, "the lab does not know it")
