"""What a bus that persists spends on its disk: a server that keeps a log beside one that does not.

Both stamp messages by turns, alone and in a row. What the one spends more CPU time is the log's (`bus_sync`). What it
takes longer to answer, less that, is its wait for the disk: the one that has the folder of a run (`Stage`). Of both the
median counts: the kernel's own threads write the log, and when somebody else has the cores, they wait for a tick.
"""

import os
import socket
import time
from collections.abc import Sequence
from statistics import median

from live.broadcast.broker import SCRIPTS, Topic
from live.broadcast.bus import Bus, plain_link
from live.calibration.common import PAYLOAD, add
from live.calibration.workbench import MeasuredCosts, pace_of
from live.control.process import READY_WITHIN
from live.control.resp import encode
from live.control.supervisor import watched
from live.control.usage import process_cpu_ns, queued_ns
from live.machine import placement
from twin.costs.curve import LEVELS
from twin.scenario import broadcast
from twin.scenario.scenario import Scenario

ROW = LEVELS[1]
"""Messages in a row."""
BATCHES = {1: 31, ROW: 15}
"""How often each of the servers does so many messages in a row; the median of what they take counts."""
WARM = 3
"""Batches that are not counted."""
PAUSE = 0.02
"""Seconds between two batches, longer than it takes a process to get cold."""


def measure(scenario: Scenario, costs: MeasuredCosts, lone: dict[str, list[float]]) -> None:
    """Measure the disk once and append the figures: a part, and `disk_wait` and `disk_wait_in_a_row`.

    Args:
        scenario: says where the bus runs.
        costs: gets the part.
        lone: gets the waits, in seconds.
    """
    with watched() as stage:
        place = placement.placement(scenario)
        settings = [broadcast.Bus(persist=persist) for persist in (False, True)]
        buses = [
            Bus(stage, port, place.cluster, None, one)
            for port, one in zip(placement.free_ports(2), settings, strict=True)
        ]
        servers = [_Server(bus) for bus in buses]
        cpu, lasts = dict[int, float](), dict[int, float]()
        with placement.pinned(place.clients[:1]):
            for size, batches in BATCHES.items():
                costs.now = pace_of(place)
                found = [[one.stamp(size) for one in servers] for _ in range(WARM + batches)][WARM:]
                cpu[size], lasts[size] = (median(with_log) - median(without) for without, with_log in _columns(found))
                add(costs, "bus_sync", size, cpu[size] / size)
        for one in servers:
            one.link.close()
    warm = (cpu[ROW] - cpu[1]) / (ROW - 1)  # the first of a row is a lone one
    lone["disk_wait"].append(max(0.0, lasts[1] - cpu[1]))
    lone["disk_wait_in_a_row"].append(max(0.0, lasts[ROW] - warm))


def _columns(found: Sequence[Sequence[tuple[float, list[float]]]]) -> list[list[list[float]]]:
    """Return the CPU seconds of each batch, and the seconds of all answers, each without and with a log."""
    cpu = [[pair[i][0] for pair in found] for i in range(2)]
    return [cpu, [[took for pair in found for took in pair[i][1]] for i in range(2)]]


class _Server:
    """A server that nobody else asks, and the way to it."""

    def __init__(self, bus: Bus) -> None:
        bus.wait_ready(READY_WITHIN)
        assert bus.part is not None
        self.pid = bus.part.pid
        self.topic = Topic("stormlab:disk:", broadcast.Bus().max_length, 60.0)
        self.number = 0
        self.link = plain_link(bus.address)
        self.link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for text in SCRIPTS.values():
            self.link.sendall(encode("SCRIPT", "LOAD", text))
            self.link.recv(4096)

    def stamp(self, messages: int) -> tuple[float, list[float]]:
        """Let it stamp some messages, each when the one before is answered; return its CPU seconds, and for each answer
        but the first of several the seconds that it took, without those in which it or the asker wanted a core.
        """
        commands = []
        for _ in range(messages):
            self.number += 1
            commands.append(encode(*self.topic.stamp(self.number, PAYLOAD)))
        before, times = process_cpu_ns(self.pid), []
        for command in commands:
            queued, began = self._queued(), time.perf_counter_ns()
            self.link.sendall(command)
            self.link.recv(4096)
            took = time.perf_counter_ns() - began
            times.append((took - self._queued() + queued) / 1e9)
        time.sleep(PAUSE)
        return (process_cpu_ns(self.pid) - before) / 1e9, times[1:] or times

    def _queued(self) -> int:
        return queued_ns(self.pid) + queued_ns(os.getpid())
