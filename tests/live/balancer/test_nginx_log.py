"""What the log of nginx says about its processes; the lines are those of nginx 1.22."""

import time

from live.balancer.nginx_log import SETTLES, Processes

LAB, MASTER, WORKER, STRANGER = 100, 200, 201, 999
HEAD = "2026/11/29 20:16:29 [notice] "
RELOAD = [
    f"{HEAD}{MASTER}#{MASTER}: signal 1 (SIGHUP) received from {LAB}, reconfiguring",
    f"{HEAD}{MASTER}#{MASTER}: start worker process 202",
    f"{HEAD}{WORKER}#{WORKER}: gracefully shutting down",
    f"{HEAD}{MASTER}#{MASTER}: signal 17 (SIGCHLD) received from {WORKER}",
    f"{HEAD}{MASTER}#{MASTER}: worker process {WORKER} exited with code 0",
    f"{HEAD}{MASTER}#{MASTER}: signal 29 (SIGIO) received",
]


def after(*lines: str, since: float = 0.0) -> str:
    processes = Processes({LAB})
    for line in lines:
        processes.read(line, time.monotonic() - since)
    return processes.disturbed()


def test_a_reload_that_the_lab_has_ordered_is_no_trouble():
    assert after(*RELOAD, since=10 * SETTLES) == ""


def test_a_signal_of_somebody_else_is():
    line = f"{HEAD}{WORKER}#{WORKER}: signal 15 (SIGTERM) received from {STRANGER}, exiting"
    assert after(line) == f"nginx (process {WORKER}) was sent SIGTERM by process {STRANGER}"
    assert after(RELOAD[0].replace(f"from {LAB}", f"from {STRANGER}")).endswith(f"SIGHUP by process {STRANGER}")


def test_a_worker_that_was_killed_or_broke_is():
    for how in ("on signal 9", "on signal 11", "with fatal code 2", "with code 1"):
        line = f"2026/11/29 20:16:30 [alert] {MASTER}#{MASTER}: worker process {WORKER} exited {how}"
        assert after(line) == f"a worker of nginx (process {WORKER}) exited {how}"


def test_a_change_of_a_worker_without_its_end_is_a_stop():
    line = f"{HEAD}{MASTER}#{MASTER}: signal 17 (SIGCHLD) received from {WORKER}"
    assert after(line, since=2 * SETTLES) == f"a worker of nginx (process {WORKER}) was stopped, or let go on"
    assert after(line) == ""  # its end may still be told
