from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sim
from tests.answers import keeps
from tests.strategies import small, small_profile
from twin.costs.profile import HostProfile
from twin.course import heartbeats
from twin.course.explanations import explained, who_lost, who_shows
from twin.course.heartbeats import (
    NOTICE_LIMIT,
    PINGS_LIMIT,
    fixed_against_adaptive,
    held_up,
    notice_by_hand,
    notice_times,
    pings_a_second,
    search,
    sent_to_silent,
    side_by_side,
    spans,
    trade_off,
    ways_out,
)
from twin.course.pictures.heartbeats import notice_figure, search_figure, spans_figure, trade_off_figure
from twin.record.record import Record, row
from twin.scenario.scenario import Scenario

check_heartbeat = partial(heartbeats.check_heartbeat, expected=1.0)
SCENARIOS = Path(__file__).parents[3] / "scenarios"
HANG = [{"at": 2.0, "kind": "hang", "node": 1}]


def silent(**changes):
    """A node that hangs for good, before a balancer that cuts after 10 s of silence."""
    more = {"duration": 26.0, "faults": HANG, "balancer": {"tunnel_timeout": 10.0}, "clients": {"count": 60}}
    return small(**{**more, **changes})


def predict(scenario):
    return sim.predict(scenario, 6, small_profile(), jobs=1, engine="simpy")


def never(scenario):
    raise AssertionError("there is nothing to predict")


def test_a_heartbeat_that_is_quick_enough_and_cheap_enough_is_right():
    answer = check_heartbeat(silent(), 4.0, 2.0, predict)
    assert keeps(answer), answer
    assert str(answer).startswith("Not yet: 15 pings a second, and the predicted interval of notice_p99 ends at ")


def test_a_heartbeat_that_finds_out_too_late_is_told_where_the_time_goes():
    answer = check_heartbeat(silent(), 6.0, 3.0, predict)
    assert not answer.right
    assert "it must end below 8 s" in answer.why
    assert "6 + 3 s" in answer.why


@pytest.mark.parametrize(
    ("interval", "timeout", "why"),
    [
        (11.0, 2.0, "the balancer cuts what is silent for 10 s, and nothing passes for 11 s"),
        (0.0, 2.0, "nothing passes for inf s"),
        (4.0, 0.5, "timeout is 0.5 s and must be 1 s or more"),
        (1.0, 2.0, "60 pings a second are more than 50"),
        (-1.0, 2.0, "a client does not take this heartbeat. vary: clients.heartbeat.interval"),
        ("often", 2.0, "a client does not take this heartbeat"),
        (4.0, None, "a client does not take this heartbeat"),
    ],
)
def test_a_heartbeat_that_is_ruled_out_is_not_simulated(interval, timeout, why):
    answer = check_heartbeat(silent(), interval, timeout, never)
    assert not answer.right
    assert why in answer.why


def test_the_upper_end_decides_and_not_the_median():
    def gives(values):
        return lambda scenario: SimpleNamespace(bounds=pd.DataFrame(), measures=pd.DataFrame({"notice_p99": values}))

    assert keeps(check_heartbeat(silent(), 4.0, 2.0, gives([NOTICE_LIMIT - 0.1] * 50)))
    assert not check_heartbeat(silent(), 4.0, 2.0, gives([1.0] * 45 + [NOTICE_LIMIT + 1] * 5)).right


def test_the_notebooks_scenario_has_right_and_wrong_answers():
    scenario = Scenario.load(SCENARIOS / "hang.toml").vary(balancer={"tunnel_timeout": 10.0}, faults=HANG)
    assert 200 / PINGS_LIMIT == 4.0  # the shortest interval that is cheap enough
    good = {"notice_p99": [notice_by_hand(4.0, 2.0, 0.99)]}
    assert keeps(
        check_heartbeat(
            scenario, 4.0, 2.0, lambda _: SimpleNamespace(bounds=pd.DataFrame(), measures=pd.DataFrame(good))
        )
    )
    assert not check_heartbeat(scenario, 2.0, 1.0, never).right
    assert not check_heartbeat(scenario, 20.0, 20.0, never).right


def test_pings_of_both_sides_are_counted():
    assert pings_a_second(silent(clients={"count": 60, "heartbeat": {"interval": 2.0}})) == 30.0
    both = silent(clients={"count": 60, "heartbeat": {"interval": 0.0}}, nodes={"ping_interval": 4.0})
    assert pings_a_second(both) == 15.0


@given(interval=st.floats(0.1, 60), timeout=st.floats(0.1, 60), share=st.floats(0, 1))
def test_the_notice_by_hand_lies_between_the_bounds_and_grows_with_each_of_them(interval, timeout, share):
    found = notice_by_hand(interval, timeout, share)
    assert timeout <= found <= interval + timeout + 1e-9
    assert notice_by_hand(2 * interval, timeout, share) >= found
    assert notice_by_hand(interval, timeout + 1, share) == pytest.approx(found + 1)


def test_the_model_notices_when_the_hand_says():
    scenario = silent(clients={"count": 60, "heartbeat": {"interval": 4.0, "timeout": 2.0}})
    times = notice_times(sim.simulate(scenario, 0, small_profile()))
    assert len(times) == 20
    assert (np.diff(times) >= 0).all()
    assert times[0] >= 2.0
    assert times[-1] <= 6.1


def test_who_comes_back_too_early_is_sent_to_the_node_that_hangs():
    record = sim.simulate(Scenario.load(SCENARIOS / "hang.toml"), 0, HostProfile.load("reference"))
    table = held_up({"simulated": record}).loc["simulated"]
    assert 0 < table["sent to it"] < table["lost"] == 67
    assert table["others by (s)"] < table["from (s)"] <= table["to (s)"]
    assert table["from (s)"] == pytest.approx(7.0, abs=0.1)  # it goes on then
    assert table["marked down (s)"] > 1.0


