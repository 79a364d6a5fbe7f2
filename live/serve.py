"""A cluster with a page: `./lab serve` shows a student's own browser as one more client.

The page comes from a small HTTP server on loopback and connects through the balancer to the nodes. Three things keep
others out: the nodes and this server accept only the page's own origin, every connection and every order carries a
signed token (`twin/rules/token.py`), and only names of this machine are answered, so that no other site can pretend.
"""

import json
import queue
import secrets
import signal
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from live import interrupt, lives
from live.world import Cluster
from twin.errors import HostError, ScenarioError
from twin.rules.token import make_token, token_problem
from twin.scenario import Scenario

PAGE = Path(__file__).parent / "page"
FILES = {"/page.js": "text/javascript", "/page.css": "text/css"}
TOKEN_LIFE = 3600.0
"""Seconds that a token is good; the page fetches a new one for each connection."""
MOST_BODY = 1000
ACTIONS = ("kill", "hang", "resume", "drain", "start")
DRAIN_LEAD, DRAIN_PACE = 2.5, 10.0
"""Seconds from the failing readiness of a drain that the page orders to its first close, and closes a second."""

SERVED: dict[str, Any] = {
    "name": "serve",
    "duration": 3600.0,
    "clients": {"count": 1},
    "balancer": {"retries": 3, "redispatch": 1, "check": {"inter": 1.0, "fall": 2, "rise": 1}},
    "nodes": {"count": 3},
    "bus": {"kind": "stream"},
    "publisher": {"rate": 0.5, "payload_bytes": 0},
    "host": {"placement": "free"},
}
"""The cluster that is served when the user names none."""


class Site(Cluster):
    """A cluster whose nodes let a page in.

    Args:
        scenario: with a publisher; its faults and clients do not matter.
        port: of the page, on loopback.

    Raises:
        ScenarioError: the scenario has no publisher.
        HostError: the port is taken, or see `Cluster`.
    """

    measured = False  # nobody takes times of what a page does: the cores may sleep

    def __init__(self, scenario: Scenario, port: int) -> None:
        if scenario.publisher is None:
            raise ScenarioError(f"publisher is missing in {scenario.name}; ./lab serve needs a scenario with one.")
        self.secret = secrets.token_bytes(32)
        self.orders: queue.Queue[tuple[str, int]] = queue.Queue(100)
        try:
            self.http = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        except OSError as error:
            raise HostError(f"--port is {port}; it cannot be listened on ({error.strerror}).") from None
        self.http_port = int(self.http.server_address[1])
        self.hosts = [f"{name}:{self.http_port}" for name in ("127.0.0.1", "localhost")]
        self.origins = [f"http://{host}" for host in self.hosts]
        try:
            super().__init__(scenario.vary(faults=[], clients={"count": 1}), 0)
        except BaseException:
            self.http.server_close()
            raise
        self._serving = threading.Thread(target=self.http.serve_forever, args=(0.1,), daemon=True)
        self._serving.start()

    def __exit__(self, *error: object) -> None:
        self.http.shutdown()
        self.http.server_close()
        super().__exit__(*error)

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"{self.origins[0]}/"

    def node_config(self, number: int) -> dict[str, Any]:
        """Return what a node has to know, the page included."""
        return super().node_config(number) | {"page": {"secret": self.secret.hex(), "origins": self.origins}}

    def token(self) -> str:
        """Return a fresh token."""
        return make_token(self.secret, "page", time.time() + TOKEN_LIFE)

    def may(self, token: str) -> bool:
        """Tell whether a token is good."""
        return not token_problem(self.secret, token, time.time())

    def obey(self) -> None:
        """Do what the page has ordered since the last time."""
        while not self.orders.empty():
            action, number = self.orders.get()
            if self._do(action, number):
                self.note(time.monotonic(), "fault", number, action)

    def _do(self, action: str, number: int) -> bool:
        """Do what was ordered to a node, unless that has no effect."""
        part, standing = self.nodes[number - 1], self.standings[number - 1]
        if action == "start":
            if part.running or number in self.restarting:
                return False
            lives.replace(self, number, "start")
        elif not part.running:
            return False
        elif action == "resume" or (action == "hang" and standing.hung.on):
            if action == "hang" or not standing.hung.on:
                return False
            standing.over("hang", standing.life)
            part.signal(signal.SIGCONT)
        elif standing.begin(action) is None:
            return False
        elif action == "drain":
            if standing.hung.on:  # or else it would begin when it goes on
                standing.over("hang", standing.life)
                part.signal(signal.SIGCONT)
            part.let_end()
            part.tell(drain=DRAIN_LEAD, pace=DRAIN_PACE)
            self.restarting.add(number)
        else:
            part.signal({"kill": signal.SIGKILL, "hang": signal.SIGSTOP}[action])
            if action == "kill":
                self.killed.append(number)
                self.restarting.discard(number)
        return True

    def state(self) -> dict[str, Any]:
        """Return what the page shows of the cluster."""
        up = dict.fromkeys(range(1, len(self.nodes) + 1), True)
        for _, event, node, _, _ in list(self.events):
            if event in ("marked_down", "marked_up"):
                up[node] = event == "marked_up"
        nodes = [
            {"node": number, "running": part.running, "up": up[number], "draining": number in self.restarting}
            for number, part in enumerate(self.nodes, 1)
        ]
        return {"nodes": nodes, "balancer": self.balancer.kind}


