"""What the kernel tells of a process: how much CPU time it has used, and whether it wants more."""

import os
from pathlib import Path

import psutil


def process_cpu_ns(pid: int) -> int:
    """Return the CPU time a process has used so far, in nanoseconds (Linux schedstat, else psutil)."""
    try:
        return _schedstat(pid, 0)
    except FileNotFoundError:
        times = psutil.Process(pid).cpu_times()
        return int((times.user + times.system) * 1e9)


def resident_bytes(pid: int) -> int:
    """Return the memory of a process that is in the machine's, in bytes."""
    return int(psutil.Process(pid).memory_info().rss)


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
    return sum(
        int(Path(f"/proc/{pid}/task/{task}/schedstat").read_text().split()[field])
        for task in os.listdir(f"/proc/{pid}/task")
    )


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
