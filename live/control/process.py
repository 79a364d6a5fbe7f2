"""Start a process, wait until it is ready, stop it, and never leave an orphan.

Every part runs in its own process group. Three things end it: `Stage.close` on success, error or Ctrl-C; the guard
(`live.control.guard`) when the lab is killed; and, on Linux, the kernel's parent-death signal in the moment between the
two.
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
import sysconfig
import tempfile
import time
from collections.abc import Sequence
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

from live.control import interrupt
from live.control.address import PASSWORD_VARIABLE
from live.control.folder import temporary
from live.control.messages import ControlMessage, Lateness, MessageError, SomeMessage, decode, encode
from live.control.usage import process_cpu_ns
from twin.errors import ClusterError, VoidError

if TYPE_CHECKING:
    from resource import struct_rusage

READY_WITHIN = 10.0
FIRST_PAUSE, LAST_PAUSE = 0.0005, 0.05
"""Seconds between the first and between later looks at whether a process has ended, as in `subprocess`."""
CLOSES_BEFORE_END = 1.0
"""Seconds in which a process has ended whose standard output was closed, if that is why."""
LEAST_LOG = 4096
"""Bytes that are free on a disk on which a process can log what is wrong."""
CODE = Path(__file__).parents[2]
"""Folder from which the lab's packages were imported."""


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


def own(module: str) -> list[str]:
    """Return the command of one of our own modules. What lies in the current folder is not imported (`-P`): a file of
    the user's may have the name of a module.
    """
    return [sys.executable, "-P", "-m", module]


def surroundings() -> dict[str, str]:
    """Return the environment of a process that is started.

    The packages that run here come first on Python's path, so that the tests of a checkout start the processes of this
    checkout. Folders that are named relative to the current one are left out, as the current one is.
    """
    found = {name: value for name, value in os.environ.items() if name != PASSWORD_VARIABLE}
    folders = [one for one in found.get("PYTHONPATH", "").split(os.pathsep) if os.path.isabs(one)]
    if str(CODE) != sysconfig.get_path("purelib"):  # an installed one must not come before the standard library
        folders.insert(0, str(CODE))
    return found | {"PYTHONPATH": os.pathsep.join(folders)}


ORDERED_ENDS = {signal.SIGKILL: {-signal.SIGKILL}, signal.SIGTERM: {0, -signal.SIGTERM}}
"""With which status a part may end after the lab has sent it a signal: one that is just starting does not handle it."""

OF_GROUP = (signal.SIGSTOP, signal.SIGCONT, signal.SIGKILL)
"""Signals that all processes of a part get."""


