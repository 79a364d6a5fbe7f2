"""YAML as a tree: places, bounds, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.config.reading.report import SourceFile
from twin.config.reading.yaml_nodes import MOST_VALUES, YamlNode, documents
from twin.errors import ScenarioError
from twin.files.reading import MOST_DEPTH


def tree(text):
    return documents(SourceFile("a.yaml", text))


def plain(node):
    """Return a node as lists, tables and texts."""
    if isinstance(node.value, dict):
        return {name: plain(inner) for name, inner in node.value.items()}
    return [plain(inner) for inner in node.value] if isinstance(node.value, list) else node.value


def written(value):
    """Return a value in the flow style, which is JSON's."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{written(name)}: {written(inner)}" for name, inner in value.items()) + "}"
    return "[" + ", ".join(map(written, value)) + "]" if isinstance(value, list) else f'"{value}"'


TEXTS = st.text("abc: -#{}[],é", max_size=6)
VALUES = st.recursive(
    TEXTS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=8
)


@given(VALUES)
def test_what_is_written_is_read_back(value):
    assert [plain(one) for one in tree(written(value))] == [value]


def test_each_value_knows_its_line_and_stays_a_text():
    one, two = tree("# x\na:\n  b: 1\n  c: [yes, 2.0]\n---\nd: null\n")
    assert plain(one) == {"a": {"b": "1", "c": ["yes", "2.0"]}}
    assert [inner.place.line for inner in one.at("a").fields.values()] == [3, 4]
    assert (two.text_at("d"), two.place.line) == ("null", 6)


def test_what_is_not_there_is_empty():
    (node,) = tree("a: {b: [1]}")
    assert node.at("a", "x", "y") is None
    assert (node.text_at("a"), node.items_at("a"), node.at("a", "b").fields) == ("", [], {})
    assert [one.text for one in node.items_at("a", "b")] == ["1"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: &x 1\nb: *x\n", r"a.yaml:2: has the alias '\*x'; write out what it stands for\."),
        ("a: 1\na: 2\n", r"a.yaml:2: has 'a' as a name; allowed is a text as a name, and each name once in a table\."),
        ("? [1]\n: 2\n", r"a.yaml:1: has '' as a name; allowed is a text"),
        ("a: [1\nb: 2\n", r"a.yaml:2: is no YAML \(.*\)\."),
        ("a: \x00", r"a.yaml:1: is no YAML \(.*\)\."),
        ("[" * (MOST_DEPTH + 1), rf"a.yaml:1: allowed are at most {MOST_DEPTH} lists and tables in each other\."),
        ("- 1\n" * (MOST_VALUES + 1), rf"allowed are at most {MOST_VALUES} names and values\."),
    ],
)
def test_what_is_not_read_is_refused_in_one_sentence(text, sentence):
    with pytest.raises(ScenarioError, match=sentence):
        tree(text)


@pytest.mark.parametrize("text", ["", "-1", "1.5", "x", "9" * 11])
def test_a_whole_number_is_asked_for_with_place_and_field(text):
    (node,) = tree(f'"{text}"')
    assert isinstance(node, YamlNode)
    with pytest.raises(ScenarioError, match=rf"^a.yaml:1: count is '{text}'; allowed is a whole number\.$"):
        node.whole("count")
    assert tree("12")[0].whole("count") == 12
