"""What the system lets this user do: each ability is tried once.

Sources: user_namespaces(7), network_namespaces(7), nft(8), tc-tbf(8), tc-netem(8), cgroups(7), prctl(2).
"""

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from live.control.folder import temporary
from live.disturbances.injector import has_disks
from live.doctor.trying import Tried, tried
from twin.errors import HostError

STOPS_WITHIN = 1.0
"""Seconds within which a process that is told to stop stands still."""
CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUP = Path("/proc/self/cgroup")
SOURCE = "127.1.2.3"
"""One of the addresses from which clients of several addresses dial."""


class Ability(NamedTuple):
    """Something that a machine may allow.

    Attributes:
        name: by which the means of faults and conditions name it.
        works: whether it does here.
        said: how, or why not.
    """

    name: str
    works: bool
    said: str


def examined() -> dict[str, Ability]:
    """Try all abilities, and return them by their names."""
    found = {name: Ability(name, *attempt()) for name, attempt in ATTEMPTS.items()}
    alone = found["network namespace"]
    for name, script in IN_NAMESPACE.items():
        done = tried(inside(script)) if alone.works else Tried(False, "there is no network namespace")
        found[name] = Ability(name, done.works, "in a network namespace" if done.works else done.said)
    return found


def inside(script: str) -> list[str]:
    """Return the command that runs a script in a network namespace of its own, which ends with it."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", *user, "--net", "sh", "-ec", script]


IN_NAMESPACE = {
    "virtual links": "ip link add name veth0 type veth peer name veth1",
    "packet filter": (
        "nft add table inet t; nft 'add chain inet t c { type filter hook output priority 0; }'; "
        "nft add rule inet t c meta l4proto tcp numgen random mod 100 '<' 5 drop"
    ),
    "rate limit": "ip link set lo up; tc qdisc add dev lo root tbf rate 10mbit burst 64k latency 50ms",
    "netem": "ip link set lo up; tc qdisc add dev lo root netem delay 10ms",
}
"""Name of each ability that needs a network namespace, and the script that tries it."""


def _namespace() -> Tried:
    done = tried(inside("true"))
    return Tried(True, "unshare --net") if done.works else done


def _signals() -> Tried:
    """Stop a process of our own, let it go on, and end it."""
    with subprocess.Popen(["sleep", "30"], stdin=subprocess.DEVNULL) as process:
        try:
            process.send_signal(signal.SIGSTOP)
            stopped = os.waitpid(process.pid, os.WUNTRACED)[1]
            process.send_signal(signal.SIGCONT)
        finally:
            process.kill()
    works = os.WIFSTOPPED(stopped)
    return Tried(works, "SIGSTOP, SIGCONT, SIGKILL to processes of one's own" if works else "SIGSTOP has no effect")


def _binding() -> Tried:
    if not hasattr(os, "sched_setaffinity"):
        return Tried(False, "the system does not bind processes to cores")
    cores = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(cores)})
        os.sched_setaffinity(0, cores)
    except OSError as error:
        return Tried(False, f"sched_setaffinity: {error.strerror}")
    return Tried(True, f"sched_setaffinity, {len(cores)} cores")


def _awake() -> Tried:
    works = hasattr(os, "SCHED_IDLE")
    return Tried(works, "SCHED_IDLE keeps cores awake" if works else "there is no SCHED_IDLE: cores fall asleep")


def _parent_death() -> Tried:
    done = tried(["setpriv", "--pdeathsig", "KILL", "true"])
    return Tried(True, "setpriv --pdeathsig") if done.works else Tried(False, f"{done.said}; a guard process cleans up")


def _disks() -> Tried:
    try:
        with tempfile.TemporaryDirectory(prefix="stormlab-", dir=temporary()) as name:
            works = has_disks(Path(name))
    except HostError as error:
        return Tried(False, str(error))
    return Tried(works, "unshare --mount, tmpfs" if works else "no disk of one's own can be mounted")


def _control_groups() -> Tried:
    """Look whether the own group could get limits; nothing is made there."""
    if not OWN_CGROUP.exists():
        return Tried(False, "there are no control groups")
    second = (CGROUPS / "cgroup.controllers").exists()
    if second:
        group = CGROUPS / OWN_CGROUP.read_text().strip().rpartition("::")[2].lstrip("/")
    else:
        lines = [line.split(":", 2) for line in OWN_CGROUP.read_text().splitlines()]
        path = next((path for _, names, path in lines if "memory" in names.split(",")), "/")
        group = CGROUPS / "memory" / path.lstrip("/")
        group = group if group.exists() else CGROUPS / "memory"  # a container sees its own group as the root
    version = f"version {2 if second else 1}"
    if not os.access(group, os.W_OK):
        return Tried(False, f"{version}, and {group} cannot be written")
    return Tried(True, f"{version}, {group} can be written")


def _addresses() -> Tried:
    with socket.socket() as one:
        try:
            one.bind((SOURCE, 0))
        except OSError as error:
            return Tried(False, f"{SOURCE}: {error.strerror}")
    return Tried(True, "all of 127.0.0.0/8")


def _shared_port() -> Tried:
    if not hasattr(socket, "SO_REUSEPORT"):
        return Tried(False, "there is no SO_REUSEPORT")
    with socket.socket() as one, socket.socket() as other:
        try:
            for each in (one, other):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            one.bind(("127.0.0.1", 0))
            other.bind(one.getsockname())
        except OSError as error:
            return Tried(False, f"SO_REUSEPORT: {error.strerror}")
    return Tried(True, "SO_REUSEPORT")


def _clock() -> Tried:
    """Look how fine the clock is by which runs are timed."""
    fine = time.get_clock_info("monotonic").resolution
    return Tried(fine <= 1e-6, f"monotonic, {fine:g} s")


ATTEMPTS: dict[str, Callable[[], Tried]] = {
    "signals": _signals,
    "core binding": _binding,
    "idle priority": _awake,
    "parent-death signal": _parent_death,
    "source addresses": _addresses,
    "shared port": _shared_port,
    "clock": _clock,
    "control groups": _control_groups,
    "own disks": _disks,
    "network namespace": _namespace,
}
"""Name of each ability, and what tries it."""
