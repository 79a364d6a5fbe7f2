"""Who disturbs finds the right process, does what was drawn, and notes when."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from math import inf
from pathlib import Path

import psutil
import pytest

from live.broadcast.bus import Bus
from live.control.process import ChildProcess, Stage
from live.disturbances import injector
from live.disturbances.disturbance import Action, Disturbance, When
from live.disturbances.injector import Injector, find, has_disks, inside, name_of, on_a_disk
from live.machine import placement

pytestmark = pytest.mark.live


def drawn(action: Action, target: str, when: When = "run", length: float | None = None) -> Disturbance:
    return Disturbance(0, "plain", target, action, when, 0.0, length)


@pytest.fixture
def lab(stage: Stage) -> ChildProcess:
    """This process in the place of a lab, with two parts."""
    stage.start("node 3", ["sleep", "60"])
    stage.start("awake 1", ["sleep", "60"])
    me = ChildProcess("lab", stage.parts[0].process, stage.folder / "lab.log")
    me.pid = os.getpid()
    return me


@pytest.fixture
def by(stage: Stage, lab: ChildProcess, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Injector:
    """One without a server."""
    monkeypatch.setattr(injector, "FIND_WITHIN", 0.2)
    return Injector(lab, stage, None, folder, None, [min(os.sched_getaffinity(0))])


def test_a_part_is_found_by_the_name_of_its_log(stage: Stage, lab: ChildProcess) -> None:
    node, awake = stage.parts
    assert [find(lab.pid, name) for name in ("node 3", "awake", "lab")] == [node.pid, awake.pid, lab.pid]
    assert find(lab.pid, "guard") == stage.guard.pid
    assert find(lab.pid, "node") is None
    assert name_of(psutil.Process()) == ""
    node.signal(signal.SIGKILL)
    assert node.wait(10)
    assert find(lab.pid, "node 3") is None  # it has not been reaped, and nothing can be done to it any more


def test_a_kill_has_no_end_and_hits_nobody_who_is_not_there(by: Injector, stage: Stage) -> None:
    before = time.monotonic()
    hit = by.do(drawn("kill", "node 3"))
    assert hit is not None
    assert before <= hit[0] <= time.monotonic()
    assert hit[1] == inf
    assert stage.parts[0].wait(10)
    assert stage.parts[0].status == -signal.SIGKILL
    assert by.do(drawn("kill", "node 3")) is None
    assert by.do(drawn("stop", "registrar", length=0.1)) is None


def test_who_was_stopped_goes_on_when_it_is_over(by: Injector, stage: Stage) -> None:
    hit = by.do(drawn("stop", "node 3", length=0.2))
    assert hit is not None
    assert 0.2 <= hit[1] - hit[0] < 5.0
    assert psutil.Process(stage.parts[0].pid).status() != psutil.STATUS_STOPPED
    assert stage.parts[0].running


def test_taken_cores_are_given_back(by: Injector, stage: Stage) -> None:
    parts = list(stage.parts)
    hit = by.do(drawn("starve", "cores", length=0.3))
    assert hit is not None
    assert hit[1] - hit[0] >= 0.3
    assert stage.parts == parts


def test_only_connections_without_a_name_are_cut(by: Injector, stage: Stage) -> None:
    by.server = Bus(stage, placement.free_ports(1)[0], [])
    by.server.wait_ready(10)
    assert by.do(drawn("cut", "keeper")) is None
    with contextlib.closing(by.server.client()) as named, contextlib.closing(by.server.client()) as other:
        named.client_setname("stormlab:0123abcd:node-1-reader")
        numbers = named.client_id(), other.client_id()
        assert by.do(drawn("cut", "keeper")) is not None
        assert named.client_id() == numbers[0]
        with contextlib.suppress(Exception):
            other.ping()
        assert other.client_id() != numbers[1]
    hit = by.do(drawn("kill", "server"))
    assert hit is not None
    assert by.server.part is not None
    assert by.server.part.wait(10)


def test_a_record_is_being_written_when_a_part_of_it_is_there(by: Injector, folder: Path) -> None:
    (folder / ".stormlab-0.partial").write_text("")
    hit = by.do(drawn("kill", "node 3", "saving"))
    assert hit is not None


def test_a_disk_of_its_own_is_seen_by_nobody_else_and_can_be_filled(
    by: Injector, stage: Stage, folder: Path, until: Callable[..., None]
) -> None:
    if not has_disks(folder):
        pytest.skip("this user may not mount anything")
    small = [*on_a_disk(folder, 2**20), "sleep", "60"]
    by.lab, by.disk = stage.start("lab", small), folder
    until(lambda: psutil.Process(by.lab.pid).name() == "sleep")
    assert by.do(drawn("fill", "disk of the run")) is not None
    assert (inside(by.lab.pid, folder) / "rubbish").stat().st_size == 2**20
    assert not (folder / "rubbish").exists()
    full = subprocess.run(
        [*on_a_disk(folder, 4096), "sh", "-c", f"head -c 9000 /dev/zero > {folder}/x"], capture_output=True, check=False
    )
    assert b"No space left" in full.stderr
