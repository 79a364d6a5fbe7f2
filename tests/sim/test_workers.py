"""Workers give every result, and end with the process that they work for."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import joblib
import psutil
import pytest

from sim.workers import LOOK, side_by_side
from twin.errors import WorkersWarning

MASTER = """
import time
from sim.workers import side_by_side
print("up", flush=True)
list(side_by_side(time.sleep, [(60.0,), (60.0,)], 2))
"""


def workers_of(pid):
    """Return the worker processes of a process, those left out that have ended."""
    found = set()
    for one in psutil.Process(pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # a zombie is one, too
            if "LokyProcess" in " ".join(one.cmdline()):
                found.add(one.pid)
    return found


def slowly(seconds):
    time.sleep(seconds)
    return os.getpid()


def test_results_come_in_the_order_of_the_tasks_or_as_they_are_finished():
    tasks = [(n, 2) for n in range(9)]
    expected = [n**2 for n in range(9)]
    assert list(side_by_side(pow, tasks, 2)) == expected
    assert sorted(side_by_side(pow, tasks, 2, in_order=False)) == expected


def test_who_waits_for_results_in_any_order_works_too_and_hears_of_errors():
    done = side_by_side(slowly, [(0.05,)] * 60, 2, in_order=False)
    pids = list(done)
    assert len(pids) == 60
    assert len(set(pids)) == 2
    assert os.getpid() in pids
    for numbers in ([(0, 0)], [(1, 1)] * 9 + [(1, 0)]):
        with pytest.raises(ZeroDivisionError):
            list(side_by_side(divmod, numbers * 3, 3, in_order=False))
    assert list(side_by_side(pow, [(2, 3)] * 4, 2)) == [8] * 4  # other workers, kept by joblib


def test_who_no_longer_wants_results_does_not_wait_for_them():
    begun, others = time.monotonic(), workers_of(os.getpid())
    results = side_by_side(slowly, [(0.0,)] * 3 + [(60.0,)] * 3, 2, in_order=False)
    assert next(results) == os.getpid()
    results.close()
    assert time.monotonic() - begun < 30.0
    deadline = time.monotonic() + 30.0
    while workers_of(os.getpid()) - others:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_one_job_is_this_process():
    assert list(side_by_side(os.getpid, [(), ()], 1)) == [os.getpid()] * 2


def test_work_that_stays_in_the_master_does_not_end_it():
    with joblib.parallel_config(backend="threading"):  # as with one core: no process is started
        assert list(side_by_side(os.getpid, [(), ()], 2)) == [os.getpid()] * 2
    time.sleep(2 * LOOK)


def test_workers_end_in_the_middle_of_their_work_when_their_master_is_killed():
    root = Path(__file__).parents[2]
    master = subprocess.Popen([sys.executable, "-c", MASTER], cwd=root, stdout=subprocess.PIPE)
    try:
        assert master.stdout.readline() == b"up\n"
        deadline = time.monotonic() + 60
        family = []
        while sum("LokyProcess" in " ".join(one.cmdline()) for one in family) < 2:
            assert time.monotonic() < deadline, "no workers came up"
            time.sleep(0.05)
            family = psutil.Process(master.pid).children(recursive=True)
        time.sleep(3.0)  # they have begun to work
    finally:
        master.send_signal(signal.SIGKILL)
        master.wait()
    _, left = psutil.wait_procs(family, timeout=30)
    assert not left


def test_where_no_locks_can_be_shared_one_process_does_the_work_and_says_why(monkeypatch):
    """As in a container whose /dev/shm is read-only."""
    from joblib.externals import loky

    def refused(**_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(loky, "ProcessPoolExecutor", refused)
    with pytest.warns(WorkersWarning, match=r"^no worker processes can be started here \(.*Read-only file system\)"):
        assert sorted(side_by_side(divmod, [(7, 2), (9, 4)], 2, in_order=False)) == [(2, 1), (3, 1)]
