"""Tables of YAML, field by field: what a field sets, or why it sets nothing; and settings by their paths."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from twin.config.reading.report import Imported, Verdict
from twin.config.reading.yaml_nodes import YamlNode

Take = Callable[[str, YamlNode], str]
"""What takes a field by its path, and tells what it is used for; an empty text if it has said that itself."""


def walk(
    imported: Imported,
    node: YamlNode,
    takes: Mapping[str, Take],
    blocks: Collection[str],
    without: Callable[[str], tuple[Verdict, str]],
    path: str = "",
) -> None:
    """Read the fields of a table, or of each table of a list, and say what became of each.

    Args:
        imported: takes what is said.
        node: the table or the list.
        takes: path of a field -> what takes it.
        blocks: paths of tables and lists that are read field by field.
        without: tells why the field of a path sets nothing.
        path: of the table; the items of a list have that of the list.
    """
    for one in node.items:
        walk(imported, one, takes, blocks, without, path)
    for name, inner in node.fields.items():
        own = f"{path}.{name}".lstrip(".")
        text = f"{own}: {inner.text}".rstrip()
        if own in takes:
            words = takes[own](own, inner)
            if words:
                imported.say(inner.place, text, "used", words)
        elif own in blocks:
            walk(imported, inner, takes, blocks, without, own)
        else:
            imported.say(inner.place, text, *without(own))


def nested(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings by their paths, as `check.interval`, as tables in tables."""
    found: dict[str, Any] = {}
    for path, value in settings.items():
        *tables, name = path.split(".")
        inner = found
        for table in tables:
            inner = inner.setdefault(table, {})
        inner[name] = value
    return found
