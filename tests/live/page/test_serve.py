"""`./lab serve`: who is let in, what orders do, how it ends, and that nothing is left behind."""

import contextlib
import http.client
import json
import re
import signal
import socket
import time
import urllib.request
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.sync.client import ClientConnection, connect

from live.cluster import Cluster
from live.machine import placement
from live.page.node import LARGEST_KEY, tell
from live.page.serve import SERVED, ServedCluster
from twin.errors import HostError, ScenarioError
from twin.rules.token import make_token
from twin.scenario.overrides import merge
from twin.scenario.scenario import Scenario

pytestmark = [pytest.mark.live, pytest.mark.patient, pytest.mark.timeout(120)]


def measured() -> Cluster:
    """Return the cluster of a run."""
    return Cluster(Scenario.parse(SERVED).vary(clients={"count": 1}), 0)


def ask(site: ServedCluster, method: str, path: str, body: str = "", **headers: str) -> tuple[int, str, dict[str, str]]:
    """Ask the page's server as a script does, with the link's secret in a header."""
    link = http.client.HTTPConnection("127.0.0.1", site.http.port, timeout=10)
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    link.request(method, path, body or None, {"Authorization": f"Bearer {site.http.access.key}"} | names)
    reply = link.getresponse()
    text = reply.read().decode()
    link.close()
    return reply.status, text, dict(reply.getheaders())


def order(site: ServedCluster, action: str, node: Any, **headers: str) -> int:
    return ask(site, "POST", "/do", json.dumps({"action": action, "node": node}), **headers)[0]


def join(
    site: ServedCluster,
    token: str | None = None,
    origin: str | None = None,
    address: str = "",
    shown: Sequence[str] = (),
) -> ClientConnection:
    address = address or f"/?token={site.token() if token is None else token}"
    headers = [("Authorization", one) for one in shown]
    return connect(
        f"ws://127.0.0.1:{site.port}{address}",
        origin=origin or site.http.origins[0],  # type: ignore[arg-type]
        additional_headers=headers,
        compression=None,
        proxy=None,
    )


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"publisher": None, "bus": {"kind": "valkey"}}, r"^publisher is missing"),
        ({"sessions": {"store": "memory"}}, r"^sessions\.store is 'memory'; \./lab serve allows 'none'"),
        ({"registry": {}}, r"^registry is set"),
        ({"nodes": {"lifetime": {"mean": 5.0}}}, r"^nodes\.lifetime is set"),
    ],
)
def test_what_a_page_takes_no_part_in_is_refused_before_anything_starts(
    changes: dict[str, Any], says: str, nothing_starts: type[Exception]
) -> None:
    with pytest.raises(ScenarioError, match=says):
        ServedCluster(Scenario.parse(merge(SERVED, changes)), 0)


def test_who_is_let_in(site: ServedCluster) -> None:
    status, text, headers = ask(site, "GET", "/")
    assert status == 200
    assert "page.js" in text
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert ask(site, "GET", "/page.js")[0] == 200
    assert ask(site, "GET", "/../serve.py")[0] == 404
    token = json.loads(ask(site, "GET", "/token")[1])["token"]

    with join(site, token) as link:
        assert json.loads(link.recv(timeout=10))["hello"] in (1, 2, 3)
    other = make_token(b"x" * 32, "page", time.time() + 60)
    old = make_token(site.secret, "page", time.time() - 1)
    for bad, said in (("", None), ("nonsense", "malformed"), (other, "forged"), (old, "expired")):
        with pytest.raises(InvalidStatus) as caught:
            join(site, bad)
        answer = caught.value.response
        assert answer.status_code == 401
        asked = f', error="invalid_token", error_description="{said}"' if said else ""
        assert answer.headers["WWW-Authenticate"] == f'Bearer realm="stormlab"{asked}'
        assert b"open the link that ./lab serve printed" in (answer.body or b"")
    for address, shown in (
        (f"/?token={token}&token={token}", []),
        (f"/?token={token}", [f"Bearer {token}"]),
        ("/", ["Bearer"]),
        ("/?" + "&".join("a=b" for _ in range(99)), []),
    ):
        with pytest.raises(InvalidStatus) as caught:
            join(site, address=address, shown=shown)
        answer = caught.value.response
        assert answer.status_code == 400, address
        assert 'error="invalid_request"' in answer.headers["WWW-Authenticate"]
    with join(site, address="/", shown=[f"bearer {token}"]) as link:
        assert "hello" in json.loads(link.recv(timeout=10))
    for origin in ("http://evil.example", "null"):
        with pytest.raises(InvalidStatus) as caught:
            join(site, token, origin)
        assert caught.value.response.status_code == 403


def test_who_may_give_orders(site: ServedCluster) -> None:
    assert order(site, "kill", 1, Origin="http://evil.example") == 403
    assert order(site, "kill", 1, Authorization="Bearer nonsense") == 401
    for action, node in (("burn", 1), ("kill", 0), ("kill", 4), ("kill", "1"), ("kill", None), ("kill", True)):
        assert order(site, action, node) == 400
    assert all(part.running for part in site.nodes)
    assert order(site, "kill", 2) == 200


