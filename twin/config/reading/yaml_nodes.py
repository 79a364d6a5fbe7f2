"""YAML as a tree of tables, lists and texts, each with its place.

The parser's events are read, so that no value is made of a text and no alias is followed: of the few forms that
configurations need, an alias is none, and a file of some lines could stand for millions of values. Source: YAML 1.2.2,
chapter 3.1, "Processes".
"""

import re
from dataclasses import dataclass
from typing import Any

from twin.config.reading.report import FilePlace, SourceFile
from twin.errors import ScenarioError
from twin.files.reading import MOST_DEPTH

MOST_VALUES = 20_000
"""Texts, lists and tables of a file, names of values included."""


@dataclass
class YamlNode:
    """A value.

    Attributes:
        place: where it begins.
        value: a text as it is written (also of a number or a flag), a list, or a table.
    """

    place: FilePlace
    value: "str | list[YamlNode] | dict[str, YamlNode]"

    @property
    def text(self) -> str:
        """The value of a text; an empty one for a list or a table."""
        return self.value if isinstance(self.value, str) else ""

    @property
    def items(self) -> "list[YamlNode]":
        """The values of a list; none of anything else."""
        return self.value if isinstance(self.value, list) else []

    @property
    def fields(self) -> "dict[str, YamlNode]":
        """The values of a table by their names; none of anything else."""
        return self.value if isinstance(self.value, dict) else {}

    def at(self, *path: str) -> "YamlNode | None":
        """Return what stands in tables in this one under some names, None if there is nothing."""
        found: YamlNode | None = self
        for name in path:
            found = found.fields.get(name) if found is not None else None
        return found

    def text_at(self, *path: str) -> str:
        """Return the text there, an empty one if there is none."""
        found = self.at(*path)
        return found.text if found is not None else ""

    def items_at(self, *path: str) -> "list[YamlNode]":
        """Return the values of the list there."""
        found = self.at(*path)
        return found.items if found is not None else []

    def whole(self, name: str) -> int:
        """Return a whole number.

        Args:
            name: of the field, for the sentence of an error.

        Raises:
            ScenarioError: it is none.
        """
        if not re.fullmatch("[0-9]{1,10}", self.text):
            raise ScenarioError(f"{self.place}: {name} is '{self.text}'; allowed is a whole number.")
        return int(self.text)


class _Building:
    """The tree, while it grows.

    Args:
        file: that is read.
    """

    def __init__(self, file: SourceFile) -> None:
        self.file = file
        self.documents: list[YamlNode] = []
        self.open: list[tuple[YamlNode, list[YamlNode]]] = []
        self.count = 0

    def place(self, event: Any) -> FilePlace:
        """Return where an event begins."""
        return FilePlace(self.file.name, event.start_mark.line + 1)

    def opens(self, node: YamlNode) -> None:
        """Begin a list or a table."""
        self.open.append((node, []))
        if len(self.open) > MOST_DEPTH:
            raise ScenarioError(f"{node.place}: allowed are at most {MOST_DEPTH} lists and tables in each other.")

    def closes(self) -> None:
        """End a list or a table, whose names and values alternate."""
        node, inner = self.open.pop()
        if isinstance(node.value, list):
            node.value.extend(inner)
        elif isinstance(node.value, dict):
            for name, value in zip(inner[::2], inner[1::2], strict=True):
                if not isinstance(name.value, str) or name.value in node.value:
                    allowed = "a text as a name, and each name once in a table"
                    raise ScenarioError(f"{name.place}: has '{name.text[:40]}' as a name; allowed is {allowed}.")
                node.value[name.value] = value
        self.adds(node)

    def adds(self, node: YamlNode) -> None:
        """Take a value that is whole."""
        if self.open:
            self.open[-1][1].append(node)
        else:
            self.documents.append(node)
        self.count += 1
        if self.count > MOST_VALUES:
            raise ScenarioError(f"{node.place}: allowed are at most {MOST_VALUES} names and values.")


def documents(file: SourceFile) -> list[YamlNode]:
    """Return the documents of a file.

    Raises:
        ScenarioError: it is no YAML, has an alias, or is too large; the sentence names file and line.
    """
    import yaml

    tree, loader = _Building(file), getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        for event in yaml.parse(file.text, Loader=loader):
            if isinstance(event, yaml.AliasEvent):
                where = tree.place(event)
                raise ScenarioError(f"{where}: has the alias '*{event.anchor}'; write out what it stands for.")
            if isinstance(event, yaml.ScalarEvent):
                tree.adds(YamlNode(tree.place(event), event.value))
            elif isinstance(event, yaml.SequenceStartEvent):
                tree.opens(YamlNode(tree.place(event), []))
            elif isinstance(event, yaml.MappingStartEvent):
                tree.opens(YamlNode(tree.place(event), {}))
            elif isinstance(event, yaml.CollectionEndEvent):
                tree.closes()
    except yaml.YAMLError as error:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None) or "a sign is not allowed"
        where = FilePlace(file.name, mark.line + 1 if mark is not None else 1)
        raise ScenarioError(f"{where}: is no YAML ({' '.join(str(problem).split())}).") from None
    return tree.documents
