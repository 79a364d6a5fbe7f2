"""What the notebooks on storms and on sizing ask at their end."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from twin.analysis.bands import Band, words
from twin.course.answers import STEP, Answer, Predict, apart, asked, cheapest, number, whole
from twin.course.storms import back_within, end_of_outage
from twin.errors import ScenarioError
from twin.scenario.scenario import Scenario

MOST_NODES = 50
"""Nodes that somebody may ask for."""
SHORT_CAP = 5.0
"""Seconds of a cap with which nodes that meet the target at all do so."""
LONGEST_BACK = 600.0
"""Seconds that somebody may expect a return to take."""


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
    build: Callable[[int, float], Scenario],
    nodes: object,
    cap: object,
    target: float,
    predict: Predict,
    handshake_rate: float,
    expected: object = None,
) -> Answer:
    """Judge a number of nodes and a cap: the fewest nodes that meet a target, and the longest cap with which they do.

    Right is what meets the target in the slowest run, where one node fewer does not even with a cap of `SHORT_CAP`, and
    the same nodes do not with a cap `answers.STEP` times as long.

    Args:
        build: returns the outage of so many nodes with such a cap in seconds.
        nodes: the choice, at most `MOST_NODES`.
        cap: the choice, in seconds.
        target: seconds after the outage within which 99 % must be back in every run.
        predict: predicts a scenario; it is not called where the nodes' work alone takes longer than the target.
        handshake_rate: handshakes a second that a node can do.
        expected: the reader's own number for the seconds of the slowest run; without it nothing is judged.
    """

    def judge() -> Answer:
        try:
            many, longest = whole("nodes", nodes), number("cap", cap)
        except ScenarioError as error:
            return Answer(False, str(error))
        if not 1 <= many <= MOST_NODES:
            return Answer(False, f"nodes is {many}; allowed is 1 to {MOST_NODES}.")
        sized = partial(_sized, build, target=target, predict=predict, handshake_rate=handshake_rate)
        others = [(f"{many - 1} nodes with a cap of {SHORT_CAP:g} s", partial(sized, many - 1, SHORT_CAP))]
        others.append(
            (f"a cap of {STEP * longest:.3g} s, which costs fewer attempts,", partial(sized, many, STEP * longest))
        )
        return cheapest(sized(many, longest), others if many > 1 else others[1:])

    what = "the seconds from the end of the outage until 99 % are back in the slowest run"
    return asked(expected, what, LONGEST_BACK, judge)


def work_alone(clients: int, nodes: int, handshake_rate: float) -> float:
    """Return the seconds that nodes take for the handshakes of 99 % of the clients when they are never idle."""
    return 0.99 * clients / (handshake_rate * nodes)


def _sized(
    build: Callable[[int, float], Scenario],
    nodes: int,
    cap: float,
    target: float,
    predict: Predict,
    handshake_rate: float,
) -> Answer:
    """Tell whether so many nodes with such a cap meet the target in every run."""
    try:
        scenario = build(nodes, cap)
    except ScenarioError as error:
        return Answer(False, f"the settings are not possible. {error}")
    least = work_alone(scenario.clients.count, nodes, handshake_rate)
    if least > target:
        return Answer(False, f"{nodes} nodes have {least:.0f} s of work, more than {target:g} s, whatever the cap.")
    prediction = predict(scenario)
    latest = float(back_within(prediction).max())
    runs, attempts = len(prediction.measures), float(prediction.measures["attempts_per_client"].median())
    rest = scenario.duration - end_of_outage(scenario)
    found = (
        f"with {nodes} nodes and a cap of {cap:g} s, 99 % are back {_after(latest, rest, target)} in the slowest of "
        f"{runs} runs, after {attempts:.1f} attempts a client"
    )
    if latest > target:
        return Answer(False, f"{found}; allowed are {target:g} s.", latest)
    return Answer(True, f"{found}.", latest)
