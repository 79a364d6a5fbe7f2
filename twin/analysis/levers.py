"""The levers of a cluster: each setting one step either way, and what a step does to an objective.

A step halves or doubles a time or a size, changes a small count by one, and takes each other value of a choice. Where a
check (`twin.advice`) has found something about a setting, its steps are longer, too: what is wrong there may be wrong
by more than one. Nothing is simulated here; `sim.validation` does that, with the same random numbers on both sides.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, nan
from statistics import fmean
from typing import Any

import numpy as np

from twin.analysis.bands import quantiles
from twin.analysis.lever_table import LEVERS, levers_of_faults, like
from twin.analysis.objectives import holds, shortfall, value_of
from twin.errors import ScenarioError
from twin.scenario.objectives import Objective
from twin.scenario.overrides import merge, nested
from twin.scenario.presets import spelled_out
from twin.scenario.scenario import Scenario

LONGER_STEPS = (10.0, 0.1)
"""Factors of further steps of what a check has found something about."""
MILLI = 0.001
"""Factor of the further step of what may be meant in milliseconds."""


@dataclass(frozen=True)
class LeverStep:
    """One lever, moved by one step.

    Attributes:
        setting: path of the setting.
        before: its value.
        after: its new value.
        scenario: what is asked about, with the new value.
        found: whether a check has found something about the setting.
    """

    setting: str
    before: Any
    after: Any
    scenario: Scenario
    found: bool = False

    def __str__(self) -> str:
        return f"{self.setting} {spoken(self.before)} -> {spoken(self.after)}"


@dataclass(frozen=True)
class LeverEffect:
    """What a step does to an objective, in runs with the same random numbers as without it.

    Attributes:
        step: the lever and its step.
        runs: of each side.
        held_before: runs in which the objective holds without the step.
        held: runs in which it holds with it.
        median_before: of the objective's measure without the step; infinite if it was not reached.
        median: of the objective's measure with it.
        gain: by how much the measure is nearer to what is wanted, in its unit, mean of the runs; negative is worse.
    """

    step: LeverStep
    runs: int
    held_before: int
    held: int
    median_before: float
    median: float
    gain: float

    @property
    def rank(self) -> tuple[float, float, bool]:
        """What effects are sorted by: in which share of the runs the objective holds with the step, then by how much it
        is nearer; of two that are the same, the one about whose setting a check has found something comes first.
        """
        return self.held / self.runs, self.gain, self.step.found

    @property
    def helps(self) -> bool:
        """Whether the objective holds in more runs with the step, or in as many and is nearer."""
        return (self.held - self.held_before, self.gain) > (0, 0.0)

    @property
    def harms(self) -> bool:
        """Whether it holds in fewer runs, or in as many and is farther off."""
        return (self.held - self.held_before, self.gain) < (0, 0.0)

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON; a median that was not reached is null."""
        known = {name: one if isfinite(one) else None for name, one in self._medians().items()}
        step = {"setting": self.step.setting, "before": self.step.before, "after": self.step.after}
        return step | {"runs": self.runs, "held_before": self.held_before, "held": self.held} | known

    def _medians(self) -> dict[str, float]:
        return {"median_before": self.median_before, "median": self.median, "gain": self.gain}


def spoken(value: Any) -> str:
    """Return a value of a setting as a table has it."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def value_at(scenario: Scenario, setting: str) -> Any:
    """Return the value of a setting; None if there is no such setting in this scenario, or its table is left out."""
    found: Any = scenario
    for part in setting.split("."):
        if isinstance(found, list):
            found = found[int(part)] if part.isdigit() and int(part) < len(found) else None
        else:
            found = getattr(found, part, None)
    return found


def changed(scenario: Scenario, changes: Mapping[str, Any]) -> Scenario:
    """Return a scenario with some settings changed.

    Raises:
        ScenarioError: a value is not allowed.
    """
    data = scenario.model_dump()
    for path, value in changes.items():
        data = merge(spelled_out(data), nested(path, value))
    return Scenario.parse(data, "levers")


def steps(scenario: Scenario, found: Collection[str] = (), milliseconds: Collection[str] = ()) -> list[LeverStep]:
    """Return each lever of a scenario one step either way; what is not allowed is left out.

    Args:
        scenario: what is asked about.
        found: settings about which a check has found something; their steps are longer, too.
        milliseconds: settings that may be meant in milliseconds.
    """
    made: list[LeverStep] = []
    for lever in (*LEVERS, *levers_of_faults(scenario)):
        before = value_at(scenario, lever.setting)
        if (before is None and not lever.setting.startswith("faults.")) or not lever.applies(scenario):
            continue
        values = list(lever.values(before, scenario))
        factors = [*(LONGER_STEPS if lever.setting in found else ()), *([MILLI] * (lever.setting in milliseconds))]
        if before and isinstance(before, int | float) and not isinstance(before, bool):
            values += [like(before, before * factor) for factor in factors]
        for after in dict.fromkeys(values):
            if after == before:
                continue
            try:
                other = changed(scenario, {**lever.also(after, scenario), lever.setting: after})
            except ScenarioError:
                continue
            made.append(LeverStep(lever.setting, before, after, other, bool(factors)))
    return made


def effect(
    step: LeverStep,
    objective: Objective,
    without: Sequence[Mapping[str, float]],
    with_it: Sequence[Mapping[str, float]],
) -> LeverEffect:
    """Return what a step does to an objective.

    Args:
        step: the lever.
        objective: what is asked.
        without: numbers of runs without the step (`twin.analysis.objectives.numbers_of`).
        with_it: those of runs with the same random numbers and with it.
    """
    pairs = [
        (a, b)
        for one, other in zip(without, with_it, strict=True)
        if (a := shortfall(objective, one)) is not None and (b := shortfall(objective, other)) is not None
    ]
    return LeverEffect(
        step,
        len(with_it),
        sum(holds(objective, one) is True for one in without),
        sum(holds(objective, one) is True for one in with_it),
        median_of(objective, without),
        median_of(objective, with_it),
        fmean(a - b for a, b in pairs) if pairs else nan,
    )


def median_of(objective: Objective, runs: Sequence[Mapping[str, float]]) -> float:
    """Return the median of an objective's measure over some runs, NaN if none says it."""
    known = [value for one in runs if (value := value_of(objective, one)) is not None]
    return quantiles(np.array(known, float), [0.5])[0] if known else nan


def ranked(effects: Sequence[LeverEffect]) -> list[LeverEffect]:
    """Return effects that are any, the best step first and the worst one last."""
    there = [one for one in effects if one.gain or one.held != one.held_before]
    return sorted((one for one in there if one.gain == one.gain), key=lambda one: one.rank, reverse=True)
