"""Does to a lab in another process what was drawn for it, and notes when.

A part is found as anybody else would find it: it is a descendant of the lab, leads a process group, and writes its
standard error to a log that has its name. Only Linux tells this of a process. Source: proc_pid_fd(5).
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from math import inf
from pathlib import Path

import psutil

from live.broadcast.bus import Bus
from live.control.process import ChildProcess, Stage
from live.disturbances.disturbance import Disturbance

SIGNALS = {
    "kill": signal.SIGKILL,
    "term": signal.SIGTERM,
    "int": signal.SIGINT,
    "hup": signal.SIGHUP,
    "stop": signal.SIGSTOP,
}
FIND_WITHIN = 5.0
"""Seconds within which a part that is to be disturbed has to be there."""
RIVALS = 3
"""Programs on each core when the cores are taken away."""
HOG = "import sys, time\nend = time.monotonic() + float(sys.argv[1])\nwhile time.monotonic() < end: pass"
PRIORITY = "-10"
"""Nice value of programs that outrank the lab, where the system lets us."""
SMALL_DISK, RUN_DISK = 4 * 2**10, 24 * 2**20
"""Bytes of a disk that holds no record, and of one on which a run can begin."""

Hit = tuple[float, float]


def name_of(process: psutil.Process) -> str:
    """Return the name of a part, `nginx worker`, `guard`, or an empty text for anything else."""
    try:
        words = " ".join(process.cmdline())
        if "live.control.guard" in words:
            return "guard"
        if words.startswith("nginx: worker"):
            return "nginx worker"
        if os.getpgid(process.pid) != process.pid:
            return ""
        log = Path(os.readlink(f"/proc/{process.pid}/fd/2"))
    except (psutil.Error, OSError):
        return ""
    return log.stem.replace("-", " ") if log.suffix == ".log" else ""


def find(lab: int, target: str) -> int | None:
    """Return the number of the process that a target names, None when there is none; `awake` names that of any core."""
    if target == "lab":
        return lab
    try:
        family = psutil.Process(lab).children(recursive=True)
    except psutil.Error:
        return None
    for process in sorted(family, key=lambda one: one.pid):
        name = name_of(process)
        if (name.split()[0] if target == "awake" and name else name) == target and _alive(process):
            return process.pid
    return None


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


class Injector:
    """Disturbs one run.

    Args:
        lab: the process of its command line.
        stage: where programs of the injector's own run.
        server: the Redis that the lab did not start.
        saved: folder of its records.
        disk: folder of the run, when it is a disk of its own.
        cpus: the cores that it uses.
    """

    def __init__(
        self, lab: ChildProcess, stage: Stage, server: Bus | None, saved: Path, disk: Path | None, cpus: list[int]
    ) -> None:
        self.lab = lab
        self.stage = stage
        self.server = server
        self.saved = saved
        self.disk = disk
        self.cpus = cpus

    def do(self, one: Disturbance) -> Hit | None:
        """Do it now; return when it began and was over, None when there was nobody to hit."""
        ways: dict[str, Callable[[Disturbance], Hit | None]] = {
            "fill": self._fill,
            "cut": self._cut,
            "starve": self._starve,
            "outrank": self._starve,
        }
        if one.when == "saving" and not self._saves():
            return None
        return ways.get(one.action, self._signal)(one)

    def _signal(self, one: Disturbance) -> Hit | None:
        number = self._find(one.target)
        if number is None:
            return None
        try:
            os.kill(number, SIGNALS[one.action])
        except ProcessLookupError:
            return None
        began = time.monotonic()
        if one.length is None:
            return began, inf
        try:
            time.sleep(one.length)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGCONT)
        return began, time.monotonic()

    def _find(self, target: str) -> int | None:
        if target == "server":
            return self.server.part.pid if self.server is not None and self.server.part is not None else None
        deadline = time.monotonic() + FIND_WITHIN
        while (number := find(self.lab.pid, target)) is None and time.monotonic() < deadline and self.lab.running:
            time.sleep(0.01)
        return number

    def _saves(self) -> bool:
        """Wait until the lab writes a record, and tell whether it does."""
        while self.lab.running:
            if any(name.endswith(".partial") for name in os.listdir(self.saved)):
                return True
        return False

    def _starve(self, one: Disturbance) -> Hit:
        """Let programs take the cores."""
        assert one.length is not None
        rank = ["nice", "-n", PRIORITY] if one.action == "outrank" else []
        began = time.monotonic()
        command = [*rank, sys.executable, "-c", HOG, str(one.length)]
        hogs = [self.stage.start(f"hog {cpu}", command, [cpu]) for cpu in self.cpus for _ in range(RIVALS)]
        for hog in hogs:
            hog.wait(one.length + 10.0)
        over = time.monotonic()
        for hog in hogs:
            self.stage.end(hog)
        return began, over

    def _cut(self, one: Disturbance) -> Hit | None:
        """Let the server close the connections of the lab itself, which alone have no names: the Keeper's, too."""
        assert self.server is not None
        began, cut = time.monotonic(), 0
        with contextlib.closing(self.server.client()) as client:
            own = client.client_id()
            for other in client.client_list():
                if not other["name"] and int(other["id"]) != own:
                    client.client_kill_filter(_id=other["id"])
                    cut += 1
        return (began, time.monotonic()) if cut else None

    def _fill(self, one: Disturbance) -> Hit | None:
        """Write until the disk of the run is full."""
        if self.disk is None:
            return None
        began = time.monotonic()
        with contextlib.suppress(OSError), (inside(self.lab.pid, self.disk) / "rubbish").open("wb", 0) as rubbish:
            while True:
                rubbish.write(bytes(2**16))
        return began, inf


def inside(pid: int, path: Path) -> Path:
    """Return a path as a process sees it that has disks of its own."""
    return Path(f"/proc/{pid}/root{path}")


def on_a_disk(folder: Path, size: int) -> list[str]:
    """Return the words before a command that let it see a disk of `size` bytes in a folder; it ends with the command.

    Source: mount_namespaces(7), tmpfs(5).
    """
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    mount = f'mount -t tmpfs -o size={size} none "$0" && exec "$@"'
    return ["unshare", *user, "--mount", "--propagation", "private", "sh", "-c", mount, str(folder)]


def has_disks(folder: Path) -> bool:
    """Tell whether `on_a_disk` works on this machine for this user."""
    try:
        tried = subprocess.run([*on_a_disk(folder, SMALL_DISK), "true"], capture_output=True, check=False)
    except OSError:
        return False
    return tried.returncode == 0
