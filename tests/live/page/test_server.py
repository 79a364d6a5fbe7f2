"""The page's server alone: who is let in, what it answers to requests of any kind, and that it prints none of it."""

import contextlib
import http.client
import json
import queue
import random
import socket
import struct
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from live.page import server as page_server
from live.page.server import MOST_BODY, MOST_OPEN, PageServer
from twin.rules.token import make_token, token_problem

pytestmark = pytest.mark.timeout(120)

Answer = tuple[int, str, dict[str, str]]


class Lab:
    """A cluster of three nodes as the server sees it."""

    port = 9
    secret = b"secret"

    def __init__(self) -> None:
        self.orders: queue.Queue[tuple[str, int]] = queue.Queue(3)
        self.now = 0.0

    def token(self) -> str:
        return make_token(self.secret, "page", self.now + 60)

    def token_problem(self, token: str) -> str:
        return token_problem(self.secret, token, self.now)

    def state(self) -> dict[str, Any]:
        return {"nodes": [1, 2, 3]}


@pytest.fixture
def server() -> Iterator[PageServer]:
    one = PageServer(0, Lab())
    thread = threading.Thread(target=one.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield one
    one.shutdown()
    one.server_close()
    thread.join(10)


def ask(server: PageServer, method: str, path: str, body: str | None = None, **headers: str) -> Answer:
    link = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    link.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    reply = link.getresponse()
    text = reply.read().decode()
    link.close()
    return reply.status, text, dict(reply.getheaders())


def send(server: PageServer, data: bytes, more: bool = False) -> bytes:
    """Send bytes as they are, and return all that comes back."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as link:
        with contextlib.suppress(OSError):  # the server may have closed before all is sent
            link.sendall(data)
            if not more:
                link.shutdown(socket.SHUT_WR)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while chunk := link.recv(1 << 16):
                answer += chunk
        return answer


def status(answer: bytes) -> int:
    return int(answer.split()[1])


def let_in(server: PageServer) -> dict[str, str]:
    """Open the link as a browser does; return what it shows from then on."""
    code, text, headers = ask(server, "GET", server.link.removeprefix(server.origins[0]))
    assert (code, text, headers["Location"]) == (303, "", "/")
    return {"Cookie": headers["Set-Cookie"].partition(";")[0]}


EVERY = [("GET", "/"), ("GET", "/page.js"), ("GET", "/page.css"), ("GET", "/token"), ("GET", "/state"), ("POST", "/do")]


@pytest.mark.parametrize(("method", "path"), [*EVERY, ("GET", "/nothing")])
def test_without_cookie_or_secret_nothing_is_told(server: PageServer, method: str, path: str) -> None:
    code, text, headers = ask(server, method, path, Origin=server.origins[0], X_Token=server.served.token())
    assert code == 401
    assert headers["WWW-Authenticate"] == 'Bearer realm="stormlab"'
    assert "open the link that ./lab serve printed on its terminal" in text
    code, _, headers = ask(server, method, path, Authorization="Bearer wrong")
    assert (code, 'error="invalid_token"' in headers["WWW-Authenticate"]) == (401, True)
    code, _, headers = ask(server, method, path, Authorization="Bearer")
    assert (code, 'error="invalid_request"' in headers["WWW-Authenticate"]) == (400, True)


def test_the_link_is_traded_for_a_cookie_and_a_clean_address(server: PageServer) -> None:
    shown = let_in(server)
    for path, word in (("/", "page.js"), ("/page.js", "use strict"), ("/page.css", "font"), ("/state", "nodes")):
        code, text, headers = ask(server, "GET", path, **shown)
        assert code == 200
        assert word in text
        assert headers["Cache-Control"] == "no-store"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert server.access.key not in text
    told = json.loads(ask(server, "GET", "/token", **shown)[1])
    assert set(told) == {"token", "port"}
    assert server.served.token_problem(told["token"]) == ""


@pytest.mark.parametrize("query", ["token=", "token=wrong", "token={key}&token={key}", "token={key}x", "token=%ff"])
def test_a_link_of_another_server_is_refused(server: PageServer, query: str) -> None:
    code, text, headers = ask(server, "GET", "/?" + query.format(key=server.access.key))
    assert code == 401
    assert "Set-Cookie" not in headers
    assert "open the link that ./lab serve printed" in text
    assert ask(server, "GET", "/state?token=" + server.access.key)[0] == 401  # only the link itself lets in


def test_a_cookie_is_good_at_its_own_server_only(server: PageServer) -> None:
    other = PageServer(0, Lab())
    try:
        shown = other.access.set_cookie.partition(";")[0]
        assert ask(server, "GET", "/state", Cookie=shown)[0] == 401
        renamed = shown.replace(str(other.port), str(server.port))
        assert ask(server, "GET", "/state", Cookie=renamed)[0] == 401
    finally:
        other.server_close()


@pytest.mark.parametrize(("method", "path"), EVERY)
def test_other_names_and_other_pages_are_refused_even_with_the_secret(
    server: PageServer, method: str, path: str
) -> None:
    good = {"Authorization": f"Bearer {server.access.key}"}
    for bad in ({"Host": "evil.example"}, {"Host": f"evil.example:{server.port}"}, {"Origin": "http://evil.example"}):
        assert ask(server, method, path, **(good | bad))[0] == 403
    for origin in ("null", f"http://127.0.0.1:{server.port + 1}", f"https://127.0.0.1:{server.port}"):
        assert ask(server, method, path, Origin=origin, **good)[0] == 403
    assert ask(server, "GET", f"/?token={server.access.key}", Host="evil.example")[0] == 403
    twice = f"GET /state HTTP/1.1\r\nHost: {server.hosts[0]}\r\nHost: {server.hosts[0]}\r\n\r\n"
    assert status(send(server, twice.encode())) == 403


def test_an_order_of_a_browser_needs_its_own_page_and_a_token(server: PageServer) -> None:
    lab = server.served
    assert isinstance(lab, Lab)
    shown, body = let_in(server), json.dumps({"action": "kill", "node": 2})
    good = {**shown, "Origin": server.origins[1], "X_Token": lab.token()}
    assert ask(server, "POST", "/do", body, **shown, X_Token=lab.token())[0] == 403  # no Origin
    code, text, headers = ask(server, "POST", "/do", body, **shown, Origin=server.origins[0])
    assert (code, text) == (401, "the token is missing\n")
    assert headers["WWW-Authenticate"] == 'Bearer realm="stormlab"'
    lab.now = 3600.0
    code, text, headers = ask(server, "POST", "/do", body, **good)
    assert (code, text) == (401, "the token is expired\n")
    assert headers["WWW-Authenticate"].endswith('error="invalid_token", error_description="expired"')
    lab.now = 0.0
    assert lab.orders.empty()
    assert ask(server, "POST", "/do", body, **good)[0] == 200
    assert lab.orders.get() == ("kill", 2)


def test_a_script_gives_orders_with_the_secret_alone(server: PageServer) -> None:
    good = {"Authorization": f"token {server.access.key}"}
    for node in (1, 2, 3):
        assert ask(server, "POST", "/do", json.dumps({"action": "hang", "node": node}), **good)[0] == 200
    code, text, _ = ask(server, "POST", "/do", json.dumps({"action": "hang", "node": 1}), **good)
    assert (code, text) == (429, "too many orders\n")
    assert ask(server, "POST", "/other", "{}", **good)[0] == 404


def bad_requests(server: PageServer) -> list[tuple[bytes, int]]:
    """Return requests that are wrong, each with the status that it gets; 0 is no answer."""
    host, key = server.hosts[0], server.access.key
    head = f"Host: {host}\r\nAuthorization: Bearer {key}\r\n"

    def post(body: bytes, length: str | None = None) -> bytes:
        size = str(len(body)) if length is None else length
        return f"POST /do HTTP/1.1\r\n{head}Content-Length: {size}\r\n\r\n".encode("latin-1") + body

    return [
        (b"nonsense\r\n\r\n", 400),
        (bytes(range(1, 256)) + b"\r\n\r\n", 400),
        (b"GET / HTTP/x.y\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 505),
        (b"\r\n\r\n", 0),
        (b"", 0),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 70_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 200 + b"\r\n", 431),
        (f"PUT / HTTP/1.1\r\n{head}\r\n".encode(), 405),
        (f"HEAD / HTTP/1.1\r\n{head}\r\n".encode(), 405),
        (f"GET http://[/ HTTP/1.1\r\n{head}\r\n".encode(), 400),
        (f"GET /?{'&'.join('a=b' for _ in range(99))} HTTP/1.1\r\n{head}\r\n".encode(), 400),
        (f"GET /token HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer a b\r\n\r\n".encode(), 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200), 400),  # the hello of TLS, then the end
        (post(b"{"), 400),
        (post(b""), 400),
        (post(b"[1]"), 400),
        (post(b"\xff\xfe"), 400),
        (post(b"[" * MOST_BODY), 400),
        (post(b'{"action": {}, "node": 1}'), 400),
        (post(b'{"action": "kill", "node": true}'), 400),
        (post(b'{"action": "kill", "node": 1.0}'), 400),
        (post(b'{"action": "kill", "node": 1e999}'), 400),
        (post(b" " * (MOST_BODY + 1)), 413),
        (post(b" " * 3_000_000), 413),
        (post(b"", "9" * 5000), 413),
        (post(b"", "-1"), 411),
        (post(b"", "\xb2"), 411),  # a superscript two is a digit to Python
        (f"POST /do HTTP/1.1\r\n{head}Transfer-Encoding: chunked\r\n\r\n".encode(), 411),
    ]


def test_a_bad_request_gets_its_status_and_prints_nothing(
    server: PageServer, capfd: pytest.CaptureFixture[str]
) -> None:
    for data, expected in bad_requests(server):
        answer = send(server, data)
        if expected == 0:
            assert answer == b""
            continue
        assert status(answer) == expected, data[:100]
        assert answer.startswith(b"HTTP/1.0 ")
        assert b"Content-Security-Policy: default-src 'none'" in answer
        assert b"Traceback" not in answer
    assert isinstance(server.served, Lab)
    assert server.served.orders.empty()
    assert capfd.readouterr() == ("", "")
    assert len(let_in(server)) == 1


def test_an_answer_is_not_overtaken_by_a_reset_while_its_client_still_sends(server: PageServer) -> None:
    good = {"Authorization": f"Bearer {server.access.key}"}
    for _ in range(5):
        code, text, _ = ask(server, "POST", "/do", " " * 1_000_000, **good)
        assert (code, text) == (413, f"an order has at most {MOST_BODY} bytes\n")


def mangled(draw: random.Random, server: PageServer) -> bytes:
    """Return a good request with some bytes changed, left out, doubled or cut off."""
    lines = [
        b"GET /state HTTP/1.1",
        f"Host: {server.hosts[0]}".encode(),
        b"Authorization: Bearer abc",
        b"Cookie: a=b",
        b"",
    ]
    body = b'{"action": "kill", "node": 1}' if draw.random() < 0.5 else b""
    if body:
        lines[0:1] = [b"POST /do HTTP/1.1", f"Content-Length: {draw.choice([29, 5, 10**4])}".encode()]
    data = bytearray(b"\r\n".join([*lines, b""]) + body)
    for _ in range(draw.randrange(1, 8)):
        place, kind = draw.randrange(len(data)), draw.randrange(4)
        if kind == 0:
            data[place] = draw.randrange(256)
        elif kind == 1:
            del data[place : place + draw.randrange(1, 10)]
        elif kind == 2:
            data[place:place] = data[place : place + 30] * draw.randrange(1, 5)
        else:
            data[place:place] = draw.choice(
                [b"\r\n", b"\0", b"\r\n ", b":", b" ", b"\xff" * 9, b"%ff", b"//[", b"\n\n"]
            )
        data = data or bytearray(b"x")
    return bytes(data)


def test_no_mangled_request_prints_anything_or_ends_the_server(
    server: PageServer, capfd: pytest.CaptureFixture[str]
) -> None:
    draw = random.Random(20261129)
    for _ in range(400):
        data = mangled(draw, server)
        answer = send(server, data)
        assert answer == b"" or 200 <= status(answer) < 506, data
    assert capfd.readouterr() == ("", "")
    assert len(let_in(server)) == 1


def reset(link: socket.socket) -> None:
    """Close with a reset."""
    link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    link.close()


@pytest.mark.parametrize(
    "data", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\n", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01"]
)
def test_a_client_that_resets_or_stays_silent_prints_nothing(
    server: PageServer, data: bytes, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_server.Handler, "timeout", 0.2)
    for _ in range(5):
        link = socket.create_connection(("127.0.0.1", server.port))
        link.sendall(data)
        reset(link)
    send(server, data, more=True)  # a client that stays: its time runs out
    key, size = server.access.key, 500
    head = (
        f"POST /do HTTP/1.1\r\nHost: {server.hosts[0]}\r\nAuthorization: Bearer {key}\r\nContent-Length: {size}\r\n\r\n"
    )
    link = socket.create_connection(("127.0.0.1", server.port))
    link.sendall(head.encode() + b"{")
    time.sleep(0.05)
    reset(link)
    send(server, head.encode() + b"{", more=True)
    assert capfd.readouterr() == ("", "")
    assert len(let_in(server)) == 1


def test_a_bug_is_told_in_one_line_and_the_server_goes_on(
    server: PageServer, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> dict[str, Any]:
        raise ZeroDivisionError("with a secret")

    monkeypatch.setattr(server.served, "state", broken)
    send(
        server, f"GET /state HTTP/1.1\r\nHost: {server.hosts[0]}\r\nCookie: {let_in(server)['Cookie']}\r\n\r\n".encode()
    )
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("The page's server could not answer a request (ZeroDivisionError at test_server.py:")
    assert err.count("\n") == 1
    assert "secret" not in err
    assert len(let_in(server)) == 1


def test_half_open_connections_are_few_and_keep_nobody_out(server: PageServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_server.Handler, "timeout", 60.0)
    before, held = threading.active_count(), list[socket.socket]()
    for _ in range(4 * MOST_OPEN):
        held.append(socket.create_connection(("127.0.0.1", server.port), 10))
        held[-1].sendall(b"GET / HTTP/1.1\r\nX: ")
    assert status(send(server, b"GET / HTTP/1.0\r\n\r\n")) == 403  # it names no host
    until = time.monotonic() + 30  # those that were closed go as soon as a core lets them
    while threading.active_count() - before > MOST_OPEN and time.monotonic() < until:
        time.sleep(0.05)
    assert threading.active_count() - before <= MOST_OPEN
    held[0].settimeout(10)
    assert held[0].recv(10) == b""
    for one in held:
        one.close()
