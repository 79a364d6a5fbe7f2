"""What client libraries and balancers do when nobody configures them, each by its name.

A preset holds the settings of a scenario's table. `[clients] reconnect = "phoenix"`, `heartbeat = "phoenix"` or
`refusals = "phoenix"` stands for the table, and so does `balancer = "nginx"` at the top of a scenario.

A heartbeat that the library's server sends is given as the client's own: a client that must hear a ping every
`interval` seconds and waits `timeout` longer finds a dead peer after U(timeout, interval + timeout) s, as one does that
sends the pings itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

Settings = Mapping[str, object]


@dataclass(frozen=True)
class Preset:
    """Settings of a client library. Times in seconds.

    Attributes:
        reconnect: settings of `clients.reconnect`.
        heartbeat: settings of `clients.heartbeat`.
        refusals: settings of `clients.refusals`; a browser does not tell its scripts the status, so most try again.
        says: the waits before attempts 0, 1, 2, ... n after a loss, for a table.
        source: where the library says so.
    """

    reconnect: Settings
    heartbeat: Settings
    says: str
    source: str
    refusals: Settings = field(default_factory=dict)


def _growing(first: float, factor: float, cap: float) -> list[float]:
    """Return first, first * factor, ... below the cap, and the cap."""
    delays = []
    delay = first
    while delay < cap:
        delays.append(delay)
        delay *= factor
    return [*delays, cap]


def _list(*delays: object, then: str = "repeat", max_attempts: int = 0) -> Settings:
    return {"policy": "list", "delays": list(delays), "then": then, "max_attempts": max_attempts, "stable_time": 0.0}


def _exponential(base: float, cap: float, jitter: str) -> Settings:
    growth = {"policy": "exponential", "base": base, "factor": 2.0, "cap": cap, "jitter": jitter}
    return growth | {"spread": 0.5, "max_attempts": 0, "stable_time": 0.0}


def _beat(interval: float, timeout: float) -> Settings:
    return {"interval": interval, "timeout": timeout}


CLIENTS: Mapping[str, Preset] = MappingProxyType(
    {
        "centrifuge-js": Preset(
            _exponential(0.5, 20.0, "offset"),
            _beat(25.0, 10.0),
            "min(20, 0.5 + U(0, min(20, 0.5 * 2^n)))",
            "centrifuge-js, src/centrifuge.ts (minReconnectDelay 500, maxReconnectDelay 20000, maxServerPingDelay "
            "10000) and `backoff` in src/utils.ts; Centrifugo's client ping interval of 25 s",
        ),
        "socket.io": Preset(
            _exponential(1.0, 5.0, "around"),
            _beat(25.0, 20.0),
            "min(5, 2^n * (1 +- U(0, 0.5)))",
            "socket.io-client, lib/manager.ts (reconnectionDelay 1000, reconnectionDelayMax 5000, randomizationFactor "
            "0.5) and contrib/backo2.ts; engine.io, pingInterval 25000 and pingTimeout 20000",
        ),
        "phoenix": Preset(
            _list(0.01, 0.05, 0.1, 0.15, 0.2, 0.25, 0.5, 1.0, 2.0, 5.0),
            _beat(30.0, 30.0),
            "0.01, 0.05, 0.1, 0.15, 0.2, 0.25, 0.5, 1, 2, then 5",
            "Phoenix, assets/js/phoenix/socket.js (`reconnectAfterMs`; heartbeatIntervalMs 30000, a heartbeat must be "
            "answered within the same time)",
        ),
        "signalr": Preset(
            _list(0.0, 2.0, 10.0, 30.0, then="stop"),
            _beat(15.0, 15.0),
            "0, 2, 10, 30, then it stops",
            "@microsoft/signalr, src/DefaultReconnectPolicy.ts; HubConnection: serverTimeoutInMilliseconds 30000, with "
            "a keep-alive of the server every 15 s",
        ),
        "nats": Preset(
            _list([2.0, 2.1], max_attempts=60),
            _beat(120.0, 240.0),
            "2 + U(0, 0.1), at most 60 attempts",
            "nats.go, nats.go (DefaultReconnectWait 2 s, DefaultReconnectJitter 100 ms, DefaultMaxReconnect 60; "
            "DefaultPingInterval 2 min, DefaultMaxPingOut 2: the third ping that is due finds the connection stale)",
        ),
        "websockets": Preset(
            _list(0.0, [0.0, 5.0], *_growing(3.1, 1.618, 90.0)),
            _beat(20.0, 20.0),
            "0, U(0, 5), 3.1 * 1.618^n, at most 90",
            "websockets 17, `backoff` in client.py and `connect.__aiter__` in asyncio/client.py (a connection that was "
            "established is opened again at once); ping_interval 20, ping_timeout 20; `process_exception`",
            {"fatal": [status for status in range(400, 600) if status not in (500, 502, 503, 504)]},
        ),
        "classic": Preset(
            _exponential(1.0, 30.0, "none"),
            _beat(30.0, 30.0),
            "min(30, 2^n)",
            "no library: what is often written by hand, without jitter",
        ),
    }
)
"""Client libraries with their default settings. All of them begin anew after any success."""

BALANCERS: Mapping[str, Settings] = MappingProxyType(
    {
        "haproxy": {
            "kind": "haproxy",
            "algorithm": "roundrobin",
            "check": {"inter": 2.0, "fall": 3, "rise": 2, "timeout": 2.0},
            "retries": 3,
            "redispatch": 0,
            "on_marked_down": "none",
            "hard_stop_after": 0.0,
        },
        "nginx": {
            "kind": "nginx",
            "algorithm": "round_robin",
            "max_fails": 1,
            "fail_timeout": 10,
            "connect_timeout": 60.0,
            "read_timeout": 60.0,
            "hard_stop_after": 0,
        },
        "envoy": {
            "kind": "envoy",
            "algorithm": "round_robin",
            "panic_threshold": 50.0,
            "connect_timeout": 5.0,
            "stream_idle_timeout": 300.0,
            "timeout": 15.0,
            "delayed_close_timeout": 1.0,
            "hard_stop_after": 900,
        },
    }
)
"""Balancers with the defaults of their manuals: HAProxy 2.8 configuration manual (`balance`, `inter`, `fall`, `rise`,
`retries`, `option redispatch`; `timeout check` is `inter` when it is not set), with health checks switched on; nginx,
ngx_http_upstream_module (`max_fails`, `fail_timeout`), ngx_http_proxy_module (`proxy_connect_timeout`,
`proxy_read_timeout`), `worker_shutdown_timeout`; Envoy 1.40, API reference (`lb_policy`, `healthy_panic_threshold`,
`connect_timeout`, `stream_idle_timeout`, `RouteAction.timeout`, `delayed_close_timeout`) and command line options
(`--parent-shutdown-time-s`). Envoy has no default for the times and thresholds of its checks: `envoy` keeps the lab's.

HAProxy has no default for `timeout connect` and `timeout tunnel`: `haproxy` keeps the lab's 5 s and 3600 s. A HAProxy
without `timeout tunnel` cuts a silent WebSocket after the shorter of `timeout client` and `timeout server`; that is
described by `tunnel_timeout`."""
