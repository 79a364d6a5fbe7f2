"""Nested settings: merging them, writing them as TOML, and saying in one sentence what is wrong with them."""

import json
import re
import tomllib
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from twin.errors import ScenarioError
from twin.files.reading import MOST_DEPTH, toml
from twin.scenario.balancer.kinds import KINDS
from twin.scenario.fields import REFUSED, cut, show

_PLACE = re.compile("[0-9]{1,4}")
"""The place of an entry in a list."""

_ALLOWED = {
    "greater_than_equal": "at least {ge}",
    "greater_than": "more than {gt}",
    "less_than_equal": "at most {le}",
    "less_than": "less than {lt}",
    "float_type": "a number, without a unit or quotes",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number",
    "float_parsing": "a number",
    "int_from_float": "a whole number",
    "string_type": "a text in quotes",
    "list_type": "a list",
    "model_type": "a table of settings",
    "model_attributes_type": "a table of settings",
    "literal_error": "one of {expected}",
    "union_tag_invalid": "one of {expected_tags}",
    "string_pattern_mismatch": "lower-case letters, digits and hyphens",
    "finite_number": "a finite number",
    "string_too_long": "at most {max_length} characters",
    "too_long": "at most {max_length} entries",
    "too_short": "at least {min_length} entries",
}


def merge(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return `base` with `changes` laid over it, dict into dict; a list is changed by index (`faults.0.at`).

    A change of `balancer.kind` drops the settings of the other kind, and one of `reconnect.policy` the list of waits.
    """
    result = dict(base)
    for key, value in changes.items():
        old = result.get(key)
        if isinstance(old, list) and isinstance(value, dict) and value and all(_PLACE.fullmatch(str(k)) for k in value):
            items: list[Any] = list(old)
            for index, change in value.items():
                place = int(index)
                if place < len(items):
                    both = isinstance(items[place], dict) and isinstance(change, dict)
                    items[place] = merge(items[place], change) if both else change
                else:
                    items.append(change)
            result[key] = items
        elif isinstance(old, dict) and isinstance(value, dict):
            other_kind = key == "balancer" and value.get("kind") not in (None, old.get("kind", value.get("kind")))
            if key == "reconnect" and value.get("policy", "list") != "list":
                old = {name: one for name, one in old.items() if name not in ("delays", "then")}
            result[key] = dict(value) if other_kind else merge(old, value)
        elif hasattr(value, "model_dump"):
            result[key] = value.model_dump()
        else:
            result[key] = value
    return result


def parse_override(text: str) -> dict[str, Any]:
    """Return the nested settings of an override of the form `clients.count=500`; what is no TOML value is a text.

    Raises:
        ScenarioError: it is not of that form.
    """
    where = f"--set {cut(text.strip())}"
    path, sep, value = text.partition("=")
    if len(text.strip().splitlines()) > 1:
        raise ScenarioError(f"{where}: give one line, as in clients.count=500; repeat --set for another.")
    if not sep or not usable(path):
        raise ScenarioError(f"{where}: give a path, '=' and a value, as in clients.count=500.")
    return nested(path, toml_value(value.strip(), where))


def usable(path: str) -> bool:
    """Tell whether a text is the path of a setting, names with points between them."""
    names = path.split(".")
    return all(name.strip() for name in names) and len(names) <= MOST_DEPTH


def toml_value(text: str, where: str) -> Any:
    """Return the TOML value of a text of one line, or the text itself if it is none; `where` opens an error's sentence.

    Raises:
        ScenarioError: it is a value that nobody means.
    """
    try:
        return toml(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        return text
    except ValueError as error:
        raise ScenarioError(f"{where}: {error}.") from None


def nested(path: str, value: Any) -> dict[str, Any]:
    """Return a value as nested dicts: `clients.count` and 5 give `{"clients": {"count": 5}}`."""
    for key in reversed(path.split(".")):
        value = {key.strip(): value}
    found: dict[str, Any] = value
    return found


def explain(error: ValidationError) -> str:
    """Return one sentence for the first problem: the path, the value, and what is allowed."""
    first = error.errors()[0]
    path = [str(part) for part in first["loc"]]
    if len(path) > 1 and path[0] == "balancer" and path[1] in KINDS:
        del path[1]
    kind, context = first["type"], first.get("ctx", {})
    if kind == REFUSED:
        field, value, allowed = context["field"], context["value"], context["allowed"]
        return f"{'.'.join([*path, field] if field else path) or 'it'} is {value}; allowed is {allowed}."
    name = ".".join(path) or "it"
    if kind == "extra_forbidden":
        return f"{name} = {show(first['input'])} is not a known setting; ./lab schema lists those there are."
    if kind == "missing":
        return f"{name} is missing; it must be given."
    allowed = allowed_by(first)
    value = context.get("tag", first["input"]) if kind == "union_tag_invalid" else first["input"]
    return f"{name} is {show(value)}; allowed is {allowed}."


def allowed_by(error: ErrorDetails) -> str:
    """Return what one problem of a validation says is allowed."""
    known = _ALLOWED.get(error["type"])
    return known.format(**error.get("ctx", {})) if known else error["msg"]


def to_toml(data: dict[str, Any], prefix: str = "") -> str:
    """Return nested dicts of numbers, texts and flags, and lists, as TOML; an empty list is left out."""
    tables = {key: value for key, value in data.items() if isinstance(value, dict) or _is_tables(value)}
    lines = [f"{key} = {_toml_value(value)}" for key, value in data.items() if key not in tables and value != []]
    for key, value in tables.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            lines += ["", f"[{name}]", to_toml(value, f"{name}.")]
        else:
            for item in value:
                lines += ["", f"[[{name}]]", to_toml(item, f"{name}.")]
    return "\n".join(lines).strip() + ("\n" if not prefix else "")


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _toml_value(value: Any) -> str:
    # JSON, but for two things: TOML knows no surrogate pairs, and no raw DEL
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
