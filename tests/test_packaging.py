"""What pyproject.toml says about the packages."""

import ast
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_an_installation_that_is_not_editable_has_every_package():
    listed = SETTINGS["tool"]["setuptools"]["packages"]
    found = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for top in ("twin", "sim", "live")
        for path in (ROOT / top).rglob("__init__.py")
    }
    assert sorted(listed) == sorted(found)


@pytest.mark.parametrize("path", sorted((ROOT / "twin" / "rules").glob("*.py")), ids=lambda path: path.stem)
def test_a_rule_imports_nothing_but_the_standard_library_and_other_rules(path):
    imported = set()
    for part in ast.walk(ast.parse(path.read_text())):
        if isinstance(part, ast.Import):
            imported |= {alias.name for alias in part.names}
        elif isinstance(part, ast.ImportFrom):
            assert part.level == 0
            imported.add(str(part.module))
    others = {name for name in imported if name.split(".")[0] not in sys.stdlib_module_names}
    assert {name for name in others if name != "twin.rules" and not name.startswith("twin.rules.")} == set()
