"""A run in which something happens to a part that no fault has ordered is void; what a fault orders is not."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Timer
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from live import runs
from live.cluster import Cluster
from live.control.messages import ControlMessage
from live.control.process import ChildProcess, Stage
from live.control.supervisor import Supervisor
from live.runs import VoidWarning, measure, run
from twin.errors import VoidError
from twin.invariants import audit
from twin.scenario.scenario import Scenario

pytestmark = pytest.mark.live

BROADCAST: dict[str, Any] = {"bus": {"kind": "stream"}, "publisher": {"rate": 10.0}}
BY_RELAY = BROADCAST | {"faults": [{"kind": "delay", "node": 1, "at": 0.2, "duration": 0.2, "delay": 0.01}]}
SESSIONS = {"sessions": {"store": "redis"}, "bus": {"kind": "valkey"}}
NGINX = {"balancer": {"kind": "nginx"}}
LINK = {"faults": [{"kind": "blackhole", "node": 1, "at": 0.2, "duration": 0.2}]}
REGISTRY = {"registry": {"ttl": 2.0, "heartbeat": 0.5, "sync": 0.2}, "bus": {"kind": "valkey"}}


@pytest.fixture
def once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A void run is not begun anew."""
    monkeypatch.setattr(runs, "STARTS", 1)


@pytest.fixture
def stage() -> Iterator[Stage]:
    with Stage() as one:
        yield one


@pytest.fixture
def disturb(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Callable[[float, str], None]]:
    """Return a progress function that does something to the process of a part half a second into the run."""
    clusters: list[Cluster] = []
    attend = Cluster.attend

    def noted(cluster: Cluster) -> None:
        if cluster not in clusters:
            clusters.append(cluster)
        attend(cluster)

    monkeypatch.setattr(Cluster, "attend", noted)

    def make(name: str, *signals: int, times: int = 1, held: float = 0.15) -> Callable[[float, str], None]:
        def progress(t: float, what: str) -> None:
            if t < 0.5 or len(done) == times or clusters[-1] in done:
                return
            done.append(clusters[-1])
            pid = pid_of(clusters[-1], name)
            for number in signals:
                os.kill(pid, number)
                time.sleep(held)

        done: list[Cluster] = []
        return progress

    return make


def pid_of(cluster: Cluster, name: str) -> int:
    if name == "worker":
        return int(psutil.Process(cluster.balancer.part.pid).children()[0].pid)
    if name == "the guard":
        return cluster.stage.guard.pid
    return next(part.pid for part in cluster.stage.parts if part.name == name)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("valkey", BROADCAST),
        ("valkey", SESSIONS),
        ("valkey", REGISTRY),
        ("relay 1", BY_RELAY),
        ("link 1", LINK),
        ("node 1", {}),
        ("node 2", REGISTRY),
        ("registrar", REGISTRY),
        ("publisher", BROADCAST),
        ("haproxy", {}),
        ("nginx", NGINX),
        ("swarm 0", {}),
        ("canary", {}),
        ("the guard", {}),
    ],
)
@pytest.mark.usefixtures("nginx", "once")
def test_a_part_that_is_killed_without_an_order_voids_the_run_at_once(
    name: str, settings: dict[str, Any], small: Callable[..., Scenario], disturb: Callable[..., Any]
) -> None:
    began = time.monotonic()
    with pytest.raises(VoidError, match=rf"^{name} \(process \d+\) was ended by SIGKILL, and nothing .*its log: "):
        run(small(duration=60.0, **settings), progress=disturb(name, signal.SIGKILL, held=0.0))
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("name", ["valkey", "node 1", "swarm 0", "haproxy", "publisher", "the guard"])
@pytest.mark.usefixtures("once")
def test_a_part_that_is_stopped_for_a_moment_voids_the_run(
    name: str, small: Callable[..., Scenario], disturb: Callable[..., Any]
) -> None:
    progress = disturb(name, signal.SIGSTOP, signal.SIGCONT)
    with pytest.raises(VoidError, match=rf"^{name} \(process \d+\) was stopped by a signal, or let go on by one"):
        run(small(duration=60.0, **BROADCAST), progress=progress)


def attend(cluster: Cluster, until: float) -> None:
    while time.monotonic() < until:
        cluster.attend()
        cluster.supervisor.wait(0.05)


