"""What strangers can make a node hold, and that nobody else notices them."""

import asyncio
import base64
import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import psutil
import pytest
import uvloop
from websockets.asyncio.server import serve
from websockets.exceptions import InvalidStatus
from websockets.frames import Opcode
from websockets.sync.client import connect
from websockets.typing import Origin

from live.broadcast.broker import Topic
from live.broadcast.bus import Bus
from live.calibration.rounds import upgrade
from live.control.messages import Listening
from live.control.process import ChildProcess, Stage
from live.limits import MOST_CLIENTS
from live.machine import placement
from live.node.connection import MOST_CONNECTIONS, MOST_FRAME, OPEN_WITHIN, BoundedConnection
from live.node.messages import Look, Seen
from live.page.node import MOST_TEXT
from live.sending.outbox import MOST_ARRIVED
from live.sessions.accounts import Account
from tests.strangers import REQUEST, masked, until
from twin.errors import ClusterError
from twin.rules.token import make_token
from twin.scenario.sending import MOST_SENT, Sends

pytestmark = pytest.mark.live

GROWTH = 24 * 2**20
"""Bytes by which the memory of a node may grow."""
SECRET = "2a" * 32
ORIGIN = "http://127.0.0.1:8000"
RETRY = {"base": 0.01, "cap": 0.05, "retries": 3, "timeout": 1.0}
SESSIONS: dict[str, Any] = {
    **{"secret": SECRET, "expiry": 60.0, "refresh": True, "token_lifetime": 60.0, "when_down": "refuse"},
    **{"accounts": {"me": Account.of("right", [1]).as_config()}, "begin": 0.0, "store": None},
}


@pytest.fixture
def node(stage: Stage) -> Callable[..., tuple[ChildProcess, int]]:
    """Starts a node of a kind and returns it with its port."""

    def start(kind: str = "plain") -> tuple[ChildProcess, int]:
        port, bus_port = placement.free_ports(2)
        config: dict[str, Any] = {"number": 1, "port": port, "backlog": 4000}
        if kind == "sessions":
            config["sessions"] = SESSIONS
        if kind in ("broadcast", "page"):
            bus = Bus(stage, bus_port, [])
            bus.wait_ready(10)
            config["broadcast"] = {
                **{"address": asdict(bus.address), "topic": asdict(Topic("t:", 100, 60.0)), "retry": RETRY},
                **{"seed": 1, "replication": 0, "lease": 2.0, "kind": "stream", "scope": "client"},
                **{"policy": "drop", "limit_bytes": 2**20},
            }
        if kind == "page":
            config["broadcast"]["noted"] = False
            config["page"] = {"secret": SECRET, "origins": [ORIGIN]}
        part = stage.python("node 1", "live.node.node", config)
        part.hear(Listening)
        return part, port

    return start


@contextlib.contextmanager
def others(port: int) -> Iterator[Callable[[], bool]]:
    """Another client's connection, asked whether its ping is answered within some seconds."""
    with connect(f"ws://127.0.0.1:{port}/", compression=None, proxy=None, ping_interval=None) as link:
        yield lambda: link.ping().wait(10)


@contextlib.contextmanager
def flood(sockets: list[socket.socket], data: bytes) -> Iterator[None]:
    """Send the same bytes on and on over connections of which nothing is read."""
    over = threading.Event()

    def send() -> None:
        for one in sockets:
            one.settimeout(0.1)
        left = {one: memoryview(data) for one in sockets}
        while left and not over.is_set():
            for one in list(left):
                try:
                    left[one] = left[one][one.send(left[one]) :] or memoryview(data)
                except TimeoutError:
                    continue
                except OSError:
                    del left[one]

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        for one in sockets:
            one.close()


