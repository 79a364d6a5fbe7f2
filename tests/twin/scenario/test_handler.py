"""Settings of a handler: numbers for tables, and what is refused."""

import tomllib

import pytest

from tests.strategies import small
from twin.errors import ScenarioError
from twin.rules.handler import TaskRule
from twin.scenario.scenario import Scenario

LONG = {"name": "long", "rate": 4.0, "cpu": {"mean": 0.1, "distribution": "exponential"}, "awaiting": 2}


def with_tasks(*tasks, **changes):
    return small(nodes={"handler": {"tasks": list(tasks)}}, **changes)


def test_a_number_stands_for_a_fixed_time():
    (task,) = with_tasks(LONG).nodes.handler.tasks
    assert task.rule() == TaskRule(4.0, "even", ("exponential", 0.1), ("fixed", 0.0), ("fixed", 2.0))


def test_a_scenario_with_a_handler_is_the_same_after_it_was_written_and_read():
    scenario = with_tasks(LONG, {"rate": 100.0})
    assert Scenario.parse(tomllib.loads(scenario.to_toml())) == scenario
    changed = scenario.override(["nodes.handler.tasks.0.cpu=0.2", "nodes.handler.tasks.1.rate=50"])
    assert [task.cpu.mean for task in changed.nodes.handler.tasks] == [0.2, 0.0]


@pytest.mark.parametrize(
    ("tasks", "words"),
    [
        ([{"name": "big"}], r"tasks\.0\.name is 'big'; allowed is one of 'short', 'medium' or 'long'"),
        ([{}, {}], r"tasks\.1\.name is 'short'; allowed is a name that no other task has"),
        ([], r"tasks is \[\]; allowed is at least 1 entries"),
        ([{"cpu": -1.0}], r"tasks\.0\.cpu\.mean is -1\.0; allowed is at least 0"),
        ([{"cpu": True}], r"tasks\.0\.cpu is True; allowed is a table"),
        ([{"rate": 0.0}], r"tasks\.0\.rate is 0\.0; allowed is more than 0"),
        ([{"rate": 50_000.0}], r"tasks\.0\.rate is 50000; allowed is such that at most 200000 requests are made"),
    ],
)
def test_what_a_task_must_not_be_is_said_in_one_sentence(tasks, words):
    with pytest.raises(ScenarioError, match=words):
        with_tasks(*tasks)
