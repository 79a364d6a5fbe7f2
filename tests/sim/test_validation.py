"""Whether objectives hold: verdicts, their reasons, and the levers, from first to last."""

import pytest

import sim
import stormlab
from sim.sampling import Sampler, numbers
from sim.validation import CLOSER_RUNS, FIRST
from tests.planted import CASES
from tests.strategies import small
from twin.analysis.objectives import holds
from twin.errors import EngineWarning, ScenarioError
from twin.rules.sequential import fewest_runs

KILL = {"at": 1.0, "kind": "kill", "node": 1}
SLOW = small(faults=[KILL], balancer={"check": {"inter": 2.0, "fall": 3}})
"""Its balancer is blind for 4 to 6 s."""


def asked(scenario, *objectives, **more):
    return sim.validate(scenario, objectives, **more)


@pytest.fixture(scope="module")
def failing():
    from tests.strategies import small_profile

    return asked(SLOW, "time_to_99<=4", profile=small_profile())


def test_what_never_holds_fails_at_once(failing):
    (one,) = failing.objectives
    assert (failing.verdict, one.verdict, one.held, one.runs, one.unsaid) == ("fail", "fail", 0, FIRST, 0)
    assert one.interval[1] < 0.4
    assert one.median > 4


def test_its_reason_is_that_the_balancer_is_blind_and_sums_up(failing):
    median, last = failing.ways
    assert max(median.pieces, key=median.pieces.get) == "blind"
    assert last.whole >= median.whole
    for way in failing.ways:
        assert sum(way.pieces.values()) == pytest.approx(way.whole, abs=1e-9)
    means, setting, seconds = max(failing.reason(), key=lambda row: row[2][0])
    assert (means.split()[:2], setting) == (["the", "balancer"], "balancer.check")
    assert seconds[0] == median.pieces["blind"]


def test_its_levers_are_those_of_the_balancer_and_each_setting_is_there_once(failing):
    """Another node at the next retry ends it; a quicker check halves a blind time of 4 to 6 s."""
    by_setting = {one.step.setting: one for one in failing.best}
    assert failing.lever == "balancer.redispatch"
    assert len(by_setting) == len(failing.best)
    check = by_setting["balancer.check.inter"]
    assert (check.step.before, check.step.after, check.runs, check.held) == (2.0, 1.0, CLOSER_RUNS, CLOSER_RUNS)
    assert check.gain == pytest.approx(2.5, abs=0.7)
    assert {one.step.setting for one in failing.worst} >= {"balancer.check.inter", "balancer.check.fall"}
    assert failing.untried == []


def test_a_lever_is_tried_with_the_random_numbers_of_the_verdict(failing, profile):
    first = next(one for one in failing.best if one.step.setting == "balancer.check.inter")
    (objective,) = failing.scenario.objectives
    pairs = [[numbers(one, run, profile, "compiled") for one in (failing.scenario, first.step.scenario)]
             for run in range(CLOSER_RUNS)]  # fmt: skip
    gains = [before["time_to_99"] - after["time_to_99"] for before, after in pairs]
    assert first.gain == pytest.approx(sum(gains) / len(gains))
    assert first.held == sum(holds(objective, after) is True for _, after in pairs)


def test_as_text_and_as_json_it_says_the_same(failing):
    text, data = str(failing), failing.as_dict()
    assert text.startswith("small: fail\n  time_to_99 at most 4 s in 95 % of runs: fail; it held in 0 of 8 runs (0 %, ")
    assert "\n  What helps most: balancer.redispatch 0 -> 1 (held in 12 of 12 runs)." in text
    assert data["levers"]["best"][0]["setting"] == "balancer.redispatch"
    assert data["ways_back"][0]["seconds"] == failing.ways[0].whole
    assert sum(one["seconds"] for one in data["ways_back"][0]["pieces"]) == pytest.approx(failing.ways[0].whole)
    assert failing.lever_table()["setting"][0] == "balancer.redispatch"


