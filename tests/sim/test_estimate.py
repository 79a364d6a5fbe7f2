import pytest

import sim
from sim import estimate
from tests.strategies import small, small_profile
from twin.errors import EngineWarning
from twin.scenario.scenario import Scenario


def many(count, **changes):
    return Scenario.parse({"name": "crowd", "clients": {"count": count, "connect_rate": 10_000.0}, **changes})


@pytest.fixture
def clock(monkeypatch):
    """Each client of a probe takes a millisecond, and each run a tenth of a second."""
    seen = []

    def timed(scenario, clients, profile):
        seen.append(clients)
        return 0.1 + clients / 1000

    monkeypatch.setattr(estimate, "_timed", timed)
    return seen


def test_the_time_of_a_run_grows_with_its_clients_beyond_what_any_run_takes(clock):
    assert estimate.seconds(many(1_000_000), small_profile()) == pytest.approx(1000.1)
    assert estimate.seconds(many(50), small_profile()) == pytest.approx(0.15)
    assert max(clock) == estimate.MORE


def test_what_takes_long_is_told_with_what_would_be_faster(clock):
    said = estimate.announcement([(many(1_000_000), 200)], small_profile(), 2)
    assert said.startswith("The SimPy model will take about 28 hours for 200 runs with 1,000,000 clients")
    assert "--engine compiled" in said
    assert "--replications" in said
    sends = many(1000, clients={"count": 1000, "sends": {"rate": 20.0}})
    assert "compiled" not in estimate.announcement([(sends, 2000)], small_profile(), 1)


def test_what_is_soon_done_is_not_probed(clock):
    assert estimate.announcement([(small(), 200)], small_profile(), 2) == ""
    assert clock == []
    assert estimate.announcement([(many(5000), 100)], small_profile(), 1000) == ""
    assert clock != []


def test_the_client_that_stalls_is_in_the_probe(clock):
    fault = {"at": 1.0, "kind": "stall", "client": 700}
    scenario = many(10_000, faults=[fault], bus={"kind": "stream"}, publisher={"rate": 1.0})
    assert estimate.seconds(scenario, small_profile()) == pytest.approx(0.1 + 0.701 * 10_000 / 701, rel=0.2)
    assert min(clock) == 701


def test_a_probe_runs_the_scenario_with_fewer_clients_that_take_as_long_to_connect(monkeypatch, profile):
    seen = []
    monkeypatch.setattr(estimate, "simulate", lambda scenario, *_, **__: seen.append(scenario))
    estimate.seconds(many(1_000_000), profile)
    assert [one.clients.count for one in seen] == [estimate.FEW, estimate.FEW, estimate.MORE]
    assert {round(one.warm_up, 6) for one in seen} == {100.0}


def test_a_prediction_and_a_sweep_tell_it_before_they_start(monkeypatch, profile):
    monkeypatch.setattr(estimate, "WORTH_A_PROBE", 1.0)
    monkeypatch.setattr(estimate, "LONG", 0.0)
    with pytest.warns(EngineWarning, match=r"^The SimPy model will take about \d+ seconds for 1 runs with"):
        sim.predict(small(), 1, profile, engine="simpy")
    with pytest.warns(EngineWarning, match=r"^The SimPy model will take about \d+ seconds for 2 runs with"):
        sim.sweep(small(), {"seed": [1, 2]}, 1, profile, jobs=1, engine="simpy")


@pytest.mark.parametrize(
    ("took", "said"), [(61.0, "61 seconds"), (600.0, "10 minutes"), (7200.0, "2 hours"), (1e6, "12 days")]
)
def test_a_time_is_told_as_one_says_it(took, said):
    assert estimate.spoken(took) == said
