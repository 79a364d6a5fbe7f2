"""What every kind of balancer promises as a process: its configuration, its start, its own view of the nodes."""

import os
import socket
import subprocess
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from live.control.process import ChildProcess, Stage, surroundings
from live.control.usage import process_cpu_ns
from twin.config.base import Configuration
from twin.errors import HostError
from twin.scenario.scenario import Scenario

Note = Callable[[float, str, int, str], None]
"""Receives (monotonic time, event, node from 1, detail)."""
OBEYS_WITHIN = 2.0
"""Seconds within which a running balancer must have done what it is told about its servers."""


class Balancer(ABC):
    """The running balancer.

    Args:
        stage: where its process runs.
        scenario: with a balancer of this kind.
        port: on which it listens, on the loopback interface.
        node_ports: of the nodes.
        cpus: cores that it may use; any if there are none.
        note: receives its mark-downs and mark-ups as they happen.

    Attributes:
        kind: as in `balancer.kind`.
        configuration: how its settings are written.
        suffix: of the name of its file.
        package: that is installed when the program is needed and not there; an empty text if none is.
        version_option: which makes the program say its version.
        cuts: whether it can cut tunnels by itself.
        part: its process; another one after a reload that starts one.
    """

    kind: ClassVar[str]
    configuration: ClassVar[Configuration[Any]]
    suffix: ClassVar[str] = "conf"
    package: ClassVar[str] = ""
    version_option: ClassVar[str] = "-v"
    cuts: ClassVar[bool] = False
    part: ChildProcess

    def __init__(
        self, stage: Stage, scenario: Scenario, port: int, node_ports: Sequence[int], cpus: Sequence[int], note: Note
    ) -> None:
        self.stage = stage
        self.scenario = scenario
        self.port = port
        self.node_ports = list(node_ports)
        self.cpus = cpus
        self.note = note
        self.program = self.binary()
        self.config = self.configuration.of_run(scenario, port, node_ports, stage.folder)
        self.path = stage.folder / f"{self.kind}.{self.suffix}"
        self.path.write_text(self.config)
        self.closed = False
        self.start()
        self._reader = threading.Thread(target=self.read_log, daemon=True)
        self._reader.start()

    @staticmethod
    @abstractmethod
    def binary() -> str:
        """Return the path of the program.

        Raises:
            HostError: it is not installed.
        """

    @classmethod
    def installed(cls) -> bool:
        """Tell whether the program is there already; nothing is installed for that."""
        try:
            cls.binary()
        except HostError:
            return False
        return True

    @staticmethod
    @abstractmethod
    def check_command(program: str, text: str, folder: Path) -> list[str]:
        """Return the command by which the program reads a configuration to take away and tells what is wrong with it.

        Args:
            program: its path.
            text: the configuration.
            folder: for the files that this takes.
        """

    @abstractmethod
    def start(self) -> None:
        """Start the process; called once, by the constructor."""

    @abstractmethod
    def read_log(self) -> None:
        """Note the mark-downs and mark-ups that the log tells until `closed`; runs in a thread of its own."""

    @abstractmethod
    def is_whole(self) -> bool:
        """Tell whether all that comes just after the port is there."""

    @abstractmethod
    def is_up(self, node: int) -> bool:
        """Tell whether clients may be sent to a node (from 1)."""

    @abstractmethod
    def forwarder(self) -> int:
        """Return the pid of the process that forwards."""

    @abstractmethod
    def reload(self) -> None:
        """Reload the configuration as an operator would: a new process or worker takes over, old tunnels stay."""

    @abstractmethod
    def members(self, following: str | None) -> dict[str, Any]:
        """Return what the registrar has to know to keep the list of servers in step; see `live.balancer.members`.

        Args:
            following: the next version of a gray release, or None.
        """

    def trust(self, pid: int) -> None:
        """Take signals that this process sends to the balancer as ordered."""
        return

    def connections(self) -> list[int] | None:
        """Return the current sessions on each server as the program counts them, None if it tells nobody."""
        return None

    def counters(self) -> dict[str, int]:
        """Return what the program has counted since it started, by its own names; nothing if it tells nobody."""
        return {}

    def most_queued(self) -> int | None:
        """Return the most requests that waited at one time for a place of a server, None if nobody is told."""
        return None

    def cut(self, node: int) -> None:
        """Cut all tunnels to a node (from 1).

        Raises:
            NotImplementedError: the program never does by itself.
        """
        raise NotImplementedError(f"{self.kind} cannot cut the tunnels to a node")

    def trouble(self) -> str:
        """Return what the program's own log tells that nobody has ordered, or an empty text."""
        return ""

    def wait_ready(self, timeout: float) -> None:
        """Wait until the balancer accepts connections.

        Raises:
            ClusterError: it ended, or did not listen within `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if not self.part.running:
                break
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0 and self.is_whole():
                    return
            time.sleep(0.002)
        raise self.part.failure(f"does not listen on port {self.port}")

    def wait_up(self, node: int, timeout: float) -> None:
        """Wait until clients may be sent to a node (from 1).

        Raises:
            ClusterError: they may not within `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        while not self.is_up(node):
            if time.monotonic() > deadline:
                raise self.part.failure(f"does not bring server n{node} up")
            time.sleep(0.02)

    def disturbed(self) -> str:
        """Return what nobody has ordered and does not show in the part itself, or an empty text."""
        if not self._reader.is_alive():
            return "the log of the balancer is read no more"
        return self.trouble()

    def cpu_ns(self) -> int:
        """Return the CPU time of the process that forwards, in nanoseconds."""
        return process_cpu_ns(self.forwarder())

    def version(self) -> str:
        """Return the program's version line."""
        command = [self.program, self.version_option]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10, env=surroundings())
        return (done.stdout + done.stderr).strip().splitlines()[0]

    def describe(self) -> dict[str, Any]:
        """Return the provenance: kind, version line and configuration."""
        return {"kind": self.kind, "version": self.version(), "configuration": self.config}

    def close(self) -> None:
        """Stop reading the balancer's log."""
        self.closed = True
        self._reader.join(1.0)


def search_path(*more: str) -> str:
    """Return where programs are looked for: PATH, and more folders."""
    return os.pathsep.join([os.environ.get("PATH", ""), *more])
