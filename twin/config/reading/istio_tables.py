"""What the lab says of Istio's fields, by their paths below `spec`: what they set, or why they set nothing.

Sources: Istio, API reference of DestinationRule and
VirtualService; `pilot/pkg/networking/core/cluster_traffic_policy.go`, which makes Envoy's cluster of a DestinationRule,
and `.../core/route/retry/retry.go`, which makes its retries.
"""

from twin.config.reading.report import Verdict

UNLIMITED = 10_000_000
"""Stands for Istio's 4294967295 connections, requests and retries."""
ATTEMPTS, HOST_ATTEMPTS, RETRIED_STATUS = 2, 5, 503
"""Istio's retries of every route that says nothing. Source: `defaultPolicy` in retry.go."""
CONNECT = 10.0
"""Seconds of `connectTimeout` where neither the rule nor the mesh says it. Source: `DefaultMeshConfig`."""
UNCHECKED = 300.0
"""Seconds between active checks, which Istio does not have: so many that a run sees none."""

TLS = "TLS: handshakes cost more CPU time and round trips"
ZONES = "nodes in several zones"
NEVER = {
    *("refused-stream", "cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable"),
    *("retriable-4xx", "retriable-headers", "envoy-ratelimited", "http3-post-connect-failure"),
}
"""Conditions of a retry that the dial of a WebSocket never meets: those of gRPC, HTTP/2 and HTTP/3, and a 409."""

USUAL_RULE, RING, TABLE = "least_request", "ring_hash", "maglev"
"""The choice rule where none is said, and those of `consistentHash`. Source: `defaultLBAlgorithm`,
`ApplyRingHashLoadBalancer`."""
RULES = {
    "ROUND_ROBIN": "round_robin",
    "LEAST_REQUEST": "least_request",
    "LEAST_CONN": "least_request",
    "RANDOM": "random",
    "UNSPECIFIED": USUAL_RULE,
}
"""`loadBalancer.simple` -> the choice rule. Source: `applyLoadBalancer`."""

WHOLE = {
    "connectionPool.tcp.maxConnections": "circuit_breakers.max_connections",
    "connectionPool.http.http1MaxPendingRequests": "circuit_breakers.max_pending_requests",
    "connectionPool.http.http2MaxRequests": "circuit_breakers.max_requests",
    "connectionPool.http.maxRetries": "circuit_breakers.max_retries",
    "outlierDetection.consecutive5xxErrors": "outlier_detection.consecutive_5xx",
    "outlierDetection.consecutiveGatewayErrors": "outlier_detection.consecutive_gateway_failure",
    "outlierDetection.maxEjectionPercent": "outlier_detection.max_ejection_percent",
    "outlierDetection.minHealthPercent": "panic_threshold",
    "loadBalancer.consistentHash.minimumRingSize": "minimum_ring_size",
    "loadBalancer.consistentHash.ringHash.minimumRingSize": "minimum_ring_size",
    "loadBalancer.consistentHash.maglev.tableSize": "table_size",
}
"""Field of a traffic policy -> setting of the balancer, a whole number."""

TIMES = {
    "connectionPool.tcp.connectTimeout": "connect_timeout",
    "outlierDetection.interval": "outlier_detection.interval",
    "outlierDetection.baseEjectionTime": "outlier_detection.base_ejection_time",
}
"""The same, a time."""

BLOCKS = {
    *("connectionPool", "connectionPool.tcp", "connectionPool.http", "outlierDetection", "loadBalancer"),
    *("loadBalancer.consistentHash", "loadBalancer.consistentHash.ringHash", "loadBalancer.consistentHash.maglev"),
}
"""Tables of fields that are listed one by one."""

NO_EFFECT = {
    "exportTo": "who sees it",
    "workloadSelector": "which proxies it is for",
    "hosts": "where it listens",
    "gateways": "where it listens",
    "name": "a text",
    "connectionPool.tcp.tcpKeepalive": "the kernel's probes of a silent connection; the heartbeat is sooner",
    "connectionPool.tcp.idleTimeout": "between requests, not within a WebSocket",
    "connectionPool.http.idleTimeout": "between requests, not within a WebSocket",
    "connectionPool.http.maxRequestsPerConnection": "a WebSocket's connection is never used for another request",
    "connectionPool.http.maxConcurrentStreams": "HTTP/2",
    "connectionPool.tcp.maxConnectionDuration": "it ends no connection with an open WebSocket",
    "outlierDetection.consecutiveErrors": "today's Istio reads consecutive5xxErrors in its place",
    "mirror": "Envoy never mirrors an upgrade",
    "mirrors": "Envoy never mirrors an upgrade",
    "mirrorPercentage": "Envoy never mirrors an upgrade",
    "mirrorPercent": "Envoy never mirrors an upgrade",
    "rewrite": "a path",
    "headers": "a header",
    "corsPolicy": "a header, which no WebSocket needs",
}
"""Field -> why it changes nothing of what the lab predicts."""

NOT_MODELLED = {
    "tls": TLS,
    "tunnel": "a tunnel to another proxy",
    "proxyProtocol": "a header of the connection",
    "portLevelSettings": "settings of single ports; those of the whole host count",
    "connectionPool.http.h2UpgradePolicy": "WebSockets in streams of one HTTP/2 connection to each node",
    "connectionPool.http.useClientProtocol": "WebSockets in streams of one HTTP/2 connection to each node",
    "outlierDetection.splitExternalLocalOriginErrors": "connects in vain counted apart from answers",
    "outlierDetection.consecutiveLocalOriginFailures": "connects in vain counted apart from answers",
    "loadBalancer.localityLbSetting": ZONES,
    "loadBalancer.warmupDurationSecs": "a node that comes back gets its share slowly",
    "loadBalancer.warmup": "a node that comes back gets its share slowly",
    "retries.retryRemoteLocalities": ZONES,
    "fault": "faults that Envoy injects: dials that are delayed, or refused",
    "redirect": "clients are sent elsewhere",
    "directResponse": "clients are answered by the proxy",
    "delegate": "another VirtualService says where clients are sent",
    "tcp": "connections that are passed on as such",
}
"""Field -> what its absence in the lab may hide."""


def without(path: str) -> tuple[Verdict, str]:
    """Return what becomes of a field that sets nothing, and why."""
    if path in NO_EFFECT:
        return "no effect", NO_EFFECT[path]
    return "not modelled", NOT_MODELLED.get(path, "the lab does not know it")
