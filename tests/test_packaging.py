"""What pyproject.toml says about the packages."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from live.control.extras import MODULES
from tests.files import files

ROOT = Path(__file__).parents[1]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())
LATER = files(ROOT, "requirements-*.txt")
"""What is installed when a run needs it first."""
ALL = (ROOT / "requirements.txt", *LATER)
TOPS = ("stormlab", "twin", "sim", "live")


@pytest.mark.parametrize("top", TOPS)
def test_an_installation_that_is_not_editable_has_every_module(top):
    assert f"{top}*" in SETTINGS["tool"]["setuptools"]["packages"]["find"]["include"]
    for path in (ROOT / top).rglob("*.py"):
        assert (path.parent / "__init__.py").is_file(), f"{path.parent} is no package"


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


PINNED = re.compile(r"[a-z0-9-]+==[0-9][0-9a-z.+!]*( ; [^#]+?)?( +--hash=sha256:[0-9a-f]{64})+ *")


def requirements(path=ROOT / "requirements.txt"):
    """Return the lines of a file of requirements without comments, those that go on put together."""
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    return "\n".join(lines).replace("\\\n", " ").splitlines()


def name_in(text):
    """Return the name of the package in a requirement, as the registry has it."""
    return re.match(r"[A-Za-z0-9._-]+", text)[0].lower().replace("_", "-").replace(".", "-")


def test_every_requirement_is_pinned_and_has_the_hashes_of_its_files():
    """Name, version, where it is needed, SHA-256s; neither addresses nor options, which would be other sources."""
    assert len(requirements()) > 100
    assert [line for path in ALL for line in requirements(path) if not PINNED.fullmatch(line)] == []


def test_everything_that_pyproject_asks_for_is_among_the_requirements():
    project = SETTINGS["project"]
    extras = project["optional-dependencies"]
    asked = [*project["dependencies"], *SETTINGS["build-system"]["requires"]]
    asked += [one for name, extra in extras.items() if name not in MODULES for one in extra]
    assert {name_in(one) for one in asked} <= {name_in(line) for line in requirements()}


def test_an_extra_that_is_installed_when_it_is_needed_has_its_own_list_of_hashes():
    extras = SETTINGS["project"]["optional-dependencies"]
    for extra in set(extras) & set(MODULES):
        lines = requirements(ROOT / f"requirements-{extra}.txt")
        assert {name_in(one) for one in extras[extra]} <= {name_in(line) for line in lines}


def test_what_an_extra_needs_is_pinned_as_everywhere():
    pinned = {name_in(line): line.split("--hash")[0].strip() for line in requirements()}
    for path in LATER:
        for line in requirements(path):
            mine = line.split("--hash")[0].strip()
            assert pinned.get(name_in(line), mine) == mine


def test_contributing_has_the_command_that_made_the_requirements():
    for path in ALL:
        command = re.search(r"^#  +(uv pip compile .*)$", path.read_text(), re.MULTILINE)[1]
        assert f"{command}\n" in (ROOT / "CONTRIBUTING.md").read_text()


def set_up(tmp_path, tools):
    """Set the lab up in a copy with other programs in the place of uv or Python; return what these were told."""
    for name in ("lab", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("bash", "cat", "cksum", "dirname", "mkdir", "cp", "chmod"):
        (programs / name).symlink_to(str(shutil.which(name)))
    venv, said = tmp_path / ".venv", tmp_path / "said"
    made = venv / "bin" / "python"
    python = f'#!{programs}/bash\necho "$@" >>"{said}"\nmkdir -p "{made.parent}"\n[ -e "{made}" ] || cp "$0" "{made}"\n'
    for name in tools:
        (programs / name).write_text(python)
        (programs / name).chmod(0o755)
    env = {"PATH": str(programs)}
    subprocess.run([str(programs / "bash"), str(tmp_path / "lab"), "x"], env=env, check=True, capture_output=True)
    return said.read_text().splitlines()


@pytest.mark.parametrize("tools", [["python3"], ["python3", "uv"]], ids=["pip", "uv"])
def test_the_script_installs_nothing_without_a_hash(tools, tmp_path):
    told = [line for line in set_up(tmp_path, tools) if "pip install" in line]
    packages, lab = told
    assert f"--require-hashes -r {tmp_path}/requirements.txt" in packages
    assert "--no-deps --no-build-isolation -e" in lab
    assert "--no-build-isolation" not in packages
