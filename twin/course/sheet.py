"""The answer sheet of one reader: predictions that come before any result, answers with their verdicts, and a file."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from twin.course.answers import Answer, number, whole
from twin.course.discrepancies import Discrepancy, Standing
from twin.course.explanations import OfRecord
from twin.errors import LabError, ScenarioError
from twin.files.writing import write_text
from twin.measures import MEASURES
from twin.record.record import versions
from twin.scenario.scenario import Scenario

FORMAT = 2
"""Number of the format of exported sheets. Since 2 there are the harder question, choices and discrepancies."""
UNANSWERED, NONE = "unanswered", "none"
STANDINGS: tuple[Standing, ...] = ("confirmed", "unconfirmed", "not confirmed")
"""Of findings, the best first."""
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
        level: 1 for the lab's question, 2 for the harder one.
    """

    settings: dict[str, Any]
    expected: float | None
    found: float | None
    right: bool
    why: str
    level: int = 1


@dataclass(frozen=True)
class Choice:
    """A client that the reader chose in step 6, because a mechanism explains its way back.

    Attributes:
        question: the mechanism's name.
        run: number of the run.
        client: its number.
        right: whether the record shows it.
        why: in words.
        source: the record, as `explanations.source_of` names it; empty in sheets that did not note it yet.
    """

    question: str
    run: int
    client: int
    right: bool
    why: str
    source: str = ""


class Sheet:
    """What one reader wrote in one lab.

    Attributes:
        lab: the notebook's name, as in `01-failover`.
        seed: of the lab's scenario.
        predictions: numbers by name; those of a group are named `group: name`.
        tries: answers to the transfer questions, in order.
        choices: clients chosen in step 6, in order.
        discrepancies: findings where the model is held to be wrong, in order.
    """

    def __init__(self, lab: str, seed: int) -> None:
        """Begin an empty sheet."""
        self.lab, self.seed = lab, seed
        self.predictions: dict[str, float] = {}
        self.tries: list[Try] = []
        self.choices: list[Choice] = []
        self.discrepancies: list[Discrepancy] = []

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

    def answered(self, answer: Answer, /, *, level: int = 1, **settings: Any) -> Answer:
        """Note an answer to a transfer question, and return it.

        Args:
            answer: from one of the checks.
            level: of the question, 1 or 2.
            settings: what the reader chose.

        Raises:
            MissingAnswerError: step 2 has no predictions yet.
        """
        self._must_have_predictions()
        if answer.expected is not None:  # without an expectation nothing was judged
            self.tries.append(Try(settings, answer.expected, answer.found, answer.right, answer.why, level))
        return answer

    def chosen(self, question: str, answer: Answer, client: object, run: int = 0) -> Answer:
        """Note a client that was chosen in step 6, and return the answer.

        Args:
            question: name of the mechanism that is to explain its way back.
            answer: from `explanations.explained`.
            client: its number.
            run: number of the run.

        Raises:
            MissingAnswerError: step 2 has no predictions yet.
        """
        self._must_have_predictions()
        try:
            number_of = whole("client", client)
        except ScenarioError:
            return answer  # nobody was chosen yet
        source = answer.source if isinstance(answer, OfRecord) else ""
        self.choices.append(Choice(question, run, number_of, answer.right, answer.why, source))
        return answer

    def found(self, finding: Discrepancy | Answer) -> Discrepancy | Answer:
        """Note a finding where the model is held to be wrong, a bonus, and return it; what is none is not noted.

        Args:
            finding: from `discrepancies.look_for`.

        Raises:
            MissingAnswerError: step 2 has no predictions yet.
        """
        self._must_have_predictions()
        if isinstance(finding, Discrepancy):
            self.discrepancies.append(finding)
        return finding

    @property
    def measured(self) -> int:
        """How many findings were held against measured runs."""
        return sum(bool(one.values) for one in self.discrepancies)

    def _must_have_predictions(self) -> None:
        if not self.predictions:
            raise MissingAnswerError("First step 2: this sheet has no predictions yet. Fill its cell in and run it.")

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
        first = sum(one.level == 1 for one in self.tries)
        said = f"{path}: {len(self.predictions)} predictions, {first} answers, {self.verdict}"
        if self.harder != UNANSWERED:
            said += f"; level 2 {self.harder}"
        if self.bonus != NONE:
            said += f"; level 3 {self.bonus}"
        return f"{said}."

    @property
    def verdict(self) -> str:
        """The verdict of the last answer to the lab's question: right, not yet, or unanswered."""
        return verdict_of([one.right for one in self.tries if one.level == 1])

    @property
    def harder(self) -> str:
        """The verdict of the last answer to the harder question."""
        return verdict_of([one.right for one in self.tries if one.level == 2])

    @property
    def bonus(self) -> str:
        """The best standing of all findings where the model is held to be wrong: confirmed, ... or none."""
        return bonus_of([one.standing for one in self.discrepancies])

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
            "choices": [asdict(one) for one in self.choices],
            "discrepancies": [{**asdict(one), "settings": dict(_plain(one.settings))} for one in self.discrepancies],
            "verdict": self.verdict,
            "harder": self.harder,
            "bonus": self.bonus,
        }


def verdict_of(rights: Sequence[bool]) -> str:
    """Return the verdict of the last of some answers: right, not yet, or unanswered."""
    return UNANSWERED if not rights else "right" if rights[-1] else "not yet"


def bonus_of(standings: Sequence[str]) -> str:
    """Return the best standing of some findings, or none."""
    return next((one for one in STANDINGS if one in standings), NONE)


def _plain(settings: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Return settings as JSON has them."""
    for name, value in settings.items():
        yield name, _item(value)


def _item(value: Any) -> Any:
    """Return a value as JSON has it."""
    if isinstance(value, Mapping):
        return dict(_plain(value))
    if isinstance(value, list | tuple):
        return [_item(one) for one in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


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
