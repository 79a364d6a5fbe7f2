"""What the notebook on the whole cluster says and checks: each number of its prose, right answers, wrong answers."""

from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import sim
from tests.answers import keeps
from twin.course import sessions, whole
from twin.course.pictures.whole import storm_figure
from twin.course.registry import loads
from twin.course.whole import AFTER, BEFORE, DRAIN, KILL, LATENCY_LIMIT, delays, felt, moves, out_of_rotation, relogin
from twin.measures import measure_record
from twin.record.record import Record, row
from twin.scenario.scenario import Scenario

ROOT = Path(__file__).parents[3]
WHOLE = Scenario.load(ROOT / "scenarios" / "whole.toml")
ITERATIONS = WHOLE.sessions.login_iterations
check_logins = partial(whole.check_logins, WHOLE, expected=0.1)


@pytest.fixture(scope="module")
def reference():
    from twin.costs.profile import HostProfile

    return HostProfile.load("reference")


@pytest.fixture(scope="module")
def runs(reference):
    """One replication of each outage."""
    return {name: sim.simulate(varied, 0, reference) for name, varied in whole.outages(WHOLE).items()}


@pytest.fixture(scope="module")
def storms(reference):
    """One replication of each drain of step 6: sessions known, forgotten, and forgotten at a pace."""
    small = {
        "known": relogin(WHOLE, None, ITERATIONS, forgotten=False),
        "forgotten": relogin(WHOLE, None, ITERATIONS),
        "paced": relogin(WHOLE, 50.0, ITERATIONS),
    }
    return {name: sim.simulate(varied, 0, reference) for name, varied in small.items()}


def made(*rows, **changes):
    scenario = WHOLE.vary(duration=20.0, **changes)
    return Record.of([row(*one[:2], **one[2]) for one in rows], {"scenario": scenario.model_dump(exclude_none=True)})


def test_each_outage_is_felt_by_what_its_server_is_for(runs):
    table = felt(runs)
    assert list(table.index) == [
        "one server",
        *(f"that of the {use}" for use in ("messages", "sessions", "registry")),
        "none",
    ]
    one, messages, shared, registry, none = (table.loc[name] for name in table.index)
    assert none[["fenced", "logins", "reached nobody", "nobody in rotation (s)"]].eq(0).all()
    assert messages["reached nobody"] >= WHOLE.publisher.rate - 1  # what was due in that second
    assert messages[["fenced", "logins"]].eq(0).all()
    assert shared["logins"] > 0
    assert shared[["fenced", "reached nobody", "nobody in rotation (s)"]].eq(0).all()
    assert registry["fenced"] == 5
    assert registry["nobody in rotation (s)"] == pytest.approx(WHOLE.registry.sync)
    assert registry[["logins", "reached nobody"]].eq(0).all()
    assert messages["moved"] == pytest.approx(none["moved"], abs=2)
    assert shared["moved"] == pytest.approx(none["moved"], abs=2)
    assert none["moved"] + 2 < registry["moved"]  # an empty registry moves clients
    assert one["logins"] > shared["logins"]  # and each of them has to log in


def test_by_hand_each_mechanism_alone_is_too_small_in_both_worlds(runs):
    recorded = Record.load(ROOT / "records" / "whole-0.parquet")
    assert recorded.counts
    assert recorded.scenario == WHOLE
    for found in (measure_record(runs["one server"]), measure_record(recorded)):
        assert found["lost_sessions"] > 1.2 * 0.32
        assert found["undelivered_share"] > 1.2 * 0.034
        assert found["churn_peak"] == pytest.approx(110, rel=0.1)
        assert found["gaps_recovered"] == 0


