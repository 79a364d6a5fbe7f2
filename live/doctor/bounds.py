"""Limits of this machine that a live run may meet, beside what the lab asks of them.

Sources: Linux, Documentation/networking/ip-sysctl.rst, Documentation/admin-guide/sysctl/net.rst; getrlimit(2).
"""

import os
import resource
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

import psutil

from live.limits import MOST_CLIENTS
from live.machine.placement import LEAST_PORT
from twin.scenario.balancer.base import BACKLOG
from twin.scenario.balancer.kinds import KINDS

PROC = Path("/proc/sys")
CORES = 2
"""Cores that the default placement takes: one for the cluster, one for the clients."""
LINEAR_SYNS = 4
"""`tcp_syn_linear_timeouts` of the kernels whose SYN retransmission the model has (`sim.node.node.SYN_RETRIES`)."""
LEAST_DISK = 2**24
"""Bytes for a run's folder. Source: `live.control.folder.LEAST_FREE`."""


class Bound(NamedTuple):
    """One limit.

    Attributes:
        name: as the system calls it.
        value: as a text.
        enough: whether the lab gets what it asks for; None where it asks for nothing.
        means: what it does to a live run.
    """

    name: str
    value: str
    enough: bool | None
    means: str


def clients_within(files: int) -> int:
    """Return for how many clients a live run's balancer may open enough files, whichever kind it is."""
    low, high = 0, 10_000_000
    while low < high:
        middle = (low + high + 1) // 2
        fits = all(
            settings.model_validate({"kind": kind}).files_of_run(middle) <= files for kind, settings in KINDS.items()
        )
        low, high = (middle, high) if fits else (low, middle - 1)
    return low


def bounds() -> list[Bound]:
    """Read all limits."""
    found = [_files(), _ports(), _accepting(), _syns(), _cores(), _processes(), _memory(), _disk()]
    return [one for one in found if one is not None]


def _number(name: str) -> int | None:
    """Return a kernel setting that is a number, or None where there is none."""
    try:
        return int((PROC / name).read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None


def _files() -> Bound:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        return Bound("open files (ulimit -n)", f"{soft}, hard: none", True, "a run raises it as it needs")
    most = min(clients_within(hard), MOST_CLIENTS)
    means = f"a run raises the soft limit to the hard one, which is enough for {most} clients"
    return Bound("open files (ulimit -n)", f"{soft}, hard: {hard}", most >= MOST_CLIENTS, means)


def _ports() -> Bound | None:
    try:
        low, high = map(int, (PROC / "net/ipv4/ip_local_port_range").read_text().split())
    except (OSError, ValueError):
        return None
    count, own = high - low + 1, 65535 - LEAST_PORT + 1 - (high - max(low, LEAST_PORT) + 1)
    means = f"{count} connections from one address to one port, {own} ports left to listen on"
    return Bound("net.ipv4.ip_local_port_range", f"{low}-{high}", count >= 2 * MOST_CLIENTS and own >= 100, means)


def _accepting() -> Bound | None:
    value = _number("net/core/somaxconn")
    if value is None:
        return None
    means = f"cuts the accept queues of balancer and nodes, which ask for up to {BACKLOG}"
    return Bound("net.core.somaxconn", f"{value}", value >= BACKLOG, means)


def _syns() -> Bound | None:
    if not (PROC / "net/ipv4").exists():
        return None
    value = _number("net/ipv4/tcp_syn_linear_timeouts")
    said = "none (a Linux before 6.5)" if value is None else f"{value}"
    return Bound(
        "net.ipv4.tcp_syn_linear_timeouts",
        said,
        value == LINEAR_SYNS,
        f"the model sends a dropped SYN again as a kernel with {LINEAR_SYNS} does",
    )


def _cores() -> Bound:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Bound("cores", f"{cores}", cores >= CORES, f"host.cores is {CORES} by default, half of them for the clients")


def _processes() -> Bound:
    soft, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    value = "none" if soft == resource.RLIM_INFINITY else f"{soft}"
    return Bound("processes (ulimit -u)", value, None, "a run has about ten, and one for each node")


def _memory() -> Bound:
    memory = psutil.virtual_memory()
    return Bound(
        "memory", f"{memory.available / 2**30:.1f} of {memory.total / 2**30:.1f} GiB free", None, "for all parts"
    )


def _disk() -> Bound:
    try:
        folder = tempfile.gettempdir()
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return Bound("temporary folder (TMPDIR)", "none", False, f"{error}")
    return Bound(
        "temporary folder (TMPDIR)", f"{folder}, {free / 2**20:.0f} MiB free", free >= LEAST_DISK, "logs of runs"
    )
