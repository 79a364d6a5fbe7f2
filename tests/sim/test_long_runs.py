"""Runs longer than an hour, in predictions."""

import pytest

from sim import simulate
from sim.engines import uncovered
from tests.sim.digests import digest
from tests.strategies import small, small_profile
from twin.advice import pings_prevent_cuts
from twin.errors import ScenarioError
from twin.invariants import audit
from twin.measures import CURVE_STEP, connected_curve, curve_step, curve_times

DAY = 86_400.0
PINGS = {"interval": 20.0, "timeout": 20.0}


def long(duration, **changes):
    faults = [{"at": duration - 60.0, "kind": "kill", "node": 1}]
    data = {"clients": {"count": 6, "heartbeat": PINGS}, "balancer": {"retries": 3, "redispatch": 1}, "faults": faults}
    return small(duration=duration, **data).vary(**changes)


def test_a_run_may_last_a_day_and_no_longer():
    assert long(DAY).duration == DAY
    with pytest.raises(ScenarioError, match=r"duration is 86401(\.0)?; allowed is at most 86400"):
        small(duration=DAY + 1)


def test_both_engines_agree_hours_after_the_start():
    scenario = long(3 * 3600.0)
    assert uncovered(scenario) == ""
    simpy, compiled = (simulate(scenario, 0, small_profile(), engine=engine) for engine in ("simpy", "compiled"))
    assert digest(simpy) == digest(compiled)
    back = simpy.select("connected").query("t > 0")
    assert len(back) == 2
    assert audit(simpy).as_dict()["broken"] == {}


def test_a_curve_over_a_day_has_as_many_points_as_one_over_an_hour():
    assert (curve_step(1.0), curve_step(3600.0)) == (CURVE_STEP, CURVE_STEP)
    assert curve_step(3601.0) == 2 * CURVE_STEP
    assert len(curve_times(DAY)) == len(curve_times(3600.0)) == 180_000
    record = simulate(long(2 * 3600.0), 0, small_profile(), engine="simpy")
    curve = connected_curve(record)
    assert curve[0] == curve[round((7200 - 61) / (2 * CURVE_STEP))] == 6
    assert curve[round((7200 - 59.96) / (2 * CURVE_STEP))] == 4


@pytest.mark.parametrize(
    ("changes", "safe"),
    [
        ({}, True),
        ({"clients": {"heartbeat": {"interval": 0.0}}}, False),
        ({"clients": {"heartbeat": {"interval": 20.0, "max_interval": 400.0}}}, False),
        ({"clients": {"heartbeat": {"interval": 1800.0, "timeout": 1800.0}}}, False),
        ({"balancer": {"tunnel_timeout": 99.0}}, False),
        ({"faults": [{"at": 1.0, "kind": "hang", "node": 1, "duration": 4000.0}]}, False),
    ],
)
def test_pings_that_prevent_every_cut_keep_the_compiled_engine_in_a_long_run(changes, safe):
    scenario = long(2 * 3600.0, **changes)
    assert pings_prevent_cuts(scenario) == safe
    assert (uncovered(scenario) == "") == safe
