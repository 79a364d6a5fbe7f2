"""What memory a node takes: without connections, for each of some hundred open ones, and for frames that wait.

The connections are raw ones of the calibration's own process, which say nothing after their handshake.
"""

import time
from collections.abc import Sequence
from typing import Any

from live.calibration import rounds
from live.calibration.messages import PlaceBytes
from live.control.messages import Listening
from live.control.supervisor import watched
from live.control.usage import resident_bytes
from live.node.kinds import RUNTIMES
from twin.costs.measured import Footprint
from twin.costs.memory import USUAL_START
from twin.rules.memory import FEW
from twin.scenario.runtimes import RuntimeKind

COUNTED = 1500
"""Connections that count after the first `FEW`."""
SETTLES = 0.3
"""Seconds that a node has for its tasks after the last handshake."""
WITHIN = 60.0
"""Seconds that the bench of frames may take."""

STARTS = (USUAL_START, "start_broadcast", "start_sends")
"""Nodes of which this is measured, by the part that their start is."""

Footprints = dict[str, dict[str, Footprint]]
"""Runtime -> part that the start of a node is -> what was found."""


def place_bytes(cpus: Sequence[int]) -> float:
    """Return the bytes that a frame's place takes in the queue of a connection whose peer does not read."""
    with watched() as stage:
        bench = stage.python("frames", "live.calibration.memory_bench", {}, cpus)
        found = bench.hear(PlaceBytes, WITHIN).each
        stage.end(bench)
    return found


def add(found: Footprints, runtime: str, start: str, measured: dict[str, float]) -> None:
    """Append the bytes of a node and those of its connections."""
    starts = found.setdefault(runtime, {})
    known = starts[start].model_dump() if start in starts else {}
    starts[start] = Footprint(**{name: [*known.get(name, []), value] for name, value in measured.items()})


def of_node(cpus: Sequence[int], runtime: RuntimeKind, config: dict[str, Any]) -> dict[str, float]:
    """Return the resident bytes of a node without connections, those by which it grows with each open one, and with
    each of the first few, by their names in a profile.

    Args:
        cpus: where it runs.
        runtime: on which it runs.
        config: its settings.
    """
    with watched() as stage:
        node = RUNTIMES[runtime].start(stage, "node", config, cpus)
        node.hear(Listening)
        empty, first, all_of_them = grown(node.pid, config["port"], (0, FEW, COUNTED))
        stage.end(node)
    each = max(0.0, (all_of_them - first) / COUNTED)
    return {"node": max(0.0, first - FEW * each), "connection": each, "few": max(0.0, (first - empty) / FEW)}


def grown(pid: int, port: int, counts: Sequence[int]) -> list[int]:
    """Return the resident bytes of a node after each of some lots of further connections, which are closed then."""
    raw, found = [], []
    for count in counts:
        raw += rounds.upgrade(port, count)
        time.sleep(SETTLES)
        found.append(resident_bytes(pid))
    for one in raw:
        one.close()
    return found
