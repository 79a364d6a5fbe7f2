from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import sim
from tests.answers import keeps
from twin.costs.profile import HostProfile
from twin.course import failover
from twin.course.failover import (
    RECONNECT_LIMIT,
    blind_time,
    interval_table,
    medians,
    paired_differences,
    three_numbers,
    upper_end,
)
from twin.record.record import Record, row
from twin.scenario.scenario import Scenario

check_answer = partial(failover.check_answer, expected=1.0)
FAILOVER = Scenario.load(Path(__file__).parents[3] / "scenarios" / "failover.toml")


def predicts(values, seen=None):
    """Return a predict function that gives these values of reconnect_p50 and notes what it was asked."""

    def predict(scenario):
        if seen is not None:
            seen.append(scenario)
        return SimpleNamespace(bounds=pd.DataFrame(), measures=pd.DataFrame({"reconnect_p50": values}))

    return predict


def never(scenario):
    raise AssertionError("there is nothing to predict")


def test_a_quick_check_is_right_and_a_slow_one_is_told_why():
    profile = HostProfile.load("reference")

    def predict(scenario):
        return sim.predict(scenario, 24, profile, jobs=1)

    right = check_answer(FAILOVER, 0.25, 2, predict)
    assert keeps(right)
    assert "the node is marked down 0.25 to 0.5 s after its death" in str(right)
    assert "a check every 0.275 s" in right.why
    slow = check_answer(FAILOVER, 1.0, 2, predict)
    assert not slow.right
    assert "not below 1.5 s" in slow.why
    assert "fall * inter = 2 s" in slow.why


@pytest.mark.parametrize(
    ("inter", "fall", "why"),
    [
        (0.1, 3, "inter is 0.1 s and must not be below 0.2 s"),
        (0.5, 1, "fall is 1 and must be 2 or more"),
        (0.01, 2, "does not take these settings. vary: balancer"),
        (float("nan"), 2, "does not take these settings"),
        ("soon", 2, "does not take these settings"),
        (0.3, 2.5, "does not take these settings"),
    ],
)
def test_settings_that_are_ruled_out_are_not_simulated(inter, fall, why):
    answer = check_answer(FAILOVER, inter, fall, never)
    assert not answer.right
    assert why in answer.why
    assert str(answer).startswith("Not yet: ")


def test_the_upper_end_decides_and_not_the_median():
    seen = []
    assert not check_answer(FAILOVER, 0.4, 2, predicts([0.5] * 90 + [RECONNECT_LIMIT + 1] * 10, seen)).right
    assert keeps(check_answer(FAILOVER, 0.4, 2, predicts([RECONNECT_LIMIT - 0.01] * 100, seen)))
    asked = [(s.balancer.check.inter, s.balancer.check.fall, s.balancer.retries) for s in seen]
    assert asked == [(0.4, 2, 0), (0.4, 2, 0), (pytest.approx(0.44), 2, 0)]


def a_record(*rows, starved=""):
    provenance = {"scenario": FAILOVER.model_dump(exclude_none=True), "replication": 0, "host": {"starved": starved}}
    return Record.of([row(2.0, "fault", node=1, detail="kill"), *rows], provenance)


def test_the_blind_time_ends_with_the_mark_down():
    attempts = [row(t, "attempt_connect", 7) for t in (1.0, 2.1, 2.5, 3.9)]
    record = a_record(*attempts, row(2.6, "connected", 8), row(3.5, "marked_down", node=1), row(3.95, "connected", 7))
    assert blind_time(record) == {"mark_down": 1.5, "attempts": 2, "connected": 1}
    forever = blind_time(a_record(*attempts))
    assert np.isnan(forever["mark_down"])
    assert forever["attempts"] == 3


def test_a_readers_numbers_stand_beside_the_medians_of_the_runs_that_count():
    runs = [a_record(row(t, "marked_down", node=1), starved=why) for t, why in [(3.0, ""), (3.2, ""), (9.0, "busy")]]
    prediction = SimpleNamespace(bounds=pd.DataFrame(), measures=pd.DataFrame({"mark_down_delay": [1.0, 1.5, 2.0]}))
    line = three_numbers({"mark_down_delay": 2.2}, prediction, runs).loc["mark_down_delay"]
    assert line.tolist() == pytest.approx([2.2, 1.5, 1.1, 2.0, 1.5 / 1.1])
    assert three_numbers({"mark_down_delay": 1.0}, prediction, runs[2:])["measured"].isna().all()


def test_differences_are_taken_replication_by_replication():
    base, shifted = predicts([1.0, 2.0, 3.0])(FAILOVER), predicts([0.5, 1.5, 2.5])(FAILOVER)
    table = paired_differences(base, {"shifted": shifted}, "reconnect_p50")
    assert table.index.tolist() == ["as it is", "shifted"]
    line = table.loc["shifted"]
    assert line["difference"] == -0.5
    assert line["sd, same numbers"] == pytest.approx(0.0)
    assert line["sd, independent"] == pytest.approx(np.sqrt(4 / 3))


def test_medians_stand_by_variant_and_what_is_not_defined_is_missing():
    table = medians({"a": predicts([1.0, 2.0, 9.0])(FAILOVER)}, ["reconnect_p50", "notice_p50"])
    assert table.loc["a", "reconnect_p50"] == 2.0
    assert np.isnan(table.loc["a", "notice_p50"])
    assert upper_end(predicts([1.0] * 99 + [np.nan])(FAILOVER), "reconnect_p50") == 1.0


def test_an_interval_has_its_unit_and_what_was_not_reached_is_infinite():
    values = pd.DataFrame({"time_to_all": [1.0] * 150 + [np.inf] * 50, "attempts_per_client": [2.0] * 200})
    table = interval_table(SimpleNamespace(bounds=pd.DataFrame(), measures=values), list(values))
    assert table.loc["time_to_all"].tolist() == ["s", 1.0, 1.0, np.inf]
    assert table.loc["attempts_per_client"].tolist() == ["1", 2.0, 2.0, 2.0]
