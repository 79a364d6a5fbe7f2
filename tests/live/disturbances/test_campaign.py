"""Disturbed runs of the lab's own command line, seen from outside."""

import sys
from collections.abc import Callable
from math import inf
from pathlib import Path

import pytest

from live.control.process import Stage
from live.disturbances import campaign
from live.disturbances.campaign import MARK, Witness, disturb, disturbed, marked, say
from live.disturbances.disturbance import Disturbance
from live.disturbances.injector import has_disks
from live.disturbances.verdicts import BUSY, OTHERS, judge
from twin.errors import HostError, ScenarioError

pytestmark = pytest.mark.live


def test_a_killed_part_voids_its_run_by_name(stage: Stage) -> None:
    seen = disturb(Disturbance(0, "registry", "registrar", "kill", "run", 0.5, None), 1, stage, False)
    assert seen.hit is not None
    assert seen.starts[0].start is not None
    assert 0.5 <= seen.hit[0] - seen.starts[0].start < 3.0
    assert seen.hit[1] == inf
    assert "registrar" in seen.said
    verdict = judge(seen)
    assert (verdict.must, verdict.outcome, verdict.verdicts) == ("void", "voided", ("voided rightly",)), verdict
    assert len(seen.starts) == 1 + len(seen.void_before) > 1
    assert seen.left == ()
    assert say(seen, verdict)["hit"][1] is None


def test_an_undisturbed_run_with_ordered_kills_counts(stage: Stage) -> None:
    seen = disturb(Disturbance(0, "failover", "", "none", "run", 0.0, None), 1, stage, False)
    assert (seen.hit, seen.status, seen.shown, seen.records, seen.left) == (None, 0, True, (1, 0), ()), seen.said
    verdict = judge(seen)
    assert not verdict.wrong, verdict
    assert verdict.outcome == "counted" or seen.late > BUSY or seen.others > OTHERS, seen


def test_a_killed_lab_leaves_nothing_but_keys_that_end(stage: Stage) -> None:
    seen = disturb(Disturbance(0, "own server", "lab", "kill", "run", 0.5, None), 1, stage, False)
    assert (seen.status, seen.shown, seen.records, seen.left) == (-9, False, (0, 0), ())
    assert judge(seen).verdicts == ("voided rightly",)


def test_what_is_left_of_a_run_is_seen_and_then_ended(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaign, "GONE_WITHIN", 0.2)
    stays = "import subprocess, tempfile; subprocess.Popen(['sleep', '60'], stdout=-3, start_new_session=True); "
    stays += "tempfile.mkdtemp(prefix='stormlab-')"
    monkeypatch.setattr(sys, "executable", str(_program(stage.folder, f'{sys.executable} -c "{stays}"')))
    seen = disturb(Disturbance(0, "plain", "", "none", "run", 0.0, None), 1, stage, False)
    assert [word.split()[0] for word in seen.left] == ["process", "folder"]
    assert "left behind" in judge(seen).verdicts


def test_a_lab_that_does_not_end_is_ended(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaign, "ENDS_WITHIN", 0.5)
    monkeypatch.setattr(sys, "executable", str(_program(stage.folder, "exec sleep 60")))
    seen = disturb(Disturbance(0, "plain", "", "none", "run", 0.0, None), 1, stage, False)
    assert seen.status is None
    assert "hung" in judge(seen).verdicts


def _program(folder: Path, line: str) -> Path:
    path = folder / "program"
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)
    return path


def test_a_full_disk_is_said_and_leaves_no_record(stage: Stage) -> None:
    if not has_disks(stage.folder):
        pytest.skip("this user may not mount anything")
    seen = disturb(Disturbance(0, "plain", "disk of the records", "fill", "start-up", 0.0, None), 1, stage, True)
    assert (seen.status, seen.shown, seen.records, seen.left) == (2, True, (0, 0), ())
    assert judge(seen).verdicts == ("voided rightly",)


def test_a_witness_sees_who_takes_a_core_and_not_what_bears_the_mark(stage: Stage, until: Callable[..., None]) -> None:
    busy = "import time\nend = time.monotonic() + 1.0\nwhile time.monotonic() < end: pass"
    mine = stage.start("mine", ["env", f"{MARK}=abc", sys.executable, "-c", busy])
    until(lambda: [process.pid for process in marked("abc")] == [mine.pid])
    witness = Witness("abc")
    other = stage.start("other", [sys.executable, "-c", busy])
    assert other.wait(20)
    late, others = witness.found()
    witness.close()
    assert others > 0.2
    assert late >= 0.0


def test_wrong_numbers_and_systems_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ScenarioError, match=r"^runs is 0"):
        next(disturbed(0, 1))
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    with pytest.raises(HostError, match="Darwin"):
        next(disturbed(1, 1))
