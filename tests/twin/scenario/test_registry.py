"""Settings of registry, gray release, autoscaling and lifetimes: what fits, and what is told when it does not."""

import pytest

from tests.strategies import small
from twin.errors import ScenarioError
from twin.rules.scaling import SCALE_DOWN, SCALE_UP
from twin.scenario.scenario import Scenario

SCALING = {"target": 10, "minimum": 1, "maximum": 6}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"registry": {"ttl": 1.0, "heartbeat": 1.0}}, "registry.heartbeat is 1; allowed is less than ttl, 1 s"),
        ({"registry": {"sync": 0.0}}, "registry.sync is 0"),
        ({"autoscaling": SCALING}, "registry is missing; allowed is a [registry] with [autoscaling]"),
        ({"registry": {}, "autoscaling": {**SCALING, "maximum": 2}}, "nodes.count is 3; allowed is from"),
        ({"registry": {}, "autoscaling": {**SCALING, "minimum": 7}}, "maximum is 6; allowed is at least minimum, 7"),
        ({"registry": {}, "autoscaling": {"maximum": 4}}, "autoscaling.target is missing"),
        ({"registry": {}, "faults": [{"at": 1.0, "kind": "kill", "node": 4}]}, "faults.0.node is 4; allowed is a node"),
        ({"registry": {}, "faults": [{"at": 1.0, "kind": "join", "node": 2}]}, "faults.0.node is 2; allowed is a node"),
        ({"registry": {}, "faults": [{"at": 1.0, "kind": "join", "node": 1001}]}, "faults.0.node is 1001; allowed is"),
        ({"faults": [{"at": 1.0, "kind": "join", "node": 4}]}, "'join'; allowed is only with a [registry]"),
        (
            {"registry": {}, "autoscaling": SCALING, "faults": [{"at": 1.0, "kind": "join", "node": 4}]},
            "faults.0.kind is 'join'; allowed is any other with [autoscaling]",
        ),
        ({"registry": {"canary": {"nodes": [9]}}}, "registry.canary.nodes is 9"),
        ({"registry": {"canary": {"nodes": [1, 2, 3]}}}, "such that one of the nodes 1 to 3 runs v1"),
        (
            {"registry": {"canary": {"nodes": [1]}}, "autoscaling": {"target": 1, "maximum": 4}},
            "registry.canary.nodes is [1]; allowed is such that one of the nodes 1 to 1 runs v1",
        ),
        ({"registry": {"canary": {"nodes": [2, 2]}}}, "registry.canary.nodes is [2, 2]; allowed is each number once"),
        ({"registry": {"canary": {"nodes": []}}}, "registry.canary.nodes"),
        ({"registry": {"canary": {"nodes": [3]}}, "balancer": {"kind": "nginx"}}, "only with balancer.kind 'haproxy'"),
        (
            {"registry": {}, "balancer": {"kind": "envoy", "outlier_detection": {}}},
            "balancer.outlier_detection is set; allowed is only without [registry], which says who is there.",
        ),
        ({"nodes": {"lifetime": {"mean": 0.0}}}, "nodes.lifetime.mean is 0"),
        ({"nodes": {"lifetime": {"mean": 1.0, "jitter": 1.5}}}, "nodes.lifetime.jitter is 1.5"),
    ],
)
def test_what_does_not_fit_is_told_in_one_sentence(changes, sentence):
    with pytest.raises(ScenarioError) as caught:
        Scenario.parse({"name": "x", **changes})
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


FAULTS = [
    *({"kind": kind, "node": 6} for kind in ("kill", "hang", "restart", "drain", "blackhole", "partition")),
    {"kind": "delay", "node": 6, "delay": 0.1},
    *({"kind": kind} for kind in ("reload", "outage", "bus_down")),
]


@pytest.mark.parametrize("fault", FAULTS, ids=[fault["kind"] for fault in FAULTS])
def test_a_fault_may_name_a_node_that_is_there_only_sometimes(fault):
    assert small(registry={}, autoscaling=SCALING, faults=[{"at": 1.0, **fault}]).slots == 6


def test_a_registry_may_have_as_many_nodes_as_a_cluster_without_one():
    large = {"target": 10, "minimum": 1, "maximum": 1000}
    assert small(registry={}, nodes={"count": 1000}, autoscaling=large).slots == 1000


def test_there_are_as_many_slots_as_nodes_there_may_be():
    assert small().slots == 3
    assert small(registry={}, autoscaling=SCALING).slots == 6
    join = {"at": 1.0, "kind": "join", "node": 5}
    assert small(registry={}, faults=[join]).slots == 5


def test_a_threshold_counts_the_nodes_that_there_may_be_and_not_their_numbers():
    far = {"registry": {}, "bus": {"kind": "stream"}, "faults": [{"at": 1.0, "kind": "join", "node": 9}]}
    assert small(publisher={"threshold": 4}, **far).slots == 9
    with pytest.raises(ScenarioError, match="threshold is 5; allowed is at most the nodes that there may be, 4"):
        small(publisher={"threshold": 5}, **far)
    dead = [{"at": 1.0, "kind": "kill", "node": 1}, {"at": 2.0, "kind": "join", "node": 1}]
    with pytest.raises(ScenarioError, match=r"threshold is 4; allowed is at most nodes\.count, 3"):
        small(registry={}, bus={"kind": "stream"}, publisher={"threshold": 4}, faults=dead)


def test_a_node_that_was_killed_may_join_again_once():
    faults = [{"at": 1.0, "kind": "kill", "node": 2}, {"at": 2.0, "kind": "join", "node": 2}]
    assert small(registry={}, faults=faults).slots == 3
    with pytest.raises(ScenarioError, match="once"):
        small(registry={}, faults=[*faults, {"at": 3.0, "kind": "join", "node": 2}])


def test_the_defaults_are_those_of_kubernetes():
    scaling = small(registry={}, autoscaling=SCALING).autoscaling
    assert (scaling.sync_period, scaling.tolerance) == (15.0, 0.1)
    assert (scaling.cpu_initialization, scaling.initial_readiness) == (300.0, 30.0)
    behavior = scaling.controller(1.0).autoscaler.behavior
    assert (behavior.up, behavior.down) == (SCALE_UP, SCALE_DOWN)


def test_a_scenario_with_all_of_it_survives_its_own_toml():
    import tomllib

    scenario = small(
        registry={"canary": {"nodes": [3], "share": 0.2}, "rebalance": {"pace": 5.0}},
        autoscaling=SCALING,
        nodes={"lifetime": {"mean": 60.0}},
    )
    assert Scenario.parse(tomllib.loads(scenario.to_toml())) == scenario


def test_versions_are_those_of_the_gray_release():
    registry = small(registry={"canary": {"nodes": [3], "version": "2.1"}}).registry
    assert [registry.version(node) for node in (1, 3)] == ["v1", "2.1"]
    assert small(registry={}).registry.version(3) == "v1"


def test_a_registry_is_not_on_a_kafka_broker():
    asked = {"name": "x", "registry": {}, "publisher": {}, "bus": {"kind": "kafka"}}
    with pytest.raises(ScenarioError, match=r"bus\.servers is 'one'; allowed is 'several' with bus\.kind 'kafka'"):
        Scenario.parse(asked)
    assert Scenario.parse(asked | {"bus": {"kind": "kafka", "servers": "several"}}).registry is not None
