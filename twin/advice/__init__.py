"""What a scenario does not say by itself: settings that will bite, in the run or after it, and limits that are near.

One list of sentences for all who read a scenario: a prediction, a sweep and a measurement give them as warnings
(`ScenarioWarning`), the commands `./lab nginx` and `./lab haproxy` write them into the configuration, too.
"""

import warnings
from collections.abc import Iterable

from twin.advice.later import later_advice
from twin.advice.limits import limit_advice
from twin.advice.polls import poll_advice
from twin.advice.pools import pool_advice
from twin.advice.silence import cuts_idle, idle_advice, pings_prevent_cuts, strikes_in_run
from twin.advice.times import time_advice
from twin.errors import ScenarioWarning
from twin.scenario.scenario import Scenario

__all__ = [
    "advice",
    "cuts_idle",
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


def advice(scenario: Scenario) -> list[str]:
    """Return what there is to say about a scenario, one sentence each, the most serious first."""
    serious = [*idle_advice(scenario), *poll_advice(scenario), *later_advice(scenario)]
    return [*serious, *limit_advice(scenario), *time_advice(scenario), *pool_advice(scenario)]


def warn_of(scenarios: Iterable[Scenario], stacklevel: int = 2) -> None:
    """Give the advice about some scenarios as `ScenarioWarning`s, each sentence once.

    Args:
        scenarios: the scenario, or the variants of a sweep.
        stacklevel: as in `warnings.warn`, counted from the caller: 2 is who called that.
    """
    for text in dict.fromkeys(text for scenario in scenarios for text in advice(scenario)):
        warnings.warn(text, ScenarioWarning, stacklevel=stacklevel + 1)
