"""Measure what the parts cost on this machine, each in isolation, and write a host profile.

Every figure is CPU time that the kernel booked on one process (schedstat) for a known number of items. A stopped node
(SIGSTOP) splits a handshake: while it is stopped the client and the balancer can do only their first half. No run of a
scenario is looked at, and nothing that a comparison judges is measured here.
"""

import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from math import log2
from typing import Any

from live import host, interrupt
from live.balancer import Balancer, binary
from live.process import READY_WITHIN, Part, Stage
from twin.errors import ClusterError, HostError
from twin.profile import LEVELS, HostProfile
from twin.profile import Part as CostPart
from twin.scenario import Nginx, Scenario

REPEATS = 5
DEATH_LEVELS = (1, 64, 256)
BATCHES = {1: 10, 16: 4, 64: 2, 256: 1}
"""How many batches of each size one measurement averages over."""
TIME_SLICE = 0.0007
"""Linux's base time slice for one core in seconds; it grows with 1 + log2(cores). Source: kernel/sched/fair.c,
sysctl_sched_base_slice (0.70 ms since Linux 6.12). It decides only how the processes of one core interleave."""

Progress = Callable[[float, str], None]
Costs = dict[str, dict[int, list[float]]]


def calibrate(
    progress: Progress | None = None, repeats: int = REPEATS, kinds: Sequence[str] = ("haproxy", "nginx")
) -> HostProfile:
    """Measure this machine and return its profile.

    Args:
        progress: receives the part done (0 to 1) and what is being measured.
        repeats: measurements of each part; the spread between them goes into the predictions.
        kinds: balancers to measure; nginx is left out where it is not installed.

    Raises:
        HostError: HAProxy is missing, or too few files may be open.
        ClusterError: a process failed.
    """
    chosen_kinds = [kind for kind in kinds if kind != "nginx" or installed(kind)]
    for kind in chosen_kinds:
        binary(kind)
    scenario = Scenario.parse({"name": "calibration", "clients": {"count": 2000}, "balancer": {"retries": 0}})
    host.check_limits(scenario)
    host.warn_if_busy()
    tell = progress or (lambda share, what: None)
    found: dict[str, Costs] = {}
    first: dict[str, list[float]] = {"client": [], "haproxy": [], "nginx": [], "node": []}
    starts: dict[str, list[float]] = {kind: [] for kind in chosen_kinds}
    lone: dict[str, list[float]] = {
        "exit_delay": [],
        "node_start": [],
        "node_stop": [],
        "check_overhead": [],
    }
    steps = len(chosen_kinds) * repeats
    for k, kind in enumerate(chosen_kinds):
        found[kind] = {}
        chosen = scenario if kind == "haproxy" else scenario.vary(balancer=Nginx(max_fails=0))
        for i in range(repeats):
            tell((k * repeats + i) / steps, f"{kind}, {i + 1} of {repeats}")
            with interrupt.remembered(), Stage() as stage, Stage() as refusing_stage:
                bench = Bench(stage, refusing_stage, chosen)
                starts[kind].append(bench.balancer_start)
                bench.measure(found[kind], lone, first)
    tell(1.0, "done")
    parts = _parts(found[chosen_kinds[0]])
    if "haproxy" not in found:  # the balancer's parts of a profile are HAProxy's
        parts = {name: part for name, part in parts.items() if not name.startswith("balancer")}
    nginx = {name: part for name, part in _parts(found.get("nginx", {})).items() if name.startswith("balancer")}
    return HostProfile(
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=host.machine(),
        parts=parts,
        nginx_parts=nginx,
        time_slice=TIME_SLICE * (1 + min(3, int(log2(os.cpu_count() or 1)))),
        first_part=first,
        balancer_start=starts,
        **lone,
    )


def installed(kind: str) -> bool:
    """Tell whether a balancer's program is there."""
    try:
        binary(kind)
    except HostError:
        return False
    return True


def _parts(costs: Costs) -> dict[str, CostPart]:
    return {
        name: CostPart(levels=sorted(by_level), values=[by_level[level] for level in sorted(by_level)])
        for name, by_level in costs.items()
    }


