"""One name, one meaning: names of classes, words of before, and the length of a test's name."""

import ast
import re
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parents[1]
TOPS = ("stormlab", "twin", "sim", "live")
WINGS = ("sim/compiled", "sim", "live", "twin/scenario", "twin/rules")
"""Trees whose rooms have the same names, so that a room's class may have the same name in each of them."""

EVERY_ROOM = {"sim/ports.py", "live/ports.py", "twin/scenario/settings.py"}
"""Modules that hold the ports, or the tables, of several rooms."""

NUMBERED = {"twin/record/events.py", "sim/compiled/vocabulary.py", "sim/compiled/broadcast/vocabulary.py"}
"""Where a class is called as the event is that it types, or as what of the model it numbers for the kernel."""

LONGEST = 79
BANNED = re.compile(
    "befalls?|(hears|told)_goodbye|let_go|cools|desks?|habits?|roads?|ages|crowds?|how_?manieths?", re.IGNORECASE
)
"""Words that the field has others for: a fault is injected, a node handles a close frame, cores contend."""


def trees(root, tops):
    """Yield the path of each module below some folders, and its syntax."""
    for top in tops:
        for path in sorted((root / top).rglob("*.py")):
            yield path.relative_to(root).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def place(path):
    """Return the wing and the room of a module, as texts: `live/node/base.py` is of `live` and `node`."""
    wing = next((one for one in WINGS if path.startswith(f"{one}/")), "")
    return wing, PurePosixPath(path.removeprefix(f"{wing}/")).with_suffix("").parts[0]


def mirrored(paths):
    """Tell whether modules are the same room in different wings, a rule of one, or ports and tables of it."""
    places = [place(path) for path in paths if path not in EVERY_ROOM]
    wings, rooms = [wing for wing, _ in places], {room for _, room in places}
    return "" not in wings and len(set(wings)) == len(wings) and len(rooms) <= 1


def used_twice(root):
    """Return for each class's name with two meanings the modules that have it."""
    found = {}
    for path, tree in trees(root, TOPS):
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and path not in NUMBERED:
                found.setdefault(node.name, []).append(path)
    return {name: paths for name, paths in found.items() if len(paths) > 1 and not mirrored(paths)}


def identifiers(tree):
    """Yield the names that a module gives or uses, with whether each is seen from outside of its function."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name):
                yield name, False
            case ast.Attribute(attr=name) | ast.arg(arg=name):
                yield name, True
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name, True
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name, True


def banned(root, tops=(*TOPS, "tests")):
    """Return the names with a word of before; `most` is one where others see it: an attribute, an argument."""
    found = []
    for path, tree in trees(root, tops):
        for name, seen in set(identifiers(tree)):
            words = re.sub("([a-z])([A-Z])", r"\1_\2", name)
            own = rf"(?:^|_)(?:{BANNED.pattern})(?:$|_)"
            if re.search(own, words, re.IGNORECASE) or (name == "most" and seen and not path.startswith("tests/")):
                found.append(f"{path} {name}")
    return sorted(found)


def too_long(root):
    """Return the test functions whose name is longer than a line of a report."""
    functions = ast.FunctionDef | ast.AsyncFunctionDef
    return [
        f"{path} {node.name}: {len(node.name)}"
        for path, tree in trees(root, ["tests"])
        for node in ast.walk(tree)
        if isinstance(node, functions) and node.name.startswith("test") and len(node.name) > LONGEST
    ]


@pytest.fixture
def house(tmp_path):
    """Write modules, each by its path, and return their root."""

    def build(**texts):
        for name, text in texts.items():
            path = tmp_path / f"{name.replace('__', '/')}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return build


def test_a_class_may_have_its_name_in_the_same_room_of_each_wing(house):
    one = "class A: pass\n"
    same = {"sim__node__x": one, "live__node__y": one, "twin__rules__node": one, "twin__scenario__settings": one}
    assert used_twice(house(**same)) == {}
    assert used_twice(house(sim__ports=one)) == {}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("live__node__x", "live__node__y"),
        ("live__node__x", "sim__client__x"),
        ("twin__costs__x", "twin__rules__x"),
        ("stormlab__x", "sim__x"),
    ],
)
def test_a_class_of_another_room_or_wing_has_another_name(house, first, second):
    root = house(**{first: "class A: pass\n", second: "def f():\n    class A: pass\n"})
    assert list(used_twice(root)) == ["A"]


def test_words_of_before_are_found_within_names_and_most_only_where_it_is_seen(house):
    text = "class RoadState:\n    most: int\n\ndef lanes(packages, most): ...\n\ndef let_go():\n    messages = HABITS\n"
    found = banned(house(live__m=text))
    assert found == [f"live/m.py {name}" for name in ("HABITS", "RoadState", "let_go", "most")]
    assert banned(house(live__m="def f(pages):\n    most = broad = 1\n")) == []


def test_a_test_name_of_eighty_characters_is_too_long(house):
    names = "test_" + "a" * 74, "test_" + "a" * 75
    root = house(tests__test_x="".join(f"def {name}(): ...\n" for name in names))
    assert too_long(root) == [f"tests/test_x.py {names[1]}: 80"]


def test_no_class_name_has_two_meanings():
    assert used_twice(ROOT) == {}


def test_no_name_has_a_word_of_before():
    assert banned(ROOT) == []


def test_no_test_name_is_too_long():
    assert too_long(ROOT) == []
