"""The machine under the live cluster: what it allows, who runs where, and whether it had time for us."""

import contextlib
import os
import platform
import random
import resource
import socket
import time
import warnings
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from live.control.messages import plain
from live.control.process import ChildProcess, Stage
from live.control.usage import family_cpu_ns
from live.machine.messages import Report, WakeUpDelays
from twin.errors import HostError, LabWarning
from twin.scenario.scenario import Scenario

BUSY = 0.5
"""Share of the cores that others may use before the lab warns."""
STARVED_DELAY = 0.1
"""Longest wait of a ready canary thread, 99th percentile in seconds, in a run that counts. The lab's own load makes it
wait a few time slices of 3 ms; a hundred milliseconds are somebody else's."""
LEAST_PORT = 10000
"""Least port that the lab listens on; those below belong to well-known servers."""
STARVED_SHARE = 0.2
"""Largest part of one core that other programs and the hypervisor may take, on average, in a run that counts."""


class BusyHostWarning(LabWarning):
    """The machine is busy with something else."""


@dataclass(frozen=True)
class Placement:
    """Which CPUs carry the cluster and which the clients."""

    cluster: list[int]
    clients: list[int]

    @property
    def all(self) -> list[int]:
        """Every CPU that is used, in order."""
        return sorted({*self.cluster, *self.clients})


def placement(scenario: Scenario) -> Placement:
    """Return the CPUs of each half. Pinned splits the cores in two; free lets both use all.

    Raises:
        HostError: the scenario asks for more cores than there are.
    """
    available = (
        sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
    )
    wanted = scenario.host.cores
    if wanted > len(available):
        raise HostError(f"host.cores is {wanted}; this machine has {len(available)}.")
    cores = available[:wanted]
    if scenario.host.placement == "free" or wanted == 1:
        return Placement(cores, cores)
    half = wanted // 2
    return Placement(cores[:half], cores[half:])


@contextlib.contextmanager
def pinned(cpus: list[int]) -> Iterator[None]:
    """Bind the lab's own thread to some CPUs inside this block, so that it does not compete with what it watches."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def check_limits(scenario: Scenario) -> None:
    """Raise the soft limit of open files to the hard one and see whether the largest process fits.

    Raises:
        HostError: it does not fit.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = scenario.clients.count
    needs = {
        "the balancer": scenario.balancer.files_of_run(count),
        "a swarm process": min(count, scenario.clients.per_process) + 100,
        "a node": count + 100,
    }
    who, need = max(needs.items(), key=lambda item: item[1])
    if hard != resource.RLIM_INFINITY and need > hard:
        raise HostError(
            f"clients.count is {count}: {who} needs {need} open files and the limit is {hard}; raise `ulimit -n`."
        )
    if soft != resource.RLIM_INFINITY and soft < need:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def warn_if_busy(sample: float = 0.2) -> None:
    """Warn in one sentence when other programs use much of the machine just now."""
    share = psutil.cpu_percent(interval=sample) / 100
    if share > BUSY:
        warnings.warn(
            f"this machine is busy: other programs use {share:.0%} of its cores, so measured times will be too long.",
            BusyHostWarning,
            stacklevel=2,
        )


PROMISES = 256
"""How many ports are kept from other labs at most: those given away last."""
_promised: deque[int] = deque()
"""The open files that tell other labs on this machine which ports were given away and may not be listened on yet."""


def free_ports(count: int) -> list[int]:
    """Return distinct loopback ports that are free now.

    They lie outside the range from which the kernel takes ports for outgoing connections: a node that is started again
    finds its port free, however many clients dialled meanwhile. Another lab on this machine is not given the same ones.

    Raises:
        HostError: there are not so many.
    """
    low, high = _outgoing_ports()
    candidates = [port for port in range(LEAST_PORT, 65536) if not low <= port <= high]
    found: list[int] = []
    for port in random.SystemRandom().sample(candidates, len(candidates)):
        if len(found) == count:
            return found
        if _is_free(port) and _promise(port):
            found.append(port)
    raise HostError(f"{count} free ports on loopback are needed and only {len(found)} were found.")


def _outgoing_ports() -> tuple[int, int]:
    """Return the least and the greatest port of outgoing connections; elsewhere than on Linux IANA's dynamic range."""
    path = Path("/proc/sys/net/ipv4/ip_local_port_range")
    low, high = path.read_text().split() if path.exists() else (49152, 65535)
    return int(low), int(high)


def _is_free(port: int) -> bool:
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind(("127.0.0.1", port))
            one.listen(1)
        except OSError:
            return False
    return True


def _promise(port: int) -> bool:
    """Tell other labs that this port is taken, by a name that ends with this process; only Linux has such names."""
    if platform.system() != "Linux":
        return True
    with socket.socket(socket.AF_UNIX) as name:
        try:
            name.bind(f"\0stormlab-port-{port}")
        except OSError:
            return False
        _promised.append(name.detach())
    if len(_promised) > PROMISES:
        os.close(_promised.popleft())
    return True


def keep_awake(stage: Stage, cpus: Iterable[int]) -> None:
    """Let no core of `cpus` fall asleep while the stage stands, see `live.machine.awake`."""
    if not hasattr(os, "SCHED_IDLE"):
        return
    for cpu in sorted(set(cpus)):
        stage.python(f"awake {cpu}", "live.machine.awake", cpu)


def machine() -> dict[str, Any]:
    """Return what is known of this machine, for the provenance."""
    model = platform.processor()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = lines[0].split(":", 1)[1].strip() if lines else model
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


class Watch:
    """Measures during a run how much CPU others took and how long ready threads waited."""

    def __init__(self, stage: Stage, cpus: list[int]) -> None:
        self.part: ChildProcess = stage.python("canary", "live.machine.canary", cpus)
        self.stage = stage
        self.begin()

    def begin(self) -> None:
        """Start measuring anew."""
        self._busy = _busy_seconds()
        self._own = self._own_seconds()
        self._since = time.monotonic()

    def report(self) -> dict[str, Any]:
        """Return the delays of the canary, the share of a core that others took, and why the run is starved if so."""
        self.part.tell(Report())
        waits = self.part.hear(WakeUpDelays)
        elapsed = time.monotonic() - self._since
        others = max(0.0, (_busy_seconds() - self._busy) - (self._own_seconds() - self._own)) / elapsed
        why = []
        if waits.p99 is not None and waits.p99 > STARVED_DELAY:
            why.append(f"1 % of ready threads waited longer than {waits.p99 * 1000:.0f} ms")
        if others > STARVED_SHARE:
            why.append(f"others took {others:.2f} cores")
        delay = {} if waits.p99 is None else plain(waits)
        return {"scheduling_delay": delay, "others_cores": round(others, 4), "starved": "; ".join(why)}

    def _own_seconds(self) -> float:
        total = time.process_time()
        for part in self.stage.parts:
            try:
                total += family_cpu_ns(part.pid) / 1e9
            except psutil.NoSuchProcess:
                continue
        return total


def _busy_seconds() -> float:
    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    return float(sum(times[:8]) - idle)