@pytest.mark.parametrize(
    ("signals", "what"),
    [
        ([signal.SIGKILL], r"a worker of nginx \(process \d+\) exited on signal 9"),
        ([signal.SIGTERM], r"nginx \(process \d+\) was sent SIGTERM by process \d+"),
        ([signal.SIGSTOP, signal.SIGCONT], r"a worker of nginx \(process \d+\) was stopped, or let go on"),
    ],
)
@pytest.mark.usefixtures("nginx", "once")
def test_what_is_done_to_a_worker_of_nginx_voids_the_run(
    signals: list[int], what: str, small: Callable[..., Scenario], disturb: Callable[..., Any]
) -> None:
    with Cluster(small(**NGINX), 0) as cluster:
        cluster.balancer.processes.trusted.clear()  # the test is this process, which sends signals as the lab may
        start = cluster.warm_up()
        for number in signals:
            os.kill(pid_of(cluster, "worker"), number)
            time.sleep(0.15)
        with pytest.raises(VoidError, match=f"^{what}, and nothing"):
            attend(cluster, start + 5)


@pytest.mark.usefixtures("once")
def test_a_part_that_is_stopped_before_the_start_is_named(small: Callable[..., Scenario]) -> None:
    with Cluster(small(), 0) as cluster:
        os.kill(pid_of(cluster, "haproxy"), signal.SIGSTOP)
        Timer(3.0, os.kill, (pid_of(cluster, "haproxy"), signal.SIGCONT)).start()
        with pytest.raises(VoidError, match=r"^haproxy \(process \d+\) was stopped by a signal, or let go on by one"):
            cluster.warm_up()


def test_a_part_that_is_stopped_while_it_should_answer_is_named(stage: Stage) -> None:
    part = stage.start("sleeper", ["sleep", "60"])
    os.kill(part.pid, signal.SIGSTOP)
    with pytest.raises(VoidError, match=r"^sleeper gave no answer within 0\.2 s, as it was stopped by a signal: "):
        part.hear(ControlMessage, 0.2)


@pytest.mark.parametrize(
    ("settings", "faults"),
    [
        ({}, [{"kind": "kill", "node": 1, "at": 0.3, "duration": 0.5}]),
        ({}, [{"kind": "hang", "node": 1, "at": 0.3, "duration": 0.5}, {"kind": "restart", "node": 2, "at": 0.5}]),
        ({}, [{"kind": "reload", "at": 0.3}, {"kind": "reload", "at": 0.6}]),
        (NGINX, [{"kind": "reload", "at": 0.3}, {"kind": "reload", "at": 0.6}]),
        ({}, [{"kind": "drain", "node": 1, "at": 0.3, "lead": 0.2, "pace": 100.0}]),
        (BROADCAST, [{"kind": "bus_down", "at": 0.3, "duration": 0.3}, {"kind": "stall", "client": 1, "at": 0.5}]),
        (REGISTRY, [{"kind": "hang", "node": 1, "at": 0.3, "duration": 0.5}]),
        (REGISTRY | NGINX, [{"kind": "kill", "node": 1, "at": 0.3, "duration": 0.4}]),
        ({}, LINK["faults"]),
    ],
)
@pytest.mark.usefixtures("nginx", "once")
def test_what_a_fault_has_ordered_does_not_void_the_run(
    settings: dict[str, Any], faults: list[dict[str, Any]], small: Callable[..., Scenario]
) -> None:
    record = run(small(**settings, faults=faults))
    steps = record.provenance["timing"]["steps"]
    due = sorted([fault["at"] for fault in faults] + [f["at"] + f["duration"] for f in faults if "duration" in f])
    assert [step["intended"] for step in steps] == pytest.approx(due)
    assert all(step["actual"] >= step["intended"] for step in steps)
    assert record.provenance["timing"]["timers"]["swarm 0"]["late"]


def test_a_void_run_is_begun_anew_and_says_so(small: Callable[..., Scenario], disturb: Callable[..., Any]) -> None:
    with pytest.warns(VoidWarning, match="run 1 of small is void and is made anew: node 1 .*SIGKILL"):
        (record,) = measure(small(duration=1.5), 1, progress=disturb("node 1", signal.SIGKILL, held=0.0))
    assert record.void_before[0].startswith("node 1 (process ")


