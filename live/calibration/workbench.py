"""The workbench of the calibration: one node, one balancer and one client process, to be told what to do."""

import os
import signal
import socket
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from live.balancer.balancer import start_balancer
from live.balancer.base import Balancer
from live.calibration.messages import AllLost, AwaitLoss, OpenBatch, Opened
from live.control.messages import Listening, Ready
from live.control.process import READY_WITHIN, ChildProcess, Stage
from live.control.usage import wants_a_core
from live.machine import placement
from live.machine.speed import reading
from live.node.kinds import RUNTIMES
from live.node.messages import Look, Seen
from twin.errors import ClusterError
from twin.scenario.scenario import Scenario

QUIET = 0.0003
"""CPU seconds of all processes of a bench in `LOOK` seconds, below which they are taken to rest."""
LOOK = 0.008
"""Seconds between two looks."""
RESTS_WITHIN = 60.0
"""Seconds in which a bench must come to rest."""
CHECK_INTER = 0.1
"""Seconds between two checks of the bench's node by HAProxy: short, so that one look spans several."""
NEVER = 3600.0
"""The same where checks would disturb: longer than any bench lives, but for the first one."""
MOST_FILES = 520
"""Connections a process has had before it is measured, so that its table of open files is large enough."""


def client_config(scenario: Scenario, port: int) -> dict[str, Any]:
    """Return the settings of the client process of a bench."""
    return {
        "port": port,
        "seed": 0,
        "replication": 0,
        "first": 0,
        "addresses": 1,
        "open_timeout": 30.0,
        "reconnect": scenario.clients.reconnect.model_dump(),
        "heartbeat": scenario.clients.heartbeat.model_dump(),
    }


Pace = tuple[float, float]
"""How long a fixed piece of work takes the first core of the cluster, and the first of the clients, in seconds."""


class MeasuredCosts(dict[str, dict[int, list[float]]]):
    """For each part and number of items at once the repeated measurements, in seconds an item.

    Attributes:
        paces: how long a fixed piece of work took the part's core at that time, in the same order.
        now: the pace that was measured last.
    """

    def __init__(self) -> None:
        super().__init__()
        self.paces: dict[str, dict[int, list[float]]] = {}
        self.now: Pace = (0.0, 0.0)

    def add(self, name: str, level: int, cost: float, pace: Pace) -> None:
        """Append a measurement, one below 0 (what is left of a difference) as 0; clients have their own core."""
        self.setdefault(name, {}).setdefault(level, []).append(max(0.0, cost))
        here = pace[1] if name.startswith("client") else pace[0]
        self.paces.setdefault(name, {}).setdefault(level, []).append(here)

    def at(self, name: str, level: int, pace: Pace) -> float:
        """Return the median of a part's measurements, each turned into what it would have been at this pace."""
        here = pace[1] if name.startswith("client") else pace[0]
        values = zip(self[name][level], self.paces[name][level], strict=True)
        return median([cost * here / then for cost, then in values])


def at_rest(cpu: Callable[[], Sequence[float]], pids: Callable[[], Sequence[int]]) -> list[float]:
    """Wait until processes have nothing more to do, and return the CPU seconds that they have used.

    One that waits for a core which somebody else has uses nothing, and does not rest. A look that comes late, because
    the machine is busy, may see as much more as it took longer: what wakes up now and then is no work.

    Args:
        cpu: gives what each of them has used so far, in seconds.
        pids: gives those that are there.

    Raises:
        ClusterError: they do not come to rest within `RESTS_WITHIN` seconds.
    """
    time.sleep(LOOK / 2)
    before, looked = cpu(), time.monotonic()
    deadline = looked + RESTS_WITHIN
    while looked < deadline:
        time.sleep(LOOK)
        after, now = cpu(), time.monotonic()
        spent, passed = sum(after) - sum(before), now - looked
        waiting = [pid for pid in pids() if wants_a_core(pid)]
        if spent < QUIET * max(1.0, passed / LOOK) and not waiting:
            return list(after)
        before, looked = after, now
    raise ClusterError(
        f"calibration: the bench does not come to rest within {RESTS_WITHIN:g} s; in the last {1e3 * passed:.0f} ms "
        f"its processes used {1e3 * spent:.1f} ms of CPU, and {len(waiting)} of them wanted a core."
    )


def check_opened(answer: Opened) -> None:
    """Check what the client process said about a batch of handshakes.

    Raises:
        ClusterError: some failed.
    """
    if answer.failed:
        of = answer.failed + answer.opened
        raise ClusterError(f"calibration: {answer.failed} of {of} handshakes failed ({', '.join(answer.why)}).")


def pace_of(place: placement.Placement) -> Pace:
    """Return the pace of the cores just now."""
    found = []
    for cpus in (place.cluster, place.clients):
        with placement.pinned(cpus[:1]):
            found.append(reading())
    return found[0], found[1]


def mean_pace(paces: Sequence[Pace]) -> Pace:
    """Return the mean of some paces."""
    return sum(one for one, _ in paces) / len(paces), sum(other for _, other in paces) / len(paces)


