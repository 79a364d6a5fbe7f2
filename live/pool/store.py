"""The store behind the nodes' pools: a server of its own, embedded, for one run."""

from abc import ABC, abstractmethod
from typing import Any

from live.broadcast.bus import Bus
from live.control.process import READY_WITHIN, Stage
from live.machine import placement
from twin.rules.faults import Standing


class EmbeddedStore(ABC):
    """A store of one run.

    Attributes:
        standing: what acts on it.
    """

    def __init__(self) -> None:
        self.standing = Standing()

    @property
    @abstractmethod
    def address(self) -> dict[str, Any]:
        """Where it is, and what lets one in, as the library's pool has it."""

    @abstractmethod
    def cpu_ns(self) -> int:
        """Return the CPU time that its processes have used so far, in nanoseconds."""

    @abstractmethod
    def wait_ready(self) -> dict[str, Any]:
        """Wait until it answers, and return what it is.

        Raises:
            ClusterError: that took too long.
        """

    @abstractmethod
    def kill(self) -> None:
        """Kill it with SIGKILL, and wait until it is gone."""

    @abstractmethod
    def start_again(self) -> None:
        """Start it anew, at its place."""


class RedisStore(EmbeddedStore):
    """An embedded Valkey."""

    def __init__(self, stage: Stage, cpus: list[int]) -> None:
        super().__init__()
        self.bus = Bus(stage, placement.free_ports(1)[0], cpus, name="of-pools")

    @property
    def address(self) -> dict[str, Any]:
        """Host, port and password."""
        address = self.bus.address
        return {"host": address.host, "port": address.port, "password": address.password}

    def cpu_ns(self) -> int:
        """Return the CPU time of its process."""
        assert self.bus.part is not None
        return self.bus.part.cpu_ns()

    def wait_ready(self) -> dict[str, Any]:
        """Wait until it answers."""
        return self.bus.wait_ready(READY_WITHIN)

    def kill(self) -> None:
        """Kill it."""
        self.bus.kill()

    def start_again(self) -> None:
        """Start it."""
        self.bus.start_again()
