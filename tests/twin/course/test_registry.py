"""The checks of the notebooks on registry and autoscaling: right answers, wrong answers, and why."""

from functools import partial
from math import inf
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

import sim
from tests.answers import keeps
from tests.strategies import small
from twin.costs.profile import HostProfile
from twin.course import registry
from twin.course.pictures.registry import loads_figure
from twin.course.registry import LEAST_SHARE, MOST_CHURN, REMOVAL_LIMIT, lease_story, load_steps, loads
from twin.record.record import Record, row
from twin.scenario.scenario import Scenario

check_lease = partial(registry.check_lease, expected=1.0)
check_spread = partial(registry.check_spread, expected=1.0)
FOLDER = Path(__file__).parents[3] / "scenarios"
DEATH = Scenario.load(FOLDER / "registry-death.toml")
EMPTY = Scenario.load(FOLDER / "autoscale-empty.toml")


def predicts(seen=None, **values):
    """Return a predict function that gives these values and notes what it was asked."""

    def predict(scenario):
        if seen is not None:
            seen.append(scenario)
        return SimpleNamespace(bounds=pd.DataFrame(), measures=pd.DataFrame(values))

    return predict


def never(scenario):
    raise AssertionError("there is nothing to predict")


def simulates(count, **changes):
    profile = HostProfile.load("reference")
    return lambda scenario: sim.predict(scenario.vary(**changes), count, profile, jobs=1)


def test_a_short_lease_is_right_and_a_long_one_is_told_why():
    few = simulates(6, clients={"count": 20}, duration=6.0)
    right = check_lease(DEATH, 0.75, 0.25, few)
    assert keeps(right), right
    assert "the node is taken out 0.50 to 1.00 s after its death" in str(right)
    wrong = check_lease(DEATH, 2.0, 0.5, few)
    assert not wrong.right
    assert "ttl + sync = 2.25 s" in wrong.why


@pytest.mark.parametrize(
    ("ttl", "heartbeat", "why"),
    [
        (0.5, 0.1, "heartbeat is 0.1 s and must not be below 0.2 s"),
        (0.5, 0.25, "less than 3 heartbeats"),
        (0.2, 0.5, "the registry does not take these settings"),
        ("soon", 0.5, "the registry does not take these settings"),
    ],
)
def test_leases_that_are_ruled_out_are_not_simulated(ttl, heartbeat, why):
    answer = check_lease(DEATH, ttl, heartbeat, never)
    assert not answer.right
    assert why in answer.why


def test_a_lease_that_outlives_the_run_is_told_so():
    answer = check_lease(DEATH, "3600", "1", predicts(mark_down_delay=[inf]))
    assert not answer.right
    assert "its lease of 3600 s outlives it" in answer.why


def test_the_upper_end_of_the_removal_decides():
    seen = []
    late = [0.9] * 90 + [REMOVAL_LIMIT + 0.1] * 10
    assert not check_lease(DEATH, 0.9, 0.3, predicts(seen, mark_down_delay=late)).right
    assert keeps(check_lease(DEATH, 0.9, 0.3, predicts(seen, mark_down_delay=[REMOVAL_LIMIT - 0.01] * 50)))
    asked = [(one.registry.ttl, one.registry.heartbeat) for one in seen]
    assert asked == [(0.9, 0.3), (0.9, 0.3), (pytest.approx(0.99), pytest.approx(0.33))]


def test_a_lifetime_with_jitter_is_right_and_one_without_or_too_long_is_told_why():
    share, churn = [LEAST_SHARE + 0.1] * 20, [MOST_CHURN - 10] * 20
    right = check_spread(EMPTY, 6.0, 0.5, predicts(new_share=share, churn_peak=churn))
    assert keeps(right)
    storm = check_spread(EMPTY, 6.0, 0.0, predicts(new_share=share, churn_peak=[200.0] * 20))
    assert not storm.right
    assert "more jitter" in storm.why
    late = check_spread(EMPTY, 60.0, 0.5, predicts(new_share=[0.0] * 20, churn_peak=churn))
    assert not late.right
    assert "shorter" in late.why
    assert "do not take" in check_spread(EMPTY, 6.0, 3.0, never).why


