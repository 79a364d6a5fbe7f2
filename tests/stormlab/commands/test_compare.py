"""`./lab compare --resume`: a comparison goes on where it was interrupted."""

import json
import sys
from dataclasses import replace

import pytest

import live
import live.limits
import live.runs
import sim
from stormlab import app, steps
from stormlab.commands import compare
from tests.commands import lab_in_process
from tests.strategies import small
from twin.errors import HostError, ScenarioError
from twin.record.record import Record

ENDED = "The runs that have ended are kept in kept; the same command goes on from there."


@pytest.fixture
def lab(monkeypatch, tmp_path, capsys):
    """Run a command in this process: exit status, what it printed, and the lines of its errors."""
    run = lab_in_process(monkeypatch, capsys)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return run


def written(tmp_path, **changes):
    """Write a small scenario to a file, and return it."""
    scenario = small(**{"host": {"profile": "reference"}, "duration": 3.0} | changes)
    (tmp_path / f"{scenario.name}.toml").write_text(scenario.to_toml())
    return scenario


def interrupted_after(runs, monkeypatch):
    """Let Ctrl-C come when so many real runs have ended; return the list of the replications that run.

    Each of them counts, however busy the machine is.
    """
    ended, really = [], live.runs._run

    def run(scenario, replication, *rest):
        if len(ended) == runs:
            ended.append("Ctrl-C")
            raise KeyboardInterrupt
        record = really(scenario, replication, *rest)
        ended.append(replication)
        return replace(record, provenance=record.provenance | {"host": {}, "disturbed": ""})

    monkeypatch.setattr(live.runs, "_run", run)
    return ended


def test_two_real_runs_with_ctrl_c_between_them(lab, monkeypatch, tmp_path):
    written(tmp_path, clients={"count": 6}, duration=1.5)
    words = ["compare", "small.toml", "--runs", 2, "--replications", 10, "--resume", "kept", "--json"]
    ended = interrupted_after(1, monkeypatch)
    status, shown, said = lab(*words)
    assert (status, shown, said[-2][-len(ENDED) :]) == (130, "", ENDED)
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == ["small-0.parquet", "small.json"]
    first = Record.load("kept/small-0.parquet")
    status, shown, said = lab(*words)
    assert status in (0, 1)
    assert "small: 1 of 2 runs are kept in kept; going on from there." in said
    assert ended == [0, "Ctrl-C", 1]
    assert json.loads(shown)["runs"] == 2
    assert Record.load("kept/small-0.parquet").digest() == first.digest()
    _, again, said = lab(*words)
    assert "small: all 2 runs are kept in kept." in said
    assert (again, ended) == (shown, [0, "Ctrl-C", 1])


@pytest.fixture
def runs(monkeypatch, profile):
    """Let runs be simulated ones in a live record's clothes; the list has what was asked for."""
    asked = []

    def each(scenario, count, first=0, *_):
        for replication in range(first, first + count):
            asked.append((scenario.name, replication))
            record = sim.simulate(scenario, replication, profile)
            named = live.runs._profile(scenario)
            yield replace(record, provenance={**record.provenance, "world": "live", "profile": named})

    monkeypatch.setattr(live, "each", each)
    monkeypatch.setattr(live.limits, "check", lambda *_: None)
    return asked


def test_only_what_is_missing_or_corrupt_is_measured(lab, runs, tmp_path):
    written(tmp_path)
    written(tmp_path, name="other")
    words = ["compare", "small.toml", "other.toml", "--runs", 3, "--replications", 10, "--resume", "kept"]
    _, table, _ = lab(*words)
    assert runs == [(name, k) for name in ("small", "other") for k in range(3)]
    assert table.splitlines()[-1].startswith("2 scenarios: ")
    runs.clear()
    (tmp_path / "kept" / "small-1.parquet").write_bytes(b"PAR1")
    (tmp_path / "kept" / "other-2.parquet").unlink()
    _, again, said = lab(*words)
    assert runs == [("small", 1), ("other", 2)]
    assert [line for line in said if "anew" in line] == [
        "kept/small-1.parquet: is not a Parquet record of this lab; the run is measured anew."
    ]
    assert again == table


