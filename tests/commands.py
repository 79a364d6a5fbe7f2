"""Run the command line as a user runs it."""

import subprocess
import sys
from pathlib import Path

import pytest

from stormlab import app, steps

ROOT = Path(__file__).parents[1]
FAILOVER = str(ROOT / "scenarios" / "failover.toml")
REFERENCE = ["--set", "host.profile=reference"]


def lab(*words):
    """Return what `./lab WORDS` did."""
    return subprocess.run(
        [sys.executable, "-m", "stormlab.app", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def without_the_profiles_warning(text):
    """Return what was said beside the warning of costs that the reference profile does not know."""
    return "".join(
        line for line in text.splitlines(keepends=True) if not line.startswith("Warning: This host profile ")
    )


def lab_in_process(monkeypatch, capsys):
    """Return what runs a command in this process: exit status, what it printed, and the lines of its errors."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["./lab", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            app.main()
        printed = capsys.readouterr()
        return ended.value.code, printed.out, printed.err.splitlines()

    monkeypatch.setattr(steps.err, "_file", None)  # whatever a test before this one left
    return run
