"""What a check of a scenario finds, and how a check is written."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Literal

from twin.scenario.scenario import Scenario

Level = Literal["warning", "note"]


@dataclass(frozen=True)
class Bite:
    """One setting that bites, as a rule sees it.

    Attributes:
        field: the setting, dotted.
        value: its value as a text.
        happens: what happens, a sentence that stands alone.
        remedy: what to set, a sentence.
        level: a `warning` is a limit that is met, or what a run does not show by itself; predictions, measurements and
            configurations say it, too. A `note` is what a design has to count with, and only a check says it.
        source: where it is known from, if not from the rule's own source.
    """

    field: str
    value: str
    happens: str
    remedy: str
    level: Level = "warning"
    source: str = ""


@dataclass(frozen=True)
class LintFinding:
    """One setting of a scenario that is known to bite; `str` says what happens.

    Attributes:
        rule: name of the rule that found it.
        level, field, value, happens, remedy: see `Bite`.
        source: where it is known from.
    """

    rule: str
    level: Level
    field: str
    value: str
    happens: str
    remedy: str
    source: str

    def __str__(self) -> str:
        return self.happens

    @property
    def text(self) -> str:
        """What happens and what to set, as a warning says it."""
        return f"{self.happens} {self.remedy}"

    def as_dict(self) -> dict[str, str]:
        """Return it for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class LintRule:
    """A check of a scenario: pure, so that it finds the same whoever asks.

    Attributes:
        name: lower-case words with hyphens; users switch a rule off by it.
        source: where it is known from.
        bites: finds the settings that bite.
    """

    name: str
    source: str
    bites: Callable[[Scenario], Iterable[Bite]]

    def __call__(self, scenario: Scenario) -> list[LintFinding]:
        """Return what it finds in a scenario."""
        return [
            LintFinding(self.name, one.level, one.field, one.value, one.happens, one.remedy, one.source or self.source)
            for one in self.bites(scenario)
        ]


def rule(name: str, source: str) -> Callable[[Callable[[Scenario], Iterable[Bite]]], LintRule]:
    """Return a decorator that makes a rule of a function which yields `Bite`s; see `LintRule` for the arguments."""
    return lambda bites: LintRule(name, source, bites)


def found(rules: Iterable[LintRule], scenario: Scenario) -> list[LintFinding]:
    """Return what some rules find in a scenario, in their order."""
    return [finding for one in rules for finding in one(scenario)]
