"""`./lab validate`."""

import json
import xml.etree.ElementTree as ET

import pytest

from tests.commands import REFERENCE, lab_in_process
from tests.stormlab.test_reading import TEXT

FEW = ["--set", "clients.count=40", *REFERENCE]


@pytest.fixture
def lab(monkeypatch, capsys):
    return lab_in_process(monkeypatch, capsys)


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "edge.cfg").write_text(TEXT)
    return "edge.cfg"


def test_a_configuration_gets_a_verdict_with_reason_levers_and_findings(lab, file):
    status, said, _ = lab("validate", file, "--objective", "time_to_99<=5", *FEW)
    assert status == 1
    assert said.startswith("edge: fail\n  time_to_99 at most 5 s in 95 % of runs: fail; it held in ")
    assert "\nAssumed\n  Balancer, nodes and clients have machines of their own" in said
    assert f"\n  {file}:8  maxconn 100: connections above it wait" in said
    for line in ("the balancer does not", "the whole way back", "What helps, one step each: median of time_to_99 in s"):
        assert line in said
    helps = said.split("What helps")[1]
    assert helps.index("balancer.redispatch") < helps.index("balancer.check.inter") < helps.index("What harms")
    assert "note retries-stay: " in said


def test_a_scenario_that_holds_is_exit_status_0(lab, tmp_path):
    junit = tmp_path / "out" / "junit.xml"
    words = ["validate", "failover", *FEW, "--set", "clients.count=20", "--no-levers", "--junit", junit]
    status, said, _ = lab(*words, "--objective", "time_to_99<=30@0.9")
    assert (status, said.splitlines()[0]) == (0, "failover: pass")
    assert "What helps" not in said
    assert ET.parse(junit).getroot().get("failures") == "0"


def test_its_json_has_everything(lab, file):
    status, said, _ = lab("validate", file, "--objective", "time_to_99<=5", *FEW, "--no-levers", "--json")
    data = json.loads(said)
    assert (status, data["verdict"], data["objectives"][0]["held"]) == (1, "fail", 0)
    assert set(data) == {
        *("scenario", "verdict", "engine", "objectives", "assumed", "ways_back", "levers", "findings", "not_modelled")
    }
    assert data["not_modelled"][0]["text"] == "maxconn 100"
    assert data["assumed"][0].startswith("Balancer, nodes and clients ")


def test_github_annotations_come_behind_the_text(lab, file):
    status, said, _ = lab("validate", file, "--objective", "time_to_99<=5", *FEW, "--no-levers", "--github")
    assert status == 1
    assert said.splitlines()[-1].startswith(f"::error file={file},title=edge%3A fail::time_to_99 at most 5 s in 95 %25")


def test_bad_input_is_one_sentence_and_exit_status_2(lab, file):
    for words, expected in (
        (["--objective", "time_to_99"], "--objective time_to_99: give a measure, a bound and a share"),
        (["--objective", "x<=1"], "objectives.0.measure is 'x'; allowed is a measure of docs/measures.md"),
        (["--engine", "x"], "engine is 'x'; allowed is auto, simpy or compiled."),
        (["--set", "clients.count=0"], "--set: clients.count is 0; allowed is at least 1."),
    ):
        status, printed, said = lab("validate", file, *REFERENCE, *words)
        assert (status, printed, len(said)) == (2, "", 1)
        assert said[0].startswith(expected)
