"""What is said of objectives that were judged."""

from math import inf

import pytest

from tests.strategies import small
from twin.analysis.levers import LeverEffect, LeverStep
from twin.analysis.verdicts import ObjectiveVerdict, Validation
from twin.analysis.way_back import NOBODY, PIECES, WayBack
from twin.scenario.objectives import Objective

BACK = Objective.model_validate({"measure": "time_to_99", "at_most": 4.0})
WAY = WayBack(3, 1.0, 4.0, True, {"blind": 2.0, "wait": 1.0})


def verdict(how="fail", held=1, runs=10, median=5.0):
    return ObjectiveVerdict(BACK, how, runs, held, 0, median)


def effect(setting, after, held, gain):
    return LeverEffect(LeverStep(setting, 2, after, small()), 4, 1, held, 5.0, 4.0, gain)


def said(*verdicts, ways=(), effects=()):
    return Validation(small(), list(verdicts), [], BACK, list(ways), list(effects), [], [])


@pytest.mark.parametrize(
    ("every", "expected"),
    [
        (("pass", "pass"), "pass"),
        (("pass", "unknown"), "unknown"),
        (("unknown", "fail"), "fail"),
        (("pass", "fail"), "fail"),
    ],
)
def test_one_failure_fails_and_all_have_to_pass(every, expected):
    assert said(*(verdict(how) for how in every)).verdict == expected


def test_an_objective_says_how_often_it_held_and_how_sure_that_is():
    one = verdict()
    assert one.probability == 0.1
    assert one.interval == pytest.approx((0.0179, 0.4042), abs=1e-4)
    assert str(one) == (
        "time_to_99 at most 4 s in 95 % of runs: fail; it held in 1 of 10 runs (10 %, 95 % interval 1.79 to 40.4 %)."
    )
    assert verdict(median=inf).as_dict()["median"] is None
    assert one.as_dict()["in"] == 0.95


def test_each_setting_is_named_once_by_its_best_and_its_worst_step():
    effects = [effect("a", 1, 4, 1.0), effect("a", 4, 0, -1.0), effect("b", 1, 4, 2.0), effect("b", 4, 4, 1.5),
               effect("c", 1, 1, -0.5), effect("d", 1, 1, 0.5)]  # fmt: skip
    found = said(verdict(), effects=effects)
    assert [(one.step.setting, one.step.after) for one in found.best] == [("b", 1), ("a", 1), ("d", 1)]
    assert [(one.step.setting, one.step.after) for one in found.worst] == [("a", 4), ("c", 1)]
    assert found.lever == "b"
    assert said(verdict()).lever == ""
    assert list(found.lever_table()["after"]) == [1, 4, 1, 1, 1, 4]
    assert list(said(verdict()).lever_table().columns) == ["setting", "before", "after", "gain"]


def test_the_reason_has_a_row_for_each_piece_of_either_way():
    other = WayBack(NOBODY, 1.0, 8.0, False, {"silence": 7.0})
    found = said(verdict(), ways=[WAY, other])
    assert found.reason() == [
        (PIECES["silence"], "clients.heartbeat", [0.0, 7.0]),
        (PIECES["blind"], "balancer.check", [2.0, 0.0]),
        (PIECES["wait"], "clients.reconnect", [1.0, 0.0]),
    ]
    first, last = found.as_dict()["ways_back"]
    assert (first["seconds"], first["client"], last["client"], last["returned"]) == (3.0, 3, None, False)


def test_as_a_text_it_has_the_verdict_most_of_the_way_and_the_lever():
    text = str(said(verdict(), ways=[WAY], effects=[effect("a", 1, 4, 1.0)]))
    assert text.splitlines() == [
        "small: fail",
        f"  {verdict()}",
        f"  Most of the median client's way back, 2 of 3 s: {PIECES['blind']}.",
        "  What helps most: a 2 -> 1 (held in 4 of 4 runs).",
    ]
