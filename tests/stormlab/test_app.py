"""The command line, run as a user runs it."""

import json
from pathlib import Path

import pytest

import sim
from tests.commands import FAILOVER, REFERENCE, ROOT, lab
from tests.files import files
from tests.messages import good_end, good_rows, record
from tests.strategies import small
from twin.record.record import Record, row
from twin.rules.presets import CLIENTS
from twin.scenario.scenario import Scenario


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["predict", "nope.toml"], ["nope.toml", "no such scenario file"]),
        (["predict", FAILOVER, "--set", "clients.cont=3"], ["clients.cont = 3", "not a known setting"]),
        (["predict", FAILOVER, "--set", "clients.open_timeout=5s"], ["clients.open_timeout", "5s", "a number"]),
        (["measure", FAILOVER, "--set", "faults.0.node=9"], ["faults.0.node is 9", "1 to 3"]),
        (["measure", FAILOVER, "--set", "clients.reconnect.cap=0.1"], ["cap is 0.1", "at least base"]),
        (["compare"], ["--all"]),
        (["compare", "--records", "nope.parquet"], ["nope.parquet", "no such record"]),
        (["compare", FAILOVER, "--set", "clients.count=6000"], ["clients.count is 6000", "at most 5000"]),
        (["predict", "lab"], ["lab", "is unexpected"]),
        (["audit", "nope.parquet"], ["nope.parquet", "no such record"]),
        (["audit", "README.md"], ["README.md", "not a Parquet record"]),
        (["sweep", FAILOVER, "--vary", "nodes.count"], ["--vary nodes.count", "give a path, '=' and values"]),
        (
            ["sweep", FAILOVER, "--vary", "nodes.count=2,1001"],
            ["nodes.count=1001", "nodes.count is 1001", "at most 1000"],
        ),
        (["sweep", FAILOVER, "--vary", "nodes.count=2", "--measure", "speed"], ["measure is 'speed'", "time_to_99"]),
        (["sweep", FAILOVER, "--vary", "seed=1", "--against", "nodes.count"], ["nodes.count is not varied", "seed"]),
        (["zoo", FAILOVER, "--by", "luck"], ["--by is 'luck'", "peak_attempts"]),
        (["zoo", "scenarios/broadcast-100.toml"], ["broadcast-100 has no faults"]),
    ],
)
def test_bad_input_gets_one_sentence_and_exit_status_2(words, said):
    done = lab(*words, *(REFERENCE if "--set" in words or words[-1] == FAILOVER else []))
    assert done.returncode == 2
    text = done.stderr.strip()
    assert "Traceback" not in text
    assert len(text.splitlines()) == 1, text
    for part in said:
        assert part in text
    assert done.stdout == ""


def test_predict_prints_one_json_object():
    done = lab("predict", FAILOVER, "--replications", "10", "--json", "--set", "clients.count=30", *REFERENCE)
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    assert data["replications"] == 10
    band = data["measures"]["mark_down_delay"]
    assert 1.0 <= band["low"] <= band["median"] <= band["high"] <= 2.1


def test_the_engine_that_is_used_instead_is_named_once():
    words = ["predict", FAILOVER, "--replications", "2", "--set", "clients.count=10", "--set", "nodes.ping_interval=1"]
    done = lab(*words, *REFERENCE, "--json")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("The SimPy model is used, because the nodes ping") == 1


def test_a_sweep_prints_one_json_object_draws_and_the_second_time_only_draws(tmp_path):
    words = ["sweep", FAILOVER, "--vary", "clients.reconnect=phoenix,classic", "--vary", "nodes.count=2:3", *REFERENCE]
    words += ["--replications", "2", "--set", "clients.count=20", "--folder", str(tmp_path), "--json"]
    done = lab(*words)
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    assert [one["values"]["nodes.count"] for one in data["variants"]] == [2, 3, 2, 3]
    assert data["parts"] == {"reused": 0, "made": 4}
    assert data["variants"][0]["measures"]["attempts_per_client"]["unit"] == "1"
    assert Path(data["figure"]).stat().st_size > 10_000
    again = json.loads(lab(*words).stdout)
    assert again["parts"] == {"reused": 4, "made": 0}
    assert again["variants"] == data["variants"]


def test_the_zoo_ranks_every_library(tmp_path):
    words = ["zoo", FAILOVER, "--replications", "2", "--set", "clients.count=30", *REFERENCE, "--json"]
    done = lab(*words, "--figure", str(tmp_path / "zoo.png"))
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    names = [one["library"] for one in data["libraries"]]
    assert set(names) == {*CLIENTS, "the scenario's own"}
    assert [one["peak_attempts"]["rank"] for one in data["libraries"]] == sorted(
        one["peak_attempts"]["rank"] for one in data["libraries"]
    )
    assert (tmp_path / "zoo.png").stat().st_size > 10_000


