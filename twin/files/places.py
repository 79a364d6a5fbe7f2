"""Where the lab's files are: in its checkout, or, installed without one, in the user's own folders.

In a checkout all that the lab writes by itself lies beside the code: the host profile and compiled code in `.lab`,
pictures in `output`. An installed lab leaves its packages alone and takes the folders that the system has for data and
caches (`platformdirs`). Scenarios and recorded runs that ship come with the packages.
"""

import os
from pathlib import Path

from platformdirs import user_cache_path, user_data_path

PACKAGES = Path(__file__).resolve().parents[2]
"""The folder in which the packages lie."""

IN_CHECKOUT = (PACKAGES / "pyproject.toml").is_file() and (PACKAGES / "lab").is_file()

SCENARIOS = PACKAGES / "stormlab" / "scenarios"
RECORDS = PACKAGES / "stormlab" / "records"
"""What ships."""

DATA = PACKAGES / ".lab" if IN_CHECKOUT else user_data_path("stormlab")
OUTPUT = PACKAGES / "output" if IN_CHECKOUT else DATA / "output"
"""Where the calibrated profile of this machine is, and where commands draw what they are not told to draw elsewhere."""


def cache() -> Path:
    """Return where compiled code is kept: in the checkout if that can be written, else in the user's cache."""
    return DATA if IN_CHECKOUT and os.access(PACKAGES, os.W_OK) else user_cache_path("stormlab")


def shipped(path: str | Path) -> Path:
    """Return the file that a scenario's path means: itself, or the one that ships, if it names that and is missing.

    `failover`, `failover.toml` and `scenarios/failover.toml` name a scenario that ships.
    """
    path = Path(path)
    if path.parent not in (Path("."), Path("scenarios")) or os.path.lexists(path):
        return path
    found = SCENARIOS / f"{path.name.removesuffix('.toml')}.toml"
    return found if found.is_file() else path