def test_a_run_that_is_disturbed_each_time_is_an_error(
    small: Callable[..., Scenario], disturb: Callable[..., Any]
) -> None:
    progress = disturb("node 1", signal.SIGKILL, times=runs.STARTS, held=0.0)
    with pytest.warns(VoidWarning), pytest.raises(VoidError, match=r"^node 1 \(process"):
        run(small(duration=5.0), progress=progress)


STOPPED = """
import sys
from live import runs
from live.machine import placement
from twin.scenario.scenario import Scenario
placement.keep_awake = lambda stage, cpus: None
told = []
def progress(t, what):
    if t > 0.4 and not told:
        told.append(print("now", flush=True))
runs.ONCE_MORE = 0
record = runs.run(Scenario.load(sys.argv[1]), progress=progress)
record.save(sys.argv[2])
"""


def test_a_lab_that_was_stopped_has_a_run_that_does_not_count(folder: Path, small: Callable[..., Scenario]) -> None:
    from twin.record.record import Record

    path = folder / "scenario.toml"
    path.write_text(small(faults=[{"kind": "kill", "node": 1, "at": 0.8}]).to_toml())
    command = [sys.executable, "-c", STOPPED, str(path), str(folder / "record.parquet")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=dict(os.environ, TMPDIR=str(folder))) as lab:
        assert lab.stdout is not None
        lab.stdout.readline()
        os.kill(lab.pid, signal.SIGSTOP)
        time.sleep(0.8)
        os.kill(lab.pid, signal.SIGCONT)
    assert lab.returncode == 0
    record = Record.load(folder / "record.parquet")
    assert "the kill of node 1 was due at 0.800 s and came" in record.disturbed
    assert "the lab stood still for" in record.disturbed
    found = audit(record)
    assert found.verdict == "unknown"
    assert any("disturbed" in reason for reason in found.reasons)


def test_the_supervisor_is_told_at_once_when_a_part_ends(stage: Stage) -> None:
    supervisor = Supervisor(stage)
    part: ChildProcess = stage.start("sleeper", ["sleep", "60"])
    supervisor.check()
    began = time.monotonic()
    supervisor.wait(0.2)
    if supervisor.tells:
        assert time.monotonic() - began >= 0.19
    os.kill(part.pid, signal.SIGTERM)
    while part.running:
        supervisor.wait(30.0)
    assert time.monotonic() - began < 20
    with pytest.raises(
        VoidError, match=r"^sleeper \(process \d+\) was ended by SIGTERM, .*its log: it logged nothing$"
    ):
        supervisor.check()
    supervisor.check()  # it is told once
    supervisor.wait(0.0)
    supervisor.close()


def test_a_wait_ends_when_it_is_due_and_not_with_the_millisecond(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    supervisor, asked, slept = Supervisor(stage), [], []
    monkeypatch.setattr(supervisor, "_poll", SimpleNamespace(poll=lambda ms: asked.append(ms) or []))
    monkeypatch.setattr(supervisor, "_watch_all", lambda: None)
    monkeypatch.setattr("live.control.supervisor.time", SimpleNamespace(monotonic=lambda: 5.0, sleep=slept.append))
    supervisor.wait(0.0105)
    assert asked == [pytest.approx(8.5)]
    assert slept == [pytest.approx(0.0105)]  # the clock stands still here: all of the wait is left
    supervisor.wait(0.0007)
    assert asked[1:] == [0.0]
    assert slept[1:] == [pytest.approx(0.0007)]


def test_stops_that_the_lab_orders_are_no_trouble_and_others_are(stage: Stage) -> None:
    supervisor = Supervisor(stage)
    part: ChildProcess = stage.start("sleeper", ["sleep", "60"])
    for number in (signal.SIGSTOP, signal.SIGCONT):
        part.signal(number)
        time.sleep(0.05)
        supervisor.check()
    part.signal(signal.SIGSTOP)
    part.signal(signal.SIGCONT)
    time.sleep(0.05)
    supervisor.check()
    part.signal(signal.SIGSTOP)
    time.sleep(0.05)
    supervisor.check()
    os.kill(part.pid, signal.SIGCONT)  # by somebody else
    time.sleep(0.05)
    with pytest.raises(VoidError, match="let go on"):
        supervisor.check()