def test_the_schema_describes_every_setting_with_its_meaning():
    data = json.loads(lab("schema").stdout)

    def undescribed(part):
        return [
            name for name, field in part.get("properties", {}).items() if "description" not in field and name != "kind"
        ]

    for part in [data, *data["$defs"].values()]:
        assert undescribed(part) == []


@pytest.mark.parametrize(
    "command",
    [
        "demo",
        "test",
        "notebook",
        "schema",
        "calibrate",
        "predict",
        "measure",
        "compare",
        "figures",
        "audit",
        "sweep",
        "zoo",
    ],
)
def test_every_command_explains_itself(command):
    done = lab(command, "--help")
    assert done.returncode == 0
    assert len(done.stdout) > 200


def test_records_are_compared_again_later(profile, tmp_path):
    scenario = small(host={"profile": "reference"}, faults=[{"at": 1.0, "kind": "kill", "node": 1}])
    paths = [str(sim.simulate(scenario, i, profile).save(tmp_path / f"{i}.parquet")) for i in range(2)]
    done = lab("compare", "--records", paths[0], "--records", paths[1], "--replications", "20", "--json")
    assert done.returncode in (0, 1), done.stderr
    data = json.loads(done.stdout)
    assert data["scenario"] == "small"
    assert data["runs"] == 2
    spread = lab("compare", "--records", *paths, "--replications", "20", "--json")
    assert json.loads(spread.stdout)["runs"] == 2, spread.stderr


def test_a_comparison_of_starved_runs_prints_json_without_nan(profile, tmp_path):
    scenario = small(host={"profile": "reference"}, faults=[{"at": 1.0, "kind": "kill", "node": 1}])
    run = sim.simulate(scenario, 0, profile)
    starved = Record.of_frame(run.events, run.provenance | {"host": {"starved": "others took 1.00 cores"}})
    path = str(starved.save(tmp_path / "starved.parquet"))
    done = lab("compare", path, "--replications", "10", "--json")
    assert done.returncode == 1, done.stderr
    assert "NaN" not in done.stdout
    data = json.loads(done.stdout)
    assert (data["verdict"], data["coverage"], data["median_error"]) == ("unknown", None, None)
    assert " - inside, median error -." in lab("compare", path, "--replications", "10").stdout


def test_a_comparison_shows_broken_invariants_with_their_witness_and_fails(profile, tmp_path):
    scenario = small(host={"profile": "reference"}, faults=[{"at": 1.0, "kind": "kill", "node": 1}])
    run = sim.simulate(scenario, 0, profile)
    first = run.events.index[run.events["event"].eq("connected")][0]
    bad = Record.of_frame(run.events.drop(index=first).reset_index(drop=True), run.provenance)
    done = lab("compare", str(bad.save(tmp_path / "bad.parquet")), "--replications", "10", "--json")
    assert done.returncode == 1
    assert "small, run 1 (replication 0 of seed 1) breaks what must always hold:" in done.stderr
    assert "cannot follow" in done.stderr
    assert "disconnected: client" in done.stderr
    data = json.loads(done.stdout)
    assert data["verdict"] == "fail"
    assert data["reasons"][0].startswith("run 1: states is broken ")
    assert data["violations"][0][0]["invariant"] == "states"


def test_an_audit_prints_violations_with_witnesses_and_exits_with_the_verdict(tmp_path):
    rows = [*good_rows(), *good_end()]
    good = str(record(rows).save(tmp_path / "good.parquet"))
    bad = str(record([*rows, row(5.0, "delivered", 2, 1, version=2, detail="1 2")]).save(tmp_path / "bad.parquet"))
    kill = {"at": 2.0, "kind": "kill", "node": 1}
    silent = str(record(rows, faults=[kill]).save(tmp_path / "silent.parquet"))
    assert lab("audit", good).returncode == 0
    done = lab("audit", good, bad)
    assert done.returncode == 1
    assert "client 2 applied version 2 after version 3" in done.stdout
    assert "5.000000 delivered: client 2, node 1, version 2, detail 1 2" in done.stdout
    data = json.loads(lab("audit", bad, silent, "--json").stdout)["records"]
    assert [one["verdict"] for one in data] == ["fail", "unknown"]
    assert data[0]["broken"] == {"rising": 1, "contiguous": 1, "once": 1}
    assert data[1]["reasons"] == ["kill at 2 s had no witnessed effect"]


def test_every_shipped_scenario_is_valid_and_says_what_it_teaches():
    for path in files(ROOT / "scenarios", "*.toml"):
        scenario = Scenario.load(path)
        assert scenario.name == path.stem
        assert len(scenario.teaches) > 20
