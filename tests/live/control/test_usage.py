"""What the kernel tells of a process's use of cores."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable

import psutil
import pytest

from live.control.messages import Finish
from live.control.process import Stage
from live.control.usage import family_cpu_ns, process_cpu_ns, queued_ns, wants_a_core

pytestmark = pytest.mark.live


def test_the_cpu_time_of_a_part_grows_with_its_work_only(stage: Stage) -> None:
    code = "import sys\nfor line in sys.stdin: print(sum(range(20_000_000 if 'work' in line else 1)), flush=True)"
    part = stage.start("worker", [sys.executable, "-c", code])
    part.tell(Finish("rest"))
    part.read_line()
    idle = part.cpu_ns()
    time.sleep(0.2)
    rested = part.cpu_ns()
    part.tell(Finish("work"))
    part.read_line(60)
    worked = part.cpu_ns()
    assert rested - idle < 50e6
    assert worked - rested > 50e6
    times = psutil.Process(part.pid).cpu_times()
    assert worked / 1e9 == pytest.approx(times.user + times.system, abs=0.1)


def test_the_cpu_time_of_a_thread_that_has_ended_is_not_forgotten(stage: Stage) -> None:
    work = "one = threading.Thread(target=lambda: sum(range(30_000_000))); one.start(); one.join()"
    code = f"import sys, threading\n{work}\nprint(flush=True); sys.stdin.read()"
    part = stage.start("worker", [sys.executable, "-c", code])
    part.read_line(60)
    times = psutil.Process(part.pid).cpu_times()
    assert part.cpu_ns() / 1e9 == pytest.approx(times.user + times.system, abs=0.03)
    assert part.cpu_ns() > 100e6


def test_the_work_of_processes_that_a_part_has_started_is_its_own(stage: Stage) -> None:
    """One of them has ended, one goes on."""
    work = "subprocess.run([sys.executable, '-c', 'sum(range(10_000_000))'])"
    other = "[sys.executable, '-c', 'sum(range(10_000_000)); print(flush=True); import time; time.sleep(60)']"
    code = f"import sys, subprocess\n{work}\none = subprocess.Popen({other}, stdout=subprocess.PIPE)\n"
    code += "one.stdout.readline(); print(flush=True); sys.stdin.read(); one.kill(); one.wait()"
    part = stage.start("worker", [sys.executable, "-c", code])
    part.read_line(60)
    (child,) = psutil.Process(part.pid).children()
    ended = psutil.Process(part.pid).cpu_times().children_user
    assert ended > 0.05
    assert family_cpu_ns(part.pid) == pytest.approx(part.cpu_ns() + process_cpu_ns(child.pid) + 1e9 * ended, abs=5e7)
    assert process_cpu_ns(child.pid) > 50e6


def test_a_busy_process_wants_a_core_and_one_that_sleeps_or_is_stopped_does_not(until: Callable[..., None]) -> None:
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    idle = subprocess.Popen([sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()"],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip
    try:
        assert idle.stdout is not None
        idle.stdout.readline()
        until(lambda: not wants_a_core(idle.pid))
        until(lambda: wants_a_core(busy.pid))
        busy.send_signal(signal.SIGSTOP)
        until(lambda: not wants_a_core(busy.pid))
    finally:
        for one in (busy, idle):
            one.kill()
            one.communicate()
    assert not wants_a_core(busy.pid)


def test_a_process_that_wants_a_core_that_another_has_is_queued(stage: Stage, until: Callable[..., None]) -> None:
    rivals = [stage.start(f"rival {i}", [sys.executable, "-c", "while True: pass"], [0]) for i in range(2)]
    until(lambda: all(queued_ns(one.pid) > 10_000_000 for one in rivals))
    assert all(process_cpu_ns(one.pid) > 0 for one in rivals)
