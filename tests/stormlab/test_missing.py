"""What is finished is kept and shown, also if a later part of the work fails; then it is said what is missing."""

import errno
import json
import os
from pathlib import Path

import pytest

import live
import live.campaign
import live.limits
import sim
from stormlab import app, steps
from tests.commands import lab_in_process
from tests.footprints import memory_profile
from tests.strategies import small
from twin.costs.profile import HostProfile
from twin.errors import ClusterError
from twin.record.record import Record

KILL = [{"at": 1.0, "kind": "kill", "node": 1}]


@pytest.fixture
def scenario(tmp_path):
    """A scenario, and its file."""
    found = small(host={"profile": "reference"}, faults=KILL)
    (tmp_path / "small.toml").write_text(found.to_toml())
    return found


@pytest.fixture
def lab(monkeypatch, tmp_path, capsys):
    """Run a command in this process: exit status, what it printed, and the lines of its errors."""
    run = lab_in_process(monkeypatch, capsys)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(live.limits, "check", lambda *_: None)
    monkeypatch.setenv("COLUMNS", "160")
    return run


def two_then(error, monkeypatch, profile):
    """Let two runs end well and the third one fail."""

    def each(scenario, runs, *_):
        for i in range(min(runs, 2)):
            yield sim.simulate(scenario, i, profile)
        if runs > 2:
            raise error

    monkeypatch.setattr(live, "each", each)


def full_disk(monkeypatch, *ends):
    """Let nothing be written whose name has one of these ends."""
    replace = os.replace

    def full(source, target, **options):
        if str(target).endswith(ends):
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, target, **options)

    monkeypatch.setattr(os, "replace", full)


BROKEN = ClusterError("node 2 stopped by itself during the run: it logged nothing.")


@pytest.mark.parametrize("as_json", [False, True])
def test_finished_runs_are_kept_and_shown_when_a_later_one_fails(
    as_json, scenario, lab, monkeypatch, profile, tmp_path
):
    two_then(BROKEN, monkeypatch, profile)
    status, shown, said = lab("measure", "small.toml", "--runs", 3, "--save", "kept", *["--json"] * as_json)
    why = "small: run 3 of 3 is missing: node 2 stopped by itself during the run: it logged nothing"
    assert (status, said[-1]) == (2, f"{why}.")
    assert sorted(os.listdir("kept")) == ["small-0.parquet", "small-1.parquet"]
    assert Record.load("kept/small-1.parquet").digest() == sim.simulate(scenario, 1, profile).digest()
    if as_json:
        assert (len(json.loads(shown)["runs"]), json.loads(shown)["missing"]) == (2, [why])
    else:
        assert "run 2" in shown
        assert "run 3" not in shown


def test_each_record_is_written_before_the_next_run_begins(scenario, lab, monkeypatch, profile, tmp_path):
    found = []

    def each(scenario, runs, *_):
        for i in range(runs):
            found.append(len(list((tmp_path / "kept").glob("*.parquet"))))
            yield sim.simulate(scenario, i, profile)

    monkeypatch.setattr(live, "each", each)
    status, *_ = lab("measure", "small.toml", "--runs", 3, "--save", "kept")
    assert (status, found) == (0, [0, 1, 2])


def test_the_table_is_shown_when_the_disk_is_full(scenario, lab, monkeypatch, profile, tmp_path):
    two_then(BROKEN, monkeypatch, profile)
    full_disk(monkeypatch, "small-0.parquet")
    status, shown, said = lab("measure", "small.toml", "--runs", 2, "--save", "kept")
    (line,) = [one for one in said if "missing" in one]
    path = "kept/small-0.parquet"
    assert line == f"small: the record of run 1 of 2 is missing: {path}: cannot be written (No space left on device)."
    assert status == 2
    assert "run 2" in shown
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["small-1.parquet"]


def test_nothing_is_shown_where_the_first_run_fails(scenario, lab, monkeypatch, profile):
    def each(*_):
        raise BROKEN
        yield

    monkeypatch.setattr(live, "each", each)
    status, shown, said = lab("measure", "small.toml", "--runs", 3)
    assert (status, shown, said[-1]) == (2, "", str(BROKEN))


def test_finished_runs_are_shown_after_ctrl_c(scenario, lab, monkeypatch, profile):
    two_then(KeyboardInterrupt(), monkeypatch, profile)
    status, shown, said = lab("measure", "small.toml", "--runs", 3)
    assert (status, said[-1]) == (130, "Interrupted; everything that was started has been stopped.")
    assert "run 2" in shown


@pytest.mark.parametrize("as_json", [False, True])
def test_a_comparison_is_shown_with_the_runs_that_there_are(as_json, scenario, lab, monkeypatch, profile, tmp_path):
    two_then(BROKEN, monkeypatch, profile)
    words = ["--runs", 3, "--replications", 10, "--save", "kept", *["--json"] * as_json]
    status, shown, said = lab("compare", "small.toml", *words)
    assert (status, said[-1]) == (2, f"small: run 3 of 3 is missing: {BROKEN}")
    assert len(list((tmp_path / "kept").iterdir())) == 2
    assert json.loads(shown)["missing"] if as_json else "measured in 2 runs" in shown


