"""What a scenario does not say by itself: settings that will bite, in the run or after it, and limits that are near.

One list for all who read a scenario. Predictions, sweeps and measurements give the findings of level `warning` as
warnings (`ScenarioWarning`), the configurations to take away have them as comments, and `./lab lint` prints all. A rule
belongs to the module of its subject and is listed there (`RULES`); a mechanism that brings a rule adds a line there, or
a module here. A part on the way from client to node is a hop (`twin.advice.way`), for which the rules about silence
hold at once.
"""

import warnings
from collections.abc import Iterable

from twin.advice import (
    balancing,
    broadcast,
    draining,
    later,
    limits,
    polls,
    pools,
    reconnecting,
    scaling,
    silence,
    times,
)
from twin.advice.finding import LintFinding, LintRule, found
from twin.advice.later import later_advice
from twin.advice.limits import limit_advice
from twin.advice.polls import poll_advice
from twin.advice.pools import pool_advice
from twin.advice.silence import cuts_idle, idle_advice, pings_prevent_cuts, strikes_in_run
from twin.advice.times import time_advice
from twin.errors import ScenarioWarning
from twin.scenario.scenario import Scenario

RULES: tuple[LintRule, ...] = (
    *silence.RULES,
    *polls.RULES,
    *later.RULES,
    *draining.RULES,
    *balancing.RULES,
    *limits.RULES,
    *times.RULES,
    *pools.RULES,
    *reconnecting.RULES,
    *scaling.RULES,
    *broadcast.RULES,
)
"""All rules, the most serious subjects first."""

__all__ = [
    "RULES",
    "LintFinding",
    "LintRule",
    "advice",
    "cuts_idle",
    "findings",
    "idle_advice",
    "later_advice",
    "limit_advice",
    "pings_prevent_cuts",
    "poll_advice",
    "pool_advice",
    "strikes_in_run",
    "time_advice",
    "warn_of",
]


def findings(scenario: Scenario) -> list[LintFinding]:
    """Return each setting of a scenario that is known to bite: the warnings first, then the notes.

    Args:
        scenario: what to check; nothing is simulated.
    """
    every = found(RULES, scenario)
    return [one for level in ("warning", "note") for one in every if one.level == level]


def advice(scenario: Scenario) -> list[str]:
    """Return the warnings about a scenario as texts, the most serious first."""
    return [one.text for one in findings(scenario) if one.level == "warning"]


def warn_of(scenarios: Iterable[Scenario], stacklevel: int = 2) -> None:
    """Give the warnings about some scenarios as `ScenarioWarning`s, each text once.

    Args:
        scenarios: the scenario, or the variants of a sweep.
        stacklevel: as in `warnings.warn`, counted from the caller: 2 is who called that.
    """
    for text in dict.fromkeys(text for scenario in scenarios for text in advice(scenario)):
        warnings.warn(text, ScenarioWarning, stacklevel=stacklevel + 1)
