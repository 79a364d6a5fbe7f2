"""What nginx's own log says about its processes: who signalled them, and which worker ended or was stopped.

The master starts a worker anew that has ended, so that nobody who looks at the master alone sees it. Source: nginx,
`src/os/unix/ngx_process.c` (`ngx_signal_handler`, `ngx_process_get_status`), which log at the level `notice`.
"""

import re
import time

_SIGNAL = re.compile(r" (\d+)#\d+: signal (\d+) \((\w+)\) received from (\d+)")
_EXIT = re.compile(r" worker process (\d+) exited (on signal \d+|with (?:fatal )?code \d+)")
IN_ORDER = "with code 0"
SETTLES = 0.1
"""Seconds within which the master has told of a worker's end after the kernel has told it of a change; without an end,
the worker was stopped."""


class Processes:
    """The processes of one nginx.

    Args:
        trusted: numbers of the processes that may send it signals: the lab and, if there is one, the registrar.
    """

    def __init__(self, trusted: set[int]) -> None:
        self.trusted = trusted
        self.trouble = ""
        self._changed: dict[int, float] = {}

    def read(self, line: str, now: float) -> None:
        """Take a line of the log, at `now` on the monotonic clock."""
        if found := _SIGNAL.search(line):
            to, name, sender = int(found[1]), found[3], int(found[4])
            if name == "SIGCHLD":
                self._changed[sender] = now
            elif sender not in self.trusted:
                self._note(f"nginx (process {to}) was sent {name} by process {sender}")
        elif found := _EXIT.search(line):
            worker, how = int(found[1]), found[2]
            self._changed.pop(worker, None)
            if how != IN_ORDER:
                self._note(f"a worker of nginx (process {worker}) exited {how}")

    def disturbed(self) -> str:
        """Return what somebody else has done to it, or an empty text."""
        for worker, since in self._changed.items():
            if time.monotonic() - since > SETTLES:
                self._note(f"a worker of nginx (process {worker}) was stopped, or let go on")
        return self.trouble

    def _note(self, what: str) -> None:
        self.trouble = self.trouble or what
