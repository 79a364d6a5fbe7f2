"""A cluster with a page: `./lab serve` shows a student's own browser as one more client.

The page comes from a small HTTP server on loopback (`live.page.server`) and connects through the balancer to the nodes.
Four things keep others out: the server lets in who has the link that is printed (`live.page.access`), every connection
to a node and every order carries a signed token (`twin/rules/token.py`) that only who was let in gets, nodes and server
accept only the page's own origin, and only names of this machine are answered, so that no other site can pretend.
"""

import queue
import secrets
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

from live.broadcast.broadcast import Broadcast
from live.broadcast.messages import Publish
from live.cluster import Cluster
from live.control import interrupt
from live.node import lives
from live.node.messages import StartDrain
from live.page.server import Order, PageServer
from twin.errors import ClusterError, HostError, ScenarioError
from twin.rules.token import make_token, token_problem
from twin.scenario.scenario import Scenario

TOKEN_LIFE = 3600.0
"""Seconds that a token is good; the page fetches a new one for each connection."""
LAST_WORDS = 1.5
"""Seconds for which the page is told why the cluster has ended: it asks twice a second, in the background once."""
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


def check_served(scenario: Scenario) -> None:
    """See whether a page can be a client of a scenario's cluster: it has no password, and nobody keeps it in step.

    Raises:
        ScenarioError: it can not.
    """
    if scenario.publisher is None:
        raise ScenarioError(f"publisher is missing in {scenario.name}; ./lab serve needs a scenario with one.")
    if scenario.sessions.store != "none":
        raise ScenarioError(f"sessions.store is '{scenario.sessions.store}'; ./lab serve allows 'none'.")
    for name, table in (("registry", scenario.registry), ("nodes.lifetime", scenario.nodes.lifetime)):
        if table is not None:
            raise ScenarioError(f"{name} is set; ./lab serve allows none.")


class ServedCluster(Cluster):
    """A cluster whose nodes let a page in.

    Args:
        scenario: with a publisher; its faults and clients do not matter.
        port: of the page, on loopback.

    Raises:
        ScenarioError: the scenario has no publisher, or something that a page takes no part in.
        HostError: the port is taken, or see `Cluster`.
    """

    measured = False  # nobody takes times of what a page does: the cores may sleep

    def __init__(self, scenario: Scenario, port: int) -> None:
        check_served(scenario)
        self.secret = secrets.token_bytes(32)
        self.orders: queue.Queue[Order] = queue.Queue(100)
        self.ended = ""
        try:
            self.http = PageServer(port, self)
        except OSError as error:
            raise HostError(f"--port is {port}; it cannot be listened on ({error.strerror}).") from None
        try:
            super().__init__(scenario.vary(faults=[], clients={"count": 1, "sends": {"rate": 0.0}}), 0)
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
    def link(self) -> str:
        """Where the page is, with the secret that lets in: for the user's eyes only."""
        return self.http.link

    def node_config(self, number: int) -> dict[str, Any]:
        """Return what a node has to know, the page included."""
        config = super().node_config(number)
        if "broadcast" in config:
            config["broadcast"]["noted"] = False  # what is served makes no record, and may go on for days
        return config | {"page": {"secret": self.secret.hex(), "origins": self.http.origins}}

    def token(self) -> str:
        """Return a fresh token."""
        return make_token(self.secret, "page", time.time() + TOKEN_LIFE)

    def token_problem(self, token: str) -> str:
        """Return why a token is not good, an empty text when it is."""
        return token_problem(self.secret, token, time.time())

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
            lives.start(self, number, "start")
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
            part.tell(StartDrain(DRAIN_LEAD, DRAIN_PACE))
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
        return {"nodes": nodes, "balancer": self.balancer.kind, "ended": self.ended}


def serve(
    scenario: Scenario, port: int, ready: Callable[[ServedCluster], None], until: Callable[[], bool] | None = None
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
    with interrupt.remembered(), ServedCluster(scenario, port) as site:
        broadcast = site.room(Broadcast)
        assert broadcast is not None
        broadcast.publisher.tell(Publish(time.monotonic()))
        ready(site)
        try:
            while until is None or not until():
                interrupt.check()
                site.obey()
                site.attend()
                time.sleep(0.05)
        except ClusterError as error:
            site.ended = str(error)
            time.sleep(LAST_WORDS)
            raise
