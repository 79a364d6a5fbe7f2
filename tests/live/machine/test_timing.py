"""Intended and actual times, and what makes a run void."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from live.control.messages import Lateness, take
from live.machine import timing
from live.machine.timing import TOLERANCE, ScheduledAction, Timers, Timing, stood_still

STOPS_ITSELF = """
import asyncio, json, os, subprocess, time
from live.control.messages import plain
from live.machine.timing import Timers
async def main():
    timers = Timers()
    waker = subprocess.Popen(["sh", "-c", f"sleep 0.6; kill -CONT {os.getpid()}"])
    start = time.monotonic()
    for i in range(3):
        await timers.until(time.monotonic() + 0.02, "tick")
    waiting = asyncio.ensure_future(timers.until(time.monotonic() + 0.02, "tick"))
    await asyncio.sleep(0)
    os.kill(os.getpid(), 19)
    await waiting
    waker.wait()
    print(json.dumps(plain(timers.lateness(start))))
asyncio.run(main())
"""


class Clock:
    """Stands for the module `time` where it is asked for the monotonic clock."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    one = Clock()
    monkeypatch.setattr(timing, "time", one)
    return one


def test_a_step_is_noted_with_its_intended_and_its_actual_time(clock: Clock) -> None:
    def kill() -> None:
        clock.now += 0.01

    noted = Timing()
    clock.now = 102.004
    noted.take(ScheduledAction(2.0, "the kill of node 1", kill), 100.0)
    (step,) = noted.as_dict(100.0)["steps"]
    assert step == {
        "what": "the kill of node 1",
        "intended": 2.0,
        "actual": pytest.approx(2.004),
        "took": pytest.approx(0.01),
    }
    assert noted.slips(100.0) == []


@pytest.mark.parametrize(("late", "took", "slips"), [(0.5, 0.0, ["came 0.50 s late"]), (0.0, 0.5, ["took 0.50 s"])])
def test_a_step_that_comes_late_or_lasts_too_long_is_a_slip(
    late: float, took: float, slips: list[str], clock: Clock
) -> None:
    def kill() -> None:
        clock.now += took

    noted = Timing()
    clock.now = 102.0 + late
    noted.take(ScheduledAction(2.0, "the kill of node 1", kill), 100.0)
    found = noted.slips(100.0)
    assert len(found) == len(slips)
    assert all(text in said for text, said in zip(slips, found, strict=True))


def test_a_timer_that_is_late_because_of_the_process_s_own_work_has_not_stood_still() -> None:
    async def busy() -> Lateness:
        timers = Timers()
        due = time.monotonic() + 0.01
        waiting = asyncio.ensure_future(timers.until(due, "tick"))
        await asyncio.sleep(0)
        while time.monotonic() < due + 3 * TOLERANCE:
            pass
        await waiting
        return timers.lateness(0.0)

    found = asyncio.run(busy())
    assert found.late["tick"].max > 2.5 * TOLERANCE
    assert stood_still("swarm 0", found) == ""


@pytest.mark.live
@pytest.mark.skipif(not os.path.exists("/proc/self/schedstat"), reason="only Linux tells how long a process waited")
def test_a_process_that_was_stopped_has_stood_still() -> None:
    done = subprocess.run([sys.executable, "-c", STOPS_ITSELF], capture_output=True, text=True, check=True, timeout=60)
    found: Lateness = take(json.loads(done.stdout), Lateness, "it")
    assert 0.3 < found.stood_still < 30
    assert stood_still("swarm 0", found).startswith("swarm 0 stood still for")
    assert found.late["tick"].count == 4
    assert signal.SIGSTOP == 19


def test_what_is_due_already_is_no_timer_s_business() -> None:
    timers = Timers()
    asyncio.run(timers.until(time.monotonic() - 1.0, "tick"))
    assert timers.lateness(0.0).late == {}
