"""What a run silently depends on beside its own processes: the clock, the disk, its share of the cores.

Each is looked at before and after a run; a change in between makes the run void.
"""

import contextlib
import os
import time
from pathlib import Path

from live.machine.timing import TOLERANCE

LEAST_ROOM = 1 << 20
"""Bytes that must be free on the disk of the run's folder when it ends: logs and the file of the bus are there."""
CGROUPS, OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


class Conditions:
    """The surroundings of one run.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.begin()

    def begin(self) -> None:
        """Look at everything before the run."""
        self._wall = time.time() - time.monotonic()
        self._asleep = _asleep()
        self._throttled = throttled()

    def changes(self) -> list[str]:
        """Return what has changed since then, as parts of a sentence."""
        found = []
        slept = _asleep() - self._asleep
        if slept > TOLERANCE:
            found.append(f"the machine slept for {slept:.1f} s")
        elif abs(set_by := time.time() - time.monotonic() - self._wall) > TOLERANCE:
            found.append(f"the machine's clock was set by {set_by:+.2f} s")
        if (held := throttled() - self._throttled) > TOLERANCE:
            found.append(f"the CPU quota of the lab's control group held it back for {held:.2f} s")
        disk = os.statvfs(self.folder)
        if disk.f_bavail * disk.f_frsize < LEAST_ROOM:
            found.append(f"the disk of {self.folder.parent} is full")
        return found


def _asleep() -> float:
    """Return the seconds that the machine has slept since it was started (suspend; Linux, clock_gettime(2))."""
    if not hasattr(time, "CLOCK_BOOTTIME"):
        return 0.0
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic()


def throttled() -> float:
    """Return the seconds for which the quota of this process's control group has held it back; 0 where none tells.

    Source: Linux, Documentation/admin-guide/cgroup-v2.rst (`throttled_usec`); version 1: sched-bwc.rst
    (`throttled_time`, nanoseconds).
    """
    if not OWN.exists():
        return 0.0
    for line in OWN.read_text().splitlines():
        number, controllers, path = line.split(":", 2)
        if number == "0" or "cpu" in controllers.split(","):
            group = CGROUPS / ("" if number == "0" else controllers)
            for place in (group / path.lstrip("/"), group):
                with contextlib.suppress(OSError):
                    numbers = dict(one.split() for one in (place / "cpu.stat").read_text().splitlines())
                    if "throttled_usec" in numbers or "throttled_time" in numbers:
                        return int(numbers.get("throttled_usec", 0)) / 1e6 + int(numbers.get("throttled_time", 0)) / 1e9
    return 0.0