class Bench:
    """One node, one balancer and one client process, pinned as in a scenario, to be measured once."""

    def __init__(self, stage: Stage, refusing_stage: Stage, scenario: Scenario) -> None:
        self.stage = stage
        self.place = host.placement(scenario)
        self.kind = scenario.balancer.kind
        ports = host.free_ports(5)
        self.port, self.node_port, dead_port, self.refusing_port = ports[:4]
        began = time.monotonic()
        self.node = self._start_node()
        self.node_start = float(self.node.hear()["listening"]) - began
        quiet = scenario if self.kind == "nginx" else scenario.vary(balancer={"check": {"inter": 0.1, "fall": 100}})
        still = scenario if self.kind == "nginx" else scenario.vary(balancer={"check": {"inter": 3600.0}})
        began = time.monotonic()
        self.balancer = self._balancer(stage, quiet, self.port, self.node_port)
        self.balancer_start = time.monotonic() - began
        self.refusing = self._balancer(refusing_stage, still, self.refusing_port, dead_port)
        config = {
            "port": self.port,
            "seed": 0,
            "replication": 0,
            "first": 0,
            "addresses": 1,
            "open_timeout": 30.0,
            "reconnect": scenario.clients.reconnect.model_dump(),
            "heartbeat": scenario.clients.heartbeat.model_dump(),
        }
        self.client = stage.python("bench", "live.bench", config, self.place.clients)
        self.client.hear()

    def _balancer(self, stage: Stage, scenario: Scenario, port: int, node_port: int) -> Balancer:
        balancer = Balancer(stage, scenario, port, [node_port], self.place.cluster, lambda t, e, n, d: None)
        balancer.wait_ready(READY_WITHIN)
        return balancer

    def _start_node(self) -> Part:
        config = {"number": 1, "port": self.node_port, "backlog": 4000}
        return self.stage.python("node", "live.node", config, self.place.cluster[:1])

    def measure(self, costs: Costs, lone: dict[str, list[float]], first: dict[str, list[float]]) -> None:
        """Measure every part once and append the figures."""
        try:
            lone["node_start"].append(self.node_start)
            if self.kind == "haproxy":
                lone["check_overhead"].append(self._check_overhead())
            self._warm()
            for level in LEVELS:
                self._handshakes(costs, level)
                self._refusals(costs, level)
            for level in LEVELS:
                self._accepts(costs, level)
            self._deaths(costs, lone)
            self._first_parts(first)
        finally:
            self.balancer.close()
            self.refusing.close()

    def _check_overhead(self) -> float:
        seen = []
        for _ in range(2):
            time.sleep(0.35)
            self.node.tell(ask="checked")
            seen.append(float(self.node.hear()["checked"]))
        return max(0.0, (seen[1] - seen[0]) / round((seen[1] - seen[0]) / 0.1) - 0.1)

    def _warm(self) -> None:
        for port in (self.port, self.refusing_port):
            self.client.tell(port=port, batch=64)
            self.client.hear(30)
        self._drop()

    def _drop(self) -> None:
        """Close all connections by replacing the node."""
        self._kill(0)

    def _cpu(self) -> tuple[float, float, float]:
        return tuple(part.cpu_ns() / 1e9 for part in (self.client, self.balancer, self.node))  # type: ignore[return-value]

    def _settle(self) -> None:
        """Wait until client, balancer and node have nothing more to do."""
        deadline = time.monotonic() + 20
        before = self._cpu()
        while time.monotonic() < deadline:
            time.sleep(0.008)
            after = self._cpu()
            if sum(after) - sum(before) < 0.0005:
                return
            before = after
        raise ClusterError("calibration: the bench does not come to rest.")

    def _overhead(self) -> float:
        """Return what telling the client to start a batch and its answer cost it, in CPU seconds."""
        before = self.client.cpu_ns()
        for _ in range(16):
            self.client.tell(port=self.port, batch=0)
            self.client.hear()
            time.sleep(0.004)
        return (self.client.cpu_ns() - before) / 1e9 / 16

    def _handshakes(self, costs: Costs, level: int) -> None:
        first, second, batches = [0.0] * 3, [0.0] * 3, BATCHES[level]  # client, balancer, node
        idle = self._overhead()
        for _ in range(batches):
            start = self._cpu()
            os.kill(self.node.pid, signal.SIGSTOP)
            self.client.tell(port=self.port, batch=level)
            time.sleep(0.004)
            self._settle()
            middle = self._cpu()
            os.kill(self.node.pid, signal.SIGCONT)
            if self.client.hear(30)["failed"]:
                raise ClusterError("calibration: a handshake failed.")
            self._settle()
            end = self._cpu()
            for i in range(3):
                first[i] += middle[i] - start[i]
                second[i] += end[i] - middle[i]
        items = batches * level
        first[0] = max(0.0, first[0] - batches * idle)
        whole = self._undisturbed(level, batches, idle)
        for i, (one, other) in enumerate(
            (("client_connect", "client_open"), ("balancer_request", "balancer_response"), ("", "node_handshake"))
        ):
            share = first[i] / (first[i] + second[i]) if one else 0.0
            if one:
                _add(costs, one, level, share * whole[i] / items)
            _add(costs, other, level, (1.0 - share) * whole[i] / items)

    def _undisturbed(self, level: int, batches: int, idle: float) -> list[float]:
        """Return the CPU seconds of client, balancer and node for the same batches without a stop.

        A stop costs extra wake-ups; it serves to split a handshake, and this tells what the two halves cost together.
        """
        start = self._cpu()
        for _ in range(batches):
            self.client.tell(port=self.port, batch=level)
            if self.client.hear(30)["failed"]:
                raise ClusterError("calibration: a handshake failed.")
            self._settle()
        client, balancer, node = (after - before for after, before in zip(self._cpu(), start, strict=True))
        return [max(0.0, client - batches * idle), balancer, node]

    def _refusals(self, costs: Costs, level: int) -> None:
        times = max(2, 384 // level)
        client, balancer = self.client.cpu_ns(), self.refusing.cpu_ns()
        self.client.tell(port=self.refusing_port, batch=level, times=times)
        if self.client.hear(30)["opened"]:
            raise ClusterError("calibration: a connection that must be refused was not.")
        self._settle()
        items = times * level
        whole = (self.client.cpu_ns() - client) / 1e9 / items
        _add(costs, "client_refused", level, max(0.0, whole - costs["client_connect"][level][-1]))
        _add(costs, "balancer_refused", level, (self.refusing.cpu_ns() - balancer) / 1e9 / items)

    def _accepts(self, costs: Costs, level: int) -> None:
        used, batches = 0, BATCHES[level]
        for _ in range(batches):
            self._settle()
            before = self.node.cpu_ns()
            os.kill(self.node.pid, signal.SIGSTOP)
            raw = [socket.create_connection(("127.0.0.1", self.node_port)) for _ in range(level)]
            os.kill(self.node.pid, signal.SIGCONT)
            self._settle()
            used += self.node.cpu_ns() - before
            for one in raw:
                one.close()
        cost = used / 1e9 / batches / level
        _add(costs, "node_accept", level, cost)
        handshakes = costs["node_handshake"][level]
        handshakes[-1] = max(0.1 * handshakes[-1], handshakes[-1] - cost)

    def _deaths(self, costs: Costs, lone: dict[str, list[float]]) -> None:
        self._drop()
        empty = self._kill(0)[2]
        lone["exit_delay"].append(self._exit_delay())
        bare = self._terminate(0)
        lone["node_stop"].append(bare[4])
        for level in DEATH_LEVELS:
            client, balancer, node = self._kill(level)
            _add(costs, "client_closed", level, client / level)
            _add(costs, "balancer_close", level, balancer / level)
            if level > 1:
                _add(costs, "node_exit", level, max(0.0, node - empty) / level)
            spent, relayed, said, left, _ = self._terminate(level)
            _add(costs, "client_goodbye", level, max(0.0, spent - client) / level)
            _add(costs, "balancer_frame", level, max(0.0, relayed - balancer) / 2 / level)
            _add(costs, "node_goodbye", level, said / level)
            _add(costs, "node_leave", level, max(0.0, left - bare[3]) / level)

    def _exit_delay(self) -> float:
        """Return the seconds from SIGKILL until the kernel has closed the first of some raw connections."""
        raw = [socket.create_connection(("127.0.0.1", self.node_port)) for _ in range(32)]
        self._settle()
        began = time.monotonic()
        os.kill(self.node.pid, signal.SIGKILL)
        raw[0].recv(1)
        took = time.monotonic() - began
        for one in raw:
            one.close()
        self._reap()
        self._replace()
        return took

    def _first_parts(self, first: dict[str, list[float]]) -> None:
        """Let each process find many items ready at once, and see when the first and the last of them come out.

        The process is stopped while the items gather. A round reads all of them before it finishes one, so the time to
        the first over the time to the last is the share of the first part.
        """
        size = 128
        raw = upgrade(self.node_port, size, answer=False, stop=self.node.pid)
        first["node"].append(_share(raw, b"HTTP/1.1 101", self.node.pid))
        raw = upgrade(self.port, size)
        self._settle()
        forwarder = self.balancer.forwarder()
        os.kill(forwarder, signal.SIGSTOP)
        os.kill(self.node.pid, signal.SIGKILL)
        self._reap()
        first[self.kind].append(_share(raw, b"", forwarder))
        self._replace()
        self._connect(size)
        os.kill(self.client.pid, signal.SIGSTOP)
        os.kill(self.node.pid, signal.SIGKILL)
        self._reap()
        time.sleep(0.02)
        since = time.monotonic()
        os.kill(self.client.pid, signal.SIGCONT)
        self.client.tell(closed=True, since=since)
        first["client"].append(float(self.client.hear(30)["first"]))
        self._replace()

    def _connect(self, connections: int) -> tuple[float, float, float]:
        if connections:
            self.client.tell(port=self.port, batch=connections)
            if self.client.hear(30)["failed"]:
                raise ClusterError("calibration: a handshake failed.")
        self._settle()
        return self._cpu()

    def _kill(self, connections: int) -> tuple[float, float, float]:
        """Kill the node and return the CPU seconds this costs client, balancer and node."""
        before = self._connect(connections)
        os.kill(self.node.pid, signal.SIGKILL)
        node = self._reap() - before[2]
        self.client.tell(closed=True)
        self.client.hear(30)
        time.sleep(0.02)
        client, balancer = self.client.cpu_ns() / 1e9, self.balancer.cpu_ns() / 1e9
        self._replace()
        return client - before[0], balancer - before[1], node

    def _terminate(self, connections: int) -> tuple[float, float, float, float, float]:
        """End the node gracefully while the client is stopped, then let the client go on.

        Returns:
            CPU seconds of the client, of the balancer (two frames and a close for each connection), of the node until
            its close frames are out, of the node after that, and the seconds from SIGTERM to the end of the node.
        """
        before = self._connect(connections)
        began = time.monotonic()
        said = 0.0
        if connections:
            os.kill(self.client.pid, signal.SIGSTOP)
            os.kill(self.node.pid, signal.SIGTERM)
            time.sleep(0.01)
            self._settle()
            said = self.node.cpu_ns() / 1e9 - before[2]
            os.kill(self.client.pid, signal.SIGCONT)
        else:
            os.kill(self.node.pid, signal.SIGTERM)
        node = self._reap() - before[2]
        took = time.monotonic() - began
        self.client.tell(closed=True)
        self.client.hear(30)
        time.sleep(0.02)
        client, balancer = self.client.cpu_ns() / 1e9, self.balancer.cpu_ns() / 1e9
        self._replace()
        return client - before[0], balancer - before[1], said, max(0.0, node - said), took

    def _reap(self) -> float:
        """Wait for the node's end and return the CPU seconds of its whole life."""
        _, _, usage = os.wait4(self.node.pid, 0)
        self.node.process.returncode = 0
        return usage.ru_utime + usage.ru_stime

    def _replace(self) -> None:
        self.stage.end(self.node)
        self.node = self._start_node()
        self.node.hear()
        self._settle()


def upgrade(port: int, count: int, answer: bool = True, stop: int = 0) -> list[socket.socket]:
    """Open raw connections and send the opening handshake on each; `answer` waits for the 101, `stop` stops a process
    before the requests go out.
    """
    raw = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
    time.sleep(0.05)
    if stop:
        os.kill(stop, signal.SIGSTOP)
    request = (
        "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    for one in raw:
        one.sendall(request.encode())
        if answer and not one.recv(4096).startswith(b"HTTP/1.1 101"):
            raise ClusterError("calibration: a handshake failed.")
    return raw


def _share(raw: list[socket.socket], expected: bytes, stopped: int) -> float:
    """Let a stopped process go on and return time to the first answer over time to the last."""
    with selectors.DefaultSelector() as selector:
        for one in raw:
            selector.register(one, selectors.EVENT_READ)
        began = time.monotonic()
        os.kill(stopped, signal.SIGCONT)
        times: list[float] = []
        while selector.get_map():
            ready = selector.select(10.0)
            if not ready:
                raise ClusterError("calibration: a raw connection got no answer.")
            times += [time.monotonic() - began] * len(ready)
            for key, _ in ready:
                assert isinstance(key.fileobj, socket.socket)
                if not key.fileobj.recv(4096).startswith(expected):
                    raise ClusterError("calibration: a raw connection got an unexpected answer.")
                selector.unregister(key.fileobj)
    for one in raw:
        one.close()
    return min(0.95, times[0] / times[-1])


def _add(costs: Costs, name: str, level: int, value: float) -> None:
    costs.setdefault(name, {}).setdefault(level, []).append(value)


def summary(profile: HostProfile) -> list[tuple[str, str, dict[str, Any]]]:
    """Return (balancer, part, {level: median cost in us}) rows for a table."""
    rows = []
    for kind, parts in (("haproxy", profile.parts), ("nginx", profile.nginx_parts)):
        for name, part in parts.items():
            medians = {str(n): 1e6 * sorted(v)[len(v) // 2] for n, v in zip(part.levels, part.values, strict=True)}
            rows.append((kind, name, medians))
    return rows