def _handler(site: Site) -> type[BaseHTTPRequestHandler]:
    """Return the class of the HTTP server's handlers."""

    class Handler(BaseHTTPRequestHandler):
        server_version, sys_version = "stormlab", ""
        timeout = 10

        def do_GET(self) -> None:
            """Give the page, its files, a token, the state of the cluster."""
            if self.headers.get("Host") not in site.hosts:
                self._answer(HTTPStatus.FORBIDDEN, "this name is not served here\n")
            elif self.path == "/":
                self._answer(HTTPStatus.OK, (PAGE / "page.html").read_text(), "text/html")
            elif self.path in FILES:
                self._answer(HTTPStatus.OK, (PAGE / self.path[1:]).read_text(), FILES[self.path])
            elif self.path == "/token":
                told = {"token": site.token(), "port": site.port}
                self._answer(HTTPStatus.OK, json.dumps(told), "application/json")
            elif self.path == "/state":
                self._answer(HTTPStatus.OK, json.dumps(site.state()), "application/json")
            else:
                self._answer(HTTPStatus.NOT_FOUND, "there is no such page\n")

        def do_POST(self) -> None:
            """Take an order: `/do` with an action and a node."""
            length = self.headers.get("Content-Length", "")
            if self.headers.get("Host") not in site.hosts or self.headers.get("Origin") not in site.origins:
                self._answer(HTTPStatus.FORBIDDEN, "this page may not give orders\n")
                return
            if not site.may(self.headers.get("X-Token", "")):
                self._answer(HTTPStatus.UNAUTHORIZED, "the token is not good\n")
                return
            if self.path != "/do" or not length.isdigit() or int(length) > MOST_BODY:
                self._answer(HTTPStatus.BAD_REQUEST, "this is no order\n")
                return
            try:
                order = json.loads(self.rfile.read(int(length)))
                action, node = order["action"], order["node"]
            except (ValueError, KeyError, TypeError):
                action, node = "", 0
            if action not in ACTIONS or not isinstance(node, int) or not 1 <= node <= len(site.nodes):
                self._answer(HTTPStatus.BAD_REQUEST, "this is no order\n")
                return
            try:
                site.orders.put_nowait((action, node))
            except queue.Full:
                self._answer(HTTPStatus.TOO_MANY_REQUESTS, "too many orders\n")
                return
            self._answer(HTTPStatus.OK, "{}", "application/json")

        def _answer(self, status: HTTPStatus, text: str, kind: str = "text/plain") -> None:
            data = text.encode()
            balancer = f"ws://127.0.0.1:{site.port} http://127.0.0.1:{site.port}" if hasattr(site, "port") else ""
            self.send_response(status)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("X-Content-Type-Options", "nosniff")
            self.send_header("X-Frame-Options", "DENY")
            self.send_header(
                "Content-Security-Policy",
                f"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' {balancer}",
            )
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *words: Any) -> None:
            """Say nothing on the terminal."""

    return Handler


def serve(
    scenario: Scenario, port: int, ready: Callable[[Site], None], until: Callable[[], bool] | None = None
) -> None:
    """Serve a cluster with its page until Ctrl-C, or until `until` says so.

    Args:
        scenario: with a publisher.
        port: of the page; 0 is any free one.
        ready: called once, with the site, when everything runs.
        until: asked about every 50 ms.

    Raises:
        ScenarioError, HostError: nothing was started.
        ClusterError: a part failed; everything was stopped.
    """
    with interrupt.remembered(), Site(scenario, port) as site:
        assert site.broadcast is not None
        site.broadcast.publisher.tell(start=time.monotonic())
        ready(site)
        while until is None or not until():
            interrupt.check()
            site.obey()
            site.attend()
            time.sleep(0.05)
