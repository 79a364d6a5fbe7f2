"""What the notebook on failed comparisons computes and checks: models with a planted fault, and who finds it.

A planted fault is one setting that the model has and the cluster has not, or a cost. A reader sees what such a model
predicts beside measured runs, and says which setting it is and which value the model has.

Nothing here knows a world: what has to be simulated is done by a function that the notebook passes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp, isfinite, log
from typing import Any

import pandas as pd

from twin.analysis.bands import Band
from twin.analysis.comparison import Comparison, Predicted
from twin.costs.profile import HostProfile
from twin.course.answers import Answer, asked, number, whole
from twin.course.explanations import Journey, Shows, first_fault
from twin.errors import ScenarioError
from twin.measures import MEASURES
from twin.record.record import Record
from twin.scenario.fields import show
from twin.scenario.scenario import Scenario

COSTS = "machine.costs"
"""The planted fault that is no setting: how many times as much CPU time each part costs in the model."""
ROOM_OF = {
    "balancer.check.inter": "balancer",
    "balancer.check.fall": "balancer",
    "clients.reconnect.base": "client",
    "clients.reconnect.factor": "client",
    "clients.reconnect.cap": "client",
    "clients.count": "client",
    "nodes.count": "node",
    COSTS: "machine",
}
"""Settings that a model may have wrong, and the room of each."""
INTEGERS = ("balancer.check.fall", "nodes.count")
"""Settings whose value has to be found exactly."""
RATIO = "ratio of "
TOLERANCE = 1.15
"""Factor by which a value may be beside the planted one; bands of 200 replications vary by some per cent."""
NEXT = 7
"""Step from one number's fault to the next number's; it has no factor in common with how many there are."""

Fault = tuple[str, float]
"""A setting and the value that the model has."""

FAULTS: tuple[tuple[Fault, ...], ...] = (
    (("balancer.check.inter", 2.0),),
    (("clients.reconnect.base", 0.1),),
    (("clients.count", 300),),
    (("balancer.check.fall", 4),),
    (("clients.reconnect.cap", 1.0),),
    ((COSTS, 4.0),),
    (("nodes.count", 2),),
    (("clients.reconnect.factor", 3.0),),
    (("balancer.check.inter", 0.5),),
    (("clients.reconnect.base", 0.8),),
    (("clients.count", 100),),
    (("clients.reconnect.cap", 0.5),),
    (("balancer.check.fall", 3),),
    (("nodes.count", 4),),
    (("clients.reconnect.base", 0.4),),
    ((COSTS, 2.0),),
    (("clients.reconnect.factor", 1.5),),
    (("balancer.check.inter", 1.5),),
)
"""One fault a model, for the first question."""
PAIRS: tuple[tuple[Fault, ...], ...] = (
    (("balancer.check.inter", 1.3), ("clients.reconnect.cap", 0.5)),
    (("nodes.count", 2), ("clients.count", 133)),
    (("clients.reconnect.base", 0.4), ("clients.reconnect.factor", 1.5)),
    (("balancer.check.inter", 0.85), ("clients.reconnect.factor", 3.0)),
)
"""Two faults a model, for the harder question. Each pair hides in `reconnect_p50`, where one looks first."""
HIDDEN = 1.1
"""Factor that a pair leaves between the predicted median of `reconnect_p50` and the right one, at most."""


@dataclass(frozen=True)
class Model:
    """What somebody believes of a cluster.

    Attributes:
        scenario: with the settings that he believes in.
        costs: how many times as much CPU time each part costs as the profile says.
    """

    scenario: Scenario
    costs: float = 1.0

    def profile(self, profile: HostProfile) -> HostProfile:
        """Return a profile with the costs that he believes in."""
        if self.costs == 1.0:
            return profile
        data = profile.model_dump()
        for kinds in data["parts"].values():
            for named in kinds.values():
                for part in named.values():
                    part["values"] = [[self.costs * one for one in repeats] for repeats in part["values"]]
        return HostProfile.model_validate(data)


Foresee = Callable[[Model], Predicted]
"""Predicts what a model says."""


def model_with(lab: Scenario, *faults: Fault) -> Model:
    """Return a model of the lab's cluster with faults planted in it.

    Raises:
        ScenarioError: a value is not allowed.
    """
    scenario, costs = lab, 1.0
    for setting, value in faults:
        if setting == COSTS:
            if not 0.1 <= value <= 100.0:
                raise ScenarioError(f"{COSTS} is {value:g}; allowed is 0.1 to 100.")
            costs = value
        else:
            scenario = scenario.vary(**_nested(setting, value))
    return Model(scenario, costs)


def faults_of(chosen: object, pair: bool = False) -> tuple[Fault, ...]:
    """Return the faults of a reader's number.

    Raises:
        ScenarioError: it is no whole number from 0.
    """
    found, among = whole("number", chosen), PAIRS if pair else FAULTS
    if found < 0:
        raise ScenarioError(f"number is {found}; allowed is a whole number from 0.")
    return among[(NEXT * found + 3) % len(among)]


def called(lab: Scenario, prediction: Any) -> Any:
    """Return a prediction of another scenario as if it were the lab's, to be compared with runs of the lab."""
    return replace(prediction, scenario=lab)


