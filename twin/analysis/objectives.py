"""What an objective asks of one run: the numbers that it may be about, and whether they are as they should be.

An objective is about a measure (`twin.measures`) or about what an operator counts in: user-seconds, lost messages,
connects a second, money. Those are made here of what a run says, the same for each engine and both worlds.
"""

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from math import isinf

import numpy as np

from twin.errors import ScenarioError
from twin.measures import CONNECTION, LOSSES, MEASURES, NOT_WITHIN, PEAK_WINDOW, Measure, Messages
from twin.measures.base import Array
from twin.measures.connection import SILENT, Course
from twin.record.record import Record
from twin.scenario.fields import cut, show
from twin.scenario.objectives import COST, Objective
from twin.scenario.overrides import toml_value
from twin.scenario.scenario import Scenario
from twin.scenario.settings import LONGEST_RUN

OPERATED = {
    "user_seconds_lost": Measure(
        "client-s",
        "timer",
        "time from the first fault on in which clients were not served, summed over all clients: without a connection, "
        "or with one to a node that had fallen silent",
    ),
    "availability": Measure(
        "1", "timer", "share of the clients' time from the first fault on in which they were served"
    ),
    "lost_messages": Measure(
        "1", "timer", "messages that were acknowledged and a client never applied, or dropped while away, per client"
    ),
    "peak_connects": Measure("1/s", "timer", "most attempts to connect in any second, counted in tenths of a second"),
    COST: Measure("1", "count", "price of the nodes that run, for the hours that the objective names"),
}
"""What an objective may be about beside the measures."""

OBJECTIVE_MEASURES = MEASURES | OPERATED
OF_FAULTS = frozenset(CONNECTION | LOSSES | OPERATED) - {COST, "lost_messages", "imbalance"}
"""Measures that a run without a fault does not define."""

DEFAULT_OBJECTIVE = Objective.model_validate({"measure": "time_to_99", "at_most": 30.0})
"""What is asked where nothing is."""

ASSUMED_AT = 1.0
"""Seconds after the start of a run at which a node is lost in a scenario that has no fault."""
LONGER = 2.0
"""A run that would end too soon for an objective goes on for so many times as long as that allows: what comes too late,
and what brings it nearer, is then seen, too."""

SAME = 0.05
"""Seconds within which a fault of a run is the one that its scenario has then."""

NODES = "nodes_running"
"""Name of the mean number of nodes that run, among the numbers of a run."""

_WORDS = re.compile(r"\s*([A-Za-z0-9_]+)\s*(<=|>=)\s*([^@\s]+)\s*(?:@\s*([^@\s]+)\s*)?")


def parse_objective(text: str) -> Objective:
    """Return the objective of a text like `time_to_99<=30`, or `time_to_99<=30@0.9` for nine tenths of the runs.

    Raises:
        ScenarioError: it is not of that form, or asks for what is not allowed.
    """
    where = f"--objective {cut(text)}"
    found = _WORDS.fullmatch(text)
    if found is None:
        raise ScenarioError(f"{where}: give a measure, a bound and a share, as in time_to_99<=30@0.9.")
    name, sign, bound, share = found.groups()
    data = {"measure": name, "at_most" if sign == "<=" else "at_least": toml_value(bound, where)}
    if share is not None:
        data["in"] = toml_value(share, where)
    made = Scenario.parse({"name": "asked", "objectives": [data]}, where).objectives
    check_objectives(made)
    return made[0]


def check_objectives(objectives: Sequence[Objective]) -> None:
    """Make sure that each objective is about something that a run says.

    Raises:
        ScenarioError: one is not.
    """
    for i, one in enumerate(objectives):
        if one.measure not in OBJECTIVE_MEASURES:
            near = get_close_matches(one.measure, OBJECTIVE_MEASURES, 3) or ["time_to_99", *OPERATED]
            raise ScenarioError(
                f"objectives.{i}.measure is {show(one.measure)}; allowed is a measure of docs/measures.md, as "
                f"{', '.join(near)}."
            )


def named(objective: Objective) -> str:
    """Return an objective in words, as "time_to_99 at most 30 s in 95 % of runs"."""
    unit = OBJECTIVE_MEASURES[objective.measure].unit
    unit = "" if unit == "1" else f" {unit}"
    return f"{objective.measure} {objective.bounds}{unit} in {100 * objective.share:g} % of runs"


