"""Each rule finds what it is for, says it with field and value, and is content when its remedy has been followed."""

import pytest

from tests.findings import by
from tests.strategies import small
from twin.advice import RULES, findings
from twin.advice.finding import Bite, rule

HANG = {"at": 5.0, "kind": "hang", "node": 1}
REGISTRY = {"ttl": 3.0, "heartbeat": 1.0, "sync": 0.5}
SCALING = {"target": 10, "maximum": 5, "minimum": 1, "metric": "cpu"}
DRAIN = {"at": 1.0, "kind": "drain", "node": 1, "lead": 0.5, "pace": 10.0}
TALK = {"bus": {"kind": "stream", "max_length": 10}, "publisher": {"rate": 10.0}}
LIFE = {"mean": 400.0, "jitter": 0.0}
CPU = {"registry": REGISTRY, "autoscaling": SCALING}
KEPT = {"policy": "exponential", "base": 1.0, "cap": 5.0}

CASES = {
    "idle-timeout": ({"balancer": {"tunnel_timeout": 15.0}}, {"clients": {"heartbeat": {"interval": 10.0}}}),
    "read-deadline": ({"nodes": {"read_deadline": 15.0}}, {"nodes": {"ping_interval": 10.0}}),
    "one-sided-pings": (
        {"clients": {"heartbeat": {"interval": 0.0}}, "nodes": {"ping_interval": 10.0}},
        {"clients": {"heartbeat": {"interval": 10.0}}},
    ),
    "long-poll-cut": (
        {"clients": {"transport": {"kind": "long_poll", "hold": 60.0}}, **TALK},
        {"clients": {"transport": {"hold": 59.0}}},
    ),
    "unnoticed-fault": ({"duration": 20.0, "faults": [HANG]}, {"duration": 45.0}),
    "hard-stop-after-run": (
        {"duration": 10.0, "balancer": {"hard_stop_after": 8.0}, "faults": [{"at": 5.0, "kind": "reload"}]},
        {"duration": 14.0},
    ),
    "session-expiry": (
        {"sessions": {"store": "memory", "expiry": 60.0, "refresh": False}},
        {"sessions": {"refresh": True}},
    ),
    "drain-lead": (
        {"balancer": {"check": {"inter": 1.0, "fall": 2}}, "faults": [DRAIN]},
        {"faults": [DRAIN | {"lead": 2.0}]},
    ),
    "drain-grace": (
        {"clients": {"count": 300}, "faults": [DRAIN | {"pace": 2.0}]},
        {"faults": [DRAIN | {"pace": 20.0}]},
    ),
    "ejected-for-closing": (
        {"balancer": {"kind": "envoy", "outlier_detection": {"max_ejection_percent": 50}}},
        {"balancer": {"outlier_detection": {"consecutive_5xx": 1000}}},
    ),
    "reload-per-change": (
        {"balancer": {"kind": "nginx", "hard_stop_after": 30}, "registry": REGISTRY},
        {"balancer": {"kind": "haproxy"}},
    ),
    "dead-node-attraction": (
        {"balancer": {"algorithm": "leastconn", "retries": 0}},
        {"balancer": {"retries": 1, "redispatch": 1}},
    ),
    "retries-stay": ({"balancer": {"retries": 3, "redispatch": 0}}, {"balancer": {"redispatch": 1}}),
    "few-retries": (
        {"balancer": {"kind": "envoy", "retry_policy": {"num_retries": 2}}},
        {"balancer": {"circuit_breakers": {"max_retries": 1000}}},
    ),
    "address-hash": ({"balancer": {"algorithm": "source"}}, {"clients": {"addresses": 3}}),
    "hard-stop": (
        {"balancer": {"hard_stop_after": 30.0}},
        {"nodes": {"lifetime": {"mean": 20.0, "jitter": 0.5}}},
    ),
    "ports": ({"clients": {"count": 70_000, "connect_rate": 1e5}}, {"nodes": {"count": 10}}),
    "balancer-limits": ({"balancer": {"kind": "nginx"}, "clients": {"count": 205}}, {"clients": {"count": 204}}),
    "node-files": ({"clients": {"count": 2460, "connect_rate": 1e5}}, {"nodes": {"count": 10}}),
    "room": ({"balancer": {"server_maxconn": 12}}, {"nodes": {"count": 4}}),
    "queue-patience": (
        {"balancer": {"server_maxconn": 100, "queue_timeout": 10.0}},
        {"balancer": {"queue_timeout": 9.9}},
    ),
    "address-limit": ({"balancer": {"address_rate": {"limit": 30}}}, {"clients": {"addresses": 2}}),
    "lock-out": (
        {"balancer": {"address_rate": {}}, "clients": {"arrivals": {"count": 20}}},
        {"balancer": {"address_rate": {"retry_after": 60}}, "clients": {"refusals": {"retry_after": True}}},
    ),
    "milliseconds": ({"balancer": {"check": {"inter": 2000.0}}}, {"balancer": {"check": {"inter": 2.0}}}),
    "pool-full": (
        {"nodes": {"pool": {"rate": 190.0, "service": 0.05, "size": 10}}},
        {"nodes": {"pool": {"size": 11}}},
    ),
    "pool-connections": (
        {"nodes": {"pool": {"store": "postgresql", "size": 26}}},
        {"nodes": {"pool": {"size": 25}}},
    ),
    "pool-wait": ({"nodes": {"pool": {}}, "clients": {"open_timeout": 5.0}}, {"nodes": {"pool": {"timeout": 4.9}}}),
    "backlog-burst": (
        {"clients": {"count": 303, "reconnect": KEPT | {"jitter": "none"}}, "nodes": {"backlog": 49}},
        {"clients": {"reconnect": {"jitter": "full"}}},
    ),
    "no-jitter": (
        {"clients": {"reconnect": KEPT | {"jitter": "none"}}},
        {"clients": {"reconnect": {"jitter": "full"}}},
    ),
    "jitter-at-cap": (
        {"clients": {"reconnect": KEPT | {"jitter": "around"}}},
        {"clients": {"reconnect": {"jitter": "equal"}}},
    ),
    "reconnect-loop": (
        {"clients": {"reconnect": {"first": "immediate", "stable_time": 0.0}}},
        {"clients": {"reconnect": {"stable_time": 5.0}}},
    ),
    "gives-up": (
        {"clients": {"reconnect": KEPT | {"max_attempts": 4}}},
        {"clients": {"reconnect": {"max_attempts": 0}}},
    ),
    "open-timeout": ({"balancer": {"connect_timeout": 10.0, "retries": 1}}, {"balancer": {"connect_timeout": 5.0}}),
    "blind-autoscaler": (CPU, {"autoscaling": {"metric": "connections"}}),
    "new-nodes-empty": (CPU, {"registry": {"rebalance": {}}}),
    "scale-down-window": (
        CPU | {"autoscaling": SCALING | {"down": {"window": 1.0, "policies": [{"kind": "pods", "value": 1}]}}},
        {"autoscaling": {"down": {"window": 60.0}}},
    ),
    "lifetime-window": (CPU | {"nodes": {"lifetime": LIFE}}, {"autoscaling": {"down": {"window": 400.0}}}),
    "lifetime-jitter": ({"nodes": {"lifetime": LIFE}}, {"nodes": {"lifetime": {"jitter": 0.1}}}),
    "lease": ({"registry": REGISTRY | {"ttl": 2.9}}, {"registry": {"ttl": 3.0}}),
    "history": (TALK, {"bus": {"max_length": 500}}),
    "at-most-once": (
        TALK | {"bus": {"kind": "pubsub"}, "clients": {"recovery": {"recover": False}}},
        {"bus": {"kind": "stream"}},
    ),
    "idempotency-window": (
        TALK | {"bus": {"kind": "stream", "idempotency_window": 59.0}},
        {"bus": {"idempotency_window": 60.0}},
    ),
}
"""For each rule a scenario that it finds something in, and the changes by its remedy."""


