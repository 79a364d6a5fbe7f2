"""The answer sheet of one reader: predictions that come before any result, answers with their verdicts, and a file."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from twin.course.answers import Answer, number
from twin.errors import LabError, ScenarioError
from twin.files.writing import write_text
from twin.measures import MEASURES
from twin.record.record import versions
from twin.scenario.scenario import Scenario

FORMAT = 1
"""Number of the format of exported sheets."""
MOST = 1e9
"""What a number can be at most that is neither a time nor a share."""
LONGEST_NAME = 100


class MissingAnswerError(LabError):
    """A lab does not go on; the text says which number it waits for. Notebooks show this sentence and no traceback."""

    def _render_traceback_(self) -> list[str]:
        """Return what IPython shows. Source: `InteractiveShell.showtraceback`, which asks an exception for it."""
        return [f"{self}"]


@dataclass(frozen=True)
class Try:
    """One answer to a transfer question.

    Attributes:
        settings: what the reader chose.
        expected: what the reader expected of them; None where nothing was.
        found: what the prediction says; None where nothing was predicted.
        right: the verdict.
        why: in words.
    """

    settings: dict[str, Any]
    expected: float | None
    found: float | None
    right: bool
    why: str


class Sheet:
    """What one reader wrote in one lab.

    Attributes:
        lab: the notebook's name, as in `01-failover`.
        seed: of the lab's scenario.
        predictions: numbers by name; those of a group are named `group: name`.
        tries: answers to the transfer question, in order.
    """

    def __init__(self, lab: str, seed: int) -> None:
        """Begin an empty sheet."""
        self.lab, self.seed = lab, seed
        self.predictions: dict[str, float] = {}
        self.tries: list[Try] = []

    def predict(self, scenario: Scenario, numbers: Mapping[str, object], group: str = "") -> dict[str, float]:
        """Take a reader's predictions; nothing goes on without them.

        Args:
            scenario: whose run bounds the times.
            numbers: by measure; another name stands for a number from 0 to `MOST`.
            group: what is said before the names, where a lab has several scenarios.

        Raises:
            MissingAnswerError: a number is missing, is none, or cannot be.
        """
        missing = [name for name, value in numbers.items() if value is None or value is Ellipsis]
        if missing:
            raise MissingAnswerError(
                f"First your own numbers: {', '.join(map(_with_unit, missing))} {'is' if len(missing) == 1 else 'are'} "
                "still empty. A guess is enough; put it in place of None and run the cell again."
            )
        found = {name: _possible(name, value, scenario.duration) for name, value in numbers.items()}
        self.predictions |= {f"{group}: {name}" if group else name: value for name, value in found.items()}
        return found

    def answered(self, answer: Answer, **settings: Any) -> Answer:
        """Note an answer to the transfer question, and return it.

        Args:
            answer: from one of the checks.
            settings: what the reader chose.

        Raises:
            MissingAnswerError: step 2 has no predictions yet.
        """
        if not self.predictions:
            raise MissingAnswerError("First step 2: this sheet has no predictions yet. Fill its cell in and run it.")
        if answer.expected is not None:  # without an expectation nothing was judged
            self.tries.append(Try(settings, answer.expected, answer.found, answer.right, answer.why))
        return answer

    def save(self, name: str | None, folder: str | Path = "answers") -> str:
        """Write the sheet for whoever grades it, and say where it is; without a name it says what is missing.

        Args:
            name: the reader's.
            folder: where to write LAB-NAME.json.

        Raises:
            ScenarioError: the file cannot be written, or the name is none.
        """
        if name is None:
            return "Nothing is written yet: put your name in place of None."
        if not isinstance(name, str) or not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
            raise ScenarioError(f"name is {name!r:.120}; allowed is a text of 1 to {LONGEST_NAME} characters.")
        safe = "".join(one if one.isalnum() else "-" for one in name.strip())
        path = Path(folder) / f"{self.lab}-{safe}.json"
        write_text(path, json.dumps(self.as_dict(name.strip()), indent=1, ensure_ascii=False) + "\n")
        return f"{path}: {len(self.predictions)} predictions, {len(self.tries)} answers, {self.verdict}."

    @property
    def verdict(self) -> str:
        """The verdict of the last answer: right, not yet, or unanswered."""
        return "unanswered" if not self.tries else "right" if self.tries[-1].right else "not yet"

    def as_dict(self, name: str) -> dict[str, Any]:
        """Return what is exported: predictions, answers, seed and verdict."""
        return {
            "format": FORMAT,
            "lab": self.lab,
            "name": name,
            "seed": self.seed,
            "saved": datetime.now(UTC).isoformat(timespec="seconds"),
            "versions": versions(),
            "predictions": self.predictions,
            "answers": [{**asdict(one), "settings": dict(_plain(one.settings))} for one in self.tries],
            "verdict": self.verdict,
        }


def _plain(settings: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Return settings as JSON has them."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield name, dict(_plain(value))
        else:
            yield name, value if isinstance(value, str | int | float | bool | None) else str(value)


def _possible(name: str, value: object, duration: float) -> float:
    """Return a prediction as a number that can be.

    Raises:
        MissingAnswerError: it is none, or cannot be.
    """
    unit = MEASURES[name].unit if name in MEASURES else ""
    most = duration if unit == "s" else 1.0 if unit == "1" and name.endswith("_share") else MOST
    try:
        found = number(name, value)
    except ScenarioError as error:
        raise MissingAnswerError(f"First your own numbers: {error}") from None
    if not 0 <= found <= most:
        why = ", the length of the run in seconds" if unit == "s" else ""
        raise MissingAnswerError(f"First your own numbers: {name} is {found:g}; it can be from 0 to {most:g}{why}.")
    return found


def _with_unit(name: str) -> str:
    unit = MEASURES[name].unit if name in MEASURES else ""
    return f"{name} ({unit})" if unit not in ("", "1") else name
