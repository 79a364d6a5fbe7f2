"""`./lab serve`: who is let in, what the page does in a real browser, and that nothing is left behind."""

import contextlib
import http.client
import json
import os
import queue
import re
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.sync.client import ClientConnection, connect

from live import host
from live.page_node import LARGEST_KEY, tell
from live.page_server import MOST_OPEN
from live.serve import SERVED, Site, serve
from live.world import Cluster
from twin.errors import HostError, ScenarioError
from twin.rules.token import make_token
from twin.scenario import Scenario

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]


@pytest.fixture
def site(clean_end: None) -> Iterator[Site]:
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


def measured() -> Cluster:
    """Return the cluster of a run."""
    return Cluster(Scenario.parse(SERVED).vary(clients={"count": 1}), 0)


def ask(site: Site, method: str, path: str, body: str = "", **headers: str) -> tuple[int, str, dict[str, str]]:
    link = http.client.HTTPConnection("127.0.0.1", site.http_port, timeout=10)
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    link.request(method, path, body or None, names)
    reply = link.getresponse()
    text = reply.read().decode()
    link.close()
    return reply.status, text, dict(reply.getheaders())


def order(site: Site, action: str, node: Any, **headers: str) -> int:
    good = {"Origin": site.origins[0], "X_Token": site.token()}
    return ask(site, "POST", "/do", json.dumps({"action": action, "node": node}), **(good | headers))[0]


def join(site: Site, token: str | None = None, origin: str | None = None) -> ClientConnection:
    uri = f"ws://127.0.0.1:{site.port}/?token={site.token() if token is None else token}"
    return connect(uri, origin=origin or site.origins[0], compression=None, proxy=None)  # type: ignore[arg-type]


def test_who_is_let_in(site: Site) -> None:
    status, text, headers = ask(site, "GET", "/")
    assert status == 200
    assert "page.js" in text
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert ask(site, "GET", "/page.js")[0] == 200
    assert ask(site, "GET", "/../serve.py")[0] == 404
    assert ask(site, "GET", "/token", Host="evil.example", X_Key=site.key)[0] == 403  # DNS rebinding
    for path in ("/token", "/state"):  # another user of this machine
        assert [ask(site, "GET", path, **shown)[0] for shown in ({}, {"X_Key": ""}, {"X_Key": "guess"})] == [401] * 3
        assert site.key not in ask(site, "GET", "/")[1]
    token = json.loads(ask(site, "GET", "/token", X_Key=site.key)[1])["token"]

    with join(site, token) as link:
        assert json.loads(link.recv(timeout=10))["hello"] in (1, 2, 3)
    other = make_token(b"x" * 32, "page", time.time() + 60)
    old = make_token(site.secret, "page", time.time() - 1)
    for bad in ("", "nonsense", other, old):
        with pytest.raises(InvalidStatus) as caught:
            join(site, bad)
        assert caught.value.response.status_code == 401
    for origin in ("http://evil.example", "null"):
        with pytest.raises(InvalidStatus) as caught:
            join(site, token, origin)
        assert caught.value.response.status_code == 403


def test_half_open_connections_to_the_page_are_few_and_keep_nobody_out(site: Site) -> None:
    before, held = threading.active_count(), list[socket.socket]()
    for _ in range(4 * MOST_OPEN):
        held.append(socket.create_connection(("127.0.0.1", site.http_port), 10))
        held[-1].sendall(b"GET / HTTP/1.1\r\nX: ")
    assert ask(site, "GET", "/")[0] == 200
    assert threading.active_count() - before <= MOST_OPEN + 5  # those that are closed may not all be gone yet
    held[0].settimeout(10)
    assert held[0].recv(10) == b""
    assert ask(site, "GET", "/state", X_Key=site.key)[0] == 200
    for one in held:
        one.close()


def test_a_page_that_does_not_read_makes_a_node_hold_little(site: Site) -> None:
    link = SimpleNamespace(protocol=SimpleNamespace(state=State.OPEN, send_text=None), paused=True)
    tell(link, pong=1)  # type: ignore[arg-type]
    with join(site) as other, join(site) as one:
        node = site.nodes[json.loads(one.recv(timeout=10))["hello"] - 1]
        before = psutil.Process(node.pid).memory_info().rss
        one.socket.settimeout(1.0)
        with contextlib.suppress(TimeoutError, OSError, ConnectionClosed):
            text = Frame(Opcode.TEXT, json.dumps({"ping": "x" * 1000}).encode()).serialize(mask=True, extensions=[])
            for _ in range(30):
                one.socket.sendall(text * 1000)
        assert psutil.Process(node.pid).memory_info().rss - before < 24 * 2**20
        assert other.ping().wait(10)