def hidden(lab: Scenario, chosen: object, foresee: Foresee, pair: bool = False) -> Any:
    """Return what a model with the faults of a reader's number predicts, and call its scenario the lab's.

    Raises:
        ScenarioError: the number is none.
    """
    return called(lab, foresee(model_with(lab, *faults_of(chosen, pair))))


def believed(records: Sequence[Record], model: Model) -> list[Record]:
    """Return measured runs as somebody sees them who believes in a model: its scenario is theirs.

    A prediction given the mark-downs of such a run is what the model says when it is told them.
    """
    scenario = model.scenario.model_dump(exclude_none=True)
    return [replace(record, provenance={**record.provenance, "scenario": scenario}) for record in records]


def residuals(comparison: Comparison) -> pd.DataFrame:
    """Return how many times as much as was measured is predicted, measure by measure.

    Returns:
        One row a measure that is above 0 in both worlds: the ratio of the medians, how many runs lie in the band, the
        ratio of the prediction given the mark-downs (NaN without one), and what decides the measure.
    """
    given = {row.name: row for row in comparison.given}
    rows = {}
    for row in comparison.rows:
        predicted, measured = row.predicted.median, row.median
        if not (0 < predicted < float("inf") and 0 < measured < float("inf")):
            continue
        told = given[row.name].predicted.median / measured if row.name in given else float("nan")
        rows[row.name] = {
            "predicted / measured": predicted / measured,
            "inside": f"{sum(row.inside)} of {len(row.inside)}",
            "given the mark-down": told,
            "decided by": MEASURES[row.name].driver,
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def signatures(base: Predicted, models: Mapping[str, Predicted], names: Sequence[str]) -> pd.DataFrame:
    """Return for each model how many times as much it predicts as the right one, measure by measure (medians)."""
    right = base.measures[list(names)].median()
    rows = {name: one.measures[list(names)].median() / right for name, one in models.items()}
    return pd.DataFrame.from_dict(rows, orient="index")


def ratios(mine: Mapping[str, Mapping[str, float]], comparisons: Mapping[str, Comparison]) -> pd.DataFrame:
    """Lay a reader's own ratios beside those of the medians.

    Args:
        mine: for each model the ratio of predicted to measured, by measure; `RATIO` may stand before its name.
        comparisons: of each model with the runs.
    """
    rows = {}
    for name, own in mine.items():
        found = residuals(comparisons[name])
        for measure, ratio in own.items():
            measure = measure.removeprefix(RATIO)
            rows[f"{name}: {measure}"] = {"by hand": ratio, "found": found["predicted / measured"][measure]}
    return pd.DataFrame.from_dict(rows, orient="index")


def refutes(one: Model, other: Model, slack: float = 0.005) -> Shows:
    """Return what a client shows that cannot be in one model and can be in the other.

    Such a client is back sooner than the first model can mark the dead node down, and none of its waits is longer than
    the second one allows.

    Args:
        one: whose check is slower than the cluster's.
        other: whose backoff is shorter.
        slack: seconds that a wait may be longer, for the client's own work.
    """
    backoff = other.scenario.clients.reconnect
    soonest = (_own(one.scenario, "balancer.check.fall") - 1) * _own(one.scenario, "balancer.check.inter")

    def shows(journey: Journey) -> tuple[bool, str]:
        back = journey.back - first_fault(journey.record)
        if back >= soonest:
            return (
                False,
                f"is back {back:.2f} s after the fault, which is possible with a mark-down from {soonest:g} s on",
            )
        for k, passage in enumerate(journey.passages):
            bound = min(backoff.cap, backoff.base * backoff.factor**k)
            if passage.wait > bound + slack:
                return False, f"has a wait number {k + 1} of {passage.wait:.2f} s, longer than {bound:g} s"
        return True, f"is back {back:.2f} s after the fault, and none of its waits is longer than the other model's"

    return shows


def check_planted(
    lab: Scenario, chosen: object, named: Mapping[str, object], foresee: Foresee, expected: object = None
) -> Answer:
    """Judge who says which faults a model has: the settings, and the values that the model has in place of the lab's.

    Right are the planted settings with values within a factor `TOLERANCE` of the planted ones (exact for `INTEGERS`).

    Args:
        lab: the cluster's scenario.
        chosen: the reader's number; one name asks for one fault, two for a pair.
        named: the value of each setting that is held to be wrong.
        foresee: predicts what a model says; it is called for two of them.
        expected: the reader's own number for the median of `reconnect_p50` in s with these faults; without it nothing
            is judged.
    """

    def judge() -> Answer:
        try:
            planted = dict(faults_of(chosen, pair=len(named) == 2))
            found = {setting: _value(setting, value) for setting, value in named.items()}
            model = model_with(lab, *found.items())
        except (ScenarioError, TypeError, ValueError) as error:
            return Answer(False, f"the model does not take this. {error}")
        if len(found) not in (1, 2):
            return Answer(False, "name one setting, or two for the harder question.")
        for setting, value in found.items():
            if value == _own(lab, setting):
                return Answer(
                    False, f"{setting} is {value:g} in the cluster itself; a model that says so is not wrong."
                )
        return _against(foresee(model), hidden(lab, chosen, foresee, len(named) == 2), planted, found)

    what = "the median of reconnect_p50 in s of a model with these faults"
    return asked(expected, what, lab.duration, judge)


def _against(mine: Predicted, theirs: Predicted, planted: Mapping[str, float], found: Mapping[str, float]) -> Answer:
    """Hold the reader's model against the hidden one."""
    right = planted.keys() == found.keys() and all(_close(name, found[name], planted[name]) for name in planted)
    words = " and ".join(f"{name} {value:g}" for name, value in found.items())
    apart = sorted(_apart(mine, theirs).items(), key=lambda item: -abs(log(item[1])))
    value = Band.predicted(mine, "reconnect_p50").median
    if right:
        most = (
            f"; the largest difference is {100 * (exp(abs(log(apart[0][1]))) - 1):.0f} % ({apart[0][0]})"
            if apart
            else ""
        )
        return Answer(True, f"a model with {words} says what the hidden one says{most}.", value)
    if not apart or abs(log(apart[0][1])) < log(1.02):
        return Answer(False, f"a model with {words} says nearly the same, but it is another setting.", value)
    said = ", ".join(f"{ratio:.2f} times the hidden one's in {name}" for name, ratio in apart[:3])
    return Answer(False, f"a model with {words} says something else: {said}.", value)


def _apart(mine: Predicted, theirs: Predicted) -> dict[str, float]:
    """Return measure by measure the ratio, of those of the two ends and the median, that is furthest from 1."""
    found = {}
    for name in map(str, mine.measures):
        if name not in theirs.measures:
            continue
        one, other = Band.predicted(mine, name), Band.predicted(theirs, name)
        pairs = [(getattr(one, end), getattr(other, end)) for end in ("low", "median", "high")]
        ratios = [a / b for a, b in pairs if 0 < a < float("inf") and 0 < b < float("inf")]
        if ratios:
            found[name] = max(ratios, key=lambda ratio: abs(log(ratio)))
    return found


def _close(setting: str, value: float, planted: float) -> bool:
    if setting in INTEGERS:
        return value == planted
    return 1 / TOLERANCE <= value / planted <= TOLERANCE


def _value(setting: str, value: object) -> float:
    """Return the value that a reader gives a setting.

    Raises:
        ScenarioError: there is no such setting, or the value is no number above 0.
    """
    if setting not in ROOM_OF:
        raise ScenarioError(f"setting is {show(setting)}; allowed is one of {', '.join(ROOM_OF)}.")
    count = setting.endswith(".count") or setting in INTEGERS
    found: float = whole(setting, value) if count else number(setting, value)
    if not (found > 0 and isfinite(found)):
        raise ScenarioError(f"{setting} is {found:g}; allowed is a number above 0.")
    return found


def _own(lab: Scenario, setting: str) -> float:
    """Return the value that the lab's cluster has."""
    if setting == COSTS:
        return 1.0
    value: Any = lab
    for name in setting.split("."):
        value = getattr(value, name)
    return float(value)


def _nested(setting: str, value: Any) -> dict[str, Any]:
    """Return a change as `Scenario.vary` takes it: `balancer.check.inter` is three tables deep."""
    for name in reversed(setting.split(".")):
        value = {name: value}
    return dict(value)
