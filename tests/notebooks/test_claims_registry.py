"""Notebooks 08 and 09: what their text says of recorded runs and of full replications, held against their outputs."""

import re

import pytest

from tests.notebooks.test_notebooks import outside
from tests.stored import cell, printed, prose, table
from twin.analysis.bands import ENOUGH_RUNS

REGISTRY, SCALING = "08-registry", "09-autoscaling"


def replications(stem, name):
    """Return how many replications a notebook predicts with, where it is not short."""
    (found,) = re.findall(r"\(\d+, \d+\) if .* else \((\d+), (\d+)\)", cell(stem, name).source)
    return [int(one) for one in found]


@pytest.mark.parametrize("stem", [REGISTRY, SCALING])
def test_what_is_called_a_95_per_cent_interval_has_replications_enough(stem):
    assert "95 % interval" in prose(stem)
    assert min(replications(stem, "c02")) >= ENOUGH_RUNS


def test_one_value_of_the_registrys_death_lies_outside_of_its_band():
    (page,) = [out.data["text/html"] for out in cell(REGISTRY, "c12").outputs if "text/html" in out.get("data", {})]
    assert outside(page) == (1, 34)
    assert table(REGISTRY, "c12").loc["peak_reconnects", "inside"] == "1/2"
    assert "one value lies outside of its band, `peak_reconnects` in one of two runs: of 34 values" in prose(REGISTRY)


def test_the_prediction_of_the_removal_by_hand_is_near():
    found = table(REGISTRY, "c14")["by hand / measured"]
    assert found.between(0.9, 1.1).all()


@pytest.mark.parametrize(
    ("stem", "name", "verdicts"),
    [
        (REGISTRY, "c22-solution", "RNN"),
        (REGISTRY, "c24-harder-solution", "RN"),
        (SCALING, "c21-solution", "RNN"),
        (SCALING, "c23-harder-solution", "RN"),
    ],
)
def test_the_first_answer_of_a_teachers_cell_is_right_and_the_others_are_not(stem, name, verdicts):
    found = re.findall(r"^[^:\n]*\. (Right|Not yet):", printed(stem, name), re.MULTILINE)
    assert "".join(one[0] for one in found) == verdicts


def test_by_hand_only_the_busiest_second_of_the_autoscaler_is_far_off():
    found = table(SCALING, "c14")["by hand / measured"]
    assert found["churn_peak"] < 0.7
    assert found.drop("churn_peak").between(0.9, 1.1).all()
