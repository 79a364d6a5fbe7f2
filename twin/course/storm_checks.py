"""What the notebook on storms asks at its end."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from twin.analysis.bands import Band, words
from twin.course.answers import STEP, Answer, Predict, apart, asked, cheapest, number
from twin.course.extremes import Extreme
from twin.course.storms import back_within, end_of_outage
from twin.errors import ScenarioError
from twin.scenario.scenario import Scenario


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
    found = f"at most {apart(highest, peak)} attempts in 100 ms, and 99 % are back {after_outage(latest, rest, back)}"
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


def after_outage(seconds: float, rest: float, bound: float) -> str:
    """Return when something happened, in words, if `rest` seconds were watched after the outage."""
    if np.isfinite(seconds):
        return f"{apart(seconds, bound)} s after the outage"
    return f"{words(seconds, rest)} of its end"


def harder(lab: Scenario) -> Extreme:
    """Return the question of level 2: how many clients a cluster bears whose library has jitter on the first wait only.

    Args:
        lab: the outage with full jitter.
    """
    other = lab.vary(clients={"reconnect": {"jitter": "none", "first": "jittered"}})
    return Extreme(
        scenario=other,
        setting="clients.count",
        varied=lambda count: other.vary(clients={"count": round(count)}),
        measure="peak_attempts",
        bound=100.0,
        least=10.0,
        most_allowed=3000.0,
        hint="What part of the herd knocks at once when a node that hangs is marked down?",
        lab=lab,
    )
