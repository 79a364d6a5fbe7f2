"""Start a process, wait until it is ready, stop it, and never leave an orphan.

Every part runs in its own process group. Three things end it: `Stage.close` on success, error or Ctrl-C; the guard
(`live.guard`) when the lab is killed; and, on Linux, the kernel's parent-death signal in the moment between the two.
"""

import contextlib
import functools
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from live import interrupt
from live.room import temporary
from twin.errors import ClusterError

READY_WITHIN = 10.0


@functools.cache
def ends_with_parent() -> tuple[str, ...]:
    """Return the words before a command that let the kernel kill it when the lab dies; none where they do not work.

    The program `setpriv` of util-linux asks for it (PR_SET_PDEATHSIG) and becomes the command. If the lab asked
    between fork and exec, the kernel would have to copy its page tables and, later, each page that it writes: with the
    300 MB and more of a lab that has simulated, tens of milliseconds a start, on the cores that are measured. In the
    few milliseconds before setpriv has asked, the guard alone ends the part.
    """
    words = ("setpriv", "--pdeathsig", "KILL", "--")
    try:
        tried = subprocess.run([*words, "true"], capture_output=True, check=False)
    except OSError:
        return ()
    return words if tried.returncode == 0 else ()


class Part:
    """One running process of the cluster, with a line of JSON in each direction when it is one of ours."""

    def __init__(self, name: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.name = name
        self.process = process
        self.pid = process.pid
        self.log = log
        self._buffer = b""

    @property
    def running(self) -> bool:
        """Whether the process still runs."""
        return self.process.poll() is None

    def tell(self, **message: Any) -> None:
        """Send one message to a part that reads JSON lines."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(message).encode() + b"\n")
            self.process.stdin.flush()
        except (BrokenPipeError, OSError):
            raise self.failure("stopped by itself") from None

    def hear(self, timeout: float = READY_WITHIN) -> dict[str, Any]:
        """Return the part's next message.

        Raises:
            ClusterError: no message came within `timeout` seconds, or the process ended.
        """
        assert self.process.stdout is not None
        fd = self.process.stdout.fileno()
        deadline = time.monotonic() + timeout
        while b"\n" not in self._buffer:
            ready, _, _ = select.select([fd], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise self.failure(f"gave no answer within {timeout:g} s")
            data = os.read(fd, 1 << 16)
            if not data:
                raise self.failure("stopped by itself")
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return dict(json.loads(line))

    def failure(self, what: str) -> ClusterError:
        """Return an error that says what the part did and the last line it logged."""
        text = self.log.read_text(errors="replace").strip() if self.log.exists() else ""
        last = text.splitlines()[-1] if text else "it logged nothing"
        return ClusterError(f"{self.name} {what}: {last}")

    def signal(self, number: int) -> None:
        """Send a signal to the process, if it still runs."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def wait(self, timeout: float) -> bool:
        """Wait until the process has ended; False when it has not within `timeout` seconds."""
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        return True

    def cpu_ns(self) -> int:
        """Return the CPU time the process has used so far, in nanoseconds."""
        return process_cpu_ns(self.pid)


def process_cpu_ns(pid: int) -> int:
    """Return the CPU time a process has used so far, in nanoseconds (Linux schedstat, else psutil)."""
    try:
        return _schedstat(pid, 0)
    except FileNotFoundError:
        times = psutil.Process(pid).cpu_times()
        return int((times.user + times.system) * 1e9)


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


class Stage:
    """All processes of one run and its folder for sockets, configurations and logs."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="stormlab-", dir=temporary()))
        self.parts: list[Part] = []
        try:
            self._guard = subprocess.Popen(
                [sys.executable, "-m", "live.guard", str(self.folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def __enter__(self) -> "Stage":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def start(self, name: str, command: Sequence[str], cpus: Sequence[int] | None = None, tag: str = "") -> Part:
        """Start `command` in its own process group; `cpus` pins it. Its standard error goes to a log in the folder.

        Parts stay in the lab's session: a kernel that shares its cores by sessions first (autogroup, see sched(7)) lets
        them compete by rank and weight with each other.
        """
        log = self.folder / f"{name.replace(' ', '-')}{tag}.log"
        with log.open("ab") as stderr:
            process = subprocess.Popen(
                [*ends_with_parent(), *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                process_group=0,
            )
        self._tell_guard("watch", process.pid)
        part = Part(name, process, log)
        self.parts.append(part)
        if cpus:
            pin(process.pid, cpus)
        interrupt.check()
        return part

    def python(self, name: str, module: str, config: Any, cpus: Sequence[int] | None = None) -> Part:
        """Start one of our own modules with its settings as JSON."""
        return self.start(name, [sys.executable, "-m", module, json.dumps(config)], cpus)

    def end(self, part: Part) -> None:
        """Kill a part's whole group and wait until it is gone."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(part.pid, signal.SIGKILL)
        part.process.wait()
        for stream in (part.process.stdin, part.process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        self._tell_guard("forget", part.pid)
        if part in self.parts:
            self.parts.remove(part)

    def close(self) -> None:
        """End everything that was started, last one first, and remove the folder."""
        for part in reversed(list(self.parts)):
            self.end(part)
        assert self._guard.stdin is not None
        with contextlib.suppress(OSError):
            self._guard.stdin.close()
        self._guard.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _tell_guard(self, word: str, group: int) -> None:
        assert self._guard.stdin is not None
        with contextlib.suppress(OSError):
            self._guard.stdin.write(f"{word} {group}\n".encode())
            self._guard.stdin.flush()


def pin(pid: int, cpus: Sequence[int]) -> None:
    """Bind a process to some CPUs where the system can (Linux)."""
    if hasattr(os, "sched_setaffinity"):
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(pid, cpus)
