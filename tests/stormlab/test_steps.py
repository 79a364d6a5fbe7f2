"""What several commands do."""

import json
from contextlib import contextmanager
from dataclasses import replace

import pytest
import typer

import live
import sim
import twin.costs.profile
from stormlab import app, steps
from tests.strategies import small
from twin.costs.polls import OF_POLLS, POLL_ROUNDS
from twin.costs.profile import CALIBRATED, HostProfile
from twin.costs.sessions import SESSION_PARTS
from twin.errors import ClusterError
from twin.record.record import Record


def test_a_calibration_writes_the_file_that_it_is_told_and_no_other(tmp_path, profile, monkeypatch):
    own = tmp_path / "host.json"
    monkeypatch.setattr(steps, "CALIBRATED", own)
    monkeypatch.setattr(live, "calibrate", lambda *args, **options: profile)
    before = CALIBRATED.read_bytes() if CALIBRATED.exists() else b""
    steps.calibrate_machine(output=tmp_path / "deep" / "other.json")
    assert HostProfile.load(str(tmp_path / "deep" / "other.json")) == profile
    assert not own.exists()
    assert (CALIBRATED.read_bytes() if CALIBRATED.exists() else b"") == before


def test_the_look_at_the_cores_shows_how_far_it_is(tmp_path, profile, monkeypatch):
    def trace(scenario, progress):
        for share in (0.0, 0.5, 0.9):
            progress(share)
        return [[0.001]]

    shown = []

    @contextmanager
    def bar():
        yield lambda text, share: shown.append((text, share))

    monkeypatch.setattr(live, "trace", trace)
    monkeypatch.setattr(steps, "progress", bar)
    for module in (steps, twin.costs.profile):
        monkeypatch.setattr(module, "CALIBRATED", profile.save(tmp_path / "host.json"))
    steps.look_at_cores(small(host={"profile": "calibrated"}))
    assert [share for _, share in shown] == [0.0, 0.5, 0.9]
    assert HostProfile.load() == profile.with_look([[0.001]])


def test_a_scenario_whose_runs_fail_costs_the_others_nothing_but_nothing_passes(tmp_path, profile, monkeypatch, capsys):
    faults = [{"at": 1.0, "kind": "kill", "node": 1}]
    good, bad = (small(name=name, host={"profile": "reference"}, faults=faults) for name in ("good", "bad"))
    paths = []
    for scenario in (bad, good):
        paths.append(tmp_path / f"{scenario.name}.toml")
        paths[-1].write_text(scenario.to_toml())

    def runs(scenario, *_):
        if scenario.name == "bad":
            raise ClusterError("the clients could not connect.")
        return [sim.simulate(scenario, 0, profile)]

    monkeypatch.setattr("stormlab.commands.compare.runs_of", runs)
    with pytest.raises(typer.Exit) as ended:
        app.compare([str(path) for path in paths], replications=20, as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert ended.value.exit_code == 1
    assert told["total"]["failed"] == {"bad": "the clients could not connect."}
    assert told["total"]["verdict"] == "fail"
    assert [one["scenario"] for one in told["scenarios"]] == ["good"]


def test_the_last_record_of_a_run_takes_the_place_of_those_before(tmp_path, profile, monkeypatch):
    first = sim.simulate(small(), 0, profile)
    hungry = replace(first, provenance={**first.provenance, "host": {"starved": "others took 0.5 cores"}})
    slipped = sim.simulate(small(), 1, profile)
    slipped = replace(slipped, provenance={**slipped.provenance, "disturbed": "the lab stood still for 2.00 s"})
    monkeypatch.setattr(live, "each", lambda *_: iter([hungry, slipped, first]))
    found = steps.runs_of(small(), 2, None, tmp_path)
    assert [record.counts for record in found] == [True, False]
    assert Record.load(tmp_path / "small-0.parquet").counts
    assert Record.load(tmp_path / "small-1.parquet").disturbed == "the lab stood still for 2.00 s"


def test_a_look_of_another_lab_survives_the_calibration_of_sessions(tmp_path, profile, monkeypatch):
    own = tmp_path / "host.json"
    known = profile.without(SESSION_PARTS)
    for module in (steps, twin.costs.profile):
        monkeypatch.setattr(module, "CALIBRATED", known.save(own))

    def measured(before, progress):
        before.with_look([[0.5]]).save()  # by another lab, while this one measures
        return before.model_copy(update={"parts": profile.parts})

    monkeypatch.setattr(live, "with_sessions", measured)
    steps.calibrate_sessions()
    assert HostProfile.load() == profile.with_look([[0.5]])


def test_polls_are_calibrated_when_a_scenario_asks_for_them_and_not_before(tmp_path, profile, monkeypatch):
    own = tmp_path / "host.json"
    for module in (steps, twin.costs.profile):
        monkeypatch.setattr(module, "CALIBRATED", profile.without(OF_POLLS).save(own))
    shares = profile.first_part | {name: [0.5] for name in POLL_ROUNDS.values()}
    asked = []

    def measured(before, progress):
        asked.append(before)
        return profile.model_copy(update={"first_part": shares})

    monkeypatch.setattr(live, "with_polls", measured)
    talk = small(bus={"kind": "stream"}, publisher={})
    assert not steps.profile_of(talk).knows_polls()
    assert asked == []
    polls = talk.vary(clients={"transport": {"kind": "long_poll"}})
    assert steps.profile_of(polls) == profile.model_copy(update={"first_part": shares})
    steps.profile_of(polls)
    assert len(asked) == 1
