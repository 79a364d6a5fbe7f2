"""`./lab buses`: its tables on a small scenario, and docs/broadcast.md, into which it has written them."""

import json

import pytest

from stormlab.commands import buses
from stormlab.commands.buses import COMMAND, MEASURED, markdown
from tests.commands import ROOT, lab_in_process
from tests.strategies import knowing_profile, small
from twin.analysis.buses import BUSES, FAULTS, HEADINGS, OWN, BusFigures, BusRow, faults_of, over
from twin.analysis.documents import END, begin_of
from twin.scenario.scenario import Scenario

DOCUMENT = ROOT / "docs" / "broadcast.md"


@pytest.fixture
def lab(monkeypatch, capsys):
    return lab_in_process(monkeypatch, capsys)


@pytest.fixture
def killed(tmp_path):
    """Ten messages a second to six clients of three nodes, of which one is killed and comes back after 1 s."""
    profile, path = tmp_path / "host.json", tmp_path / "killed.toml"
    profile.write_text(knowing_profile().model_dump_json())
    settings = {"clients": {"count": 6}, "bus": {"kind": "stream", "persist": True, "commit_interval": 0.2}}
    settings |= {"publisher": {"rate": 10.0, "stop": 3.0}, "duration": 5.0, "host": {"profile": str(profile)}}
    faults = [{"at": 1.03, "kind": "kill", "node": 1, "duration": 1.0}]
    path.write_text(small(**settings, faults=faults).to_toml())
    return path


def test_each_bus_keeps_for_a_killed_node_what_it_promises(lab, killed):
    status, said, _ = lab("buses", killed, "--replications", "1", "--json")
    rows = json.loads(said)["rows"]
    assert status == 0
    assert [(one["fault"], one["bus"]) for one in rows] == [(OWN, bus) for bus in BUSES]
    found = {one["bus"]: one["predicted"] for one in rows}
    for bus in ("pubsub", "stream"):  # what was published in a second, and while the process started
        assert 10 / 90 <= found[bus]["missing"] < 15 / 90
    for bus in ("jetstream", "jetstream, 3 servers", "kafka"):
        assert found[bus]["missing"] == 0.0
    assert found["kafka"]["copies"] > 0.0  # since the last commit
    assert all(one["lost"] == 0.0 for one in found.values())  # clients ask
    assert all(one["measured"] is None for one in rows)


def test_measured_runs_stand_below_and_only_of_buses_that_there_are_live(lab, killed, monkeypatch, tmp_path):
    asked = []

    def measured(scenario, runs, server, folder, missing):
        asked.append((scenario.bus.kind, runs, scenario.clients.recovery.recover))
        assert scenario.publisher.stop == 2.0
        return buses._simulated(scenario, 1)

    monkeypatch.setattr(buses, "runs_of", measured)
    document = tmp_path / "table.md"
    document.write_text(f"# Title\n{begin_of(COMMAND)}\n{END}\n")
    only = ("--only", "kafka", "--only", "jetstream")
    words = ("--replications", "1", "--runs", "2", "--set", "publisher.stop=2.0", "--write", document)
    status, said, _ = lab("buses", killed, *words, *only)
    assert status == 0
    assert OWN in said
    assert asked == [("jetstream", 2, False), ("jetstream", 2, True)]
    lines = document.read_text().splitlines()
    assert lines[2:4] == [f"{OWN[0].upper()}{OWN[1:]}:", ""]
    assert [line.split("|")[1].strip() for line in lines[6:-1]] == ["kafka", "jetstream", MEASURED.strip()]
    assert lines[-2].split("|")[2:] == lines[-3].split("|")[2:]  # the same run


def test_what_there_is_not_is_bad_input(lab, killed, tmp_path):
    status, _, said = lab("buses", killed, "--only", "rabbit")
    assert (status, said) == (2, [f"--only is 'rabbit'; allowed is one of {'; '.join(BUSES)}."])
    cut = tmp_path / "cut.toml"
    faults = [{"at": 1.0, "kind": "bus_cut", "node": 1}]
    cut.write_text(Scenario.load(killed).vary(faults=faults).to_toml())
    status, _, said = lab("buses", cut, "--only", "jetstream")
    assert status == 2
    assert said[-1].endswith("none of the chosen buses has them.")


def test_the_document_has_what_the_command_writes():
    table = DOCUMENT.read_text().partition(begin_of(COMMAND) + "\n")[2].partition(END)[0]
    shipped = Scenario.load(ROOT / "scenarios" / "broadcast-buses.toml")
    asked = faults_of(shipped)
    rows = [BusRow(f, bus, BusFigures()) for f in FAULTS for bus in BUSES if over(shipped, bus, asked[f]) is not None]

    def named(text):
        return [line.split("|")[1:2] or line for line in text.splitlines() if MEASURED.strip() not in line]

    assert named(table) == named(markdown(rows))
    for line in table.splitlines():
        if line.startswith("| ") and not line.startswith("| bus"):
            assert line.count("|") == len(HEADINGS) + 2
