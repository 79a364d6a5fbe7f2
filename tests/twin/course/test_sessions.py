from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

import sim
from tests.costs import cost_of
from tests.strategies import small_profile
from twin.costs.sessions import SESSION_PARTS
from twin.course import sessions
from twin.course.explanations import explained, who_lost, who_shows
from twin.course.sessions import (
    ATTEMPTS_LIMIT,
    BACK_LIMIT,
    hash_seconds,
    look_up_seconds,
    refusals,
    refused_after_the_outage,
    side_by_side,
    story,
)
from twin.errors import ScenarioError
from twin.files.places import RECORDS
from twin.record.record import Record
from twin.scenario.scenario import Scenario

check_store = partial(sessions.check_store, expected=1.0)
DOWN = Scenario.load(Path(__file__).parents[3] / "scenarios" / "sessions-store-down.toml")


def never(scenario):
    raise AssertionError("there is nothing to predict")


@pytest.fixture(scope="module")
def predict():
    profile = small_profile()
    few = {"clients": {"count": 60}}
    return lambda scenario: sim.predict(scenario.vary(**few), 16, profile, jobs=1)


def test_a_store_with_a_disk_and_impatient_clients_is_right(predict):
    answer = check_store(DOWN, "redis", True, 1.0, predict)
    assert answer.right, answer.why
    assert str(answer).startswith("Right: between 0% and 0%")
    hammering = check_store(DOWN, "redis", True, 0.3, predict)
    assert not hammering.right
    assert f"the attempts must be below {ATTEMPTS_LIMIT:g}" in hammering.why


@pytest.mark.parametrize(
    ("store", "persist", "cap", "why"),
    [
        ("memory", True, 0.5, "nobody should have to log in"),
        ("redis", False, 0.5, "nobody should have to log in"),
        ("redis", True, 8.0, "Nobody gets in before the store is back"),
    ],
)
def test_what_forgets_and_what_waits_too_long_is_told_why(store, persist, cap, why, predict):
    answer = check_store(DOWN, store, persist, cap, predict)
    assert not answer.right
    assert why in answer.why


@pytest.mark.parametrize(
    ("store", "cap", "why"),
    [
        ("disk", 0.5, "does not take these settings. vary: sessions.store is 'disk'"),
        ("redis", -1.0, "does not take these settings"),
        ("redis", "soon", "does not take these settings"),
        ("none", 0.5, "that is not what a login is for"),
    ],
)
def test_settings_that_are_ruled_out_are_not_simulated(store, cap, why):
    answer = check_store(DOWN, store, True, cap, never)
    assert not answer.right
    assert why in answer.why


def test_a_run_that_ends_before_anybody_is_back_is_told_so():
    nobody = SimpleNamespace(bounds=pd.DataFrame(), measures=pd.DataFrame({"lost_sessions": [0.0]}))
    assert "nobody is back" in check_store(DOWN, "redis", True, 1.0, lambda _: nobody).why


def test_the_upper_end_decides():
    measures = pd.DataFrame({"login_share": [0.0] * 20})
    for attempts, back, right in ((1.0, 1.0, True), (ATTEMPTS_LIMIT, 1.0, False), (1.0, BACK_LIMIT, False)):
        found = measures.assign(reconnect_p99=[0.5] * 18 + [back] * 2, attempts_per_client=[0.5] * 18 + [attempts] * 2)

        def given(_, found=found):
            return SimpleNamespace(bounds=pd.DataFrame(), measures=found)

        assert check_store(DOWN, "redis", True, 1.0, given).right is right


def test_costs_by_hand():
    profile = small_profile()
    assert hash_seconds(profile, 50_000) == pytest.approx(5 * cost_of("node_hash"))
    more = cost_of("node_look_up", "bus_session", "node_found") - cost_of("node_session")
    assert look_up_seconds(profile) == pytest.approx(more)


def test_a_profile_that_knows_no_sessions_says_how_to_mend_it():
    profile = small_profile()
    old = profile.without(SESSION_PARTS)
    for cost in (lambda: hash_seconds(old, 50_000), lambda: look_up_seconds(old)):
        with pytest.raises(ScenarioError, match=r"calibrated without sessions: run \./lab calibrate again"):
            cost()


def test_a_table_of_medians_and_upper_ends():
    prediction = SimpleNamespace(bounds=pd.DataFrame(), measures=pd.DataFrame({"login_share": [0.0, 0.5, 1.0]}))
    table = side_by_side({"one": prediction}, ["login_share", "absent"])
    assert table.loc["one", "login_share"] == "50 %"
    assert table.loc["one", "login_share, at most"] == "100 %"  # of three runs the range
    assert "absent" not in table.columns


def test_a_story_has_the_client_and_the_cluster_from_the_fault_on():
    record = sim.simulate(DOWN.vary(clients={"count": 30}), 0, small_profile())
    client = record.select("session_lost")["client"].iloc[0]
    told = story(record, client)
    assert set(told["client"]) <= {-1, client}
    assert told["t"].min() == 1.5
    assert {"fault", "bus_lost", "session_lost", "session_started"} <= set(told["event"])


def test_each_run_lies_beside_the_replication_of_its_number():
    scenario = DOWN.vary(clients={"count": 30})

    def simulate(varied, k):
        return sim.simulate(varied, k, small_profile())

    run = simulate(scenario, 3)
    void = Record(run.columns, run.provenance | {"disturbed": "it was stopped"})
    table = sessions.run_by_run([run, void], simulate, ["login_share", "reconnect_p50"])
    assert table.index.tolist() == [("run 3", "login_share"), ("run 3", "reconnect_p50")]
    assert (table["measured"] == table["simulated"]).all()
    assert (table["difference (%)"] == 0).all()


def test_logins_stand_in_one_queue():
    record = Record.load(RECORDS / "sessions-memory-0.parquet")
    chain = sessions.login_chain(record)
    assert chain["logins"] == 67
    assert 0 < chain["first refusal (s)"] < 0.05
    assert chain["seconds a login"] * 67 == pytest.approx(chain["last login (s)"] - chain["first refusal (s)"])


def test_who_was_refused_though_the_store_was_back():
    record = Record.load(RECORDS / "sessions-store-down-0.parquet")
    shown, known = who_shows(record, refused_after_the_outage), who_lost(record)
    assert 0 < len(shown) <= len(known) / 2
    assert "s after the store is back at 4.0" in explained(record, shown[0], refused_after_the_outage).why
    (other, *_) = (client for client in known if client not in shown)
    assert "is not refused any more" in explained(record, other, refused_after_the_outage).why
    table = refusals(record)
    back = record.select("healed")["t"].iloc[0]
    assert set(table.index[table["last 503"] >= back]) == set(shown)
    assert table["back"].is_monotonic_decreasing
    memory = Record.load(RECORDS / "sessions-memory-0.parquet")
    assert "no store come back" in explained(memory, who_lost(memory)[0], refused_after_the_outage).why


def test_full_queues():
    offline = Scenario.load("offline-queue")
    assert sessions.all_full_bytes(offline, 67) == 67 * 6 * 64
