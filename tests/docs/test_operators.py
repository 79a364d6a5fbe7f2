"""docs/operators.md: its commands run, and print what it says they do."""

import re
import shlex
import tomllib

import pytest
import yaml

import sim
from stormlab.reading import read_cluster
from tests.commands import ROOT, lab_in_process
from twin.analysis.objectives import OPERATED
from twin.scenario.scenario import Scenario

TEXT = (ROOT / "docs" / "operators.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
CONFIGURATION = next(text for _, text in BLOCKS if text.startswith("defaults\n"))
SCENARIO = next(text for kind, text in BLOCKS if kind == "toml")
WORKFLOW = next(text for kind, text in BLOCKS if kind == "yaml")
SHOWN = [text for _, text in BLOCKS if text.startswith("$ ./lab validate")]
REFERENCE = "--set host.profile=reference"


@pytest.fixture
def lab(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "haproxy.cfg").write_text(CONFIGURATION)
    (tmp_path / "cluster.toml").write_text(SCENARIO)
    return lab_in_process(monkeypatch, capsys)


@pytest.mark.parametrize("block", SHOWN, ids=range(len(SHOWN)))
def test_what_a_command_prints_is_what_the_page_shows(lab, block):
    words, printed = block.split("\n", 1)
    assert REFERENCE in words
    _, said, _ = lab(*shlex.split(words.removeprefix("$ ./lab ")))
    lines = [line.rstrip() for line in said.splitlines()]
    for part in printed.rstrip("\n").split("\n...\n"):
        shown = [line.rstrip() for line in part.splitlines()]
        begins = [i for i, line in enumerate(lines) if line == shown[0]]
        assert any(lines[i : i + len(shown)] == shown for i in begins), "\n".join(lines)


def test_the_scenario_of_the_page_is_one():
    scenario = Scenario.parse(tomllib.loads(SCENARIO))
    assert len(scenario.objectives) >= 2


def test_the_workflow_runs_a_command_that_there_is(lab):
    """As far as it can be tested here: its form, and the command as it stands, in the folder that it would run in."""
    data = yaml.safe_load(WORKFLOW)
    (job,) = data["jobs"].values()
    assert {"name", "jobs", True} <= set(data)  # "on" is true in YAML 1.1
    assert all("uses" in step or "run" in step for step in job["steps"])
    (run,) = [step["run"] for step in job["steps"] if "lab validate" in step.get("run", "")]
    first, *words = shlex.split(run)
    assert first == "./stormlab/lab"
    status, said, _ = lab(*words, "--set", "clients.count=40", "--set", "host.profile=reference", "--no-levers")
    assert status in (0, 1)
    assert f"::{'notice' if status == 0 else 'error'} file=haproxy.cfg" in said
    uploaded = next(step["with"]["path"] for step in job["steps"] if "upload-artifact" in step.get("uses", ""))
    assert uploaded == words[words.index("--junit") + 1]


def test_every_measure_of_an_operator_has_its_line():
    for name, measure in OPERATED.items():
        assert f"| `{name}` | {measure.unit} |" in TEXT


def test_the_python_of_the_page_runs(lab, profile, monkeypatch):
    (code,) = [text for kind, text in BLOCKS if kind == "python"]
    scenario = read_cluster(["haproxy.cfg"], ["clients.count=20"]).scenario
    monkeypatch.setattr(Scenario, "load", classmethod(lambda cls, *_: scenario))
    real = sim.validate
    monkeypatch.setattr("stormlab.validate", lambda *a, **k: real(*a, **{**k, "profile": profile, "levers": False}))
    names = {}
    exec(code, names)
    assert names["verdict"].verdict in ("pass", "fail", "unknown")
