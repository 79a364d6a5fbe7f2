"""What codecs and compression cost: each kind in a process of its own, on the core of a node, with no socket open."""

from live.calibration.messages import CodecBench, CodecTimes
from live.calibration.workbench import MeasuredCosts, mean_pace, pace_of
from live.control.supervisor import watched
from live.machine import placement
from twin.costs.codec import CODEC_PARTS, CONNECTIONS, CONTENTS, CONTEXTS, GATHER_LEVEL, TEXTS_MEASURED
from twin.costs.curve import PartCosts
from twin.scenario.scenario import Scenario

KINDS = {"codec": ("json", "orjson", "msgpack", "protobuf"), "deflate": tuple(CONTEXTS)}
"""Room of a profile -> kinds that are measured."""
WITHIN = 60.0
"""Seconds that one of them may take."""

Measured = dict[str, dict[str, MeasuredCosts]]
"""Room -> kind -> what was found."""


def nothing() -> Measured:
    """Return what is known before the first measurement."""
    return {room: {kind: MeasuredCosts() for kind in kinds} for room, kinds in KINDS.items()}


def measure(scenario: Scenario, found: Measured, lone: dict[str, list[float]], gather: MeasuredCosts) -> None:
    """Measure each kind once, and append the figures.

    Args:
        scenario: says where nodes run.
        found: gets them.
        lone: gets the bytes of contexts.
        gather: gets what it costs a client to put a message into a batch.
    """
    place = placement.placement(scenario)
    _gather(place, gather)
    for room, kinds in found.items():
        for kind, costs in kinds.items():
            before = pace_of(place)
            with watched() as stage:
                settings = CodecBench(room, kind)
                bench = stage.python(f"{room} {kind}", "live.calibration.codec_bench", settings, place.cluster[:1])
                times = bench.hear(CodecTimes, WITHIN)
                stage.end(bench)
            pace = mean_pace([before, pace_of(place)])
            if times.bytes:
                lone[f"context_bytes_{kind.replace('-', '_')}"].append(times.bytes)
            for name, each in times.seconds.items():
                for level, value in zip(levels_of(name), each, strict=True):
                    costs.add(name, level, value, pace)


def _gather(place: placement.Placement, costs: MeasuredCosts) -> None:
    """Measure `GATHER_PARTS` on the core of the clients."""
    before = pace_of(place)
    with watched() as stage:
        bench = stage.python("gather", "live.calibration.codec_bench", CodecBench("gather", ""), place.clients[:1])
        (seconds,) = bench.hear(CodecTimes, WITHIN).seconds["client_gather"]
        stage.end(bench)
    costs.add("client_gather", GATHER_LEVEL, seconds, mean_pace([before, pace_of(place)]))


def levels_of(name: str) -> tuple[int, ...]:
    """Return the levels of a part: bytes, or connections in turn."""
    if name in CODEC_PARTS:
        return TEXTS_MEASURED
    return CONTENTS[1:] if name.endswith("_bytes") else CONNECTIONS


def parts_of(found: Measured) -> dict[str, dict[str, dict[str, PartCosts]]]:
    """Return the parts as a profile has them; a kind that was not measured is not there."""
    return {room: {kind: _parts(costs) for kind, costs in kinds.items() if costs} for room, kinds in found.items()}


def _parts(costs: MeasuredCosts) -> dict[str, PartCosts]:
    parts = {}
    for name, by_level in costs.items():
        levels = sorted(by_level)
        paces = [costs.paces[name][level] for level in levels]
        parts[name] = PartCosts(levels=levels, values=[by_level[level] for level in levels], paces=paces)
    return parts