def test_a_page_that_does_not_read_makes_a_node_hold_little(site: ServedCluster) -> None:
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


def test_orders_are_done_to_the_nodes(site: ServedCluster, until: Callable[..., None]) -> None:
    def state(node: int) -> dict[str, Any]:
        return dict(json.loads(ask(site, "GET", "/state")[1])["nodes"][node - 1])

    order(site, "kill", 1)
    until(lambda: not state(1)["running"] and not state(1)["up"], 10, "node 1 is not gone")
    order(site, "start", 1)
    until(lambda: state(1)["running"] and state(1)["up"], 15, "node 1 is not back")
    before = site.nodes[1].pid
    order(site, "drain", 2)
    until(lambda: state(2)["draining"], 5, "node 2 does not drain")
    until(lambda: site.nodes[1].pid != before and state(2)["up"], 20, "node 2 is not a new process")


def test_what_one_says_reaches_all_once_however_often_it_is_sent(site: ServedCluster) -> None:
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
        for unreadable in ("{", "[" * 50_000, "[1]", '"\\ud800"'):
            one.send(unreadable)
        one.send(json.dumps({"say": "x" * 3000, "key": key + 1}))
        one.send(json.dumps({"say": "y", "key": 3}))
        one.send('{"say": "\\ud800", "key": 4}')
        failed = []
        while len(failed) < 3:
            data = one.recv(timeout=5)
            if isinstance(data, str) and "failed" in data:
                failed.append(json.loads(data)["failed"])
        assert failed == [key + 1, 3, 4]


def test_a_port_that_is_taken_and_a_scenario_without_a_publisher_are_errors(
    site: ServedCluster, small: Callable[..., Scenario]
) -> None:
    with pytest.raises(HostError, match=f"^--port is {site.http.port}; it cannot be listened on"):
        ServedCluster(Scenario.parse(SERVED), site.http.port)
    with pytest.raises(ScenarioError, match="publisher is missing"):
        ServedCluster(small(), 0)


# The command itself


def test_a_part_that_ends_by_itself_ends_the_command_and_the_page_is_told(
    command: SimpleNamespace, until: Callable[..., None]
) -> None:
    def state() -> dict[str, Any]:
        asked = urllib.request.Request(
            f"http://127.0.0.1:{command.port}/state", headers={"Authorization": f"Bearer {command.key}"}
        )
        with urllib.request.urlopen(asked, timeout=5) as reply:
            return dict(json.load(reply))

    assert state()["ended"] == ""
    command.kill_balancer()
    until(lambda: state()["ended"], 10, "the page is not told")
    assert "haproxy" in state()["ended"]
    out, err = command.lab.communicate(timeout=30)
    assert command.lab.returncode == 2
    assert out == ""
    assert len(err.splitlines()) == 1
    assert re.match(r"haproxy \(process \d+\) was ended by SIGKILL", err)


def test_only_the_terminal_has_the_links_secret_and_only_loopback_is_listened_on(command: SimpleNamespace) -> None:
    for data in (b"\x16\x03\x01\n", b"GET / HTTP/1.1\r\n\r\n", f"GET /?token={command.key} HTTP/9\r\n\r\n".encode()):
        with socket.create_connection(("127.0.0.1", command.port), timeout=5) as link:
            link.sendall(data)
    lab = psutil.Process(command.lab.pid)
    seen = [
        text.encode() for one in (lab, *lab.children(recursive=True)) for text in (*one.cmdline(), str(one.environ()))
    ]
    seen += [path.read_bytes() for path in command.folder.rglob("*") if path.is_file()]
    assert len(seen) > 20
    listening = {
        socket_.laddr.ip
        for one in (lab, *lab.children(recursive=True))
        for socket_ in one.net_connections("inet")
        if socket_.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}
    assert not any(command.key.encode() in text for text in seen)
    assert all(path.stat().st_mode & 0o077 == 0 for path in command.folder.glob("stormlab-*"))
    command.lab.send_signal(signal.SIGINT)
    out, err = command.lab.communicate(timeout=30)
    assert out == ""
    assert err == "Interrupted; everything that was started has been stopped.\n"


@pytest.mark.parametrize(("cluster", "awake"), [(lambda: ServedCluster(Scenario.parse(SERVED), 0), 0), (measured, 1)])
def test_only_a_measurement_keeps_the_cores_awake(
    cluster: Callable[[], Cluster], awake: int, monkeypatch: pytest.MonkeyPatch, clean_end: None
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(placement, "keep_awake", lambda stage, cpus: asked.append(cpus))
    with cluster() as one:
        names = [part.name for part in one.stage.parts]
    assert len(asked) == awake
    assert not any(name.startswith("awake") for name in names)
