"""nginx as a process: a master, one worker that forwards, and a log that tells of both."""

import os
import re
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import psutil

from live.balancer.base import Balancer, search_path
from live.balancer.nginx_log import Processes
from twin.config.base import loopback
from twin.config.nginx import NGINX, head, peer, peers, peers_file
from twin.errors import HostError

_TEMP = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
_DISABLED = re.compile(r"upstream server temporarily disabled.*upstream: \"http://127\.0\.0\.1:(\d+)/")


class NginxBalancer(Balancer):
    """nginx, one worker. It checks no node: clients always may be sent to any."""

    kind = "nginx"
    configuration = NGINX

    @staticmethod
    def binary() -> str:
        """Return the path of the program, on PATH or in /usr/sbin."""
        path = shutil.which("nginx", path=search_path("/usr/sbin"))
        if path is None:
            raise HostError(
                "nginx is not installed: `apt-get install nginx-light` or `brew install nginx` provides it."
            )
        return path

    @staticmethod
    def check_command(program: str, text: str, folder: Path) -> list[str]:
        """Return the command that checks a file that stands in the `http` context; see the base."""
        path = folder / "nginx.conf"
        (folder / "site.conf").write_text(text)
        temp = "".join(f"{one}_temp_path {folder}/{one};" for one in _TEMP)
        path.write_text(
            f"pid {folder}/pid; error_log stderr; events {{}} "
            f"http {{ access_log off; {temp} include {folder}/site.conf; }}"
        )
        return [program, "-t", "-q", "-c", str(path), "-p", str(folder)]

    def start(self) -> None:
        """Write the list of peers that a registry starts with, and start the master."""
        self.processes = Processes({os.getpid()})
        if self.scenario.registry is not None:
            peers_file(self.stage.folder).write_text(peers(*self._registry, {}))
        command = [self.program, "-c", str(self.path), "-p", str(self.stage.folder)]
        self.part = self.stage.start("nginx", command, self.cpus)  # its warnings go to the log file of the part

    @property
    def _registry(self) -> tuple[list[str], str, dict[int, str]]:
        """The lines before the peers, a peer's line, and the address of each slot while it is not there."""
        balancer = NGINX.settings(self.scenario)
        return head(balancer), peer(balancer), dict(enumerate(loopback(self.node_ports), 1))

    def read_log(self) -> None:
        """Note which peers it takes out of rotation, and follow what its log tells of its processes."""
        line = ""
        with self.part.log.open(errors="replace") as log:
            while not self.closed:
                line += log.readline()
                if not line.endswith("\n"):
                    time.sleep(0.002)
                    continue
                self.processes.read(line, time.monotonic())
                found = _DISABLED.search(line)
                if found and int(found[1]) in self.node_ports:
                    self.note(time.monotonic(), "marked_down", self.node_ports.index(int(found[1])) + 1, "passive")
                line = ""

    def is_whole(self) -> bool:
        """Tell whether the worker is there."""
        return bool(psutil.Process(self.part.pid).children())

    def is_up(self, node: int) -> bool:
        """Return True: it has no checks."""
        return True

    def forwarder(self) -> int:
        """Return the pid of the worker."""
        return int(psutil.Process(self.part.pid).children()[0].pid)

    def reload(self) -> None:
        """Let the master start a new worker."""
        self.part.signal(signal.SIGHUP)

    def members(self, following: str | None) -> dict[str, Any]:
        """Return what `NginxMembers` takes; it has no gray release."""
        first, server, absent = self._registry
        return {
            "path": str(peers_file(self.stage.folder)),
            "pid": self.part.pid,
            "head": first,
            "server": server,
            "absent": {str(slot): address for slot, address in absent.items()},
        }

    def trust(self, pid: int) -> None:
        """Take signals from this process as ordered."""
        self.processes.trusted.add(pid)

    def trouble(self) -> str:
        """Return what somebody else has done to its processes."""
        return self.processes.disturbed()
