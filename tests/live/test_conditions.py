"""What a run depends on silently: a change of it makes the run void."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from live import conditions
from live.conditions import Conditions, throttled


def test_nothing_has_changed(folder: Path) -> None:
    assert Conditions(folder).changes() == []


def test_a_clock_that_was_set(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Conditions(folder)
    right = conditions.time.time
    monkeypatch.setattr(conditions.time, "time", lambda: right() - 3.0)
    assert found.changes() == ["the machine's clock was set by -3.00 s"]


def test_a_machine_that_slept_in_between(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Conditions(folder)
    monkeypatch.setattr(conditions, "_asleep", lambda: found._asleep + 60.0)
    assert found.changes() == ["the machine slept for 60.0 s"]


def test_a_full_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Conditions(folder / "run")
    monkeypatch.setattr(os, "statvfs", lambda path: SimpleNamespace(f_bavail=10, f_frsize=4096))
    assert found.changes() == [f"the disk of {folder} is full"]


@pytest.mark.parametrize(
    ("line", "group", "stat", "seconds"),
    [
        ("0::/lab", "lab", "usage_usec 7\nnr_throttled 2\nthrottled_usec 1500000\n", 1.5),
        ("0::/gone", "", "throttled_usec 250000\n", 0.25),
        ("4:cpu,cpuacct:/lab", "cpu,cpuacct/lab", "nr_periods 1\nthrottled_time 2000000000\n", 2.0),
        ("0::/lab", "other", "throttled_usec 1\n", 0.0),
    ],
)
def test_the_quota_of_a_control_group(
    line: str, group: str, stat: str, seconds: float, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / group).mkdir(parents=True, exist_ok=True)
    (folder / group / "cpu.stat").write_text(stat)
    own = folder / "cgroup"
    own.write_text(line + "\n")
    monkeypatch.setattr(conditions, "CGROUPS", folder)
    monkeypatch.setattr(conditions, "OWN", own)
    assert throttled() == pytest.approx(seconds)


def test_a_quota_that_held_the_lab_back(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Conditions(folder)
    monkeypatch.setattr(conditions, "throttled", lambda: found._throttled + 2.0)
    assert found.changes() == ["the CPU quota of the lab's control group held it back for 2.00 s"]
