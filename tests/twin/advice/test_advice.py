"""One list of sentences for predictions, sweeps, comparisons and configurations."""

import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import sim
from tests.strategies import small
from twin.advice import advice
from twin.config.balancer import Site, of_site
from twin.errors import ScenarioWarning
from twin.scenario.scenario import Scenario

ROOT = Path(__file__).parents[3]
FIELD = {"haproxy": "tunnel_timeout", "nginx": "read_timeout"}
TEACHING = {"heartbeat-adaptive", "heartbeat-too-slow", "heartbeat-too-slow-nginx", "million"}
TEACHING |= {"transport-long-poll-cut", "backlog-100"}
TEACHING |= {"idle-10000", "memory-cascade", "memory-slow-consumers"}  # so many idle connections to so few nodes
TEACHING |= {f"broadcast-stall-{policy}" for policy in ("close", "coalesce", "drop")}  # their log is short
TEACHING |= {f"limits-{what}" for what in ("queue", "frontend", "ports", "worker-connections")}  # a limit that is met
TEACHING |= {f"limits-{what}" for what in ("address-rate", "retry-after", "nginx-req")}
"""Shipped scenarios that teach what the advice says."""


def faulty(kind="haproxy", **more):
    """A scenario with three things to say."""
    return small(
        balancer={"kind": kind, FIELD[kind]: 60.0, "connect_timeout": 5000.0},
        clients={"heartbeat": {"interval": 60.0}},
        faults=[{"at": 3.0, "kind": "hang", "node": 1}],
        **more,
    )


def told(call):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        call()
    return [str(one.message) for one in seen if one.category is ScenarioWarning]


@pytest.mark.parametrize("kind", ["haproxy", "nginx"])
def test_a_prediction_warns_of_what_the_configuration_to_take_away_says(kind, profile):
    scenario = faulty(kind)
    found = told(lambda: sim.predict(scenario, 3, profile))
    assert len(found) == 3
    text = of_site(scenario, Site())
    assert [line.removeprefix("# WARNING: ") for line in text.splitlines() if "WARNING" in line] == found


def test_each_warning_is_given_once_whatever_the_replications(profile):
    found = told(lambda: sim.predict(faulty(), 20, profile, engine="simpy"))
    assert found == advice(faulty())
    assert len(set(found)) == len(found)


def test_a_sweep_gives_each_warning_of_its_variants_once(profile):
    vary = {"balancer.tunnel_timeout": [50.0, 60.0, 90.0], "clients.count": [10, 20]}
    found = told(lambda: sim.sweep(faulty(), vary, 1, profile, jobs=1))
    assert len(found) == len(set(found)) == 4
    assert sum("tunnel_timeout is 50 s" in text for text in found) == 1
    assert sum("tunnel_timeout is 60 s" in text for text in found) == 1


def test_the_prediction_given_the_mark_downs_does_not_warn_again(profile):
    record = sim.simulate(faulty(), 0, profile)
    assert not told(lambda: sim.predict_given([record], 2, profile))


def test_a_warning_points_to_the_line_that_predicts_or_sweeps(profile):
    for call in (
        lambda: sim.predict(faulty(), 1, profile),
        lambda: sim.sweep(faulty(), {"seed": [1]}, 1, profile, jobs=1),
    ):
        with pytest.warns(ScenarioWarning) as seen:
            call()
        assert {Path(one.filename) for one in seen if one.category is ScenarioWarning} == {Path(__file__)}


@pytest.mark.parametrize("path", sorted((ROOT / "scenarios").glob("*.toml")), ids=lambda path: path.stem)
def test_a_shipped_scenario_is_warned_of_only_if_that_is_what_it_teaches(path):
    assert bool(advice(Scenario.load(path))) == (path.stem in TEACHING)


def test_the_commands_predict_and_haproxy_say_the_same_on_standard_error(tmp_path):
    path = tmp_path / "tie.toml"
    path.write_text(faulty().to_toml().replace('profile = "calibrated"', 'profile = "reference"'))
    expected = [f"Warning: {text}" for text in advice(faulty())]
    for words in (["predict", str(path), "--replications", "2", "--json"], ["haproxy", str(path)]):
        done = subprocess.run(
            [sys.executable, "-m", "stormlab.app", *words],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        lines = done.stderr.splitlines()
        assert [line for line in lines if line in expected] == expected