def test_every_rule_has_a_case_a_name_of_its_own_and_a_source():
    names = [one.name for one in RULES]
    assert sorted(names) == sorted(CASES)
    assert all(len(one.source) > 10 for one in RULES)


@pytest.mark.parametrize("name", CASES)
def test_a_rule_finds_its_case_until_the_remedy_is_followed(name):
    before, after = CASES[name]
    scenario = small(**before)
    found = by(name, scenario)
    assert found, name
    for one in found:
        assert one in findings(scenario)
        assert (one.rule, bool(one.source)) == (name, True)
        assert one.level in ("warning", "note")
        assert all(text.endswith((".", ";.")) and "\n" not in text for text in (one.happens, one.remedy))
        value = scenario.model_dump()
        for part in one.field.split("."):
            value = value[int(part)] if isinstance(value, list) else (value or {}).get(part)
        if value not in (None, {}) and not isinstance(value, dict):
            said = f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
            assert said == one.value or float(one.value) == float(value)
    assert by(name, scenario.vary(**after)) == [], name


def test_the_warnings_come_before_the_notes():
    levels = [one.level for one in findings(small(**CASES["pool-wait"][0], balancer={"redispatch": 0, "retries": 3}))]
    assert levels == sorted(levels, reverse=True)
    assert set(levels) == {"warning", "note"}


def test_a_new_rule_finds_in_its_own_name_with_its_own_source_or_another():
    @rule("no-tickets", "RFC 8446, section 2.2")
    def no_tickets(scenario):
        for source in ("", "RFC 5077"):
            yield Bite("tls.resumption", "none", "Each handshake is a full one.", "Set tickets.", source=source)

    first, second = no_tickets(small())
    assert (first.rule, first.source, second.source) == ("no-tickets", "RFC 8446, section 2.2", "RFC 5077")
    assert first.text == "Each handshake is a full one. Set tickets."
    assert first.as_dict()["level"] == "warning"