def test_a_client_of_the_record_was_sent_to_the_silent_node_and_most_were_not():
    record = Record.load(SCENARIOS.parent / "records" / "hang-0.parquet")
    shown, lost = who_shows(record, sent_to_silent), who_lost(record)
    assert 0 < len(shown) <= len(lost) / 2
    assert explained(record, shown[0], sent_to_silent).right
    other = next(client for client in lost if client not in shown)
    assert "is connected to node " in explained(record, other, sent_to_silent).why


def test_calls_are_noted_one_by_one():
    noted = []
    twice = heartbeats.counting(lambda scenario: scenario, 2, lambda done, calls: noted.append((done, calls)))
    assert [twice("a"), twice("b")] == ["a", "b"]
    assert noted == [(1, 2), (2, 2)]


def test_ways_out_say_what_they_cost_and_which_were_warned_of():
    slow = silent(faults=[], duration=8.0, balancer={"tunnel_timeout": 3.0}, clients={"heartbeat": {"interval": 6.0}})
    ways = {"slow": slow, "quick": slow.vary(clients={"heartbeat": {"interval": 2.0}})}
    table = ways_out(ways, predict)
    assert table["warned"].tolist() == ["yes", "no"]
    assert table["losses_per_client"].iloc[0] > table["losses_per_client"].iloc[1] == 0.0
    assert 0 < table["away (%)"].iloc[0] < 100
    assert table["pings a second"].iloc[1] == slow.clients.count / 2.0


def test_a_trade_off_has_each_interval_with_each_timeout():
    table = trade_off(silent(), [2.0, 4.0], [1.0, 3.0], predict, ping=0.0002)
    assert table[["interval", "timeout"]].to_numpy().tolist() == [[2, 1], [4, 1], [2, 3], [4, 3]]
    assert table["pings"].tolist() == [30.0, 15.0, 30.0, 15.0]
    assert table["cores"].tolist() == pytest.approx([0.006, 0.003, 0.006, 0.003])
    assert (table["notice_p99"] - table["by hand"]).abs().max() < 0.5
    assert len(trade_off_figure(table).axes[0].lines) == 2


def test_spans_begin_with_the_run_and_end_with_a_loss_or_with_the_run():
    rows = [row(-0.5, "connected", 0, 1, 1), row(2.0, "disconnected", 0, 1), row(2.5, "connected", 0, 2, 2)]
    rows += [row(-0.4, "connected", 1, 1, 1), row(1.0, "disconnected", 1, 1)]
    record = Record.of(rows, {"scenario": small(duration=4.0).model_dump(exclude_none=True), "replication": 0})
    assert spans(record, [0, 1]) == [[(0.0, 2.0), (2.5, 4.0)], [(0.0, 1.0)]]
    axes = spans_figure({"a": record, "b": record}, [0, 1]).axes
    assert [one.get_title() for one in axes] == ["a", "b"]


@given(timeout=st.floats(0.6, 20))
def test_the_search_ends_below_the_timeout_and_close_to_it(timeout):
    table = search(0.5, 8.0, timeout, 600.0)
    last = table.iloc[-1]
    assert not last["cut"]
    assert last["interval"] < timeout
    assert table["cut"].sum() <= 6
    assert not table["cut"].tail(20).any()
    if timeout > 8.0:
        assert last["interval"] == 8.0
    elif timeout > 1.0:
        assert timeout - last["interval"] <= 1.0


def test_the_search_is_drawn_with_its_losses():
    axes = search_figure(search(0.5, 8.0, 3.0, 30.0), 3.0).axes[0]
    assert {"answered", "connection cut"} <= {line.get_label() for line in axes.lines}


def test_an_interval_that_adapts_is_held_against_fixed_ones():
    beat = {"interval": 0.5, "timeout": 1.0, "max_interval": 8.0}
    scenario = small(duration=20.0, balancer={"tunnel_timeout": 3.0}, clients={"count": 9, "heartbeat": beat})
    table = fixed_against_adaptive(scenario, [0.5, 6.0], predict)
    assert table.index.tolist() == ["fixed, 0.5 s", "fixed, 6 s", "adaptive, 0.5 to 8 s"]
    assert table["losses_per_client"].iloc[0] == 0.0
    assert table["losses_per_client"].iloc[1] > table["losses_per_client"].iloc[2] > 0
    assert table["pings a minute"].iloc[0] == 120.0
    assert np.isnan(table["pings a minute"].iloc[1])
    assert 20 <= table["pings a minute"].iloc[2] < 40


def test_a_run_stands_beside_the_replication_of_its_number():
    scenario = silent()
    record = sim.simulate(scenario, 3, small_profile())
    asked = []

    def again(k):
        asked.append(k)
        return record

    table = side_by_side([record], again, lambda one: {"losses": float(len(one.select("disconnected")))})
    assert asked == [3]
    assert table.loc["run 3", "losses, simulated"] == table.loc["run 3", "losses, measured"]
    assert table.columns.tolist() == ["losses, measured", "losses, simulated"]


def test_the_notice_is_drawn_by_hand_simulated_and_measured():
    scenario = silent(clients={"count": 60, "heartbeat": {"interval": 4.0, "timeout": 2.0}})
    record = sim.simulate(scenario, 0, small_profile())
    labels = [line.get_label() for line in notice_figure(record, [record, record]).axes[0].lines]
    assert labels[0].startswith("by hand")
    assert "measured, 2 runs" in labels
    assert "simulated, replication 0" in labels
