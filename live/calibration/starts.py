"""What the start of a node costs: CPU time of its process until it listens, and then until it is in the registry.

The interpreter and what it imports keep a core busy; nothing is waited for but the core. What a node imports depends on
what it has to do, so it is started with each configuration that it can have, alone on its core.
"""

from dataclasses import asdict
from typing import Any

from live.broadcast.broadcast import Broadcast
from live.broadcast.bus import Bus
from live.calibration import memory
from live.calibration.workbench import MeasuredCosts, Pace, at_rest, mean_pace, pace_of
from live.control.messages import Listening
from live.control.process import READY_WITHIN, ChildProcess, Stage
from live.control.supervisor import watched
from live.machine import placement
from live.node.kinds import RUNTIMES
from live.registry.scripts import Slots
from live.sessions.sessions import Sessions
from twin.costs.memory import USUAL_START
from twin.costs.polls import POLL_START
from twin.costs.starts import LEVEL
from twin.rules.codecs import NO_CODEC
from twin.scenario.runtimes import LACKS, RUNTIME, RuntimeKind
from twin.scenario.scenario import Scenario

PACES = 4
"""Readings of the pace of the core before a start, and as many after it: a start lasts long against one of them."""
NEVER = 3600.0
"""Seconds between two signs of life of a node that is measured, and of its leases."""


def measure_starts(scenario: Scenario, found: MeasuredCosts, sizes: memory.Footprints | None = None) -> None:
    """Measure once the start of a node with each configuration, with a bus of its own, and append the figures; `sizes`
    gets what memory such nodes take.
    """
    runtime = scenario.nodes.runtime
    usual = scenario.vary(nodes={"runtime": RUNTIME})  # has all mechanisms
    talk = usual.vary(bus={"kind": "stream", "lease": NEVER}, publisher={"rate": 1.0, "messages": 1})
    with watched() as stage:
        place = placement.placement(scenario)
        port, bus_port, spare = placement.free_ports(3)
        bus = Bus(stage, bus_port, place.cluster, None, talk.bus)
        bus.wait_ready(READY_WITHIN)
        broadcast = Broadcast(stage, talk, 0, bus, place.cluster)
        at_rest(lambda: [broadcast.publisher.cpu_ns() / 1e9], lambda: [broadcast.publisher.pid])
        sessions = Sessions(usual.vary(sessions={"store": "redis"}), 0, bus)
        basic = {"number": 1, "port": port, "backlog": scenario.nodes.backlog}
        tables: dict[str, dict[str, Any]] = {
            "start_node": {} if "registry" in LACKS[runtime] else {"registry": _of_registry(bus, port)},
            "start_sends": {"sends": {"codec": NO_CODEC}},
        }
        if "publisher" not in LACKS[runtime]:
            tables["start_broadcast"] = {"broadcast": broadcast.for_node(1)}
        if "sessions.store" not in LACKS[runtime]:
            tables["start_sessions"] = {"sessions": sessions.for_node(1)}
        if "clients.transport" not in LACKS[runtime]:
            tables[POLL_START] = {"broadcast": broadcast.for_node(1), "polls": _of_polls(spare)}
        for name, more in tables.items():
            listens, rests, pace = _start(stage, place, runtime, basic | more)
            found.add(name, LEVEL, listens, pace)
            if "registry" in more:
                found.add("start_registry", LEVEL, rests, pace)
        for name in memory.STARTS:
            settings = tables.get(name) if name != USUAL_START else {}
            if sizes is not None and settings is not None:
                memory.add(sizes, runtime, name, memory.of_node(place.cluster[:1], runtime, basic | settings))


def _of_polls(port: int) -> dict[str, Any]:
    """Return what a node has to know of polls."""
    return {"port": port, "backlog": 100, "hold": NEVER, "limit_bytes": 2**20}


def _of_registry(bus: Bus, port: int) -> dict[str, Any]:
    """Return what a node has to know of the registry, in which it does nothing until it listens."""
    return {
        "address": asdict(bus.address),
        "slots": vars(Slots("stormlab:calibration:registry:", 1, NEVER)),
        "own": f"127.0.0.1:{port}",
        "version": "v1",
        "heartbeat": NEVER,
        "rebalance": None,
    }


def _start(
    stage: Stage, place: placement.Placement, runtime: RuntimeKind, config: dict[str, Any]
) -> tuple[float, float, Pace]:
    """Start a node and end it, and return the CPU seconds until it listened, those from then on until it had nothing
    more to do, and the pace of the cores meanwhile.
    """
    paces = [pace_of(place) for _ in range(PACES)]
    node: ChildProcess = RUNTIMES[runtime].start(stage, "node", config, place.cluster[:1])
    listens = node.hear(Listening).cpu
    rests = at_rest(lambda: [node.cpu_ns() / 1e9], lambda: [node.pid])[0]
    paces += [pace_of(place) for _ in range(PACES)]
    stage.end(node)
    return listens, rests - listens, mean_pace(paces)
