"""Every setting of a scenario by its dotted name, with what the schema says of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from twin.scenario.scenario import Scenario


@dataclass(frozen=True)
class Setting:
    """A setting as one kind of its table has it.

    Attributes:
        kind: class of the table, as `HAProxy`.
        meaning: a sentence or more.
        default: as a file would have it; empty where there is none, and for a table.
        types: JSON types of its values; empty for a table.
    """

    kind: str
    meaning: str
    default: str
    types: frozenset[str]


def settings() -> dict[str, tuple[Setting, ...]]:
    """Return each setting and each table within a table, by its dotted name, in the order of the schema.

    A name that several kinds of balancer have comes with one `Setting` each. What is in a list of tables (`faults`) is
    named as if there were one.
    """
    schema = Scenario.model_json_schema()
    found: dict[str, list[Setting]] = {}
    for name, one in _below(schema, "", schema["$defs"]):
        found.setdefault(name, []).append(one)
    return {name: tuple(several) for name, several in found.items() if several[0].types or "." in name}


def _below(table: dict[str, Any], prefix: str, definitions: dict[str, Any]) -> Iterator[tuple[str, Setting]]:
    for key, field in table["properties"].items():
        name = f"{prefix}.{key}" if prefix else key
        given = {part: value for part, value in field.items() if part not in ("default", "description")}
        tables = [definitions[one] for one in _references(given) if "properties" in definitions[one]]
        types = frozenset() if tables else frozenset(_types(given, definitions))
        yield name, Setting(table["title"], field.get("description", ""), _default(field, bool(tables)), types)
        for one in tables:
            yield from _below(one, name, definitions)


def _references(given: Any) -> Iterator[str]:
    """Yield the name of each definition that a part of the schema refers to."""
    parts = given.values() if isinstance(given, dict) else given if isinstance(given, list) else ()
    if isinstance(given, dict) and "$ref" in given:
        yield given["$ref"].rpartition("/")[2]
    for part in parts:
        yield from _references(part)


def _types(given: dict[str, Any], definitions: dict[str, Any]) -> Iterator[str]:
    for one in [given, *given.get("anyOf", ())]:
        if "type" in one:
            yield one["type"]
        if "$ref" in one:
            yield from _types(definitions[one["$ref"].rpartition("/")[2]], definitions)


def _default(field: dict[str, Any], is_table: bool) -> str:
    default = field.get("default")
    if is_table or default is None:
        return ""
    if isinstance(default, bool):
        return str(default).lower()
    return f"{default:g}" if isinstance(default, float) else str(default)