class ChildProcess:
    """One running process of the cluster; one of ours hears and says messages (`live.control.messages`).

    Attributes:
        may_end: statuses with which it may end in the middle of a run: what the lab has ordered.
        held: whether the lab has stopped it (SIGSTOP).
        released: whether the lab has let it go on (SIGCONT), and the kernel has not told so yet.
        timers: how late its timers were (`live.machine.timing.Timers`), if it tells that.
    """

    def __init__(self, name: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.name = name
        self.process = process
        self.pid = process.pid
        self.log = log
        self.may_end = set[int]()
        self.held = self.released = False
        self.timers: Lateness | None = None
        self._buffer = b""

    @property
    def running(self) -> bool:
        """Whether the process still runs."""
        return self.status is None

    @property
    def status(self) -> int | None:
        """The exit status, or the negative number of the signal that ended it; None while it runs.

        Only `Stage.end` and `Stage.reap` take the process off the kernel's list: until then its number is no other's,
        and a signal to it or to its group hits nobody else. Source: waitid(2), WNOWAIT.
        """
        if self.process.returncode is None and hasattr(os, "waitid"):  # macOS has it from Python 3.13 on
            with contextlib.suppress(ChildProcessError):
                found = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
                if found is None:
                    return None
                return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status
        return self.process.poll()

    def give(self, config: object) -> None:
        """Send the settings that a part of ours reads first (`live.control.given`); if it has ended, `hear` tells."""
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):
            self.process.stdin.write(json.dumps(config, default=vars).encode() + b"\n")
            self.process.stdin.flush()

    def tell(self, message: ControlMessage) -> None:
        """Send one message to a part of ours.

        Raises:
            ClusterError: it has ended.
        """
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(encode(message))
            self.process.stdin.flush()
        except (BrokenPipeError, OSError):
            raise self.failure("takes no message") from None

    def hear(self, kind: type[SomeMessage], timeout: float = READY_WITHIN) -> SomeMessage:
        """Return the part's next message.

        Args:
            kind: its type; `ControlMessage` is any that the lab knows.
            timeout: seconds.

        Raises:
            ClusterError: no message came within `timeout` seconds, it was another one, or the process ended.
        """
        line = self.read_line(timeout)
        try:
            return decode(line, {name: one for name, one in ControlMessage.known.items() if issubclass(one, kind)})
        except MessageError as error:
            raise self.failure(f"has said what the lab does not understand ({error})") from None

    def read_line(self, timeout: float = READY_WITHIN) -> bytes:
        """Return the next line of its standard output.

        Raises:
            ClusterError: none came within `timeout` seconds, or the process ended.
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
                self.wait(CLOSES_BEFORE_END)
                raise self.failure("has closed its standard output")
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def failure(self, what: str) -> ClusterError:
        """Return an error that says what the part did, or how it ended, and the last line it logged.

        It is a `VoidError` if a signal has ended or stopped the part that the lab did not send: that was somebody else.
        """
        status = self.status
        if status is None:
            if self.was_stopped():
                return VoidError(f"{self.name} {what}, as it was stopped by a signal: {self.last_words}")
            return ClusterError(f"{self.name} {what}: {self.last_words}")
        kind = VoidError if status < 0 and status not in self.may_end else ClusterError
        return kind(f"{self.name} {ending(status)}: {self.last_words}")

    @property
    def last_words(self) -> str:
        """The last line that it logged."""
        text = self.log.read_text(errors="replace").strip() if self.log.exists() else ""
        if text:
            return text.splitlines()[-1]
        full = self.log.parent.exists() and shutil.disk_usage(self.log.parent).free < LEAST_LOG
        return f"it could log nothing, as the disk of {self.log.parent} is full" if full else "it logged nothing"

    def signal(self, number: int) -> None:
        """Send a signal to the process, unless it was reaped: its number may be another's by now.

        What stops it, lets it go on or kills it goes to all processes that it has started; it is their group's leader.
        """
        self.may_end |= ORDERED_ENDS.get(signal.Signals(number), set())
        if number in (signal.SIGSTOP, signal.SIGCONT):
            self.released = self.held and number == signal.SIGCONT
            self.held = number == signal.SIGSTOP
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                (os.killpg if number in OF_GROUP else os.kill)(self.pid, number)

    def let_end(self) -> None:
        """Expect that it ends in good order, because it was told to."""
        self.may_end.add(0)

    def was_stopped(self) -> bool:
        """Tell whether somebody else has stopped the process, or let it go on, since this was last asked.

        Source: waitid(2), WSTOPPED and WCONTINUED; the kernel tells each change once, and only the last one.
        """
        if self.process.returncode is not None or not hasattr(os, "waitid"):
            return False
        with contextlib.suppress(ChildProcessError):
            found = os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WCONTINUED | os.WNOHANG)
            if found is not None and found.si_code == os.CLD_CONTINUED:
                ours, self.released = self.released, False
                return not ours
            return found is not None and not self.held
        return False

    def wait(self, timeout: float = inf) -> bool:
        """Wait until the process has ended; False when it has not within `timeout` seconds."""
        deadline, pause = time.monotonic() + timeout, FIRST_PAUSE
        while self.running:
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(pause, left))
            pause = min(2 * pause, LAST_PAUSE)
        return True

    def cpu_ns(self) -> int:
        """Return the CPU time the process has used so far, in nanoseconds."""
        return process_cpu_ns(self.pid)


def ending(status: int) -> str:
    """Return in words how a process ended; below 0 is the signal that ended it."""
    if status >= 0:
        return f"ended with exit status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:  # a signal for real time
        return f"was ended by signal {-status}"


class Stage:
    """All processes of one run and its folder for sockets, configurations and logs."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="stormlab-", dir=temporary()))
        self.parts: list[ChildProcess] = []
        self.folders: list[Path] = []
        try:
            process = subprocess.Popen(
                [*own("live.control.guard"), str(self.folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=surroundings(),
                start_new_session=True,
            )
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        self.guard = ChildProcess("the guard", process, self.folder / "guard.log")

    def __enter__(self) -> "Stage":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def start(
        self, name: str, command: Sequence[str], cpus: Sequence[int] | None = None, tag: str = ""
    ) -> ChildProcess:
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
                env=surroundings(),
                process_group=0,
            )
        self._tell_guard("watch", process.pid)
        part = ChildProcess(name, process, log)
        self.parts.append(part)
        if cpus:
            pin(process.pid, cpus)
        interrupt.check()
        return part

    def further_folder(self) -> Path:
        """Return a new folder outside of the run's own, which is gone with it: for a part that runs as another user."""
        found = Path(tempfile.mkdtemp(prefix="stormlab-", dir=temporary()))
        self.folders.append(found)
        self._tell_guard("folder", found)
        return found

    def python(self, name: str, module: str, config: object, cpus: Sequence[int] | None = None) -> ChildProcess:
        """Start one of our own modules; its settings, of a type that JSON has or with fields, go to its
        standard input, as a command line is no secret.
        """
        part = self.start(name, own(module), cpus)
        part.give(config)
        return part

    def end(self, part: ChildProcess) -> None:
        """Kill a part's whole group and wait until it is gone; a group whose leader was reaped is left alone."""
        if part.process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(part.pid, signal.SIGKILL)
            self._tell_guard("forget", part.pid)
            part.process.wait()
        for stream in (part.process.stdin, part.process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        if part in self.parts:
            self.parts.remove(part)

    def reap(self, part: ChildProcess) -> "struct_rusage":
        """Wait until a part has ended by itself, and return what all its life has used."""
        part.let_end()
        part.wait()
        self._tell_guard("forget", part.pid)
        _, status, usage = os.wait4(part.pid, 0)
        part.process.returncode = os.waitstatus_to_exitcode(status)
        return usage

    def close(self) -> None:
        """End everything that was started, last one first, and remove the folder."""
        for part in reversed(list(self.parts)):
            self.end(part)
        assert self.guard.process.stdin is not None
        with contextlib.suppress(OSError):
            self.guard.process.stdin.close()
        self.guard.signal(signal.SIGCONT)  # somebody may have stopped it
        self.guard.process.wait()
        for folder in (self.folder, *self.folders):
            shutil.rmtree(folder, ignore_errors=True)

    def _tell_guard(self, word: str, group: int | Path) -> None:
        assert self.guard.process.stdin is not None
        with contextlib.suppress(OSError):
            self.guard.process.stdin.write(f"{word} {group}\n".encode())
            self.guard.process.stdin.flush()


def pin(pid: int, cpus: Sequence[int]) -> None:
    """Bind a process to some CPUs where the system can (Linux)."""
    if hasattr(os, "sched_setaffinity"):
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(pid, cpus)
