from functools import partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import sim
from tests.answers import keeps
from tests.strategies import small, small_profile
from twin.course import drain
from twin.course.drain import (
    away,
    losses_table,
    moved_again,
    paced,
    paces_table,
    reconnect_rate,
    single_drain,
    ways_table,
    without_recovery,
)
from twin.course.explanations import explained, who_lost, who_shows
from twin.course.pictures.drain import paces_figure, ways_figure
from twin.files.places import RECORDS
from twin.measures import measure_record
from twin.record.record import Record, row

check_drain = partial(drain.check_drain, expected=1.0)


def drain(**changes):
    """One node with forty clients drains; the balancer checks every half a second and does not retry."""
    fault = {"at": 1.0, "kind": "drain", "node": 1, "lead": 1.5, "pace": 20.0}
    more = {"duration": 12.0, "clients": {"count": 120}, "faults": [fault]}
    return small(**{**more, **changes})


def predict(scenario):
    return sim.predict(scenario, 6, small_profile(), jobs=1)


def test_a_lead_long_enough_to_be_noticed_and_a_pace_over_in_time_are_right():
    answer = check_drain(drain(), 1.5, 20.0, predict)
    assert keeps(answer), answer
    assert "the node is empty after 3." in answer.why


@pytest.mark.parametrize(
    ("lead", "pace", "why"),
    [
        (0.0, 20.0, "the first must be below 1.05"),
        (1.5, 500.0, "the second must be below 40"),
        (1.5, 6.0, "the third must be below 7 s"),
    ],
)
def test_each_limit_is_told_when_it_is_broken(lead, pace, why):
    answer = check_drain(drain(), lead, pace, predict)
    assert not answer.right
    assert why in answer.why


@pytest.mark.parametrize(("lead", "pace"), [(-1.0, 20.0), (1.0, 0.0), ("soon", 20.0), (1.0, None)])
def test_a_drain_that_does_not_exist_is_not_simulated(lead, pace):
    def never(scenario):
        raise AssertionError("there is nothing to predict")

    answer = check_drain(drain(), lead, pace, never)
    assert not answer.right
    assert "does not take these settings" in answer.why


def test_a_drain_that_never_ends_is_not_right():
    never = SimpleNamespace(measures=pd.DataFrame({"drain_time": [np.inf]}), bounds=pd.DataFrame({"drain_time": [9.0]}))
    answer = check_drain(drain(), 1.5, 0.1, lambda _: never)
    assert "not over by the end of the run" in answer.why


def test_only_drains_get_another_pace():
    both = drain().vary(faults=[dict(drain().faults[0]), {"at": 3.0, "kind": "kill", "node": 2}])
    changed = paced(both, 5.0, 0.5).faults
    assert (changed[0].pace, changed[0].lead, changed[1]) == (5.0, 0.5, both.faults[1])
    at_once = paced(both, None).faults[0]
    assert (at_once.pace, at_once.lead) == (None, 1.5)


def test_the_rate_counts_the_attempts_of_the_last_second():
    record = sim.simulate(drain(), 0, small_profile())
    times, rate = reconnect_rate(record)
    assert rate[times < 2.0].max() == 0.0
    assert rate.max() == measure_record(record)["peak_reconnect_rate"]  # drawn at events, no peak is missed
    assert (times[0], times[-1], rate[-1]) == (0.0, 12.0, 0.0)
    assert rate.max() == pytest.approx(20.0, abs=3)


def test_who_is_away_changes_at_events():
    rows = [row(-0.5 + i / 10, "connected", i, 1, 1) for i in range(3)]
    rows += [row(1.0, "disconnected", 0, 1), row(1.5, "disconnected", 1, 1), row(2.0, "connected", 0, 2, 2)]
    data = {"scenario": small(clients={"count": 3}, duration=3.0).model_dump(exclude_none=True), "replication": 0}
    times, left = away(Record.of(rows, data))
    assert times.tolist() == [0.0, 1.0, 1.5, 2.0, 3.0]
    assert left.tolist() == [0, 1, 2, 1, 1]


def test_who_is_moved_again_in_the_recorded_drain():
    record = Record.load(RECORDS / "rolling-restart-0.parquet")
    table = losses_table(record)
    assert table.loc["node 1"].to_dict() == {"lost once": 0, "lost 2 times": 50}
    shown, known = who_shows(record, moved_again), who_lost(record)
    assert 0 < len(shown) <= len(known) / 2
    assert explained(record, shown[0], moved_again).right
    (other, *_) = (client for client in known if client not in shown)
    answer = explained(record, other, moved_again)
    assert not answer.right
    assert "loses its connection once (node " in answer.why


def test_one_node_of_a_rolling_restart_drains_alone():
    alone = single_drain(drain().vary(bus={"kind": "stream"}, publisher={"rate": 2.0}), 25.0, 2.5)
    assert [(one.kind, one.node, one.pace, one.lead) for one in alone.faults] == [("drain", 1, 25.0, 2.5)]
    assert (alone.publisher, alone.balancer.retries, alone.clients.count) == (None, 0, 150)


def test_tables_of_ways_and_paces():
    record = sim.simulate(drain(), 0, small_profile())
    table = ways_table({"drain": [record, record]}, ["drain_time", "latency_p99"])
    assert table.loc["drain", "drain_time"] == pytest.approx(1.5 + 39 / 20, abs=0.1)
    assert np.isnan(table.loc["drain", "latency_p99"])
    paces = paces_table(drain(), [10.0, 40.0], predict)
    assert paces["by hand"].tolist() == pytest.approx([1.5 + 3.9, 1.5 + 39 / 40])
    assert (paces["drain_time"] - paces["by hand"]).abs().max() < 0.2
    assert paces["peak_reconnect_rate"].iloc[0] < paces["peak_reconnect_rate"].iloc[1]
    axes = paces_figure(paces).axes[0]
    assert axes.get_xlabel() == "time until the node is empty (s)"
    said = [text.get_text() for text in axes.texts]
    assert "limit of step 7: 40 a second" in said
    assert {"pace 10", "pace 40"} <= set(said)


def test_without_recovery_a_drain_loses_messages():
    scenario = drain(duration=8.0, bus={"kind": "stream"}, publisher={"rate": 30.0, "stop": 6.0})
    kept = measure_record(sim.simulate(scenario, 0, small_profile()))["lost_share"]
    lost = measure_record(sim.simulate(without_recovery(scenario), 0, small_profile()))["lost_share"]
    assert kept == 0.0
    assert 0.0 < lost < 0.1


def test_the_picture_has_a_column_for_each_way():
    record = sim.simulate(drain(), 0, small_profile())
    axes = ways_figure({"drain": record, "kill": record}, {"drain": [record]}).axes
    assert [one.get_title() for one in axes[:2]] == ["drain", "kill"]
    assert len([line for line in axes[0].lines if len(line.get_xdata()) > 2]) == 2
    assert len([line for line in axes[1].lines if len(line.get_xdata()) > 2]) == 1