def grown(part: ChildProcess, seconds: float, served: Callable[[], bool] = lambda: True) -> int:
    """Return the bytes by which a process grows in some seconds, in which the others are served all the time."""
    process = psutil.Process(part.pid)
    before = most = process.memory_info().rss
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        assert served()
        most = max(most, process.memory_info().rss)
        time.sleep(0.01)
    return most - before


@pytest.mark.parametrize("kind", ["plain", "broadcast"])
def test_a_client_that_pings_and_reads_nothing_is_cut_and_delays_nobody(
    kind: str, node: Callable[..., tuple[ChildProcess, int]], until: Callable[..., None]
) -> None:
    part, port = node(kind)
    with others(port) as served, flood(upgrade(port, 1), masked(Opcode.PING, bytes(125)) * 2000):
        assert grown(part, 3.0, served) < GROWTH
        part.tell(Look())
        assert part.hear(Seen).connections == 1


@pytest.mark.parametrize("kind", ["plain", "broadcast", "page", "sessions"])
def test_a_page_of_a_browser_is_refused_whatever_its_origin_is(
    kind: str, node: Callable[..., tuple[ChildProcess, int]]
) -> None:
    _, port = node(kind)
    shown = {
        "sessions": {"Authorization": "Basic " + base64.b64encode(b"me:right").decode()},
        "page": {},
    }.get(kind, {})
    token = make_token(bytes.fromhex(SECRET), "page", time.time() + 60)
    uri = f"ws://127.0.0.1:{port}/" + (f"?token={token}" if kind == "page" else "")
    for origin in ("http://example.org", f"http://127.0.0.1:{port}", "null", "file://", "http://localhost"):
        with pytest.raises(InvalidStatus) as refused:
            connect(uri, origin=Origin(origin), additional_headers=shown, compression=None, proxy=None)
        assert refused.value.response.status_code == 403
        assert "X-Session" not in refused.value.response.headers
    good = Origin(ORIGIN) if kind == "page" else None
    with connect(uri, origin=good, additional_headers=shown, compression=None, proxy=None) as link:
        assert link.ping().wait(10)


def test_a_refused_page_costs_a_node_with_sessions_no_hash(node: Callable[..., tuple[ChildProcess, int]]) -> None:
    """The hash of a right password would make a session; that of a wrong one costs as much."""
    _, port = node("sessions")
    wrong = {"Authorization": "Basic " + base64.b64encode(b"me:wrong").decode()}
    with pytest.raises(InvalidStatus) as refused:
        connect(f"ws://127.0.0.1:{port}/", origin=Origin("http://x"), additional_headers=wrong, proxy=None)
    assert refused.value.response.status_code == 403  # and not 401: the password was not looked at


def heads(count: int) -> bytes:
    """A frame that promises many bytes, the first ones of them."""
    return struct.pack(">BBQI", 0x82, 0xFF, count, 0) + bytes(1000)


