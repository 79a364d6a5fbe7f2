"""What a registry costs: its server, a node's signs of life, the registrar's looks, a change of a balancer's servers.

Each is done many times by a process that has nothing else to do, and the CPU time that the kernel booked is divided.
The node and the registrar count by themselves how often they do it: by the commands that the server has executed.
"""

import socket
import time
from dataclasses import asdict
from statistics import median
from typing import Any

from live.balancer.balancer import start_balancer
from live.balancer.base import Balancer
from live.balancer.members import members_of
from live.broadcast.bus import Bus, client_of, plain_link
from live.calibration.common import add
from live.calibration.workbench import MeasuredCosts, pace_of
from live.control.messages import Listening
from live.control.process import READY_WITHIN, ChildProcess, Stage
from live.control.resp import encode
from live.control.supervisor import watched
from live.control.usage import process_cpu_ns
from live.machine import placement
from live.node.kinds import RUNTIMES
from live.registry.messages import Synced
from live.registry.scripts import SCRIPTS, Slots
from twin.costs.curve import LEVELS
from twin.costs.starts import LEVEL
from twin.errors import ClusterError
from twin.rules.registry import Changes, Registration
from twin.scenario.runtimes import RUNTIME
from twin.scenario.scenario import Scenario

SLOTS = 3
"""Servers of the balancer, and slots of the registry."""
EVERY = 0.02
"""Seconds between two signs of life of the node, and two looks of the registrar: longer than a process takes to get
cold."""
STARTS = 0.5
"""Seconds in which they have started, and have nothing else to do any more."""
WATCHED = 1.5
"""Seconds for which they are watched."""
ROW = LEVELS[1]
"""Commands in a row."""
BATCHES = {1: 25, ROW: 9}
"""How often the server does so many commands in a row; the median counts."""
PAUSE = 0.02
"""Seconds between two batches."""
TURNS = 12
"""How often a server is taken out and in again."""
NEVER = 3600.0
"""Seconds of a lease, and between two signs of life or looks of who is not watched."""
PREFIX = "stormlab:calibration:costs:"


def measure(scenario: Scenario, costs: MeasuredCosts, of_balancer: bool = False) -> None:
    """Measure everything once and append the figures.

    Args:
        scenario: says where processes run, and which balancer.
        costs: gets the parts.
        of_balancer: measure only what hangs on the balancer.
    """
    with watched() as stage:
        place = placement.placement(scenario)
        balancer_port, bus_port, node_port, *server_ports = placement.free_ports(3 + SLOTS)
        elastic = scenario.vary(nodes={"count": SLOTS}, registry={"ttl": NEVER, "heartbeat": NEVER / 2})
        cpus = place.cluster
        balancer = start_balancer(stage, elastic, balancer_port, server_ports, cpus, lambda t, e, n, d: None)
        balancer.wait_ready(READY_WITHIN)
        try:
            if not scenario.balancer.relists:
                changes(balancer, costs, place)
            if of_balancer:
                return
            _rest(stage, scenario, balancer, (bus_port, node_port), costs, place)
        finally:
            balancer.close()


def _rest(
    stage: Stage,
    scenario: Scenario,
    balancer: Balancer,
    ports: tuple[int, int],
    costs: MeasuredCosts,
    place: placement.Placement,
) -> None:
    """Measure what does not hang on the balancer."""
    bus_port, node_port = ports
    bus = Bus(stage, bus_port, place.cluster, None, scenario.bus)
    bus.wait_ready(READY_WITHIN)
    slots = Slots(PREFIX, SLOTS, NEVER)
    server(bus, slots, costs, place)
    signs(stage, bus, slots, node_port, costs, place)
    looks(stage, bus, slots, balancer, costs, place)


