"""What `./lab validate` says of a scenario: whether its objectives hold, why not, and what would help."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import pandas as pd

from twin.advice import LintFinding
from twin.analysis.levers import LeverEffect, ranked
from twin.analysis.objectives import OBJECTIVE_MEASURES, named
from twin.analysis.way_back import NOBODY, PIECES, WayBack, setting_of
from twin.rules.sequential import Decision, wilson
from twin.scenario.objectives import Objective
from twin.scenario.scenario import Scenario

LEVEL = 0.95
"""Level of the interval of a share."""


@dataclass(frozen=True)
class ObjectiveVerdict:
    """Whether one objective holds.

    Attributes:
        objective: what is asked.
        verdict: `pass`, `fail`, or `unknown` where the runs do not tell.
        runs: how many runs say whether it holds.
        held: in how many of them it does.
        unsaid: runs that do not say it: nothing of its kind happened, or they were too short.
        median: of its measure, infinite where that was not reached, NaN where no run has it.
        why: why it is unknown, in a sentence, or an empty text.
    """

    objective: Objective
    verdict: Decision
    runs: int
    held: int
    unsaid: int
    median: float
    why: str = ""

    @property
    def probability(self) -> float | None:
        """The share of the runs in which it holds; None without a run that says it."""
        return self.held / self.runs if self.runs else None

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's interval of the probability. It is that of a fixed number of runs: the verdict is not taken from it,
        but from the sequential test, which may look after each run.
        """
        return wilson(self.held, self.runs, LEVEL)

    @property
    def unit(self) -> str:
        """The unit of its measure."""
        return OBJECTIVE_MEASURES[self.objective.measure].unit

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON; null is a median that was not reached, or is not defined."""
        low, high = self.interval
        return {
            **self.objective.model_dump(exclude_none=True),
            "unit": self.unit,
            "verdict": self.verdict,
            "runs": self.runs,
            "held": self.held,
            "unsaid": self.unsaid,
            "probability": self.probability,
            "interval": [low, high],
            "median": self.median if isfinite(self.median) else None,
            "why": self.why,
        }

    def __str__(self) -> str:
        text = f"{named(self.objective)}: {self.verdict}"
        if self.probability is None:
            return f"{text}. {self.why}"
        low, high = self.interval
        text += f"; it held in {self.held} of {self.runs} runs ({100 * self.probability:.3g} %, "
        text += f"{100 * LEVEL:g} % interval {100 * low:.3g} to {100 * high:.3g} %)"
        return f"{text}. {self.why}".rstrip()


@dataclass(frozen=True)
class Validation:
    """What is said of a scenario.

    Attributes:
        scenario: what was judged, with what was assumed.
        objectives: the verdict about each objective.
        assumed: what was assumed, in sentences.
        focus: the objective that the levers are about: the one that is missed most often, as far as that is known.
        ways: in the run with the median result, of those that miss the focus if it does not pass, the way back of the
            median client and of that by which 99 % are back.
        effects: what each lever does, one step either way, the best one first; none if they were not asked for.
        untried: settings whose steps only the SimPy model could have simulated, which takes too long.
        findings: what is known to bite (`twin.advice`).
        engine: which engine ran the scenario, `simpy` or `compiled`.
        levered: whether levers were asked for.
    """

    scenario: Scenario
    objectives: list[ObjectiveVerdict]
    assumed: list[str]
    focus: Objective
    ways: list[WayBack]
    effects: list[LeverEffect]
    untried: list[str]
    findings: list[LintFinding]
    engine: str = "simpy"
    levered: bool = True

    @property
    def verdict(self) -> Decision:
        """`fail` if one objective fails, `pass` if all hold, else `unknown`."""
        every = {one.verdict for one in self.objectives}
        return "fail" if "fail" in every else "unknown" if "unknown" in every else "pass"

    @property
    def best(self) -> list[LeverEffect]:
        """For each setting with a step that helps, its best one; the most helpful setting first."""
        return _one_each([one for one in ranked(self.effects) if one.helps])

    @property
    def worst(self) -> list[LeverEffect]:
        """For each setting with a step that harms, its worst one; the most harmful setting first."""
        return _one_each([one for one in reversed(ranked(self.effects)) if one.harms])

    @property
    def lever(self) -> str:
        """The setting that helps most, or an empty text."""
        return self.best[0].step.setting if self.best else ""

    def reason(self) -> list[tuple[str, str, list[float]]]:
        """Return what took the time: for each piece what happens, its setting, and its seconds in each of `ways`."""
        names = [name for name in PIECES if any(name in way.pieces for way in self.ways)]
        return [
            (PIECES[name], setting_of(name, self.scenario), [way.pieces.get(name, 0.0) for way in self.ways])
            for name in names
        ]

    def lever_table(self) -> pd.DataFrame:
        """Return what each lever does, a row a step, the best one first."""
        rows = [one.as_dict() for one in ranked(self.effects)]
        return pd.DataFrame(rows, columns=list(rows[0]) if rows else ["setting", "before", "after", "gain"])

    def as_dict(self) -> dict[str, Any]:
        """Return it as one JSON object."""
        return {
            "scenario": self.scenario.name,
            "verdict": self.verdict,
            "engine": self.engine,
            "objectives": [one.as_dict() for one in self.objectives],
            "assumed": self.assumed,
            "ways_back": [_way_dict(one, self.scenario) for one in self.ways],
            "levers": {
                "of": self.focus.measure,
                "best": [one.as_dict() for one in self.best],
                "worst": [one.as_dict() for one in self.worst],
                "untried": self.untried,
            },
            "findings": [one.as_dict() for one in self.findings],
        }

    def __str__(self) -> str:
        lines = [f"{self.scenario.name}: {self.verdict}", *(f"  {one}" for one in self.objectives)]
        if self.ways:
            share = max(self.ways[0].pieces.items(), key=lambda piece: piece[1])
            took = f"{share[1]:.3g} of {self.ways[0].whole:.3g} s"
            lines.append(f"  Most of the median client's way back, {took}: {PIECES[share[0]]}.")
        if self.best:
            first = self.best[0]
            lines.append(f"  What helps most: {first.step} (held in {first.held} of {first.runs} runs).")
        return "\n".join(lines)


def _one_each(effects: Sequence[LeverEffect]) -> list[LeverEffect]:
    """Return the first effect of each setting."""
    found: dict[str, LeverEffect] = {}
    for one in effects:
        found.setdefault(one.step.setting, one)
    return list(found.values())


def _way_dict(way: WayBack, scenario: Scenario) -> dict[str, Any]:
    return {
        "client": None if way.client == NOBODY else way.client,
        "seconds": way.whole,
        "returned": way.returned,
        "pieces": [
            {"piece": name, "means": PIECES[name], "setting": setting_of(name, scenario), "seconds": seconds}
            for name, seconds in way.pieces.items()
        ],
    }
