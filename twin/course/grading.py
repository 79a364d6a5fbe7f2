"""Sheets that readers exported, in one table for whoever grades them.

A sheet is a file that its reader can change. What is in it is checked for sense, and each row says what the sheet
itself says; only a lab's check, run again on the settings of the last answer, proves a verdict.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from twin.course.answers import number
from twin.course.discrepancies import LEVEL, luck_again
from twin.course.sheet import FORMAT, NONE, STANDINGS, UNANSWERED, bonus_of, verdict_of
from twin.errors import ScenarioError
from twin.files.reading import Kind, check_json, read_text
from twin.scenario.fields import show

ANSWERS = Kind("answer sheet", 2**20)
COLUMNS = (
    *("file", "name", "lab", "seed", "predictions", "tries", "first_right", "expected", "found", "error"),
    *("settings", "verdict", "asked_again", "choices", "choices_asked_again"),
    *("harder_settings", "harder", "harder_asked_again", "bonus", "discrepancy", "problem"),
)
"""Columns of the table: of a file that is no sheet only `file` and `problem` say something. `tries` counts answers,
`first_right` is the number of the first right one; `expected`, `found` and `error` (relative) are of the first answer
that was predicted, for later ones have seen its result; `settings` and `verdict` are of the last one,
and `asked_again` is its verdict when the lab's check runs again, where it does. All these are of the lab's question;
`harder` and what begins so are of level 2. `choices` are the clients chosen in step 6, each with its verdict, and
`choices_asked_again` are the same as the lab's own records have them; `bonus` is the best standing of the findings of
level 3, and `discrepancy` says what the best of them is."""
Again = Callable[[Mapping[str, Any], int], str]
"""Returns the verdict of a sheet's last answer of a level when it is asked again."""
ChosenAgain = Callable[[Mapping[str, Any]], str]
"""Returns the verdicts of the clients that a sheet has chosen when the records are asked again."""
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How a text begins that a spreadsheet would run. Source: OWASP, "CSV Injection"."""


def grade(paths: Iterable[Path], again: Again | None = None, chosen: ChosenAgain | None = None) -> pd.DataFrame:
    """Return a row for each file, in the order given; columns are `COLUMNS`.

    Args:
        paths: exported sheets.
        again: asks a sheet's last answer of a level again; None asks nothing again.
        chosen: asks the clients that a sheet has chosen again; None asks none.
    """
    return pd.DataFrame([_row(path, again, chosen) for path in paths], columns=list(COLUMNS))


def sheet_of(path: Path) -> dict[str, Any]:
    """Read an exported sheet.

    Raises:
        ScenarioError: it is none, or does not agree with itself.
    """
    text = read_text(path, ANSWERS)
    try:
        check_json(text)
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ScenarioError(f"{path}: is no answer sheet: {error}.") from None
    problem = _problem(data) or _more_problem(data)
    if problem:
        raise ScenarioError(f"{path}: is no answer sheet: {problem}.")
    return dict(data)


def _problem(data: Any) -> str:
    """Return what makes this no sheet that can be graded, or an empty text."""
    if not isinstance(data, dict) or data.get("format") not in range(1, FORMAT + 1):
        return f"format is {show(data.get('format') if isinstance(data, dict) else data)}; allowed is 1 to {FORMAT}"
    for name, kind, what in (
        ("lab", str, "a text"),
        ("name", str, "a text"),
        ("seed", int, "a whole number"),
        ("predictions", dict, "a table"),
        ("answers", list, "a list"),
        ("verdict", str, "a text"),
    ):
        if not isinstance(data.get(name), kind) or isinstance(data.get(name), bool):
            return f"{name} is {show(data.get(name))}; allowed is {what}"
    try:
        for name, value in data["predictions"].items():
            number(name, value)
    except ScenarioError as error:
        return str(error).removesuffix(".")
    for one in data["answers"]:
        if not isinstance(one, dict) or not isinstance(one.get("right"), bool) or not _is_table(one.get("settings")):
            return f"an answer is {show(one)}; allowed is a table with settings and a verdict"
        for name in ("expected", "found"):
            if not isinstance(one.get(name), int | float | None) or isinstance(one.get(name), bool):
                return f"{name} is {show(one.get(name))}; allowed is a number"
        if one.get("level", 1) not in (1, 2):
            return f"level is {show(one['level'])}; allowed is 1 or 2"
    verdict = verdict_of(_rights(data, 1))
    return "" if data["verdict"] == verdict else f"verdict is {show(data['verdict'])}, but the last answer is {verdict}"


def _more_problem(data: Mapping[str, Any]) -> str:
    """Return what is wrong with choices, the harder answers and the findings, or an empty text."""
    for name in ("choices", "discrepancies"):
        if not isinstance(data.get(name, []), list) or not all(map(_is_table, data.get(name, []))):
            return f"{name} is {show(data[name])}; allowed is a list of tables"
    if (harder := data.get("harder", UNANSWERED)) != verdict_of(_rights(data, 2)):
        return f"harder is {show(harder)}, but the last answer of level 2 is {verdict_of(_rights(data, 2))}"
    for one in data.get("choices", []):
        if not isinstance(one.get("right"), bool) or not isinstance(one.get("question"), str):
            return f"a choice is {show(one)}; allowed is a table with a question and a verdict"
    found = data.get("discrepancies", [])
    problem = next(filter(None, map(_finding_problem, found)), "")
    if problem:
        return problem
    bonus = bonus_of([one["standing"] for one in found])
    return "" if data.get("bonus", NONE) == bonus else f"bonus is {show(data.get('bonus'))}, but the best is {bonus}"


def _finding_problem(one: Mapping[str, Any]) -> str:
    """Return why a finding does not agree with its own numbers, or an empty text."""
    if one.get("standing") not in STANDINGS or not all(isinstance(one.get(n), str) for n in ("measure", "mechanism")):
        return f"a finding is {show(one)}; allowed is a table with a measure, a mechanism and a standing"
    try:
        values = [None if value is None else number("values", value) for value in one["values"]]
        low, high = (None if one[end] is None else number(end, one[end]) for end in ("low", "high"))
        runs, level = number("replications", one["replications"]), number("level", one["level"])
        chance = luck_again(low, high, number("expected", one["expected"]), values, max(1, int(runs)))
    except (KeyError, TypeError, ScenarioError) as error:
        return f"a finding has no {error}" if isinstance(error, KeyError) else str(error).removesuffix(".")
    standing = "unconfirmed" if not values else "confirmed" if chance <= min(level, LEVEL) else "not confirmed"
    said = "by its own numbers it is"
    return "" if one["standing"] == standing else f"a finding is called {one['standing']}, but {said} {standing}"


def _rights(data: Mapping[str, Any], level: int) -> list[bool]:
    return [one["right"] for one in data["answers"] if one.get("level", 1) == level]


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping)


def _row(path: Path, again: Again | None, chosen: ChosenAgain | None) -> dict[str, Any]:
    try:
        data = sheet_of(path)
    except ScenarioError as error:
        return {"file": _cell(path.name), "problem": _cell(str(error))}
    answers = [one for one in data["answers"] if one.get("level", 1) == 1]
    judged = [one for one in answers if one.get("found") is not None]
    first = judged[0] if judged else {}
    rights = [i for i, one in enumerate(answers, 1) if one["right"]]
    return {
        "file": _cell(path.name),
        "name": _cell(data["name"]),
        "lab": _cell(data["lab"]),
        "seed": data["seed"],
        "predictions": _cell("; ".join(f"{name} = {float(value):g}" for name, value in data["predictions"].items())),
        "tries": len(answers),
        "first_right": rights[0] if rights else None,
        "expected": first.get("expected"),
        "found": first.get("found"),
        "error": _error(first.get("expected"), first.get("found")),
        "settings": _settings(answers),
        "verdict": data["verdict"],
        "asked_again": _cell(again(data, 1)) if again is not None else None,
        **_more(data, again, chosen),
        "problem": None,
    }


def last_choices(data: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the last client that a sheet has chosen for each question, by question."""
    return {one["question"]: one for one in data.get("choices", [])}


