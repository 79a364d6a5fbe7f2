import warnings

import numpy as np
import pytest
from hypothesis import given, settings

from sim import predict, predict_given, simulate, sweep
from sim.engines import pick, uncovered
from tests.broadcasts import talks
from tests.strategies import knowing_profile, small, small_profile, storms
from twin.errors import EngineWarning, ScenarioError
from twin.scenario.scenario import Scenario

KILL = [{"at": 1.0, "kind": "kill", "node": 1}]
PUBLISHER = {"bus": {"kind": "stream"}, "publisher": {"rate": 5.0}}
SESSIONS = {"sessions": {"store": "memory"}}


def test_auto_takes_the_compiled_engine_and_says_in_a_sentence_when_it_cannot():
    assert pick(small(), "auto") == ("compiled", "")
    assert pick(small(**PUBLISHER), "auto") == ("compiled", "")
    engine, why = pick(small(**SESSIONS), "auto")
    assert engine == "simpy"
    assert why.startswith("The SimPy model is used, because there are sessions")


@settings(max_examples=50)
@given(scenario=storms() | talks())
def test_the_random_scenarios_of_both_engines_are_covered(scenario):
    assert uncovered(scenario) == ""


@pytest.mark.parametrize("name", ["million", "outage", "failover", "nginx-least-conn", "broadcast-1000"])
def test_the_scenarios_made_for_scale_are_covered(name):
    assert pick(Scenario.load(f"scenarios/{name}.toml"), "auto") == ("compiled", "")


def test_a_prediction_and_a_sweep_say_why_the_fast_engine_is_not_used():
    scenario, profile = small(**SESSIONS), knowing_profile()
    with pytest.warns(EngineWarning, match="^The SimPy model is used, because there are sessions") as seen:
        one = predict(scenario, 1, profile, jobs=1)
    assert len(seen) == 1
    assert (one.engine, one.engine_reason) == ("simpy", str(seen[0].message))
    with pytest.warns(EngineWarning) as seen:
        given = predict_given([simulate(scenario, 0, profile)] * 2, 1, profile, jobs=1)
    assert len(seen) == 1
    assert [other.engine_reason for other in given] == [one.engine_reason] * 2
    with pytest.warns(EngineWarning) as seen:
        sweep(scenario, {"nodes.count": [2, 3]}, 1, profile, jobs=1)
    assert len(seen) == 1
    assert simulate(scenario, 0, profile, engine="auto").provenance["engine_reason"] == one.engine_reason


def test_nothing_is_said_where_the_engine_is_the_wanted_one():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert predict(small(), 1, knowing_profile(), jobs=1).engine_reason == ""
        assert predict(small(**SESSIONS), 1, knowing_profile(), jobs=1, engine="simpy").engine_reason == ""


def test_an_engine_that_does_not_exist_or_does_not_cover_the_scenario_is_refused():
    with pytest.raises(ScenarioError, match="engine is 'fast'; allowed is auto, simpy or compiled"):
        predict(small(), 1, small_profile(), engine="fast")
    with pytest.raises(ScenarioError, match=r"engine is 'compiled'; .*there are sessions"):
        simulate(small(**SESSIONS), 0, small_profile(), engine="compiled")


@pytest.mark.parametrize(
    "faults",
    [
        [],
        KILL,
        [{"at": 1.0, "kind": "hang", "node": 2, "duration": 3.0}],
        [{"at": 0.0, "kind": "restart", "node": 1}, {"at": 2.0, "kind": "kill", "node": 3}],
        [{"at": 0.5, "kind": "restart", "node": 1}, {"at": 2.0, "kind": "restart", "node": 2}],
        [{"at": 1.0, "kind": "outage", "duration": 2.0}],
        [{"at": 1.0, "kind": "outage"}],
    ],
)
@pytest.mark.parametrize("attempts", [0, 3])
def test_a_prediction_is_the_same_with_either_engine(faults, attempts):
    scenario = small(faults=faults, clients={"reconnect": {"max_attempts": attempts}, "heartbeat": {"interval": 1.0}})
    one, other = (predict(scenario, 3, small_profile(), engine=engine, jobs=1) for engine in ("simpy", "compiled"))
    assert one.measures.equals(other.measures)
    assert np.array_equal(one.curves, other.curves)
    assert one.reconnects == other.reconnects
    assert (one.engine, other.engine) == ("simpy", "compiled")


def test_a_record_names_the_engine_that_made_it_and_is_otherwise_the_same():
    one, other = (simulate(small(faults=KILL), 0, small_profile(), engine=e) for e in ("simpy", "compiled"))
    assert one.digest() == other.digest()
    assert (one.provenance["engine"], other.provenance["engine"]) == ("simpy", "compiled")


@pytest.mark.parametrize("kind", ["pubsub", "stream", "kafka"])
def test_a_prediction_of_a_broadcast_is_the_same_with_either_engine(kind):
    faults = [{"at": 1.0, "kind": "stall", "client": 3, "duration": 2.0}, {"at": 2.0, "kind": "restart", "node": 1}]
    faults += [{"at": 1.5, "kind": "bus_down", "duration": 0.2}, {"at": 3.0, "kind": "partition", "node": 2}]
    scenario = small(bus={"kind": kind}, publisher={"rate": 20.0, "payload_bytes": 400}, faults=faults)
    one, other = (predict(scenario, 2, small_profile(), engine=engine, jobs=1) for engine in ("simpy", "compiled"))
    assert one.measures.equals(other.measures)
    assert np.array_equal(one.latencies, other.latencies)
    assert np.array_equal(one.curves, other.curves)


def test_progress_counts_every_replication():
    seen = []
    predict(small(), 4, small_profile(), progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
