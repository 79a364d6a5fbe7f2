"""What it costs a node to hand a call to a pool: its CPU time for requests without work, less that without a pool.

A call is handed over twice, when it is given away and when its result comes; each is taken for half of the whole.
"""

import time
from statistics import median
from typing import Any

import psutil
from websockets.sync.client import ClientConnection, connect

from live.calibration.common import add
from live.calibration.workbench import MeasuredCosts, pace_of
from live.control.messages import Listening
from live.control.process import ChildProcess
from live.control.supervisor import watched
from live.control.usage import process_cpu_ns
from live.handler import wire
from live.machine import placement
from live.machine.placement import Placement
from live.node.kinds import RUNTIMES
from twin.costs.curve import LEVELS
from twin.rules.handler import Demand
from twin.scenario.runtimes import RUNTIME
from twin.scenario.scenario import Scenario

ROW = LEVELS[1]
"""Requests that follow each other, each when the one before is answered."""
BATCHES = {1: 25, ROW: 9}
"""How often so many are made; the median counts."""
WARM = 4
"""Batches that are not counted."""
PAUSE = 0.02
"""Seconds between two batches, longer than it takes a process to get cold."""
NOTHING = Demand(0.0, 0.0, 0.0)

Spent = dict[int, tuple[float, float]]
"""For each number of requests in a row the CPU seconds of one: of the node, and of the processes of its pool."""


def measure(scenario: Scenario, costs: MeasuredCosts) -> None:
    """Measure the hand-over to each pool once, and append the figures.

    Args:
        scenario: says where the node runs.
        costs: gets the parts.
    """
    place = placement.placement(scenario)
    alone, threads, processes = (spent(place, RUNTIME, kind) for kind in ("loop", "thread_pool", "process_pool"))
    costs.now = pace_of(place)
    for size in BATCHES:
        add(costs, "node_hand_over", size, (threads[size][0] - alone[size][0]) / 2)
        add(costs, "node_pass_on", size, (processes[size][0] - alone[size][0]) / 2)
        add(costs, "node_worker", size, processes[size][1])


def measure_words(scenario: Scenario, costs: MeasuredCosts) -> None:
    """Measure what a request without work costs a node that takes part in no broadcast, and append the figures: half of
    it is taken for reading the request, and half for writing the answer.
    """
    place = placement.placement(scenario)
    found = spent(place, scenario.nodes.runtime, "loop")
    costs.now = pace_of(place)
    for size in BATCHES:
        for name in ("node_read", "node_fanout", "node_fanout_more"):
            add(costs, name, size, found[size][0] / 2)


def spent(place: Placement, runtime: str, executor: str) -> Spent:
    """Return what a request without work costs a node with an executor, which has one thread or process."""
    (port,) = placement.free_ports(1)
    config: dict[str, Any] = {"number": 1, "port": port, "backlog": 100}
    config["handler"] = {"answer_bytes": 64, "executor": executor, "size": 1}
    with watched() as stage:
        node = RUNTIMES[runtime].start(stage, "node", config, place.cluster[:1])
        node.hear(Listening)
        with (
            placement.pinned(place.clients[:1]),
            connect(f"ws://127.0.0.1:{port}/", compression=None, proxy=None) as link,
        ):
            return {size: _each(node, link, size) for size in BATCHES}


def _each(node: ChildProcess, link: ClientConnection, size: int) -> tuple[float, float]:
    """Return the medians of what one of some requests in a row costs."""
    workers = [one.pid for one in psutil.Process(node.pid).children()]
    found = list[tuple[float, float]]()
    for _ in range(WARM + BATCHES[size]):
        before = node.cpu_ns(), sum(map(process_cpu_ns, workers))
        for n in range(size):
            link.send(wire.request(0, n, 0, NOTHING, 64))
            link.recv(10.0)
        time.sleep(PAUSE)  # until it rests
        after = node.cpu_ns(), sum(map(process_cpu_ns, workers))
        found.append(((after[0] - before[0]) / 1e9 / size, (after[1] - before[1]) / 1e9 / size))
    some = found[WARM:]
    return median([one for one, _ in some]), median([other for _, other in some])