class Bench:
    """One node, one balancer and one client process, pinned as in a scenario, to be measured once."""

    def __init__(self, stage: Stage, refusing_stage: Stage, scenario: Scenario) -> None:
        self.stage = stage
        self.place = placement.placement(scenario)
        self.kind = scenario.balancer.kind
        self.runtime = RUNTIMES[scenario.nodes.runtime]
        self.checks = scenario.balancer.check_interval is not None
        ports = placement.free_ports(5)
        self.port, self.node_port, dead_port, self.refusing_port = ports[:4]
        self.node = self._start_node(self.node_port)
        self.node.hear(Listening)
        checked = scenario.balancer.checked_every
        quiet = scenario.vary(balancer=checked(CHECK_INTER, fall=100))
        still = scenario.vary(balancer=checked(NEVER))
        began = time.monotonic()
        self.balancer = self._balancer(stage, quiet, self.port, self.node_port)
        self.balancer_start = time.monotonic() - began
        self.refusing = self._refusing(refusing_stage, still, dead_port)
        self.client = stage.python(
            "bench", "live.calibration.bench", client_config(scenario, self.port), self.place.clients
        )
        self.client.hear(Ready)

    def _balancer(self, stage: Stage, scenario: Scenario, port: int, node_port: int) -> Balancer:
        balancer = start_balancer(stage, scenario, port, [node_port], self.place.cluster, lambda t, e, n, d: None)
        balancer.wait_ready(READY_WITHIN)
        return balancer

    def _refusing(self, stage: Stage, scenario: Scenario, node_port: int) -> Balancer:
        """Start a balancer whose only node dies after its first check, so that it is tried and refuses."""
        node = self._start_node(node_port)
        node.hear(Listening)
        balancer = self._balancer(stage, scenario, self.refusing_port, node_port)
        deadline = time.monotonic() + READY_WITHIN
        while scenario.balancer.check_interval is not None and time.monotonic() < deadline:
            node.tell(Look())
            if node.hear(Seen).checked:
                break
            time.sleep(0.005)
        self.stage.end(node)
        return balancer

    def _start_node(self, port: int) -> ChildProcess:
        config = {"number": 1, "port": port, "backlog": 4000}
        return self.runtime.start(self.stage, "node", config, self.place.cluster[:1])

    def pace(self) -> Pace:
        """Return the pace of the cores just now."""
        return pace_of(self.place)

    def warm(self) -> None:
        """Do handshakes and refusals that nobody measures; the client's table of open files grows meanwhile."""
        for port, size in ((self.port, MOST_FILES), (self.refusing_port, 64)):
            self.client.tell(OpenBatch(size, port))
            self.client.hear(Opened, 30)
        self.drop()

    def drop(self) -> None:
        """Close all connections by replacing the node."""
        self.kill()

    def cpu(self) -> tuple[float, float, float]:
        """Return the CPU seconds that client, balancer and node have used so far; 0 for a node that is gone."""
        node = 0 if self.node.process.returncode is not None else self.node.cpu_ns()
        return self.client.cpu_ns() / 1e9, self.balancer.cpu_ns() / 1e9, node / 1e9

    def pids(self) -> list[int]:
        """Return the processes that `cpu` is about, a node that is gone left out."""
        nodes = [] if self.node.process.returncode is not None else [self.node.pid]
        return [self.client.pid, self.balancer.forwarder(), *nodes]

    def settle(self, also: Callable[[], int] = lambda: 0) -> tuple[float, float, float]:
        """Wait until client, balancer and node (and `also`, CPU time in ns) have nothing more to do; return `cpu`."""
        client, balancer, node, _ = at_rest(lambda: (*self.cpu(), also() / 1e9), self.pids)
        return client, balancer, node

    @staticmethod
    def stop(*pids: int) -> None:
        """Stop processes (SIGSTOP)."""
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)

    @staticmethod
    def go_on(*pids: int) -> None:
        """Let stopped processes go on (SIGCONT)."""
        for pid in pids:
            os.kill(pid, signal.SIGCONT)

    def overhead(self) -> float:
        """Return what telling the client to start a batch and its answer cost it, in CPU seconds."""
        before = self.client.cpu_ns()
        for _ in range(16):
            self.client.tell(OpenBatch(0, self.port))
            self.client.hear(Opened)
            time.sleep(0.004)
        return (self.client.cpu_ns() - before) / 1e9 / 16

    def connect(self, connections: int) -> tuple[float, float, float]:
        """Open connections, wait until all is quiet and return `cpu`."""
        if connections:
            self.client.tell(OpenBatch(connections, self.port))
            check_opened(self.client.hear(Opened, 30))
        self.settle()
        return self.cpu()

    def kill(self) -> float:
        """Kill the node, whatever its connections, and return the CPU seconds of its end."""
        before = self.settle()[2]
        os.kill(self.node.pid, signal.SIGKILL)
        spent = self.reap() - before
        self.client.tell(AwaitLoss())
        self.client.hear(AllLost, 30)
        self.replace()
        return spent

    def terminate(self) -> tuple[float, float]:
        """End a node without connections by SIGTERM and return the CPU seconds and the seconds that this takes."""
        before = self.settle()[2]
        began = time.monotonic()
        os.kill(self.node.pid, signal.SIGTERM)
        spent = self.reap() - before
        took = time.monotonic() - began
        self.replace()
        return spent, took

    def reap(self) -> float:
        """Wait for the node's end and return the CPU seconds of its whole life."""
        usage = self.stage.reap(self.node)
        return usage.ru_utime + usage.ru_stime

    def replace(self, grown: bool = True) -> None:
        """Start a new node in the place of the one before, with a `grown` table of open files.

        HAProxy may have marked the server down meanwhile: on a loaded machine the new node takes longer to start than
        all the checks that may fail.
        """
        self.stage.end(self.node)
        self.node = self._start_node(self.node_port)
        self.node.hear(Listening)
        self.balancer.wait_up(1, READY_WITHIN)
        if grown:
            self._grow()
        self.settle()

    def _grow(self) -> None:
        """Let the node's table of open files grow, for which a process has to wait (`table_growth`)."""
        raw = [socket.create_connection(("127.0.0.1", self.node_port)) for _ in range(MOST_FILES)]
        self.settle()
        for one in raw:
            one.close()