def verdict_on(question: str, client: object, verdict: str) -> str:
    """Return what a cell says of a client that was chosen."""
    return f"{question}: client {client} {verdict}"


def _more(data: Mapping[str, Any], again: Again | None, chosen: ChosenAgain | None) -> dict[str, Any]:
    """Return what a row says of step 6 and of the levels 2 and 3."""
    said = [verdict_on(name, one.get("client"), word_of(one["right"])) for name, one in last_choices(data).items()]
    found = sorted(data.get("discrepancies", []), key=lambda one: STANDINGS.index(one["standing"]))
    best = f"{found[0]['measure']}, {found[0].get('room')}: {found[0]['mechanism']}" if found else ""
    return {
        "choices": _cell("; ".join(said)),
        "choices_asked_again": _cell(chosen(data)) if chosen is not None else None,
        "harder_settings": _settings([one for one in data["answers"] if one.get("level", 1) == 2]),
        "harder": data.get("harder", UNANSWERED),
        "harder_asked_again": _cell(again(data, 2)) if again is not None else None,
        "bonus": data.get("bonus", NONE),
        "discrepancy": _cell(best),
    }


def word_of(right: bool) -> str:
    """Return a verdict in the words of a sheet."""
    return "right" if right else "not yet"


def _settings(answers: list[dict[str, Any]]) -> str | None:
    return _cell(json.dumps(answers[-1]["settings"], ensure_ascii=False)) if answers else None


def _error(expected: Any, found: Any) -> float | None:
    if expected is None or not found:
        return None
    return round(float(abs(expected - found) / abs(found)), 4)


def _cell(text: str) -> str:
    """Return a text that a spreadsheet shows and does not run."""
    text = "".join(one if one.isprintable() else " " for one in text)
    return f"'{text}" if text.startswith(FORMULA) else text
