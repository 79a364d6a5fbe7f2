"""Clusters that hold an objective until one setting is wrong: for each lever, and each rule of lint that a run shows.

A case has the cluster as it should be, what is asked, the mistake, and the settings of which one has to be named first:
that of the mistake, or another one where the same mistake may as well be mended (its lint rule names both).
"""

from dataclasses import dataclass, field
from typing import Any

from tests.strategies import small
from twin.analysis.levers import changed
from twin.scenario.scenario import Scenario

KILL = {"at": 1.0, "kind": "kill", "node": 1}
HANG = {"at": 1.0, "kind": "hang", "node": 1}
DRAIN = {"at": 1.0, "kind": "drain", "node": 1, "lead": 1.0, "pace": 10.0}
CUT = {"at": 3.0, "kind": "bus_cut", "node": 1}
FULL = {"base": 0.1, "cap": 1.0, "jitter": "full"}
BEAT = {"interval": 1.0, "timeout": 1.0}
TALK = {"bus": {"kind": "stream"}, "publisher": {"rate": 5.0}}
POOL = {"store": "redis", "size": 10, "timeout": 5.0, "handshake": True}
REGISTRY = {"ttl": 1.0, "heartbeat": 0.3, "sync": 0.2}


@dataclass(frozen=True)
class Planted:
    """A mistake in a cluster."""

    name: str
    asked: str
    mistake: dict[str, Any]
    named: tuple[str, ...]
    cluster: dict[str, Any] = field(default_factory=dict)
    rule: str = ""

    @property
    def sound(self) -> Scenario:
        """The cluster without the mistake."""
        clients = {"count": 60, "reconnect": FULL} | self.cluster.get("clients", {})
        return small(**({"duration": 20.0, "faults": [KILL]} | self.cluster | {"clients": clients}))

    @property
    def wrong(self) -> Scenario:
        """The cluster with it."""
        return changed(self.sound, self.mistake)


def one(name: str, asked: str, setting: str, value: Any, *also: str, rule: str = "", **cluster: Any) -> Planted:
    """Return a mistake of one setting; `also` are others by which it is mended, by the remedy of its rule."""
    return Planted(name, asked, {setting: value}, (setting, *also), cluster, rule)


OUTAGE = {"faults": [{"at": 1.0, "kind": "outage", "duration": 5.0}]}
CUTS = {"on_marked_down": "shutdown-sessions", "retries": 1, "redispatch": 1, "check": {"fall": 3}}
"""A balancer that tries another node, and cuts what it has marked down: how long a node is silent depends on checks."""
SILENT = {"faults": [HANG], "duration": 30.0, "clients": {"heartbeat": {"interval": 20.0, "timeout": 20.0}}}
SLOW_CHECKS = {"algorithm": "roundrobin", "check": {"inter": 10.0, "fall": 3}}
"""A balancer whose checks come too late to matter: clients find out by themselves."""
BEATS = {"faults": [HANG], "duration": 30.0, "balancer": SLOW_CHECKS,
         "clients": {"heartbeat": BEAT, "open_timeout": 1.0}}  # fmt: skip
AWAY = TALK | {"balancer": {"retries": 1, "redispatch": 1},
               "clients": {"reconnect": {"base": 2.0, "cap": 2.0, "jitter": "none"}}}  # fmt: skip
