import numpy as np
import pytest

from sim import predict, simulate
from sim.engines import pick
from tests.strategies import small, small_profile
from twin.errors import ScenarioError

KILL = [{"at": 1.0, "kind": "kill", "node": 1}]
PUBLISHER = {"bus": {"kind": "stream"}, "publisher": {"rate": 5.0}}


def test_auto_takes_the_compiled_engine_and_says_in_a_sentence_when_it_cannot():
    assert pick(small(), "auto") == ("compiled", "")
    engine, why = pick(small(**PUBLISHER), "auto")
    assert engine == "simpy"
    assert why.startswith("The SimPy model is used, because the scenario has a publisher")


def test_an_engine_that_does_not_exist_or_does_not_cover_the_scenario_is_refused():
    with pytest.raises(ScenarioError, match="engine is 'fast'; allowed is auto, simpy or compiled"):
        predict(small(), 1, small_profile(), engine="fast")
    with pytest.raises(ScenarioError, match=r"engine is 'compiled'; .*the scenario has a publisher"):
        simulate(small(**PUBLISHER), 0, small_profile(), engine="compiled")


@pytest.mark.parametrize(
    "faults",
    [
        [],
        KILL,
        [{"at": 1.0, "kind": "hang", "node": 2, "duration": 3.0}],
        [{"at": 0.0, "kind": "restart", "node": 1}, {"at": 2.0, "kind": "kill", "node": 3}],
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


def test_progress_counts_every_replication():
    seen = []
    predict(small(), 4, small_profile(), progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
