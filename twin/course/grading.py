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
from twin.course.sheet import FORMAT
from twin.errors import ScenarioError
from twin.files.reading import Kind, check_json, read_text
from twin.scenario.fields import show

ANSWERS = Kind("answer sheet", 2**20)
COLUMNS = (
    *("file", "name", "lab", "seed", "predictions", "tries", "first_right", "expected", "found", "error"),
    *("settings", "verdict", "asked_again", "problem"),
)
"""Columns of the table: of a file that is no sheet only `file` and `problem` say something. `tries` counts answers,
`first_right` is the number of the first right one; `expected`, `found` and `error` (relative) are of the first answer
that was predicted, for later ones have seen its result; `settings` and `verdict` are of the last one,
and `asked_again` is its verdict when the lab's check runs again, where it does."""
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How a text begins that a spreadsheet would run. Source: OWASP, "CSV Injection"."""


def grade(paths: Iterable[Path], again: Callable[[Mapping[str, Any]], str] | None = None) -> pd.DataFrame:
    """Return a row for each file, in the order given; columns are `COLUMNS`.

    Args:
        paths: exported sheets.
        again: returns the verdict of a sheet's last answer when it is asked again; None asks nothing again.
    """
    return pd.DataFrame([_row(path, again) for path in paths], columns=list(COLUMNS))


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
    problem = _problem(data)
    if problem:
        raise ScenarioError(f"{path}: is no answer sheet: {problem}.")
    return dict(data)


def _problem(data: Any) -> str:
    """Return what makes this no sheet that can be graded, or an empty text."""
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        return f"format is {show(data.get('format') if isinstance(data, dict) else data)}; allowed is {FORMAT}"
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
    last = data["answers"][-1]["right"] if data["answers"] else None
    verdict = "unanswered" if last is None else "right" if last else "not yet"
    return "" if data["verdict"] == verdict else f"verdict is {show(data['verdict'])}, but the last answer is {verdict}"


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping)


def _row(path: Path, again: Callable[[Mapping[str, Any]], str] | None) -> dict[str, Any]:
    try:
        data = sheet_of(path)
    except ScenarioError as error:
        return {"file": _cell(path.name), "problem": _cell(str(error))}
    answers = data["answers"]
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
        "settings": _cell(json.dumps(answers[-1]["settings"], ensure_ascii=False)) if answers else None,
        "verdict": data["verdict"],
        "asked_again": _cell(again(data)) if again is not None else None,
        "problem": None,
    }


def _error(expected: Any, found: Any) -> float | None:
    if expected is None or not found:
        return None
    return round(float(abs(expected - found) / abs(found)), 4)


def _cell(text: str) -> str:
    """Return a text that a spreadsheet shows and does not run."""
    text = "".join(one if one.isprintable() else " " for one in text)
    return f"'{text}" if text.startswith(FORMULA) else text
