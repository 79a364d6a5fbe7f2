"""`./lab memory`: idle connections of a small scenario, held and compared; and the scenario of ten thousand."""

import json

import pytest

from tests.commands import ROOT, lab_in_process
from tests.footprints import memory_profile
from tests.strategies import small
from twin.record.record import Record
from twin.scenario.scenario import Scenario


@pytest.mark.live
def test_idle_connections_are_held_and_compared_with_the_model(monkeypatch, capsys, tmp_path):
    lab, profile, path = lab_in_process(monkeypatch, capsys), tmp_path / "host.json", tmp_path / "idle.toml"
    profile.write_text(memory_profile(node=[30e6], connection=[13e3]).model_dump_json())
    scenario = small(duration=1.0, nodes={"count": 1}, host={"memory": True, "profile": str(profile)})
    path.write_text(scenario.to_toml())
    status, said, _ = lab("memory", path, "--runs", "1", "--replications", "2", "--save", tmp_path, "--json")
    assert status in (0, 1)
    assert '"node_bytes"' in json.dumps(json.loads(said))
    record = Record.load(tmp_path / "small-0.parquet")
    assert record.select("node_memory")["connections"].tolist() == [30]


def test_a_scenario_with_more_than_idle_connections_is_refused(monkeypatch, capsys, tmp_path):
    path = tmp_path / "three.toml"
    path.write_text(small(host={"memory": True}).to_toml())
    status, _, said = lab_in_process(monkeypatch, capsys)("memory", path)
    assert (status, said) == (2, ["nodes.count is 3; idle connections are held on 1 node."])


def test_the_shipped_scenario_has_ten_thousand():
    scenario = Scenario.load(ROOT / "scenarios" / "idle-10000.toml")
    assert (scenario.clients.count, scenario.nodes.count, scenario.host.memory) == (10_000, 1, True)
