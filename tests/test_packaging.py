"""What pyproject.toml says about the packages."""

import ast
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.files import files

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


@pytest.mark.parametrize("path", files(ROOT / "twin" / "rules", "*.py"), ids=lambda path: path.stem)
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


def test_without_a_python_that_is_new_enough_the_lab_says_so_and_ends_with_status_2(tmp_path):
    for name in ("lab", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("bash", "cat", "cksum", "dirname"):
        (tools / name).symlink_to(str(shutil.which(name)))
    command = [str(shutil.which("bash")), str(tmp_path / "lab"), "demo"]
    done = subprocess.run(command, env={"PATH": str(tools)}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "Stormlab needs Python 3.11 or newer on PATH.\n")