def test_who_may_give_orders(site: Site) -> None:
    assert order(site, "kill", 1, Origin="http://evil.example") == 403
    assert order(site, "kill", 1, Host="evil.example") == 403
    assert order(site, "kill", 1, X_Token="") == 401
    for action, node in (("burn", 1), ("kill", 0), ("kill", 4), ("kill", "1"), ("kill", None)):
        assert order(site, action, node) == 400
    assert ask(site, "POST", "/do", "[", Origin=site.origins[0], X_Token=site.token())[0] == 400
    assert all(part.running for part in site.nodes)
    assert order(site, "kill", 2) == 200


def test_orders_are_done_to_the_nodes(site: Site, until: Callable[..., None]) -> None:
    def state(node: int) -> dict[str, Any]:
        return dict(json.loads(ask(site, "GET", "/state", X_Key=site.key)[1])["nodes"][node - 1])

    order(site, "kill", 1)
    until(lambda: not state(1)["running"] and not state(1)["up"], 10, "node 1 is not gone")
    order(site, "start", 1)
    until(lambda: state(1)["running"] and state(1)["up"], 15, "node 1 is not back")
    before = site.nodes[1].pid
    order(site, "drain", 2)
    until(lambda: state(2)["draining"], 5, "node 2 does not drain")
    until(lambda: site.nodes[1].pid != before and state(2)["up"], 20, "node 2 is not a new process")


def test_what_one_says_reaches_all_once_however_often_it_is_sent(site: Site) -> None:
    key = LARGEST_KEY - 7
    with join(site) as one, join(site) as other:
        one.recv(timeout=10), other.recv(timeout=10)
        for _ in range(3):
            one.send(json.dumps({"say": "hällo", "key": key}))
        heard, deadline = 0, time.monotonic() + 3.0
        while time.monotonic() < deadline:
            try:
                data = other.recv(timeout=0.3)
            except TimeoutError:
                continue
            heard += isinstance(data, bytes) and data[25:].decode() == "hällo"
        assert heard == 1
        one.send("{")
        one.send(json.dumps({"say": "x" * 3000, "key": key + 1}))
        one.send(json.dumps({"say": "y", "key": 3}))
        failed = []
        while len(failed) < 2:
            data = one.recv(timeout=5)
            if isinstance(data, str) and "failed" in data:
                failed.append(json.loads(data)["failed"])
        assert failed == [key + 1, 3]


def test_a_port_that_is_taken_and_a_scenario_without_a_publisher_are_errors(
    site: Site, small: Callable[..., Scenario]
) -> None:
    with pytest.raises(HostError, match=f"^--port is {site.http_port}; it cannot be listened on"):
        Site(Scenario.parse(SERVED), site.http_port)
    with pytest.raises(ScenarioError, match="publisher is missing"):
        Site(small(), 0)


# In a browser


