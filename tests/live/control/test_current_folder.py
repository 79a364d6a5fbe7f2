"""Files beside the user's, whatever their names are, are not run in the place of the lab's or of Python's."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from live.control.process import Stage
from live.machine.messages import Report, WakeUpDelays
from twin.scenario.scenario import Scenario

pytestmark = [pytest.mark.live, pytest.mark.patient]

ROOT = Path(__file__).parents[3]
NAMES = ("typer", "json", "redis", "joblib", "websockets", "live", "twin", "sim", "stormlab")
SET_UP = Path(sys.prefix) == ROOT / ".venv"
"""Whether this is the environment that `./lab` uses, so that it sets nothing up."""


@pytest.fixture
def trap(folder: Path) -> Path:
    """A folder with a scenario, and with modules that leave a mark when they are imported."""
    for name in NAMES:
        module = folder / f"{name}.py" if name != "live" else folder / "live" / "__init__.py"
        module.parent.mkdir(exist_ok=True)
        module.write_text(f"open({str(folder / 'mark')!r}, 'a').write(__name__)\nraise SystemExit('trapped')\n")
    return folder


@pytest.mark.skipif(not SET_UP, reason="tests do not run in the environment of ./lab")
@pytest.mark.parametrize(
    "words",
    [
        ["predict", "one.toml", "--engine", "simpy", "--replications", "8"],
        ["sweep", "one.toml", "--vary", "nodes.count=2,3", "--replications", "8"],
        ["measure", "one.toml", "--runs", "1"],
    ],
    ids=lambda words: words[0],
)
def test_no_command_runs_what_lies_in_the_current_folder(
    words: list[str], trap: Path, small: Callable[..., Scenario]
) -> None:
    scenario = small(duration=0.5, clients={"count": 5}, bus={"kind": "valkey"}, host={"profile": "reference"})
    (trap / "one.toml").write_text(scenario.to_toml())
    surroundings = {**os.environ, "PYTHONPATH": f":.:{trap.name}/.."}  # each of them is a way to the current folder
    done = subprocess.run(
        [str(ROOT / "lab"), *words],
        cwd=trap,
        env=surroundings,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not (trap / "mark").exists(), (trap / "mark").read_text()


def test_a_part_imports_the_code_that_started_it_wherever_the_lab_stands(
    trap: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(trap)
    monkeypatch.setenv("PYTHONPATH", f":.:{trap.name}")
    with Stage() as stage:
        canary = stage.python("canary", "live.machine.canary", [0])
        canary.tell(Report())
        canary.hear(WakeUpDelays)
        said = "import live, sim, twin; print([m.__file__ for m in (live, sim, twin)], flush=True)"
        part = stage.start("asked", [sys.executable, "-P", "-c", said])
        assert part.process.stdout is not None
        found = part.process.stdout.readline().decode()
        entries = psutil.Process(canary.pid).environ()["PYTHONPATH"].split(os.pathsep)
    assert found == f"{[str(ROOT / name / '__init__.py') for name in ('live', 'sim', 'twin')]}\n"
    assert all(os.path.isabs(entry) for entry in entries)
    assert not (trap / "mark").exists()


def test_the_script_asks_python_for_a_safe_path_and_drops_relative_folders(folder: Path) -> None:
    for name in ("lab", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, folder / name)
    python = folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "$PWD" "$PYTHONSAFEPATH" "$PYTHONPATH" "$@"\n')
    python.chmod(0o755)
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    done = subprocess.run(
        [str(folder / "lab"), "predict", "x y"],
        env={**os.environ, "PYTHONPATH": "::/a b:.:c:/d:"},
        cwd=elsewhere,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == f"{elsewhere} 1 /a b:/d -P -m stormlab predict x y"