def test_what_always_holds_passes_after_as_many_runs_as_that_takes(profile):
    found = asked(SLOW, "time_to_99<=9", profile=profile, levers=False)
    (one,) = found.objectives
    assert (found.verdict, one.held, one.runs) == ("pass", fewest_runs(0.95), fewest_runs(0.95))
    assert (found.effects, found.levered, found.lever) == ([], False, "")


def test_what_is_just_as_often_as_asked_is_unknown_after_all_runs(profile):
    values = [one["time_to_99"] for one in Sampler(profile)([(SLOW, i) for i in range(40)])]
    middle = sorted(values)[19] + 1e-6
    found = asked(SLOW, f"time_to_99<={middle}@0.5", runs=40, profile=profile, levers=False)
    (one,) = found.objectives
    assert (found.verdict, one.held, one.runs) == ("unknown", 20, 40)
    assert one.why == "After 40 runs it cannot be told; more --runs may tell, or it is too near to its share."


def test_one_objective_that_fails_is_a_failure_and_the_levers_are_about_it(profile):
    wanted = "time_to_99<=9", "attempts_per_client<=1.5", "cost<=1"
    scenario = SLOW.vary(objectives=[{"measure": "cost", "at_most": 900, "price": 0.1, "hours": 100}])
    assert asked(scenario, profile=profile, levers=False).verdict == "pass"
    with pytest.raises(ScenarioError, match="price is missing"):
        asked(SLOW, *wanted, profile=profile)
    found = asked(SLOW, *wanted[:2], profile=profile, levers=False)
    assert [one.verdict for one in found.objectives] == ["pass", "fail"]
    assert (found.verdict, found.focus.measure) == ("fail", "attempts_per_client")


def test_what_no_run_says_is_unknown(profile):
    found = asked(SLOW, "latency_p99<=1", profile=profile, levers=False)
    (one,) = found.objectives
    assert (found.verdict, one.runs, one.probability) == ("unknown", 0, None)
    assert str(one).endswith("No run says latency_p99: nothing of its kind happens in this scenario.")


def test_a_run_is_no_longer_than_it_has_to_be_where_that_needs_the_simpy_model(profile):
    idle = SLOW.vary(balancer={"tunnel_timeout": 24.0}, duration=3.0)
    found = asked(idle, "time_to_99<=15", profile=profile, levers=False)
    assert (found.scenario.duration, found.engine) == (16.0, "compiled")
    assert asked(SLOW.vary(duration=3.0), "time_to_99<=15", profile=profile, levers=False).scenario.duration == 31.0


def test_it_says_why_the_simpy_model_is_used(profile):
    pings = SLOW.vary(nodes={"ping_interval": 5.0})
    with pytest.warns(EngineWarning, match="The SimPy model is used, because the nodes ping") as told:
        asked(pings, "time_to_99<=4", profile=profile, levers=False)
    assert len([one for one in told if one.category is EngineWarning]) == 1


def test_runs_and_engine_are_checked_first(profile):
    with pytest.raises(ScenarioError, match="runs is 0; allowed is 1 to 100000"):
        asked(SLOW, runs=0, profile=profile)
    with pytest.raises(ScenarioError, match="engine is 'x'"):
        asked(SLOW, engine="x", profile=profile)


@pytest.mark.parametrize("name", ["check-inter", "retries-stay", "hard-stop"])
def test_a_planted_mistake_is_the_lever_that_is_named_first(name, profile):
    """All of them: tests/benchmarks/test_planted.py."""
    (case,) = [one for one in CASES if one.name == name]
    assert asked(case.sound, case.asked, profile=profile, levers=False).verdict == "pass"
    wrong = asked(case.wrong, case.asked, profile=profile)
    assert (wrong.verdict, wrong.lever in case.named) == ("fail", True)
    assert not case.rule or case.rule in {one.rule for one in wrong.findings}


def test_the_front_door_has_it():
    assert stormlab.validate is sim.validate
