"""What the kernel tells of a process: how much CPU time it has used, and whether it wants more."""

import contextlib
import os
import time
from pathlib import Path

import psutil

from twin.errors import HostError

OF_PROCESS = 2
"""Which clock of a process is asked for: that of the scheduler. Source: Linux, CPUCLOCK_SCHED in posix-timers.h."""


def process_cpu_ns(pid: int) -> int:
    """Return the CPU time that a process has used so far, in nanoseconds, that of threads that have ended included.

    What its threads say is exact while they run, and gone with a thread; the clock of the whole process is the other
    way round. Sources: Linux, /proc/PID/task/TID/schedstat; clock_getcpuclockid(3). Elsewhere psutil tells.
    """
    try:
        return max(_schedstat(pid, 0), time.clock_gettime_ns(~pid << 3 | OF_PROCESS))
    except OSError:
        times = psutil.Process(pid).cpu_times()
        return int((times.user + times.system) * 1e9)


def family_cpu_ns(pid: int) -> int:
    """Return the CPU time of a process and of the processes that it has started, in nanoseconds.

    Of those that have ended what it was told at their end counts, in ticks of the kernel.

    Raises:
        psutil.NoSuchProcess: it is gone.
    """
    process = psutil.Process(pid)
    ended = process.cpu_times()
    found = process_cpu_ns(pid) + int((ended.children_user + ended.children_system) * 1e9)
    for child in process.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            found += process_cpu_ns(child.pid)
    return found


def resident_bytes(pid: int) -> int:
    """Return the memory of a process that is in the machine's, in bytes."""
    return int(psutil.Process(pid).memory_info().rss)


def sizes(pid: int) -> tuple[int, int]:
    """Return the resident bytes of a process, and those that RLIMIT_DATA counts. Source: proc_pid_status(5).

    Raises:
        HostError: the system does not tell them.
    """
    try:
        lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        resident, data = (1024 * int(lines[name].split()[0]) for name in ("VmRSS", "VmData"))
    except (FileNotFoundError, KeyError):
        raise HostError(
            "nodes.memory_limit needs /proc/PID/status with VmRSS and VmData: there is one on Linux only."
        ) from None
    return resident, data


def connections_to(pid: int, port: int) -> int:
    """Return how many connections a process has to a port on which it listens."""
    found = psutil.Process(pid).net_connections("tcp")
    return sum(one.laddr.port == port for one in found if one.status == psutil.CONN_ESTABLISHED)


def queued_ns(pid: int) -> int:
    """Return for how long a process has wanted a core that others had, in nanoseconds; 0 where /proc does not tell.

    Source: Linux, Documentation/scheduler/sched-stats.rst, /proc/PID/schedstat.
    """
    try:
        return _schedstat(pid, 1)
    except FileNotFoundError:
        return 0


def _schedstat(pid: int, field: int) -> int:
    found = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that ended meanwhile
            found += int(Path(f"/proc/{pid}/task/{task}/schedstat").read_text().split()[field])
    return found


def wants_a_core(pid: int) -> bool:
    """Tell whether a thread of a process has a core or waits for one; never where /proc does not tell.

    Source: proc_pid_stat(5), field `state`: R is running or runnable.
    """
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            if Path(f"/proc/{pid}/task/{task}/stat").read_text().rpartition(")")[2].split()[0] == "R":
                return True
    except (FileNotFoundError, ProcessLookupError):
        pass
    return False
