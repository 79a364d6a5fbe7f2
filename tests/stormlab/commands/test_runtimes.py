"""`./lab runtimes`: its table on a small scenario, and docs/runtimes.md, which it has written."""

import json
import re

import pytest

from stormlab.commands.runtimes import markdown
from tests.commands import ROOT, lab_in_process
from tests.footprints import memory_profile
from tests.strategies import small
from twin.analysis.runtimes import BEGIN, COLUMNS, END, NODES, RuntimeFigures

DOCUMENT = ROOT / "docs" / "runtimes.md"
TASKS = [{"name": "short", "rate": 20.0, "cpu": 0.001}, {"name": "long", "rate": 2.0, "cpu": 0.05}]


@pytest.fixture
def lab(monkeypatch, capsys):
    return lab_in_process(monkeypatch, capsys)


@pytest.fixture
def mix(tmp_path):
    profile, path = tmp_path / "host.json", tmp_path / "mix.toml"
    profile.write_text(memory_profile().model_dump_json())
    talk = {"nodes": {"count": 1, "handler": {"tasks": TASKS}}, "host": {"profile": str(profile)}}
    path.write_text(small(duration=3.0, clients={"count": 5}, **talk).to_toml())
    return path


def test_each_runtime_that_the_profile_knows_has_its_figures(lab, mix):
    status, said, _ = lab("runtimes", mix, "--replications", "2", "--json")
    found = json.loads(said)["runtimes"]
    assert status == 0
    assert [one["name"] for one in found] == list(NODES)
    known = {one["name"]: one for one in found if one["known"]}
    assert set(known) == {"asyncio", "asyncio, 4 threads", "asyncio, 4 processes", "processes"}
    loop, beside = (known[name]["predicted"] for name in ("asyncio", "asyncio, 4 processes"))
    assert loop > 1.5 * beside > 0.0
    assert known["asyncio"]["measured"] is None


def test_the_table_says_what_is_not_calibrated_and_goes_into_a_document(lab, mix, tmp_path):
    document = tmp_path / "table.md"
    document.write_text(f"# Title\n{BEGIN}\n{END}\n")
    words = ("runtimes", mix, "--replications", "2", "--only", "processes", "--only", "go", "--write", document)
    status, said, _ = lab(*words)
    assert status == 0
    assert "The host profile was calibrated without go: run ./lab calibrate." in " ".join(said.split())
    rows = document.read_text().splitlines()
    assert rows[:2] + rows[-1:] == ["# Title", BEGIN, END]
    assert [line.split("|")[1].strip() for line in rows[2:-1]] == ["runtime", "---", "processes", "go"]


def test_a_row_that_there_is_not_is_bad_input(lab, mix):
    status, _, said = lab("runtimes", mix, "--only", "rust")
    assert (status, len(said)) == (2, 1)
    assert said[0].startswith("--only is 'rust'; allowed is asyncio, ")


def test_the_document_has_what_the_command_writes():
    table = DOCUMENT.read_text().partition(BEGIN + "\n")[2].partition(END)[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    empty = markdown([RuntimeFigures(name) for name in NODES]).splitlines()
    assert table.splitlines()[:2] == empty[:2]
    assert [row[0] for row in rows[2:]] == list(NODES)
    for row in rows[2:]:
        assert len(row) == len(COLUMNS)
        assert all(
            re.fullmatch(r"-|\d+(\.\d+)?|\d+(\.\d+)? \(\d+(\.\d+)?\.\.\d+(\.\d+)?\)", cell) for cell in row[1:]
        ), row