def server(bus: Bus, slots: Slots, costs: MeasuredCosts, place: placement.Placement) -> None:
    """Measure what the server does at a sign of life, and at a look."""
    assert bus.part is not None
    pid = bus.part.pid
    link = plain_link(bus.address)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(*command: Any) -> None:
        link.sendall(encode(*command))
        link.recv(65536)

    for text in SCRIPTS.values():
        ask("SCRIPT", "LOAD", text)
    for slot in range(1, SLOTS + 1):
        ask(*slots.register(slot, "127.0.0.1:1", "v1"))
    for name, command in (("bus_beat", slots.beat(1, 1, 100, 10)), ("bus_members", slots.members())):
        for size, batches in BATCHES.items():
            costs.now = pace_of(place)
            spent = list[float]()
            for _ in range(batches):
                before = process_cpu_ns(pid)
                for _command in range(size):
                    ask(*command)
                spent.append((process_cpu_ns(pid) - before) / 1e9)
                time.sleep(PAUSE)
            add(costs, name, size, median(spent) / size)
    link.close()


def signs(stage: Stage, bus: Bus, slots: Slots, port: int, costs: MeasuredCosts, place: placement.Placement) -> None:
    """Measure a sign of life of a node that does nothing else."""
    registry: dict[str, Any] = {"address": asdict(bus.address), "slots": vars(slots), "own": f"127.0.0.1:{port}"}
    registry |= {"version": "v1", "heartbeat": EVERY, "rebalance": None}
    config = {"number": 1, "port": port, "backlog": 100, "registry": registry}
    node: ChildProcess = RUNTIMES[RUNTIME].start(stage, "node", config, place.cluster[:1])
    node.hear(Listening)
    add(costs, "node_beat", LEVEL, _each(bus, node, place, costs))
    stage.end(node)


def looks(
    stage: Stage, bus: Bus, slots: Slots, balancer: Balancer, costs: MeasuredCosts, place: placement.Placement
) -> None:
    """Measure a look of a registrar whose registry stays as it is."""
    config: dict[str, Any] = {"address": asdict(bus.address), "slots": vars(slots), "sync": EVERY, "expect": SLOTS}
    config |= {"balancer": balancer.kind, "members": balancer.members(None)}
    registrar = stage.python("registrar", "live.registry.registrar", config, place.cluster[:1])
    balancer.trust(registrar.pid)
    registrar.hear(Synced)
    add(costs, "registrar_look", LEVEL, _each(bus, registrar, place, costs))
    stage.end(registrar)


def changes(balancer: Balancer, costs: MeasuredCosts, place: placement.Placement) -> None:
    """Measure what it costs the registrar, whose code runs here, and the balancer to take a server out or in."""
    pid = balancer.forwarder()
    servers = members_of(balancer.kind, balancer.members(None))
    one = Registration(1, f"127.0.0.1:{placement.free_ports(1)[0]}", "v1", 0, 0, 0.0, 0.0)
    told, obeyed = list[float](), list[float]()
    costs.now = pace_of(place)
    with placement.pinned(place.cluster[:1]):
        for turn in range(2 * TURNS):
            began, before = time.thread_time(), process_cpu_ns(pid)
            gone, came = (((1, one),), ()) if turn % 2 else ((), ((1, one),))
            servers.apply(Changes(gone, came), {} if turn % 2 else {1: one})
            told.append(time.thread_time() - began)
            obeyed.append((process_cpu_ns(pid) - before) / 1e9)
            time.sleep(PAUSE)
    add(costs, "registrar_change", LEVEL, median(told))
    add(costs, "balancer_change", LEVEL, median(obeyed))


def _each(bus: Bus, process: ChildProcess, place: placement.Placement, costs: MeasuredCosts) -> float:
    """Return the CPU seconds of a process for each script that the server executes for it.

    Raises:
        ClusterError: it asks for none.
    """
    time.sleep(STARTS)
    client = client_of(bus.address)

    def executed() -> int:
        return int(client.info("commandstats").get("cmdstat_evalsha", {}).get("calls", 0))

    costs.now = pace_of(place)
    before, calls = process.cpu_ns(), executed()
    time.sleep(WATCHED)
    spent, done = (process.cpu_ns() - before) / 1e9, executed() - calls
    client.close()
    if not done:
        raise ClusterError(f"calibration: {process.name} has not asked the registry within {WATCHED:g} s.")
    return spent / done
