"""nginx's peers: the registrar writes a new list of them, and has it read. Source: nginx, "Controlling nginx"."""

import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

from live.balancer.base import OBEYS_WITHIN
from twin.config.nginx import HANDOVER, peers
from twin.rules.registry import Changes, Registration


class NginxMembers:
    """nginx's peers: a file that the configuration includes.

    Args:
        path: of the file.
        pid: of the master process.
        head: lines of the `upstream` block before its servers.
        server: a peer's line, with `{address}`.
        absent: address of each slot while it is not there.
    """

    def __init__(self, path: str, pid: int, head: list[str], server: str, absent: dict[str, str]) -> None:
        self.path = Path(path)
        self.pid = pid
        self.head = head
        self.server = server
        self.absent = {int(slot): address for slot, address in absent.items()}

    def apply(self, todo: Changes, members: Mapping[int, Registration]) -> None:
        """Write the list, let nginx read it, and wait until only the new worker accepts.

        Raises:
            OSError: nginx is gone, or has started no worker.
        """
        text = peers(self.head, self.server, self.absent, members)
        partial = self.path.with_suffix(".partial")
        partial.write_text(text)
        partial.replace(self.path)
        before = set(_children(self.pid))
        os.kill(self.pid, signal.SIGHUP)
        deadline = time.monotonic() + OBEYS_WITHIN
        while not set(_children(self.pid)) - before:
            if time.monotonic() > deadline:
                raise OSError(f"nginx has started no worker within {OBEYS_WITHIN:g} s")
            time.sleep(0.001)
        time.sleep(HANDOVER)


def _children(pid: int) -> list[int]:
    try:
        return [child.pid for child in psutil.Process(pid).children()]
    except psutil.NoSuchProcess:
        raise OSError("nginx is gone") from None
