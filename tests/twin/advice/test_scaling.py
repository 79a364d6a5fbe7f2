"""What is said of registry and autoscaler."""

import pytest

from tests.findings import by, one
from tests.strategies import small

REGISTRY = {"ttl": 3.0, "heartbeat": 1.0, "sync": 0.5}
POLICIES = [{"kind": "pods", "value": 1}]


def scaled(scaling=None, registry=None, **more):
    scaling = {"target": 10, "maximum": 5} | (scaling or {})
    return small(registry=REGISTRY | (registry or {}), autoscaling=scaling, **more)


@pytest.mark.parametrize(
    "busy",
    [
        {"clients": {"sends": {"rate": 1.0}}},
        {"bus": {"kind": "stream"}, "publisher": {}},
        {"nodes": {"lifetime": {"mean": 5.0}}},
    ],
)
def test_connections_that_make_work_are_seen_by_a_metric_of_cpu(busy):
    cpu = {"metric": "cpu"}
    assert one("blind-autoscaler", scaled(cpu)).level == "warning"
    assert by("blind-autoscaler", scaled(cpu, **busy)) == []


@pytest.mark.parametrize(
    ("ttl", "said"), [(3.0, ""), (2.5, "two lost heartbeats take"), (1.5, "one lost heartbeat takes")]
)
def test_a_lease_says_how_many_heartbeats_may_be_lost(ttl, said):
    found = by("lease", small(registry=REGISTRY | {"ttl": ttl}))
    assert len(found) == bool(said)
    assert said in "".join(map(str, found))


@pytest.mark.parametrize(("window", "said"), [(1.9, 1), (2.0, 0)])
def test_a_window_is_as_long_as_clients_may_be_away(window, said):
    # waits of at most 1 s, and two checks 0.5 s apart
    found = by("scale-down-window", scaled({"down": {"window": window, "policies": POLICIES}}))
    assert len(found) == said
    assert all("may be away for 2 s" in one.happens for one in found)


def test_an_autoscaler_that_cannot_change_anything_is_not_spoken_of():
    fixed = scaled({"minimum": 3, "maximum": 3, "down": {"window": 0.0, "policies": POLICIES}})
    assert by("scale-down-window", fixed) == by("new-nodes-empty", fixed) == by("lifetime-window", fixed) == []