def test_the_model_agrees_with_the_judge_on_a_right_and_two_wrong_lifetimes():
    # 8 s give or take 60 %: by hand 21 to 36 ends a second, and 183 connections have ended at least once by second 12
    few = simulates(2)
    assert keeps(check_spread(EMPTY, 8.0, 0.6, few))
    assert "more jitter" in check_spread(EMPTY, 6.0, 0.0, few).why
    assert "shorter" in check_spread(EMPTY, 60.0, 0.1, few).why


RECORD = Record.of(
    [
        row(-1.0, "connected", 0, 1),
        row(-1.0, "connected", 1, 2),
        row(1.0, "fault", node=1, detail="kill"),
        row(1.05, "disconnected", 0, 1),
        row(2.0, "connected", 0, 2),
        row(2.5, "marked_down", node=1, detail="registry"),
    ],
    {"scenario": small(duration=4.0, registry={}).model_dump(exclude_none=True), "replication": 0},
)


def test_loads_count_the_connections_of_each_node():
    table = loads(RECORD)
    assert table.columns.tolist() == [1, 2, 3]
    assert table.loc[0.0].tolist() == [1, 1, 0]
    assert table.iloc[15].tolist() == [0, 1, 0]
    assert table.iloc[-1].tolist() == [0, 2, 0]


def test_steps_of_the_load_are_where_a_connection_begins_or_ends():
    table = load_steps(RECORD)
    assert table.index.tolist() == [0.0, 1.05, 2.0, 4.0]
    assert table[1].tolist() == [1, 0, 0, 0]
    assert table[2].tolist() == [1, 1, 2, 2]


def test_a_node_has_no_load_before_it_is_started():
    rows = [row(-1.0, "connected", 0, 1), row(1.5, "node_started", node=4), row(2.0, "connected", 1, 4)]
    faults = [{"at": 1.0, "kind": "join", "node": 4}]
    meta = {"scenario": small(duration=4.0, registry={}, faults=faults).model_dump(exclude_none=True)}
    table = load_steps(Record.of(rows, meta))
    assert table.index.tolist() == [0.0, 1.5, 2.0, 4.0]
    assert table[4].isna().tolist() == [True, False, False, False]
    assert table[4].tolist()[1:] == [0, 1, 1]
    figure = loads_figure({"joins": Record.of([row(-1.0, "connected", 0, 1)], meta)})
    assert len(figure.axes[0].lines) == 3  # the node that never starts has no line


def test_panels_stand_two_in_a_row_and_share_their_axes():
    figure = loads_figure(dict.fromkeys(("one", "two", "three"), RECORD))
    shown = [axis for axis in figure.axes if axis.get_title()]
    assert [axis.get_title() for axis in shown] == ["one", "two", "three"]
    assert len({axis.get_xlim() for axis in shown}) == len({axis.get_ylim() for axis in shown}) == 1
    rows = {axis.get_subplotspec().rowspan.start for axis in shown}
    assert rows == {0, 1}


def test_the_story_of_a_record_leaves_the_clients_out():
    assert lease_story(RECORD)["event"].tolist() == ["fault", "marked_down"]


def test_the_picture_has_a_panel_a_record():
    figure = loads_figure({"one": RECORD, "two": RECORD})
    assert [axis.get_title() for axis in figure.axes] == ["one", "two"]
    assert len(figure.axes[0].lines) == 4  # three nodes and a fault
    assert not any(axis.get_legend() for axis in figure.axes)  # it would hide lines: it is beside the panels


def test_the_decisions_of_the_autoscaler_are_marked_once_in_the_legend():
    rows = [row(t, "scaled", detail=detail) for t, detail in ((1.0, "1 to 2"), (2.0, "2 to 3"))]
    meta = {"scenario": small(duration=4.0).model_dump(exclude_none=True), "replication": 0}
    (axis,) = loads_figure({"scaled": Record.of(rows, meta)}).axes
    marks = [line for line in axis.lines if line.get_label() == "autoscaler"]
    assert [line.get_xdata()[0] for line in marks] == [1.0, 2.0]
    assert [text.get_text() for text in axis.figure.legends[0].get_texts()].count("autoscaler") == 1
