"""Old names of settings: in a file, in an override, in a sweep, from Python, in a record."""

import warnings

import pytest

from tests.twin.advice.test_times import settings
from twin.analysis.sweeps import variants
from twin.errors import ScenarioError, ScenarioWarning
from twin.record.record import Record
from twin.scenario.renamed import RENAMED, with_new_names
from twin.scenario.scenario import Scenario

OLD, NEW = "clients.heartbeat.most", "clients.heartbeat.max_interval"
FILE = 'name = "old"\n[clients.heartbeat]\ninterval = 2.0\nmost = 8.0\n'


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "old.toml"
    path.write_text(FILE)
    return path


def warned(make):
    """Return what is made, and the sentences of its warnings."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        made = make()
    assert {one.category for one in told} <= {ScenarioWarning}
    return made, [str(one.message) for one in told]


def test_a_file_with_an_old_name_means_the_same_and_is_told_once(file):
    scenario, told = warned(lambda: Scenario.load(file, ["seed=2"]))
    assert scenario.clients.heartbeat.max_interval == 8.0
    assert scenario.clients.heartbeat.interval == 2.0
    assert told == [f"{file}: {OLD} is called {NEW} now; the old name still works."]


def test_an_override_with_an_old_name_changes_the_setting_of_the_new_one(file):
    file.write_text(FILE.replace("most", "max_interval"))
    scenario, told = warned(lambda: Scenario.load(file, [f"{OLD}=6.0"]))
    assert (scenario.clients.heartbeat.max_interval, told) == (
        6.0,
        [f"--set: {OLD} is called {NEW} now; the old name still works."],
    )
    again, told = warned(lambda: scenario.override([f"{OLD}=7.0"]))
    assert (again.clients.heartbeat.max_interval, len(told)) == (7.0, 1)
    varied, told = warned(lambda: scenario.vary(clients={"heartbeat": {"most": 5.0}}))
    assert (varied.clients.heartbeat.max_interval, len(told)) == (5.0, 1)


def test_a_sweep_of_an_old_name_varies_the_setting():
    scenario = Scenario.parse({"name": "swept", "clients": {"heartbeat": {"interval": 2.0}}})
    found, told = warned(lambda: variants(scenario, {OLD: [4.0, 8.0]}))
    assert [one.scenario.clients.heartbeat.max_interval for one in found] == [4.0, 8.0]
    assert set(told) == {f"sweep: {OLD} is called {NEW} now; the old name still works."}


def test_a_record_with_an_old_name_is_read_without_a_word():
    record, told = warned(lambda: Record.load("records/heartbeat-adaptive-0.parquet"))
    assert "most" in record.provenance["scenario"]["clients"]["heartbeat"], "the shipped record is of the time before"
    scenario, more = warned(lambda: record.scenario)
    assert scenario.clients.heartbeat.max_interval == 8.0
    assert (told, more, record.problem()) == ([], [], "")


def test_both_names_at_once_are_refused(file):
    file.write_text(FILE + "max_interval = 9.0\n")
    with pytest.raises(ScenarioError) as error:
        Scenario.load(file)
    assert str(error.value) == f"{file}: {OLD} is 8.0; allowed is nothing beside its new name max_interval."


@pytest.mark.parametrize("data", [{}, {"clients": 3}, {"clients": {"heartbeat": "phoenix"}}, [], "most", None])
def test_data_without_an_old_name_is_returned_as_it_is(data):
    found, told = warned(lambda: with_new_names(data, "here"))
    assert found is data
    assert told == []


def test_every_new_name_is_a_setting_and_no_old_name_is():
    known = set(settings(Scenario))
    assert set(RENAMED.values()) <= known
    assert not set(RENAMED) & known
    assert all(old.rsplit(".", 1)[0] == new.rsplit(".", 1)[0] for old, new in RENAMED.items())