def test_after_the_loss_of_its_session_each_client_that_moves_logs_in(runs):
    for record in (runs["one server"], Record.load(ROOT / "records" / "whole-0.parquet")):
        table = moves(record)
        assert list(table.index) == [BEFORE, KILL, AFTER, DRAIN]
        assert table["log in"].tolist() == [0.0, 0.0, 1.0, 1.0]
        assert table.loc[AFTER, "connections"] > 36  # those that fill the drained node, and those of the empty registry
        assert table.loc[DRAIN, "connections"] == pytest.approx(60, abs=6)


def test_with_sessions_in_the_nodes_nearly_every_move_is_a_login(runs, reference):
    scenario = Scenario.load(ROOT / "scenarios" / "whole-pubsub.toml")
    assert scenario.clients.count == 200
    local = moves(sim.simulate(scenario, 0, reference))
    shared = moves(runs["one server"])
    assert (local["log in"] > 0.7).all()
    assert local.loc[KILL, "away p50 (s)"] > 3 * shared.loc[KILL, "away p50 (s)"]
    assert local["connections"].sum() > 1.5 * shared["connections"].sum()


def test_a_move_is_told_by_its_cause_and_by_what_came_before_the_return():
    rows = [
        (1.0, "disconnected", {"client": 0, "node": 1, "detail": "1012"}),
        (1.5, "connected", {"client": 0, "node": 3}),
        (5.0, "disconnected", {"client": 1, "node": 1, "detail": "1006"}),
        (5.2, "connected", {"client": 1, "node": 3}),
        (9.0, "fault", {"detail": "bus_down"}),
        (10.0, "disconnected", {"client": 0, "node": 3, "detail": "1012"}),
        (10.1, "session_lost", {"client": 0, "node": 1}),
        (10.4, "connected", {"client": 0, "node": 1}),
        (13.0, "fault", {"node": 2, "detail": "drain"}),
        (14.0, "disconnected", {"client": 2, "node": 2, "detail": "1012"}),
        (14.1, "disconnected", {"client": 1, "node": 3, "detail": "1012"}),
        (14.6, "connected", {"client": 2, "node": 1}),
        (15.0, "drained", {"node": 2}),
        (16.0, "disconnected", {"client": 2, "node": 2, "detail": "1012"}),
        (17.0, "session_lost", {"client": 1, "node": 1}),
    ]
    table = moves(made(*rows))
    assert table["connections"].to_dict() == {BEFORE: 1, KILL: 1, AFTER: 3, DRAIN: 1}
    assert table["log in"].to_dict() == pytest.approx({BEFORE: 0, KILL: 0, AFTER: 1 / 3, DRAIN: 0})
    assert table["away p50 (s)"].to_dict() == pytest.approx({BEFORE: 0.5, KILL: 0.2, AFTER: 0.4, DRAIN: 0.6})


def test_nobody_is_in_rotation_from_the_last_mark_down_to_the_first_mark_up():
    downs = [(t, "marked_down", {"node": node, "detail": "registry"}) for t, node in ((4.0, 1), (4.5, 2), (5.0, 3))]
    ups = [
        (5.25, "marked_up", {"node": 2, "detail": "registry"}),
        (6.0, "marked_up", {"node": 1, "detail": "registry"}),
    ]
    last = (19.0, "marked_down", {"node": 2, "detail": "registry"})
    assert out_of_rotation(made(*downs[:2])) == 0
    assert out_of_rotation(made(*downs, *ups)) == pytest.approx(0.25)
    gone = (18.5, "marked_down", {"node": 1, "detail": "registry"})
    assert out_of_rotation(made(*downs, *ups, gone, last)) == pytest.approx(1.25)  # until the run ends


def test_a_drain_at_once_is_harmless_until_the_sessions_are_forgotten(storms):
    late = {name: delays(record)[1] for name, record in storms.items()}
    assert all(len(one) == 90 for one in late.values())  # ten messages a second for nine seconds
    assert late["known"].max() < 0.3
    assert late["forgotten"].max() > 4 * late["known"].max()
    assert late["paced"].max() < 0.5 * late["forgotten"].max()
    median = {name: measure_record(record)["latency_p50"] for name, record in storms.items()}
    assert median["forgotten"] == pytest.approx(median["known"], rel=0.2)  # which is why nobody sees it


