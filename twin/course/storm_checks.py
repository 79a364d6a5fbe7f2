"""What the notebooks on storms and on sizing ask at their end."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from twin.analysis.bands import Band, words
from twin.course.answers import STEP, Answer, Predict, apart, asked, cheapest, number, whole
from twin.course.storms import back_within, end_of_outage
from twin.errors import ScenarioError
from twin.scenario.scenario import Scenario

FEWEST_WITHIN = 1.02
"""Factor of the fewest attempts that count as the fewest: what is less is a matter of chance."""


def check_storm(
    scenario: Scenario, peak: float, back: float, predict: Predict, expected: object = None, **reconnect: Any
) -> Answer:
    """Judge a reconnect policy that shall bring the clients back soon without a large peak.

    Any policy is right that keeps both bounds, whose waits grow (`cap` above `base`), and that has the shortest such
    `base`: with one `answers.STEP` times shorter, and the same cap or one of `back`, the bounds are not kept. Most
    losses are short, and then a long first wait is all that a client has of it.

    Args:
        scenario: the outage.
        peak: most attempts in 100 ms that the upper end of the 95 % interval may reach.
        back: seconds after the outage within which the upper end of the interval of 99 % back must lie.
        predict: predicts the varied scenario.
        expected: the reader's own number for the upper end of the interval of the peak; without it nothing is judged.
        reconnect: settings of the policy.
    """

    def judge() -> Answer:
        try:
            now = scenario.clients.reconnect
            base, cap = (number(name, reconnect.get(name, getattr(now, name))) for name in ("base", "cap"))
        except ScenarioError as error:
            return Answer(False, f"the policy is not possible. {error}")
        mine = reconnect | {"base": base, "cap": cap}
        answer = _calm(scenario, peak, back, predict, mine)
        shorter = base / STEP
        others = [
            (f"a first wait of {shorter:.3g} s with a cap of {one:.3g} s", mine | {"base": shorter, "cap": one})
            for one in dict.fromkeys((cap, back))
        ]
        return cheapest(
            answer, [(said, partial(_calm, scenario, peak, back, predict, other)) for said, other in others]
        )

    return asked(
        expected, "the upper end of the 95 % interval of peak_attempts (in 100 ms)", scenario.clients.count, judge
    )


def _calm(scenario: Scenario, peak: float, back: float, predict: Predict, reconnect: Mapping[str, Any]) -> Answer:
    """Tell whether a policy keeps both bounds with waits that grow."""
    try:
        varied = scenario.vary(clients={"reconnect": dict(reconnect)})
    except ScenarioError as error:
        return Answer(False, f"the policy is not possible. {error}")
    if reconnect["cap"] <= reconnect["base"]:
        return Answer(False, f"cap is {reconnect['cap']:g} s, as base: no wait grows, and that is no backoff.")
    prediction = predict(varied)
    highest = Band.predicted(prediction, "peak_attempts").high
    latest = Band.of(back_within(prediction).to_numpy()).high
    rest = scenario.duration - end_of_outage(scenario)
    found = f"at most {apart(highest, peak)} attempts in 100 ms, and 99 % are back {_after(latest, rest, back)}"
    if highest > peak:
        return Answer(
            False,
            f"{found}; allowed are {peak:g} attempts. Spread the waits more, or begin with longer ones.",
            highest,
        )
    if latest > back:
        return Answer(
            False, f"{found}; allowed are {back:g} s. A wait that has grown past that keeps clients away.", highest
        )
    return Answer(True, f"{found}.", highest)


def _after(seconds: float, rest: float, bound: float) -> str:
    """Return when something happened, in words, if `rest` seconds were watched after the outage."""
    if np.isfinite(seconds):
        return f"{apart(seconds, bound)} s after the outage"
    return f"{words(seconds, rest)} of its end"


def check_size(
    table: pd.DataFrame, nodes: object, cap: object, target: float, dearest: int, expected: object = None
) -> Answer:
    """Judge a number of nodes and a cap by a sweep: the one with the fewest attempts that meets the target.

    Args:
        table: bands of `back` by `nodes.count` and `clients.reconnect.cap`, from `sizing_table`.
        nodes: the choice.
        cap: the choice, in seconds.
        target: seconds within which the upper end of the interval must lie.
        dearest: most nodes that one wants to pay for.
        expected: the reader's own number for that upper end in seconds; without it nothing is judged.
    """

    def judge() -> Answer:
        try:
            many, longest = whole("nodes", nodes), number("cap", cap)
        except ScenarioError as error:
            return Answer(False, str(error))
        return _sized(table, many, longest, target, dearest)

    return asked(expected, "the upper end of the interval of 99 % back in s after the outage", np.inf, judge)


def _sized(table: pd.DataFrame, nodes: int, cap: float, target: float, dearest: int) -> Answer:
    row = table[(table["nodes"] == nodes) & (table["cap"] == cap)]
    if row.empty:
        known = f"nodes {sorted(set(table['nodes']))}, caps {sorted(set(table['cap']))}"
        return Answer(False, f"{nodes} nodes with a cap of {cap:g} s are not in the sweep ({known}).")
    high, attempts = float(row["high"].iloc[0]), float(row["attempts"].iloc[0])
    if np.isinf(high):
        return Answer(False, f"with {nodes} nodes and a cap of {cap:g} s 99 % are not always back within the run.")
    found = (
        f"with {nodes} nodes and a cap of {cap:g} s the interval of 99 % back ends at {apart(high, target)} s, after "
        f"{attempts:.1f} attempts a client"
    )
    if high > target:
        return Answer(False, f"{found}; that is later than {target:g} s.", high)
    if nodes > dearest:
        return Answer(False, f"{found}, but {dearest} nodes are the most that you pay for.", high)
    fewest = table[(table["high"] <= target) & (table["nodes"] <= dearest)]["attempts"].min()
    if attempts > FEWEST_WITHIN * fewest:
        return Answer(
            False, f"{found}; within {target:g} s. But another choice does it with {fewest:.1f}: what is free?", high
        )
    return Answer(True, f"{found}, within {target:g} s and with the fewest attempts.", high)