def asked(scenario: Scenario, longer: float = LONGER) -> tuple[Scenario, list[str]]:
    """Return a scenario whose objectives can be judged, and what was assumed for that, in sentences.

    A scenario without an objective gets `DEFAULT_OBJECTIVE`; one without a fault, whose objectives are about one, loses
    a node; and a run that would end too soon goes on for longer.

    Args:
        scenario: what is asked about.
        longer: for how many times as long as an objective allows such a run goes on; at least 1.

    Raises:
        ScenarioError: an objective is about nothing that a run says.
    """
    assumed = []
    if not scenario.objectives:
        scenario = scenario.vary(objectives=[DEFAULT_OBJECTIVE.model_dump()])
        assumed.append(f"No objective is given: {named(DEFAULT_OBJECTIVE)}.")
    check_objectives(scenario.objectives)
    if not scenario.faults and any(one.measure in OF_FAULTS for one in scenario.objectives):
        kind = "kill" if scenario.nodes.count > 1 else "restart"
        duration = max(scenario.duration, 2 * ASSUMED_AT)
        scenario = scenario.vary(duration=duration, faults=[{"at": ASSUMED_AT, "kind": kind, "node": 1}])
        what = "node 1 is killed and the others go on" if kind == "kill" else "the only node is restarted"
        assumed.append(f"No fault is given: {what}, at {ASSUMED_AT:g} s.")
    last, allowed = _needed(scenario)
    if scenario.duration < last + allowed:
        needed = min(LONGEST_RUN, last + longer * allowed)
        assumed.append(
            f"duration is {needed:g} s and not {scenario.duration:g} s: runs go on for as long as an objective allows."
        )
        scenario = scenario.vary(duration=needed)
    return scenario, assumed


def _needed(scenario: Scenario) -> tuple[float, float]:
    """Return when the last fault is, and the longest time that an objective allows after it, in seconds."""
    last = max((fault.at for fault in scenario.faults), default=0.0)
    allowed = [
        bound
        for one in scenario.objectives
        if OBJECTIVE_MEASURES[one.measure].unit == "s"
        for bound in (one.at_most, one.at_least)
        if bound is not None
    ]
    return last, max(allowed, default=0.0)


def numbers_of(
    scenario: Scenario, flat: Mapping[str, float], course: Course, attempts: Array, record: Record | None = None
) -> dict[str, float]:
    """Return what a run says to objectives: its measures with bounds, and what is made of them.

    Args:
        scenario: of the run.
        flat: its measures, with bounds.
        course: what was read of its connections.
        attempts: attempts to connect in each `PEAK_WINDOW` of the run.
        record: of the run, which has to be there if anything was published.
    """
    found = dict(flat)
    windows = round(1.0 / PEAK_WINDOW)
    sums = np.convolve(attempts, np.ones(windows, np.int64)) if len(attempts) else np.zeros(1)
    found["peak_connects"] = float(sums.max())
    found[NODES] = flat.get("nodes_mean", float(scenario.nodes.count))
    if len(course.faults):
        lost = unserved(scenario, course)
        found["user_seconds_lost"] = lost
        found["availability"] = 1.0 - lost / (course.count * max(course.end - course.faults[0], 1e-9))
    if "lost_share" in flat or "dropped_messages" in flat:
        acknowledged = float(Messages(record).names[2].sum()) if record is not None and "lost_share" in flat else 0.0
        found["lost_messages"] = flat.get("lost_share", 0.0) * acknowledged + flat.get("dropped_messages", 0.0)
    return found


def unserved(scenario: Scenario, course: Course) -> float:
    """Return for how long clients were not served from the first fault on, in seconds, summed over them.

    From the fault on, if that silences a node, for its clients do not know it yet; else from the loss on.
    """
    silenced = np.array([fault.at for fault in scenario.faults if fault.kind in SILENT])
    cause = course.cause
    silent = (np.abs(cause[:, None] - silenced[None, :]) < SAME).any(axis=1)
    since = np.where(silent, cause, course.lost_at)
    until = np.where(np.isnan(course.back), course.end, course.back)
    return float(np.maximum(0.0, until - since).sum() + np.maximum(0.0, course.end - course.half_open).sum())


def value_of(objective: Objective, numbers: Mapping[str, float]) -> float | None:
    """Return the number of a run that an objective is about, infinite if it was not reached; None if there is none."""
    if objective.measure != COST:
        return numbers.get(objective.measure)
    assert objective.price is not None
    return numbers[NODES] * objective.hours * objective.price


def holds(objective: Objective, numbers: Mapping[str, float]) -> bool | None:
    """Tell whether an objective holds in a run; None where the run does not say it, or ended too soon to."""
    value = value_of(objective, numbers)
    if value is None or np.isnan(value):
        return None
    high, low = objective.at_most, objective.at_least
    if isinf(value):
        bound = numbers.get(objective.measure + NOT_WITHIN, value)
        if high is not None:
            return False if bound >= high else None
        return True if low is not None and bound >= low else None
    return (high is None or value <= high) and (low is None or value >= low)


def shortfall(objective: Objective, numbers: Mapping[str, float]) -> float | None:
    """Return how large the number of a run is in the direction that an objective does not want, with no regard to its
    bound: it is smaller in a better run. What was not reached counts as the time within which it was not.
    """
    value = value_of(objective, numbers)
    if value is None or np.isnan(value):
        return None
    if isinf(value):
        value = numbers.get(objective.measure + NOT_WITHIN, value)
    return value if objective.at_most is not None else -value