def test_comparisons_that_are_done_are_shown_after_ctrl_c(scenario, lab, monkeypatch, profile, tmp_path):
    def each(scenario, *_):
        if scenario.name == "other":
            raise KeyboardInterrupt
        yield sim.simulate(scenario, 0, profile)

    monkeypatch.setattr(live, "each", each)
    (tmp_path / "other.toml").write_text(scenario.to_toml().replace('"small"', '"other"'))
    status, shown, said = lab("compare", "small.toml", "other.toml", "--runs", 1, "--replications", 10, "--json")
    assert (status, said[-1][:11]) == (130, "Interrupted")
    assert json.loads(shown)["scenario"] == "small"


def test_the_demo_shows_its_table_when_its_figure_cannot_be_written(scenario, lab, monkeypatch, profile, tmp_path):
    two_then(BROKEN, monkeypatch, profile)
    full_disk(monkeypatch, ".png")
    monkeypatch.setattr(app, "OUTPUT", tmp_path)
    status, shown, said = lab("demo", "--scenario", "small.toml", "--runs", 2, "--replications", 10)
    assert status == 2
    assert "Verdict" in shown
    assert "Learnt" in shown
    assert said[-1] == f"the figure is missing: {tmp_path}/small.png: cannot be written (No space left on device)."


def test_a_campaign_that_breaks_off_shows_what_its_runs_found(lab, monkeypatch):
    profile = memory_profile()

    def run(scenario, number):
        if number == 2:
            raise BROKEN
        return sim.simulate(scenario, number, profile)

    monkeypatch.setattr(live.campaign, "run", run)
    monkeypatch.setattr(live.campaign, "check", lambda _: None)
    status, shown, said = lab("campaign", "--runs", 5, "--seed", 3, "--json")
    found = json.loads(shown)
    why = "run 2 of seed 3 and what comes after it is missing"
    assert (status, said[-1]) == (2, f"{why}: {BROKEN}")
    assert [one["run"] for one in found["runs"]] == [0, 1]
    assert found["missing"][0].startswith(why)


VARIED = ["sweep", "small.toml", "--vary", "nodes.count=2,3", "--replications", 2, "--jobs", 1]


@pytest.mark.parametrize("end", ["table.parquet", ".png"])
@pytest.mark.parametrize("as_json", [False, True])
def test_a_sweep_shows_its_table_when_a_file_cannot_be_written(end, as_json, scenario, lab, monkeypatch):
    full_disk(monkeypatch, end)
    status, shown, said = lab(*VARIED, *["--json"] * as_json)
    what = "the table" if end == "table.parquet" else "the figure"
    assert status == 2
    assert said[-1].startswith(f"{what} is missing: sweeps/small/")
    assert said[-1].endswith("cannot be written (No space left on device).")
    assert len(json.loads(shown)["variants"]) == 2 if as_json else "2 parts simulated" in shown


def test_a_sweep_says_how_many_parts_it_keeps_and_goes_on_from_there(scenario, lab, monkeypatch):
    replace, kept = os.replace, []

    def full(source, target, **options):
        if kept:
            raise OSError(errno.ENOSPC, "No space left on device")
        kept.append(target)
        replace(source, target, **options)

    monkeypatch.setattr(os, "replace", full)
    status, shown, said = lab(*VARIED)
    assert (status, shown) == (2, "")
    assert said[-1].endswith(
        "(No space left on device); 1 of 2 parts are kept, and the same command goes on from there."
    )
    monkeypatch.setattr(os, "replace", replace)
    status, shown, _ = lab(*VARIED)
    assert status == 0
    assert "1 parts simulated, 1 found finished" in shown


def test_the_zoo_shows_its_ranking_when_its_figure_cannot_be_written(lab, monkeypatch, tmp_path):
    full_disk(monkeypatch, ".png")
    words = ["--set", "clients.count=20", "--set", "host.profile=reference", "--replications", 1, "--jobs", 1]
    status, shown, said = lab("zoo", *words, "--figure", tmp_path / "zoo.png")
    assert status == 2
    assert "phoenix" in shown
    assert said[-1].startswith("the figure is missing: ")


@pytest.mark.parametrize("as_json", [False, True])
def test_a_calibration_shows_what_it_measured_when_its_profile_cannot_be_written(as_json, lab, monkeypatch, profile):
    monkeypatch.setattr(live, "calibrate", lambda *_, **__: profile)
    monkeypatch.setattr(steps, "CALIBRATED", Path("none.json"))
    full_disk(monkeypatch, "own.json")
    status, shown, said = lab("calibrate", "--output", "own.json", *["--json"] * as_json)
    assert status == 2
    assert said == ["the profile is missing: own.json: cannot be written (No space left on device)."]
    assert HostProfile.model_validate_json(shown) == profile if as_json else "open a TCP connection" in shown