def test_another_profile_in_between_measures_anew(lab, runs, tmp_path, profile):
    path = profile.save(tmp_path / "host.json")
    written(tmp_path, host={"profile": str(path)})
    words = ["compare", "small.toml", "--runs", 2, "--replications", 10, "--resume", "kept"]
    lab(*words)
    profile.with_look([[0.002] * 50]).save(path)
    runs.clear()
    _, _, said = lab(*words)
    assert runs == [("small", 0), ("small", 1)]
    assert len([line for line in said if "another host profile" in line]) == 2


def test_other_settings_measure_anew(lab, runs, tmp_path):
    written(tmp_path)
    words = ["compare", "small.toml", "--runs", 1, "--replications", 10, "--resume", "kept"]
    lab(*words)
    runs.clear()
    _, _, said = lab(*words, "--set", "clients.count=20")
    assert runs == [("small", 0)]
    assert "is of other settings than small has now" in "".join(said)


def test_the_looks_of_later_scenarios_change_no_kept_comparison(lab, runs, tmp_path, profile, monkeypatch):
    """A machine's own profile gets a look with each scenario; what is complete keeps the one of its own time."""
    own = profile.save(tmp_path / "own.json")
    for module in (steps, sys.modules["twin.costs.profile"]):
        monkeypatch.setattr(module, "CALIBRATED", own)
    looks = iter([0.001, 0.0011, 0.0012])
    monkeypatch.setattr(live, "trace", lambda *_: [[next(looks)] * 50])
    for name in ("small", "other"):
        written(tmp_path, name=name, host={"profile": "calibrated"})
    words = ["compare", "small.toml", "other.toml", "--runs", 2, "--replications", 10, "--resume", "kept", "--json"]
    _, first, _ = lab(*words)
    runs.clear()
    _, again, said = lab(*words)
    assert (runs, again) == ([], first)
    assert not [line for line in said if "anew" in line]


def test_the_final_line_has_the_totals_and_names_the_worst(lab, runs, tmp_path):
    for seed, name in enumerate(("small", "other")):
        written(tmp_path, name=name, seed=seed)
    words = ["compare", "small.toml", "other.toml", "--runs", 1, "--replications", 10, "--resume", "kept"]
    _, told, _ = lab(*words, "--json")
    _, table, _ = lab(*words)
    total = json.loads(told)["total"]
    errors = {one["scenario"]: one["median_error"] for one in json.loads(told)["scenarios"]}
    assert total["worst_scenario"] == max(errors, key=errors.get)
    inside, error, worst = (f"{100 * total[key]:.1f} %" for key in ("coverage", "median_error", "worst_scenario_error"))
    last = f"2 scenarios: {inside} inside, median error {error}, worst {worst} ({total['worst_scenario']})."
    assert table.splitlines()[-1] == last


@pytest.mark.parametrize("words", [["small.toml", "--save", "s"], ["small-0.parquet"], ["--records", "x.parquet"]])
def test_a_folder_to_resume_keeps_its_own_records(words, lab):
    status, _, said = lab("compare", *words, "--resume", "kept")
    assert (status, said[-1]) == (
        2,
        "--resume keeps the records in its own folder; leave --save and --records out.",
    )


def test_a_scenario_that_no_live_run_allows_is_left_out_with_its_reason(monkeypatch, capsys):
    monkeypatch.setattr(steps.err, "_file", None)
    real = live.limits.check
    monkeypatch.setattr(live.limits, "check", lambda spec, server: real(spec, server) if spec.name == "many" else None)
    assert [one.name for one in compare.for_live([small(), small(name="many", clients={"count": 6000})], None)] == [
        "small"
    ]
    assert capsys.readouterr().err.startswith("many is left out: clients.count is 6000; a live run allows at most 5000")

    def without(*_):
        raise HostError("haproxy is not installed.")

    monkeypatch.setattr(live.limits, "check", without)
    with pytest.raises(HostError):
        compare.for_live([small()], None)


def test_all_shipped_scenarios_but_those_for_predictions_are_taken(lab, monkeypatch, tmp_path):
    taken = []

    def stop(specs, *_):
        taken.extend(specs)
        raise ScenarioError("enough.")

    monkeypatch.setattr(app, "measured_and_compared", stop)
    status, _, said = lab("compare", "--all", "--resume", "kept")
    assert (status, said[-1]) == (2, "enough.")
    left = [line.split()[0] for line in said if " is left out: " in line]
    assert "million" in left
    assert len(taken) + len(left) == len(list(app.SCENARIOS.glob("*.toml")))
    assert all(spec.host.placement != "separate" for spec in taken)
