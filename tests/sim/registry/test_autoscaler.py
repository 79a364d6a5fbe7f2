"""The autoscaler and lifetimes in the model."""

import pytest

from sim import simulate
from tests.costs import GOODBYE, cost_of
from tests.loops import timer
from tests.strategies import NODE_START, small
from twin.draws import Purpose, uniform
from twin.measures import measure_record
from twin.rules.lifetime import lifetime
from twin.scenario.combinations import WARM_UP_SLACK

REGISTRY = {"ttl": 1.0, "heartbeat": 0.4, "sync": 0.3}
SCALING = {"target": 5, "minimum": 2, "maximum": 6, "sync_period": 2.0}


def scaled(duration=8.0, **more):
    data = {"registry": REGISTRY, "autoscaling": SCALING, "nodes": {"count": 3}}
    return small(duration=duration, **data).vary(balancer={"retries": 3, "redispatch": 1}, **more)


def test_the_nodes_double_at_the_first_sync_and_stay_empty(profile):
    record = simulate(scaled(), 0, profile)
    decided = record.select("scaled")
    assert decided["detail"].tolist() == ["3 to 6: DesiredWithinRange"]
    assert decided["t"].tolist() == [2.0]
    starting = record.select("node_starting")
    assert starting["node"].tolist() == [4, 5, 6]
    assert starting["t"].tolist() == [2.0] * 3
    started = record.select("node_started")["t"].tolist()
    assert len(started) == 3
    assert max(started) == pytest.approx(2.0 + 3 * NODE_START, abs=1e-9)  # on one core
    found = measure_record(record)
    assert found["nodes_end"] == 6
    assert found["new_share"] == 0.0
    assert found["imbalance"] == 2.0
    assert found["scalings"] == 1
    assert found["nodes_mean"] == pytest.approx((3 * 8.0 + sum(8.0 - t for t in started)) / 8.0)


def test_lifetimes_fill_the_new_nodes(profile):
    record = simulate(scaled(16.0, nodes={"lifetime": {"mean": 4.0, "jitter": 0.5}}), 0, profile)
    found = measure_record(record)
    assert found["new_share"] >= 0.8
    assert found["imbalance"] < 1.5
    assert found["start_to_first"] < found["start_to_share"]
    assert set(record.select("disconnected")["detail"]) == {"1012"}


def test_each_lifetime_is_the_one_that_its_client_and_attempt_draw(profile):
    scenario = small(duration=8.0, nodes={"lifetime": {"mean": 2.0, "jitter": 0.5}})
    record = simulate(scenario, 3, profile)
    for client in (0, 17):
        mine = record.select("connected", "disconnected").query("client == @client")
        up, down = mine.query("event == 'connected'"), mine.query("event == 'disconnected'")
        assert len(down) >= 2
        for attempt, since, until in zip(up["attempt"], up["t"], down["t"], strict=False):
            expected = lifetime(2.0, 0.5, uniform(scenario.seed, 3, client, Purpose.LIFETIME, int(attempt)))
            slack = WARM_UP_SLACK if since < 0 else 0.0
            soonest, latest = timer(expected)
            # it counts from when the node answered, and the client knows of the end after a close frame
            answered = cost_of("balancer_response", "client_open")
            assert soonest <= until - since + slack + answered <= latest + 2 * (answered + cost_of(*GOODBYE))


def test_without_jitter_those_who_came_together_leave_together(profile):
    def peak(jitter):
        scenario = small(duration=6.0, nodes={"lifetime": {"mean": 3.0, "jitter": jitter}})
        return measure_record(simulate(scenario, 0, profile))["churn_peak"]

    assert peak(0.0) >= 29
    assert peak(0.8) <= 20


def test_scaling_down_drains_one_node_after_the_other_and_loses_nobody(profile):
    down = {"window": 0.0, "policies": [{"kind": "pods", "value": 1, "period": 3.0}]}
    scaling = {"target": 15, "down": down, "lead": 0.5, "pace": 20.0}
    record = simulate(scaled(14.0, nodes={"count": 4}, autoscaling=scaling), 0, profile)
    assert [text.split(":")[0] for text in record.select("scaled")["detail"]] == ["4 to 3", "3 to 2"]
    assert record.select("node_stopped")["node"].tolist() == [4, 3]
    assert record.select("drained")["node"].tolist() == [4, 3]
    assert not len(record.select("node_started"))
    found = measure_record(record)
    assert found["nodes_end"] == 2
    assert found["imbalance"] <= 1.1
    assert not len(record.select("connect_failed"))


def test_a_window_holds_the_first_decision_down_back(profile):
    rules = {"window": 5.0, "policies": [{"kind": "percent", "value": 100, "period": 3.0}]}
    record = simulate(scaled(14.0, nodes={"count": 4}, autoscaling={"target": 15, "down": rules}), 0, profile)
    assert record.select("scaled")["t"].min() > 5.0


def test_cpu_decides_by_what_the_nodes_burn(profile):
    busy = {"lifetime": {"mean": 0.2, "jitter": 0.5}}
    now = {"reconnect": {"policy": "immediate"}}
    many = simulate(scaled(nodes=busy, clients=now, autoscaling={"metric": "cpu", "target": 1}), 0, profile)
    few = simulate(scaled(autoscaling={"metric": "cpu", "target": 1}), 0, profile)
    assert measure_record(many)["nodes_end"] > 3
    assert measure_record(few)["nodes_end"] <= 3