def all_of(link: socket.socket) -> bytes:
    """Return all that comes until the end of a connection."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while data := link.recv(1 << 16):
            received += data
    return received


@pytest.mark.parametrize("kind", ["plain", "broadcast"])
@pytest.mark.parametrize(
    ("data", "code"),
    [
        (masked(Opcode.BINARY, bytes(MOST_FRAME + 1)), 1009),
        (heads(2**40), 1009),
        (masked(Opcode.BINARY, bytes(MOST_FRAME // 2), False) + masked(Opcode.CONT, bytes(MOST_FRAME)), 1009),
        (masked(Opcode.BINARY, b"", False) + masked(Opcode.CONT, b"", False) * 5000, 1009),
    ],
    ids=["large", "promised", "large in pieces", "many pieces"],
)
def test_a_message_too_large_or_in_too_many_pieces_closes_its_connection_only(
    kind: str, data: bytes, code: int, node: Callable[..., tuple[ChildProcess, int]]
) -> None:
    _, port = node(kind)
    with others(port) as served, upgrade(port, 1)[0] as one:
        one.settimeout(10)
        one.sendall(data)
        found = all_of(one)
        assert (found[0], struct.unpack_from(">H", found, 2)[0]) == (0x88, code)
        assert served()


@pytest.mark.parametrize("kind", ["plain", "broadcast"])
def test_unfinished_messages_and_floods_of_small_ones_cost_little_memory(
    kind: str, node: Callable[..., tuple[ChildProcess, int]]
) -> None:
    part, port = node(kind)
    unfinished = masked(Opcode.BINARY, b"", False) + masked(Opcode.CONT, bytes(15), False) * 4000
    held = upgrade(port, 10)
    for one in held:
        one.sendall(unfinished)
    with others(port) as served, flood(upgrade(port, 2), masked(Opcode.TEXT, b"x") * 4000):
        assert grown(part, 2.0, served) < GROWTH
    for one in held:
        one.close()


@pytest.mark.parametrize("kind", ["plain", "page"])
@pytest.mark.parametrize(
    "data",
    [b"GET /" + b"a" * 20_000, REQUEST + b"X: " + b"a" * 20_000, REQUEST + b"X: a\r\n" * 200],
    ids=["line", "header", "headers"],
)
def test_an_endless_request_is_refused_at_its_bound(
    kind: str, data: bytes, node: Callable[..., tuple[ChildProcess, int]]
) -> None:
    _, port = node(kind)
    with socket.create_connection(("127.0.0.1", port), 10) as one:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            one.sendall(data)
        assert b" 101 " not in all_of(one)


@pytest.mark.parametrize("kind", ["plain", "page"])
def test_who_connects_and_says_little_is_cut_after_a_while_and_delays_nobody(
    kind: str, node: Callable[..., tuple[ChildProcess, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    part, port = node(kind)
    began = time.monotonic()
    idle = [socket.create_connection(("127.0.0.1", port), 10) for _ in range(300)]
    (slow,) = idle[:1]
    grown(part, OPEN_WITHIN / 2, lambda: bool(slow.send(b"G")) and answers(port))
    for one in idle:
        one.settimeout(OPEN_WITHIN)
        all_of(one)
        one.close()
    assert time.monotonic() - began > OPEN_WITHIN - 1.0
    assert answers(port)


def answers(port: int) -> bool:
    """Whether a node answers the balancer's check."""
    with socket.create_connection(("127.0.0.1", port), 10) as one:
        one.settimeout(10)
        one.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        return one.recv(100).startswith(b"HTTP/1.1 200")


def test_a_connection_above_the_bound_is_cut_and_those_before_it_stay() -> None:
    async def run() -> None:
        async def handler(connection: Any) -> None:
            await connection.wait_closed()

        options: dict[str, Any] = {"compression": None, "ping_interval": None}
        async with serve(handler, "127.0.0.1", 0, create_connection=BoundedConnection, **options) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            waiting = await asyncio.to_thread(lambda: [socket.create_connection(("127.0.0.1", port)) for _ in range(3)])
            made = await asyncio.to_thread(upgrade, port, 2)
            await until(lambda: len(server.connections) == 2)
            with pytest.raises((ClusterError, OSError)):
                await asyncio.to_thread(upgrade, port, 1)
            assert len(server.connections) == 2
            waiting.pop().close()  # one that has not shaken hands makes room, too
            await until(lambda: len(server.handler_tasks) == 4)
            made += await asyncio.to_thread(upgrade, port, 1)
            for one in made + waiting:
                one.close()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("live.node.connection.MOST_CONNECTIONS", 5)
        uvloop.run(run())


def test_the_bounds_leave_room_for_all_that_a_run_needs() -> None:
    assert MOST_CONNECTIONS >= MOST_CLIENTS + 1000
    assert Sends.model_fields["payload_bytes"].metadata[1].le <= MOST_FRAME
    assert 6 * MOST_TEXT + 100 <= MOST_FRAME
    assert MOST_ARRIVED >= 2 * MOST_SENT
