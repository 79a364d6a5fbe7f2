"""Each setting one step either way, and what a step does."""

from math import inf

import pytest

from tests.strategies import small
from twin.analysis.lever_table import LEVERS
from twin.analysis.levers import LeverStep, effect, ranked, steps, value_at
from twin.glossary.schema import settings
from twin.scenario.objectives import Objective

BACK = Objective.model_validate({"measure": "time_to_99", "at_most": 5.0})
DRAIN = {"at": 1.0, "kind": "drain", "node": 1}


def moved(scenario, setting):
    """Return the values to which steps change a setting."""
    return [one.after for one in steps(scenario) if one.setting == setting]


def test_every_lever_is_a_setting_that_there_is():
    assert {one.setting for one in LEVERS} <= set(settings())
    assert len({one.setting for one in LEVERS}) == len(LEVERS)


def test_a_time_is_halved_and_doubled_and_a_count_changes_by_one():
    scenario = small()
    assert moved(scenario, "balancer.check.inter") == [0.25, 1.0]
    assert moved(scenario, "balancer.check.fall") == [1, 3]
    assert moved(small(balancer={"check": {"fall": 20}}), "balancer.check.fall") == [10, 40]
    assert moved(scenario, "nodes.count") == [2, 4]
    assert moved(small(nodes={"count": 40}), "nodes.count") == [36, 44]
    assert moved(small(balancer={"kind": "nginx"}), "balancer.fail_timeout") == [5, 20]


def test_a_choice_takes_each_other_value():
    assert moved(small(), "clients.reconnect.jitter") == ["none", "equal"]
    assert sorted(moved(small(), "balancer.algorithm")) == ["random", "roundrobin"]
    many = small(clients={"addresses": 6})
    assert sorted(moved(many, "balancer.algorithm")) == ["consistent", "random", "roundrobin", "source"]
    assert moved(small(clients={"heartbeat": {"interval": 0.0}}), "clients.heartbeat.interval") == [20.0]


def test_each_step_changes_its_setting_and_what_has_to_change_with_it():
    for one in steps(small(faults=[DRAIN])):
        assert value_at(one.scenario, one.setting) == one.after != one.before
    (redispatch,) = [one for one in steps(small()) if one.setting == "balancer.redispatch"]
    assert (redispatch.scenario.balancer.redispatch, redispatch.scenario.balancer.retries) == (1, 1)
    (policy,) = [
        one for one in steps(small(clients={"reconnect": "phoenix"})) if one.setting == "clients.reconnect.policy"
    ]
    assert (policy.scenario.clients.reconnect.policy, policy.scenario.clients.reconnect.jitter) == (
        "exponential",
        "full",
    )


def test_what_is_not_allowed_is_no_step():
    assert moved(small(balancer={"check": {"fall": 1}}), "balancer.check.fall") == [2]
    assert moved(small(balancer={"retries": 0}), "balancer.retries") == [1]
    assert moved(small(nodes={"count": 2}, faults=[{"at": 1.0, "kind": "kill", "node": 2}]), "nodes.count") == [3]


def test_a_table_that_is_left_out_has_no_levers():
    assert not {one.setting.split(".")[0] for one in steps(small())} & {"registry", "autoscaling", "bus", "publisher"}
    assert moved(small(nodes={"lifetime": {"mean": 100.0}}), "nodes.lifetime.mean") == [50.0, 200.0]


def test_how_a_node_is_drained_is_a_lever():
    scenario = small(faults=[DRAIN])
    assert moved(scenario, "faults.0.lead") == [1.0]  # as long as two checks take
    assert moved(scenario, "faults.0.pace") == [1.0]
    slow = small(faults=[DRAIN | {"lead": 2.0, "pace": 4.0}])
    assert (moved(slow, "faults.0.lead"), moved(slow, "faults.0.pace")) == ([1.0, 4.0], [2.0, 8.0])


def test_where_a_check_has_found_something_steps_are_longer_too():
    scenario, setting = small(balancer={"check": {"inter": 2000.0}}), "balancer.check.inter"
    assert [one.after for one in steps(scenario, {setting}) if one.setting == setting] == [1000.0, 200.0]
    assert [one.after for one in steps(scenario, (), {setting}) if one.setting == setting] == [1000.0, 2.0]
    assert moved(scenario, setting) == [1000.0]


def said(*values):
    """Return the numbers of some runs; None was not reached within 20 s."""
    return [
        {"time_to_99": inf, "time_to_99.not_within": 20.0} if one is None else {"time_to_99": one} for one in values
    ]


def step(setting="nodes.count"):
    return LeverStep(setting, 1, 2, small())


def test_an_effect_counts_runs_that_hold_and_the_mean_of_the_differences():
    found = effect(step(), BACK, said(6.0, 8.0, None), said(4.0, 5.0, 6.0))
    assert (found.runs, found.held_before, found.held) == (3, 0, 2)
    assert (found.median_before, found.median) == (8.0, 5.0)
    assert found.gain == pytest.approx((2.0 + 3.0 + 14.0) / 3)
    assert found.as_dict()["gain"] == found.gain


def test_what_should_be_large_gains_when_it_grows():
    large = Objective.model_validate({"measure": "time_to_99", "at_least": 5.0})
    assert effect(step(), large, said(6.0), said(7.0)).gain == 1.0
    assert effect(step(), large, said(6.0), said(None)).gain == 14.0


def test_what_makes_it_hold_comes_first_and_what_does_nothing_is_left_out():
    before = said(6.0, 8.0)
    holds, nearer, nothing, worse = (
        effect(step(), BACK, before, said(*values)) for values in ((5.0, 9.0), (5.5, 5.5), (6.0, 8.0), (6.0, 9.0))
    )
    assert ranked([worse, nothing, nearer, holds]) == [holds, nearer, worse]


def test_of_two_equal_effects_that_of_what_a_check_has_found_comes_first():
    plain, found = (effect(LeverStep("x", 1, 2, small(), one), BACK, said(6.0), said(5.0)) for one in (False, True))
    assert ranked([plain, found]) == [found, plain]
    scenario = small()
    assert {one.setting for one in steps(scenario, {"nodes.count"}) if one.found} == {"nodes.count"}


def test_a_run_that_does_not_say_it_counts_neither_way():
    found = effect(step(), BACK, [{}, *said(6.0)], said(1.0, 4.0))
    assert found.gain == 2.0
    assert effect(step(), BACK, [{}], [{}]).gain != 0
    assert ranked([effect(step(), BACK, [{}], [{}])]) == []
