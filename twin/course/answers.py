"""Answers to the labs' transfer questions: first an expectation, then a judgement that no copied limit passes.

A question has bounds that oppose each other, or asks for the extreme: the cheapest settings that still keep a bound. Of
an extreme one may be `STEP` away, as a prediction's end is not sharper than that.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from math import isfinite, log10
from typing import Any

from twin.analysis.comparison import Predicted
from twin.errors import ScenarioError
from twin.scenario.fields import show
from twin.scenario.scenario import Scenario

Predict = Callable[[Scenario], Predicted]
"""Predicts a scenario, as `sim.predict` does."""

STEP = 1.1
"""Factor by which settings may be dearer than the cheapest ones that keep the bounds."""
MOST_DIGITS = 4
"""Decimals that a value and its bound have at most where they are told apart."""


@dataclass(frozen=True)
class Answer:
    """Whether an answer is right, and why.

    Attributes:
        right: whether it is.
        why: in words.
        found: what the prediction says of the quantity that the reader had to expect; None where nothing was predicted.
        expected: what the reader expected; None where nothing was.
    """

    right: bool
    why: str
    found: float | None = None
    expected: float | None = None

    def __str__(self) -> str:
        return f"{'Right' if self.right else 'Not yet'}: {self.why}"

    def against(self, expected: float) -> "Answer":
        """Return this answer with what the reader expected beside what was found."""
        if self.found is None:
            return replace(self, expected=expected)
        found = f"{self.found:.3g}" if isfinite(self.found) else "not reached"
        return replace(self, why=f"{self.why} You expected {expected:.3g}; it is {found}.", expected=expected)


def number(name: str, value: object) -> float:
    """Return a number that a reader gave; a text such as "0.2" is one.

    Raises:
        ScenarioError: it is none, or is not finite.
    """
    try:
        found = float("nan") if isinstance(value, bool) else float(value)  # type: ignore[arg-type] # it may be anything
    except (TypeError, ValueError):
        found = float("nan")
    if not isfinite(found):
        raise ScenarioError(f"{name} is {show(value)}; allowed is a number.")
    return found


def whole(name: str, value: object) -> int:
    """Return a whole number that a reader gave.

    Raises:
        ScenarioError: it is none.
    """
    found = number(name, value)
    if found != int(found):
        raise ScenarioError(f"{name} is {found:g}; allowed is a whole number.")
    return int(found)


def asked(expected: object, what: str, limit: float, judge: Callable[[], Answer]) -> Answer:
    """Ask for an expectation first, and judge only then.

    Args:
        expected: the reader's; None is none yet.
        what: the quantity with its unit.
        limit: what it can be at most; it is not below 0.
        judge: judges the settings.
    """
    if expected is None:
        return Answer(False, f"first say what you expect: `expected` is {what}, for your settings.")
    try:
        value = number("expected", expected)
    except ScenarioError as error:
        return Answer(False, str(error))
    if not 0 <= value <= limit:
        return Answer(False, f"expected is {value:g}, but {what} lies from 0 to {limit:g}.")
    return judge().against(value)


def cheapest(answer: Answer, others: Iterable[tuple[str, Callable[[], Answer]]]) -> Answer:
    """Return an answer that keeps its bounds as it is where none of the cheaper ones keeps them, else as not right.

    Args:
        answer: keeps its bounds, or does not.
        others: cheaper settings in words, and their answers; they are looked at only if they have to be.
    """
    if answer.right:
        for what, other in others:
            if other().right:
                return replace(answer, right=False, why=f"{answer.why} But {what} would do as well.")
    return answer


def apart(value: float, bound: float) -> str:
    """Return a value with so many digits that it can be told from its bound: 24.025 and 24 are 24.03 and not 24."""
    least = 0 if abs(value) >= 10 or value == 0 else 1 - int(log10(abs(value)) - (abs(value) < 1))
    for digits in range(min(least, MOST_DIGITS), MOST_DIGITS):
        text = f"{value:.{digits}f}"
        if float(text) != bound or value == bound:
            return text
    return f"{value:.{MOST_DIGITS}f}"


def told_from(bound: float, value: float, text: str) -> str:
    """Return the text of a value, with more digits where it would read as its bound and is another number."""
    if not isfinite(value) or value == bound or float(text) != bound:
        return text
    longer = (f"{value:.{digits}g}" for digits in range(3, 17))
    return next((one for one in longer if float(one) != bound), text)


def unlike(scenario: Scenario, lab: Scenario | None) -> str:
    """Return in a sentence which settings of a question are not those of the lab, or an empty text."""
    if lab is None:
        return ""
    mine, theirs = (dict(_flat(one.model_dump())) for one in (scenario, lab))
    names = [name for name in {**theirs, **mine} if mine.get(name) != theirs.get(name)]
    names = [name for name in names if name not in ("name", "teaches")]
    if not names:
        return ""
    parts = [_other(name, mine.get(name), theirs.get(name)) for name in names]
    return f"Asked under other settings than those of the lab: {', '.join(parts)}. "


def told_apart(answer: Answer, scenario: Scenario, lab: Scenario | None) -> Answer:
    """Return an answer whose text first says which settings of its question are not those of the lab."""
    return led_by(unlike(scenario, lab), answer)


def led_by(sentence: str, answer: Answer) -> Answer:
    """Return an answer with a sentence, which may be empty, before its text."""
    why = answer.why
    if sentence and why.split(" ", 1)[0].isalpha():  # the name of a setting stays as it is written
        why = why[:1].upper() + why[1:]
    return replace(answer, why=sentence + why)


def _other(name: str, mine: Any, theirs: Any) -> str:
    """Return both values of a setting in words; faults of the same kinds and times are told apart by what is left."""
    whole = _word(mine) == _word(theirs)
    return f"{name} {_word(mine, whole)} (in the lab {_word(theirs, whole)})"


def _flat(data: Mapping[str, Any], head: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in data.items():
        found += _flat(value, f"{head}{name}.") if isinstance(value, Mapping) else [(head + name, value)]
    return found


def _word(value: Any, whole: bool = False) -> str:
    if isinstance(value, list | tuple):
        if not value or not isinstance(value[0], Mapping):
            return f"{len(value)} of them"
        return " and ".join(_fault(one, whole) for one in value)
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _fault(fault: Mapping[str, Any], whole: bool) -> str:
    """Return a fault in words, on request with its node and its duration."""
    node, seconds = (fault.get(name) if whole else None for name in ("node", "duration"))
    where = f" of node {node}" if node else ""
    long = f" for {seconds:g} s" if seconds else ""
    return f"{fault.get('kind')}{where} at {fault.get('at'):g} s{long}"
