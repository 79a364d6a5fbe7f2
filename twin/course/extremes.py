"""Questions of the second level: the extreme of one setting, under another fault or balancer than the lab's own."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from twin.analysis.bands import Band
from twin.course.answers import STEP, Answer, Predict, asked, cheapest, number, told_apart, told_from, whole
from twin.errors import ScenarioError
from twin.measures import MEASURES
from twin.scenario.scenario import Scenario

End = Literal["low", "median", "high"]

ENDS = {"low": "the lower end of the {interval}", "median": "the median", "high": "the upper end of the {interval}"}
"""Ends of an interval; what that is depends on the number of replications (`Extreme.interval`)."""


@dataclass(frozen=True)
class Extreme:
    """A question for the largest or the least value of one setting with which a measure keeps its bound.

    An answer is right if the bound is kept with it, and is not with the value that is `step` times as extreme (the next
    whole number where `integer`). So of a whole range of values a narrow strip is right, and no limit of the range is
    unless the bound is kept throughout.

    Attributes:
        scenario: of the question.
        setting: what is chosen, in words that name its field and its unit, as in `balancer.check.inter in s`.
        varied: returns that scenario with a value of it.
        largest: whether the largest value is asked for, else the least.
        measure: that has to keep the bound.
        bound: in the measure's unit.
        below: whether the measure has to lie below the bound, else above it.
        end: of the measure's interval.
        least: of the values that may be chosen.
        most_allowed: of the values that may be chosen.
        step: by which factor an answer may be less extreme than the last one that keeps the bound.
        integer: whether the setting is a whole number.
        interval: what the interval is called: few replications have a range and no 95 % interval
            (`twin.analysis.bands.ENOUGH_RUNS`).
        hint: what to think of when the bound is not kept, a sentence.
        lab: the scenario of the rest of the lab; the answer says in what the question's is another.
    """

    scenario: Scenario
    setting: str
    varied: Callable[[float], Scenario]
    measure: str
    bound: float
    least: float
    most_allowed: float
    largest: bool = True
    below: bool = True
    end: End = "high"
    step: float = STEP
    integer: bool = False
    interval: str = "95 % interval"
    hint: str = ""
    lab: Scenario | None = None

    def check(self, value: object, predict: Predict, expected: object = None) -> Answer:
        """Judge a value.

        Args:
            value: the reader's.
            predict: predicts the varied scenario; it is not called when the value is ruled out anyway.
            expected: the reader's own number for `end` of `measure`; without it nothing is judged.
        """

        def judge() -> Answer:
            try:
                chosen: float = whole(self.name, value) if self.integer else number(self.name, value)
            except ScenarioError as error:
                return Answer(False, str(error))
            if not self.least <= chosen <= self.most_allowed:
                return Answer(False, f"{self.name} is {chosen:g}; allowed is {self.least:g} to {self.most_allowed:g}.")
            answer = self._kept(chosen, predict)
            beyond = self._beyond(chosen)
            if self.least <= beyond <= self.most_allowed:
                said = f"{self.name} {_figure(beyond)}, which is {'larger' if self.largest else 'smaller'},"
                answer = cheapest(answer, [(said, lambda: self._kept(beyond, predict))])
            return answer

        what = f"{self._end} of {self.measure}{self._unit(' in ')}"
        return asked(expected, what, self._limit(), judge)

    @property
    def name(self) -> str:
        """The setting's name without its unit."""
        return self.setting.split(" ", 1)[0]

    @property
    def _end(self) -> str:
        return ENDS[self.end].format(interval=self.interval)

    def _beyond(self, value: float) -> float:
        if self.integer:
            return value + 1 if self.largest else value - 1
        return value * self.step if self.largest else value / self.step

    def _limit(self) -> float:
        unit = MEASURES[self.measure].unit
        if unit == "s":
            return self.scenario.duration
        return 1.0 if unit == "1" and self.measure.endswith("_share") else 1e9

    def _unit(self, before: str = " ") -> str:
        unit = MEASURES[self.measure].unit
        if unit.startswith("1/"):
            return f" per {unit.removeprefix('1/')}"
        return "" if unit == "1" else f"{before}{unit}"

    def _kept(self, value: float, predict: Predict) -> Answer:
        """Tell whether the bound is kept with a value."""
        try:
            scenario = self.varied(value)
        except (ScenarioError, TypeError, ValueError) as error:
            return Answer(False, f"the scenario does not take this value. {error}")
        band = Band.predicted(predict(scenario), self.measure)
        found = getattr(band, self.end)
        if found != found:
            return Answer(False, f"{self.measure} is not defined with {self.name} {value:g}: nothing of it happens.")
        kept = found < self.bound if self.below else found > self.bound
        side = "below" if self.below else "above"
        texts = {end: band.text(end) for end in ENDS}
        texts[self.end] = told_from(self.bound, found, texts[self.end])
        said = (
            f"with {self.name} {_figure(value)} the predicted interval of {self.measure} is "
            f"{texts['low']} to {texts['high']}{self._unit()}, its median {texts['median']}; "
            f"{self._end} is {'' if kept else 'not '}{side} {self.bound:g}{self._unit()}."
        )
        hint = "" if kept or not self.hint else f" {self.hint}"
        return told_apart(Answer(kept, f"{said}{hint}", found), self.scenario, self.lab)


def _figure(value: float) -> str:
    """Return a value as people write it: 130,000 and not 1.3e+05."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
