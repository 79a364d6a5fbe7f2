"""What nodes of each runtime cost and take, side by side: the table of `./lab runtimes`."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from math import nan
from statistics import median
from typing import Any

import numpy as np

from twin.analysis.bands import Band, number
from twin.costs.memory import connection_bytes
from twin.costs.profile import HostProfile
from twin.errors import ScenarioError
from twin.measures.base import Array
from twin.scenario.runtimes import COSTS_AS
from twin.scenario.scenario import Scenario

NODES: dict[str, dict[str, Any]] = {
    "asyncio": {"runtime": "asyncio", "executor": {"kind": "loop"}},
    "asyncio, 4 threads": {"runtime": "asyncio", "executor": {"kind": "thread_pool", "size": 4}},
    "asyncio, 4 processes": {"runtime": "asyncio", "executor": {"kind": "process_pool", "size": 4}},
    "processes": {"runtime": "processes", "workers": {"count": 4}},
    "threads": {"runtime": "threads"},
    "go": {"runtime": "go"},
}
"""Row of the table -> what nodes it is about, as changes of `nodes`."""
COLUMNS = (
    "runtime",
    "CPU a recipient (us)",
    "CPU a handshake (us)",
    "bytes a connection",
    "p99 of short tasks, predicted (ms)",
    "measured (ms)",
)
RECIPIENTS, HANDSHAKES = 64, 16
"""Connections written to at a time, and handshakes that come together."""
SHORT = "short"
"""The task whose answers are looked at."""
BEGIN, END = "<!-- the table of ./lab runtimes -->", "<!-- its end -->"
"""Lines of a document between which the table stands."""


@dataclass(frozen=True)
class RuntimeFigures:
    """One row; NaN is what is not known.

    Attributes:
        name: of the row, a key of `NODES`.
        recipient: CPU seconds of a node for one recipient of a message.
        handshake: CPU seconds of a node for an opening handshake.
        connection: resident bytes of an open connection.
        low, predicted, high: band and median of the predicted p99 of short tasks in seconds.
        measured: of the same, the median of the measured runs.
        known: whether the host profile knows nodes of this runtime.
    """

    name: str
    recipient: float = nan
    handshake: float = nan
    connection: float = nan
    low: float = nan
    predicted: float = nan
    high: float = nan
    measured: float = nan
    known: bool = True

    def predicting(self, values: Array) -> "RuntimeFigures":
        """Return it with the p99 of each replication."""
        band = Band.of(values[~np.isnan(values)])
        return replace(self, low=band.low, predicted=band.median, high=band.high)

    def measuring(self, values: Sequence[float]) -> "RuntimeFigures":
        """Return it with the p99 of each measured run."""
        return replace(self, measured=median(values)) if values else self

    def as_dict(self) -> dict[str, Any]:
        """Return the row as it appears in JSON."""
        return asdict(self)


def figures_of(name: str, scenario: Scenario, profile: HostProfile) -> RuntimeFigures:
    """Return what a host profile knows of the nodes of a scenario, at the median pace of a core."""
    runtime = scenario.nodes.runtime
    if not profile.of("node", COSTS_AS.get(runtime, runtime)):
        return RuntimeFigures(name, known=False)

    def cost(part: str, level: int) -> float:
        curves = profile.curves(part, runtime=runtime)
        return curves[len(curves) // 2](level)

    known = profile.of("node", COSTS_AS.get(runtime, runtime))
    recipient = cost("node_fanout", RECIPIENTS) if "node_fanout" in known else nan
    handshake = cost("node_accept", HANDSHAKES) + cost("node_handshake", HANDSHAKES)
    plain = Scenario.parse({"name": "plain", "nodes": {"runtime": runtime}})
    return RuntimeFigures(name, recipient, handshake, connection_bytes(profile, plain) or nan)


def mixed(scenario: Scenario) -> str:
    """Return the name of the task whose answers are looked at.

    Raises:
        ScenarioError: the scenario has no such task, or no other one.
    """
    tasks = [task.name for task in scenario.nodes.handler.tasks] if scenario.nodes.handler is not None else []
    if SHORT not in tasks or len(tasks) < 2:
        raise ScenarioError(
            f"nodes.handler.tasks of {scenario.name} has {', '.join(tasks) or 'nothing'}; needed are '{SHORT}' and "
            "another one."
        )
    return SHORT


def cells(one: RuntimeFigures) -> list[str]:
    """Return a row of the table."""
    band = f"{number(1e3 * one.predicted)} ({number(1e3 * one.low)}..{number(1e3 * one.high)})"
    return [
        one.name,
        number(1e6 * one.recipient),
        number(1e6 * one.handshake),
        number(one.connection),
        band if one.predicted == one.predicted else "-",
        number(1e3 * one.measured),
    ]


def with_table(text: str, name: str, table: str) -> str:
    """Return a document with another table.

    Raises:
        ScenarioError: it has no place for one.
    """
    before, begin, rest = text.partition(BEGIN + "\n")
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ScenarioError(f"{name} has no lines {BEGIN} and {END}, between which the table is put.")
    return before + begin + table + END + after
