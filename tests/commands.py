"""Run the command line as a user runs it."""

import subprocess
import sys
from pathlib import Path

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
