"""The HTTP server of `./lab serve`: the page, its files, tokens, the state of the cluster, and orders.

It listens on loopback. Every request has to name this machine in `Host` (so that no other site's name can be made to
point here) and must not come from another site's page (`Origin`); then `live.page.access` decides. An order by a
browser needs a token besides the cookie, which a page of another port of this machine cannot read. Whatever is sent,
the server goes on, and prints nothing of it. Sources: RFC 9110, section 15 (405, 413); RFC 6585 (431); RFC 6750 (401).
"""

import contextlib
import json
import queue
import socket
import sys
import threading
from collections import OrderedDict
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

from live.page.access import WHERE, PageAccess, Way
from twin.rules.credentials import challenge
from twin.rules.session import REFUSED

PAGE = Path(__file__).parents[1] / "page"
FILES = {
    "/": ("page.html", "text/html"),
    "/page.js": ("page.js", "text/javascript"),
    "/page.css": ("page.css", "text/css"),
}
MOST_BODY = 1000
"""Bytes of an order."""
MOST_OPEN = 64
"""Connections at a time. A further one closes the oldest, so that a stranger who holds all of them keeps nobody out."""
REQUEST_WITHIN = 10.0
"""Seconds that a client may be silent before its whole request is there."""
MOST_LEFT, LEFT_WITHIN = 1 << 20, 0.2
"""Bytes that are read, and seconds that each may take, after an answer that came before the request had been read."""
ACTIONS = ("kill", "hang", "resume", "drain", "start")

Order = tuple[str, int]
"""An action and the number of a node, from 1."""


class Served(Protocol):
    """What the server asks the cluster."""

    port: int
    orders: "queue.Queue[Order]"

    def token(self) -> str:
        """Return a fresh token, for a connection to a node and for orders."""
        ...

    def token_problem(self, token: str) -> str:
        """Return why a token is not good, an empty text when it is."""
        ...

    def state(self) -> dict[str, Any]:
        """Return what the page shows of the cluster."""
        ...