def test_logins_at_once_hold_a_message_up_as_long_as_all_their_hashes_take(reference):
    by_hand = 100 * sessions.hash_seconds(reference, ITERATIONS)
    found = sim.predict(relogin(WHOLE, None, ITERATIONS), 6, reference, jobs=1).measures["latency_p99"].median()
    assert found == pytest.approx(by_hand, rel=0.25)


def test_the_picture_has_a_line_a_run_in_both_panels(storms):
    figure = storm_figure(storms)
    logins, late = figure.axes
    assert [text.get_text() for text in logins.get_legend().get_texts()] == list(storms)
    assert len(logins.lines) >= 3
    tops = [line.get_ydata().max() for line in late.lines[:3]]
    assert tops == pytest.approx([1000 * delays(record)[1].max() for record in storms.values()])


def predicts(seen, late, lost=0.0):
    """Return a predict function that says how late messages are, by the scenario, and notes what it was asked."""

    def predict(scenario):
        seen.append((scenario.faults[-1].pace, scenario.sessions.login_iterations))
        values = {"latency_p99": np.full(40, late(*seen[-1])), "undelivered_share": np.full(40, lost)}
        return SimpleNamespace(measures=pd.DataFrame(values), bounds=pd.DataFrame())

    return predict


def test_an_answer_is_right_when_no_dearer_hash_keeps_the_bounds():
    seen = []
    right = check_logins(20.0, 1000, predicts(seen, lambda pace, iterations: pace * iterations * 0.08 / 20_000))
    assert keeps(right), right
    assert seen == [(20.0, 1000), (20.0, 1400)]  # one slower would not be empty in time
    cheap = check_logins(25.0, 500, predicts([], lambda pace, iterations: 1e-4 * iterations))
    assert not cheap.right
    assert "But 700 iterations at 25 closes a second would do as well." in cheap.why
    slower = check_logins(
        25.0, 800, predicts([], lambda pace, iterations: 0.09 if pace < 24 or iterations < 900 else 0.2)
    )
    assert not slower.right
    assert "But 1,120 iterations at 22.7 closes a second would do as well." in slower.why


@pytest.mark.parametrize(
    ("pace", "iterations", "why"),
    [
        (18.0, 1000, "the node is empty after 6.50 s"),
        (20.0, 100_000, f"must be below {LATENCY_LIMIT:g} s"),
        (0.0, 1000, "does not take these settings. vary: faults"),
        (20.0, 0, "does not take these settings. vary: sessions.login_iterations is 0"),
        (20.0, 10.5, "iterations is 10.5; allowed is a whole number"),
        ("soon", 1000, "pace is 'soon'; allowed is a number"),
    ],
)
def test_a_wrong_answer_is_told_why(pace, iterations, why):
    answer = check_logins(pace, iterations, predicts([], lambda pace, iterations: 1e-5 * iterations))
    assert not answer.right
    assert why in answer.why


def test_an_empty_registry_moves_clients_to_the_node_that_has_fewest(runs):
    steps = {name: loads(record)[1].loc[12.0] - loads(record)[1].loc[10.0] for name, record in runs.items()}
    assert steps["one server"] > 10
    assert steps["that of the registry"] > 10
    assert steps["none"] == steps["that of the messages"] == steps["that of the sessions"] == 0


def test_a_message_that_never_comes_is_not_on_time():
    answer = check_logins(20.0, 10_000_000, predicts([], lambda pace, iterations: 0.02, lost=0.57))
    assert not answer.right
    assert "up to 57% of the deliveries do not happen" in answer.why
    assert check_logins(20.0, 10_000_000, predicts([], lambda pace, iterations: 0.02, lost=0.009)).right
