"""What a check says of settings happens in the model, and does not when its remedy is followed."""

import pytest

from sim import simulate
from tests.findings import by
from tests.strategies import small
from twin.measures import measure_record

REGISTRY = {"ttl": 1.0, "heartbeat": 0.4, "sync": 0.3}
NONE_HELD = {"window": 0.0, "policies": [{"kind": "pods", "value": 1}]}
CPU = {"target": 50, "minimum": 1, "maximum": 3, "sync_period": 1.0, "metric": "cpu", "down": NONE_HELD}
KILL = {"at": 1.0, "kind": "kill", "node": 1}
AT_ONCE = {"policy": "exponential", "base": 0.1, "cap": 1.0, "jitter": "none"}
NGINX = {"kind": "nginx", "hard_stop_after": 1}


def closed(record):
    """Return how many of the clients lost a connection."""
    return record.select("disconnected")["client"].nunique()


def late(record):
    """Return how many clients that came back took a second or more."""
    return int((record.select("connected").query("t > 0")["t"] - 2.0 >= 1.0).sum())


CASES = {
    "blind-autoscaler": (
        {"registry": REGISTRY, "autoscaling": CPU},
        {"autoscaling": {"metric": "connections", "target": 10}},
        closed,
    ),
    "address-hash": (
        {"balancer": {"algorithm": "source"}, "duration": 1.0},
        {"balancer": {"algorithm": "leastconn"}},
        lambda record: measure_record(record)["imbalance"] > 2.9,
    ),
    "reload-per-change": (
        {"registry": REGISTRY, "balancer": NGINX, "faults": [KILL]},
        {"balancer": {"kind": "haproxy", "retries": 0}},
        lambda record: closed(record) > 20,
    ),
    "gives-up": (
        {
            "clients": {"reconnect": AT_ONCE | {"max_attempts": 3}},
            "faults": [{"at": 1.0, "kind": "outage", "duration": 4.0}],
            "host": {"placement": "separate"},
        },
        {"clients": {"reconnect": {"max_attempts": 0}}},
        lambda record: measure_record(record)["gave_up_share"],
    ),
    "backlog-burst": (
        {
            "clients": {"count": 300, "reconnect": AT_ONCE},
            "nodes": {"backlog": 2},
            "balancer": {"hard_stop_after": 1.0},
            "faults": [{"at": 1.0, "kind": "reload"}],
            "duration": 6.0,
        },
        {"nodes": {"backlog": 200}},
        late,
    ),
}
"""For each rule a scenario that it finds something in, the changes by its remedy, and what shows that it bites."""


@pytest.mark.parametrize("name", CASES)
def test_what_a_rule_finds_happens_until_its_remedy_is_followed(name, profile):
    before, after, bites = CASES[name]
    scenario = small(**before)
    assert by(name, scenario)
    assert bites(simulate(scenario, 0, profile))
    mended = scenario.vary(**after)
    assert not by(name, mended)
    assert not bites(simulate(mended, 0, profile))