"""Clients that come back 2 s after they were lost, and miss ten messages meanwhile."""
CASES = (
    one("check-inter", "time_to_99<=8", "balancer.check.inter", 6.0, balancer=CUTS, **SILENT),
    one("check-fall", "time_to_99<=6", "balancer.check.fall", 12, balancer=CUTS, **SILENT),
    one("check-timeout", "time_to_99<=8", "balancer.check.timeout", 6.0, balancer=CUTS, **SILENT),
    one("milliseconds", "time_to_99<=8", "balancer.check.inter", 500.0, rule="milliseconds", balancer=CUTS, **SILENT),
    one("marked-down", "time_to_99<=8", "balancer.on_marked_down", "none", balancer=CUTS, **SILENT),
    one("base", "time_to_99<=6", "clients.reconnect.base", 8.0, clients={"reconnect": FULL | {"cap": 30.0}}),
    one("cap", "time_to_99<=240", "clients.reconnect.cap", 200.0, duration=300.0,
        clients={"reconnect": {"base": 1.0, "cap": 10.0, "jitter": "none"}},
        faults=[{"at": 1.0, "kind": "outage", "duration": 200.0}]),
    one("no-jitter", "peak_connects<=40", "clients.reconnect.jitter", "none", "clients.reconnect.first",
        rule="no-jitter", clients={"reconnect": {"base": 4.0, "cap": 8.0, "jitter": "full"}}, **OUTAGE),
    one("backlog", "reconnect_p99<=0.5", "nodes.backlog", 3, "clients.reconnect.jitter", "clients.reconnect.first",
        rule="backlog-burst", nodes={"backlog": 100},
        clients={"count": 90, "reconnect": {"base": 0.1, "cap": 1.0, "jitter": "none"}},
        balancer={"retries": 1, "redispatch": 1}),
    one("retries-stay", "time_to_99<=1", "balancer.redispatch", 0, rule="retries-stay",
        balancer={"retries": 3, "redispatch": 1}),
    one("dead-node-attraction", "attempts_per_client<=2.2", "balancer.algorithm", "leastconn", "balancer.redispatch",
        rule="dead-node-attraction", balancer={"algorithm": "roundrobin"}),
    one("heartbeat-interval", "time_to_99<=8", "clients.heartbeat.interval", 12.0, **BEATS),
    one("heartbeat-timeout", "time_to_99<=8", "clients.heartbeat.timeout", 12.0, **BEATS),
    one("unnoticed-fault", "time_to_99<=25", "clients.heartbeat.interval", 0.0, rule="unnoticed-fault", **BEATS),
    one("one-sided-pings", "time_to_99<=25", "clients.heartbeat.interval", 0.0, rule="one-sided-pings",
        nodes={"ping_interval": 5.0}, **BEATS),
    one("open-timeout", "time_to_99<=8", "clients.open_timeout", 10.0, **BEATS),
    one("drain-lead", "attempts_per_client<=1.3", "faults.0.lead", 0.0, rule="drain-lead", faults=[DRAIN]),
    one("drain-pace", "drain_time<=6", "faults.0.pace", 1.0, faults=[DRAIN], duration=40.0, balancer={"kind": "nginx"}),
    one("drain-peak", "peak_connects<=15", "faults.0.pace", 25.0, faults=[DRAIN]),
    one("read-deadline", "losses_per_client<=0.5", "nodes.read_deadline", 5.0, "clients.heartbeat.interval",
        rule="read-deadline", duration=30.0),
    one("idle-timeout", "losses_per_client<=0.5", "balancer.tunnel_timeout", 6.0, "clients.heartbeat.interval",
        rule="idle-timeout", duration=30.0),
    one("hard-stop", "losses_per_client<=0.1", "balancer.hard_stop_after", 4.0, rule="hard-stop",
        faults=[{"at": 1.0, "kind": "reload"}]),
    one("gives-up", "gave_up_share<=0.001", "clients.reconnect.max_attempts", 2, rule="gives-up"),
    one("pool", "time_to_99<=2.5", "nodes.pool.size", 1, nodes={"count": 6, "pool": POOL | {"service": 0.5}},
        clients={"count": 240}, balancer={"retries": 1, "redispatch": 1}),
    one("lifetime", "peak_connects<=20", "nodes.lifetime.jitter", 0.0, rule="lifetime-jitter",
        nodes={"lifetime": {"mean": 15.0, "jitter": 0.5}}, faults=[{"at": 1.0, "kind": "restart", "node": 1}],
        clients={"reconnect": FULL | {"base": 2.0, "cap": 2.0}}, duration=30.0),
    one("registry-ttl", "time_to_99<=6", "registry.ttl", 10.0, registry=REGISTRY, balancer=CUTS, **SILENT),
    one("registry-sync", "time_to_99<=6", "registry.sync", 15.0, registry=REGISTRY, balancer=CUTS, **SILENT),
    one("at-most-once", "lost_messages<=0.1", "bus.kind", "pubsub", "clients.recovery.recover", rule="at-most-once",
        faults=[CUT], clients={"recovery": {"recover": False}}, **TALK),
    one("no-recovery", "lost_messages<=0.1", "clients.recovery.recover", False, **AWAY),
    one("history", "lost_messages<=0.1", "bus.max_length", 3, rule="history", **AWAY),
    one("session-expiry", "login_share<=0.01", "sessions.refresh", False, "sessions.expiry", rule="session-expiry",
        sessions={"store": "redis", "expiry": 8.0}, faults=[KILL | {"at": 14.0}]),
    one("address-hash", "imbalance<=1.05", "balancer.algorithm", "source", rule="address-hash",
        balancer={"algorithm": "leastconn"}, faults=[{"at": 1.0, "kind": "restart", "node": 1}]),
)  # fmt: skip