class HttpError(Exception):
    """A request gets another answer than it asked for."""

    def __init__(self, status: HTTPStatus, text: str, **headers: str) -> None:
        super().__init__(text)
        self.status = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class PageServer(ThreadingHTTPServer):
    """The server; `serve_forever` and `shutdown` are called by different threads.

    Args:
        port: on loopback; 0 is any free one.
        served: the cluster.

    Raises:
        OSError: the port cannot be listened on.
    """

    daemon_threads = True
    request_queue_size = MOST_OPEN

    def __init__(self, port: int, served: Served) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.served = served
        self.port = int(self.server_address[1])
        self.hosts = [f"{name}:{self.port}" for name in ("127.0.0.1", "localhost")]
        self.origins = [f"http://{host}" for host in self.hosts]
        self.access = PageAccess(self.port)
        self._open: OrderedDict[int, socket.socket] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def link(self) -> str:
        """Where the page is, with the secret that lets in."""
        return f"{self.origins[0]}/?token={self.access.key}"

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread, and end the oldest connection if there are too many."""
        with self._lock:
            if len(self._open) >= MOST_OPEN:
                _, oldest = self._open.popitem(last=False)
                with contextlib.suppress(OSError):  # its thread closes it when it reads the end
                    oldest.shutdown(socket.SHUT_RDWR)
            self._open[id(request)] = request
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close without a reset, which would overtake the answer, when more was sent than was read."""
        with self._lock:
            self._open.pop(id(request), None)
        with contextlib.suppress(OSError):
            request.shutdown(socket.SHUT_WR)
            request.settimeout(LEFT_WITHIN)
            left = MOST_LEFT
            while left > 0 and (data := request.recv(1 << 16)):
                left -= len(data)
        self.close_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away amid its request is nobody's business; anything else is a bug, told in a line."""
        error = sys.exception()
        if error is None or isinstance(error, OSError):
            return
        place = error.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        where = "" if place is None else f" at {Path(place.tb_frame.f_code.co_filename).name}:{place.tb_lineno}"
        sys.stderr.write(f"The page's server could not answer a request ({type(error).__name__}{where}).\n")


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: PageServer
    server_version, sys_version = "stormlab", ""
    default_request_version = "HTTP/1.0"  # or else a request that cannot be read gets an answer without a status
    timeout = REQUEST_WITHIN

    def do_GET(self) -> None:
        """Give the page, its files, a token, the state of the cluster; take the link's secret."""
        self._respond(self._get)

    def do_POST(self) -> None:
        """Take an order: `/do` with an action and a node."""
        self._respond(self._post)

    def _respond(self, work: Any) -> None:
        try:
            work()
        except HttpError as refused:
            self._answer(refused.status, f"{refused}\n", **refused.headers)

    def _get(self) -> None:
        self._check_site()
        try:
            parts = urlsplit(self.path)
            shown = parse_qs(parts.query, keep_blank_values=True, max_num_fields=10).get("token", [])
        except ValueError:
            raise HttpError(HTTPStatus.BAD_REQUEST, "this address cannot be read") from None
        if shown and parts.path == "/":
            if not self.server.access.opens(shown):
                raise _unauthorized("unknown", f"this link is not of this server; {WHERE}")
            self._answer(HTTPStatus.SEE_OTHER, "", Location="/", Set_Cookie=self.server.access.set_cookie)
            return
        self._way()
        served = self.server.served
        if parts.path in FILES:
            name, kind = FILES[parts.path]
            self._answer(HTTPStatus.OK, (PAGE / name).read_text(encoding="utf-8"), kind)
        elif parts.path == "/token":
            self._answer(HTTPStatus.OK, json.dumps({"token": served.token(), "port": served.port}), "application/json")
        elif parts.path == "/state":
            self._answer(HTTPStatus.OK, json.dumps(served.state()), "application/json")
        else:
            raise HttpError(HTTPStatus.NOT_FOUND, "there is no such page")

    def _post(self) -> None:
        self._check_site()
        if self._way() == "cookie":
            if not self._all("Origin"):
                raise HttpError(HTTPStatus.FORBIDDEN, "a browser's order has to say of which page it is (Origin)")
            problem = self.server.served.token_problem(self.headers.get("X-Token", ""))
            if problem:
                raise _unauthorized(problem, f"the token is {problem}")
        if self.path != "/do":
            raise HttpError(HTTPStatus.NOT_FOUND, "there is no such page")
        try:
            self.server.served.orders.put_nowait(self._order())
        except queue.Full:
            raise HttpError(HTTPStatus.TOO_MANY_REQUESTS, "too many orders") from None
        self._answer(HTTPStatus.OK, "{}", "application/json")

    def _order(self) -> Order:
        """Return the order in the body."""
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            raise HttpError(HTTPStatus.LENGTH_REQUIRED, "Content-Length is missing or no whole number")
        if len(length) > 9 or int(length) > MOST_BODY:
            raise HttpError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"an order has at most {MOST_BODY} bytes")
        try:
            order = json.loads(self.rfile.read(int(length)))
            action, node = order["action"], order["node"]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise HttpError(HTTPStatus.BAD_REQUEST, "this is no order: JSON with action and node is") from None
        nodes = len(self.server.served.state()["nodes"])
        if action not in ACTIONS or type(node) is not int or not 1 <= node <= nodes:
            allowed = f"action {', '.join(ACTIONS)} and node 1 to {nodes}"
            raise HttpError(HTTPStatus.BAD_REQUEST, f"this is no order: allowed is {allowed}")
        return str(action), node

    def _check_site(self) -> None:
        """Refuse names that are not this machine's, and pages of other sites."""
        hosts, origins = self._all("Host"), self._all("Origin")
        if len(hosts) != 1 or hosts[0].lower() not in self.server.hosts:
            raise HttpError(HTTPStatus.FORBIDDEN, f"this name is not served here; {WHERE}")
        if any(origin not in self.server.origins for origin in origins):
            raise HttpError(HTTPStatus.FORBIDDEN, "this page may not ask here")

    def _way(self) -> Way:
        """Refuse who has neither the link's secret nor a cookie."""
        try:
            way = self.server.access.way(self._all("Authorization"), self._all("Cookie"))
        except ValueError as error:
            raise _unauthorized("request", str(error)) from None
        if not way:
            shown = bool(self._all("Authorization"))
            raise _unauthorized("unknown" if shown else "missing", f"you have not been let in; {WHERE}")
        return way

    def _all(self, name: str) -> list[str]:
        return [str(value) for value in self.headers.get_all(name, [])]

    def _answer(self, status: HTTPStatus, text: str, kind: str = "text/plain", **headers: str) -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def end_headers(self) -> None:
        """End the headers with those of every answer."""
        balancer = f"127.0.0.1:{self.server.served.port}"
        policy = f"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' ws://{balancer} http://{balancer}"
        self.send_header("Content-Security-Policy", policy)
        self.send_header("Cache-Control", "no-store")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("X-Frame-Options", "DENY")
        super().end_headers()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer a request that could not be read, without repeating any of it."""
        self.close_connection = True
        if code == HTTPStatus.NOT_IMPLEMENTED:
            self._answer(HTTPStatus.METHOD_NOT_ALLOWED, "only GET and POST are served here\n", Allow="GET, POST")
        else:
            status = HTTPStatus(code)
            self._answer(status, f"{status.phrase}\n")

    def log_message(self, format: str, *words: Any) -> None:
        """Say nothing on the terminal."""


def _unauthorized(reason: str, text: str) -> HttpError:
    """Return a refusal for what a request has shown, or not."""
    return HttpError(HTTPStatus(REFUSED[reason]), text, WWW_Authenticate=challenge(reason))
