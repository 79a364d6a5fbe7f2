"""What became of each line of a configuration."""

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

Verdict = Literal["used", "no effect", "not modelled", "assumed"]


class SourceFile(NamedTuple):
    """A file that is read.

    Attributes:
        name: as the user named it.
        text: what is in it.
    """

    name: str
    text: str


class FilePlace(NamedTuple):
    """Where something stands: file and line, from 1. No file and line 0 is nowhere: it was left out."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else "(left out)"


NOWHERE = FilePlace("", 0)


class ReportLine(NamedTuple):
    """What became of one directive.

    Attributes:
        place: where it stands.
        text: the directive.
        verdict: `used` for a setting, `no effect` on what the lab predicts, `not modelled`, or `assumed`: the file does
            not say it, or says it in a way that a scenario cannot.
        words: what it sets, what it may hide, or what is assumed.
    """

    place: FilePlace
    text: str
    verdict: Verdict
    words: str

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON; null stands for a directive that was left out."""
        where = {"file": self.place.file or None, "line": self.place.line or None}
        return where | {"text": self.text, "verdict": self.verdict, "words": self.words}


@dataclass
class Imported:
    """What was understood of some files.

    Attributes:
        data: the settings, as a scenario file has them, without a name.
        lines: what became of each directive, in their order; then what was assumed.
    """

    data: dict[str, Any] = field(default_factory=dict)
    lines: list[ReportLine] = field(default_factory=list)

    def say(self, place: FilePlace, text: str, verdict: Verdict, words: str) -> None:
        """Note what became of a directive; see `ReportLine`."""
        self.lines.append(ReportLine(place, text, verdict, words))

    def assume(self, text: str, words: str) -> None:
        """Note what a file does not say."""
        self.say(NOWHERE, text, "assumed", words)

    def in_order(self) -> list[ReportLine]:
        """Return the lines as they stand in the files, and what was left out behind them."""
        files = list(dict.fromkeys(one.place.file for one in self.lines if one.place.line))
        return sorted(
            self.lines,
            key=lambda one: (files.index(one.place.file), one.place.line) if one.place.line else (len(files), 0),
        )
