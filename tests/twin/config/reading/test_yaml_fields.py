"""Tables of YAML, field by field; and settings by their paths."""

from twin.config.reading.report import Imported, SourceFile
from twin.config.reading.yaml_fields import nested, walk
from twin.config.reading.yaml_nodes import documents


def test_each_field_is_taken_walked_into_or_said_to_set_nothing():
    (tree,) = documents(SourceFile("a", "a: 1\nb:\n  c: 2\n  d: 3\ne:\n  - c: 4\n  - c: 5\nf: {g: 6}\nh: 7\n"))
    imported, seen = Imported(), []

    def take(path, node):
        seen.append((path, node.text))
        return "" if node.text == "7" else "a setting"

    takes = dict.fromkeys(["a", "b.c", "e.c", "h"], take)
    walk(imported, tree, takes, {"b", "e"}, lambda path: ("no effect", f"it is {path}"))
    assert seen == [("a", "1"), ("b.c", "2"), ("e.c", "4"), ("e.c", "5"), ("h", "7")]
    assert [(one.place.line, one.text, one.verdict, one.words) for one in imported.lines] == [
        (1, "a: 1", "used", "a setting"),
        (3, "b.c: 2", "used", "a setting"),
        (4, "b.d: 3", "no effect", "it is b.d"),
        (6, "e.c: 4", "used", "a setting"),
        (7, "e.c: 5", "used", "a setting"),
        (8, "f:", "no effect", "it is f"),
    ]


def test_settings_stand_in_tables():
    assert nested({"a": 1, "b.c": 2, "b.d.e": 3}) == {"a": 1, "b": {"c": 2, "d": {"e": 3}}}
    assert nested({}) == {}
