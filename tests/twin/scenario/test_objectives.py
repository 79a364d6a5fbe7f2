"""Objectives in a scenario: what they may say, and that they come back from a file as they were."""

import pytest

from tests.strategies import small
from twin.errors import ScenarioError
from twin.files.reading import toml
from twin.scenario.scenario import Scenario

PRICE = "allowed is what a node costs an hour, with measure 'cost'."
BACK = {"measure": "time_to_99", "at_most": 30, "in": 0.9}


def test_an_objective_has_a_measure_a_bound_and_a_share():
    (one,) = small(objectives=[BACK]).objectives
    assert (one.measure, one.at_most, one.at_least, one.share) == ("time_to_99", 30.0, None, 0.9)
    assert one.bounds == "at most 30"
    assert small(objectives=[BACK | {"at_least": 1}]).objectives[0].bounds == "at least 1 and at most 30"


def test_it_is_written_and_read_again_as_it_was():
    scenario = small(objectives=[BACK, {"measure": "cost", "at_most": 900, "price": 0.2}])
    assert Scenario.parse(toml(scenario.to_toml())) == scenario
    assert scenario.vary(seed=2).objectives == scenario.objectives
    assert scenario.override(["objectives.0.in=0.5"]).objectives[0].share == 0.5
    assert scenario.model_dump()["objectives"][0]["in"] == 0.9


def test_a_scenario_without_one_is_written_as_it_was_before_there_were_any():
    assert "objectives" not in small().to_toml()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"measure": "x"}, "at_most is missing; allowed is at_most or at_least, or both."),
        (BACK | {"in": 1}, "in is 1; allowed is less than 1.0."),
        (BACK | {"share": 0.5}, "share = 0.5 is not a known setting; ./lab schema lists those there are."),
        (BACK | {"at_least": 31}, "at_least is 31; allowed is not more than at_most, 30."),
        (BACK | {"price": 1}, "price is 1; allowed is left out, as measure 'time_to_99' costs nothing."),
        (
            {"measure": "cost", "at_most": 1},
            "price is missing; allowed is what a node costs an hour, with measure 'cost'.",
        ),
        (BACK | {"at_most": float("inf")}, "at_most is inf; allowed is a finite number."),
    ],
)
def test_a_wrong_one_is_refused_in_one_sentence(wrong, said):
    with pytest.raises(ScenarioError) as error:
        small(objectives=[wrong])
    assert str(error.value) == f"vary: objectives.0.{said}"
