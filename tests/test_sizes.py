"""A module has at most 400 lines, a function at most 60: who reads one sees all of it."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOPS = ("stormlab", "twin", "sim", "live", "tests")
MOST_LINES, MOST_OF_FUNCTION = 400, 60


def too_large(root):
    """Return modules and functions below a folder that are too large, each with its lines."""
    found = []
    for top in TOPS:
        for path in sorted((root / top).rglob("*.py")):
            text, name = path.read_text(encoding="utf-8"), path.relative_to(root).as_posix()
            if (lines := len(text.splitlines())) > MOST_LINES:
                found.append(f"{name}: {lines}")
            for part in ast.walk(ast.parse(text)):
                if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef):
                    lines = (part.end_lineno or part.lineno) - part.lineno + 1
                    if lines > MOST_OF_FUNCTION:
                        found.append(f"{name} {part.name}: {lines}")
    return found


def function(lines, indent=""):
    """Return the text of a function of so many lines."""
    return f"{indent}def f():\n" + f"{indent}    pass\n" * (lines - 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a = 1\n" * 400, []),
        ("a = 1\n" * 401, ["live/m.py: 401"]),
        (function(60), []),
        (function(61), ["live/m.py f: 61"]),
        ("async " + function(61), ["live/m.py f: 61"]),
        ("class A:\n" + function(61, "    "), ["live/m.py f: 61"]),
    ],
)
def test_what_is_too_large_is_found(tmp_path, text, expected):
    (tmp_path / "live").mkdir()
    (tmp_path / "live/m.py").write_text(text)
    assert too_large(tmp_path) == expected


def test_no_module_or_function_is_too_large():
    assert too_large(ROOT) == []