@pytest.fixture
def page(site: Site) -> Iterator[Any]:
    """The page in headless Chromium."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("Chromium is not installed and the environment variable CI is set")
        pytest.skip("Chromium is not installed")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as player:
        browser = player.chromium.launch(executable_path=program, args=["--no-sandbox"])
        one = browser.new_page()
        one.set_default_timeout(30_000)
        errors: list[str] = []
        one.on("pageerror", lambda error: errors.append(str(error)))
        one.goto(site.url)
        yield one
        browser.close()
        assert not errors, errors


def wait(page: Any, expression: str, within: float = 30.0) -> None:
    """Wait until an expression is true in the page; its own polling would need `eval`, which the page forbids."""
    deadline = time.monotonic() + within
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, f"{expression}: {page.evaluate('JSON.stringify(lab)')}"
        time.sleep(0.05)


def watch(page: Any, name: str) -> None:
    """Keep every text that an element of the page shows from now on, in `seen.NAME`."""
    page.evaluate(
        """(name) => {
            const one = document.getElementById(name);
            window.seen = window.seen || {};
            window.seen[name] = [one.textContent];
            const keep = () => window.seen[name].push(one.textContent);
            new MutationObserver(keep).observe(one, { childList: true, characterData: true, subtree: true });
        }""",
        name,
    )


CONTIGUOUS = "lab.applied.every((v, i) => i === 0 || v === lab.applied[i - 1] + 1)"


def test_the_page_connects_hears_speaks_and_resumes_without_a_gap_when_its_node_is_killed(page: Any) -> None:
    wait(page, "lab.state === 'connected' && lab.applied.length > 1 && lab.beats > 0")
    node = page.evaluate("lab.node")
    assert page.locator("#node").inner_text() == str(node)
    assert re.fullmatch(r"\d+\.\d ms", page.locator("#heartbeat").inner_text())
    watch(page, "countdown")
    page.fill("#text", "a word from the page")
    page.click("#say button")
    page.wait_for_selector("#messages li:has-text('a word from the page')")
    seen = page.evaluate("lab.applied.length")
    page.click(f"[data-order=kill-{node}]")
    wait(page, f"lab.state === 'connected' && lab.node !== {node} && lab.attempts > 1")
    wait(page, f"lab.applied.length > {seen + 8}")
    assert page.evaluate(CONTIGUOUS)
    assert page.evaluate("lab.applied[0]") == 1
    page.wait_for_selector(f"[data-order=start-{node}]")
    counted = page.evaluate("seen.countdown")
    assert any(re.fullmatch(r"in \d\.\d s", text) for text in counted), counted
    assert page.locator("#countdown").inner_text() == "none"

    # what is said while no node is there waits for the next connection
    for other in {1, 2, 3} - {node}:
        page.click(f"[data-order=kill-{other}]")
        page.wait_for_selector(f"[data-order=start-{other}]")
    wait(page, "lab.state !== 'connected'")
    page.fill("#text", "a word from nowhere")
    page.click("#say button")
    assert page.locator("#text").input_value() == ""
    assert page.locator("#messages li:has-text('a word from nowhere')").count() == 0
    page.click(f"[data-order=start-{node}]")
    wait(page, f"lab.state === 'connected' && lab.node === {node}")
    page.wait_for_selector("#messages li:has-text('a word from nowhere')")
    count = page.evaluate("lab.applied.length")
    wait(page, f"lab.applied.length > {count + 3}")
    assert page.locator("#messages li:has-text('a word from nowhere')").count() == 1
    assert page.evaluate(CONTIGUOUS)


def test_the_page_notices_a_hung_node_by_its_heartbeat_and_a_drain_by_its_close(page: Any) -> None:
    wait(page, "lab.state === 'connected'")
    node = page.evaluate("lab.node")
    watch(page, "heartbeat")
    told = f"document.querySelector('#nodes tr:nth-child({node}) td:nth-child(3)').textContent"
    page.click(f"[data-order=hang-{node}]")
    wait(page, f"lab.state === 'connected' && lab.node !== {node}")
    assert "missed" in page.evaluate("seen.heartbeat")
    wait(page, f"{told} === 'down'")
    page.click(f"[data-order=resume-{node}]")
    wait(page, f"{told} === 'up'")
    second = page.evaluate("lab.node")
    page.click(f"[data-order=drain-{second}]")
    wait(page, f"lab.state === 'connected' && lab.node !== {second}")
    count = page.evaluate("lab.applied.length")
    wait(page, f"lab.applied.length > {count + 3}")
    assert page.evaluate(CONTIGUOUS)


def test_the_page_compares_a_websocket_with_http_requests(page: Any) -> None:
    wait(page, "lab.state === 'connected'")
    page.click("#compare")
    wait(page, "lab.compared !== undefined")
    compared = page.evaluate("lab.compared")
    assert 0 < compared["socket"] < compared["request"]
    assert "median of a round trip" in page.locator("#comparison").inner_text()


def test_a_page_from_elsewhere_is_refused_even_with_a_token(site: Site, page: Any) -> None:
    page.goto("about:blank")
    outcome = page.evaluate(
        """(uri) => new Promise((resolve) => {
            const socket = new WebSocket(uri);
            socket.onmessage = () => resolve("heard");
            socket.onclose = (event) => resolve(`closed ${event.code}`);
        })""",
        f"ws://127.0.0.1:{site.port}/?token={site.token()}",
    )
    assert outcome == "closed 1006"


@pytest.mark.parametrize(("cluster", "awake"), [(lambda: Site(Scenario.parse(SERVED), 0), 0), (measured, 1)])
def test_only_a_measurement_keeps_the_cores_awake(
    cluster: Callable[[], Cluster], awake: int, monkeypatch: pytest.MonkeyPatch, clean_end: None
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(host, "keep_awake", lambda stage, cpus: asked.append(cpus))
    with cluster() as one:
        names = [part.name for part in one.stage.parts]
    assert len(asked) == awake
    assert not any(name.startswith("awake") for name in names)


def test_a_page_that_was_opened_without_the_key_says_so_and_gets_nothing(site: Site, page: Any) -> None:
    page.goto("about:blank")
    page.goto(f"{site.origins[0]}/")
    wait(page, "lab.state.startsWith('refused')")
    assert page.evaluate("lab.node") == 0
