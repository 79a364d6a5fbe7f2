"""What a server of the bus is in a live run, whatever its kind: it is started, answers, is killed and comes back."""

import signal
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import redis

from live.control.address import Address
from live.control.process import ChildProcess
from twin.scenario.faults import Replica

Counting = Callable[[], dict[int, int]]
"""Returns the bytes that wait on a server for each node, by its number."""


class BusServer(ABC):
    """A server of the bus.

    Attributes:
        address: where it is, and how to get in.
        part: its process; None if it is the user's own.
    """

    address: Address
    part: ChildProcess | None

    @property
    @abstractmethod
    def url(self) -> str:
        """Where the server is, without what lets one in."""

    @abstractmethod
    def wait_ready(self, timeout: float) -> dict[str, Any]:
        """Wait until the server answers and return its name and version.

        Raises:
            ClusterError: the embedded server did not answer within `timeout` seconds.
            HostError: the user's server does not.
        """

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Return the provenance of the server: how it was started, if the lab did, and its settings."""

    @abstractmethod
    def kill(self, replica: Replica | None = None) -> None:
        """Kill the embedded server with SIGKILL and wait until it is gone; of several, the one that is named."""

    def hang(self, replica: Replica | None = None) -> None:
        """Stop the embedded server with SIGSTOP; of several, the one that is named."""
        assert self.part is not None
        self.part.signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on (SIGCONT)."""
        assert self.part is not None
        self.part.signal(signal.SIGCONT)

    @abstractmethod
    def start_again(self) -> None:
        """Start the embedded server anew: with its data when it persists, else empty."""

    @abstractmethod
    def cut(self, *names: str) -> int:
        """Close every connection whose name begins with one of `names` and return how many there were: none while the
        server is away.
        """

    @abstractmethod
    def counting(self, prefix: str) -> AbstractContextManager[Counting]:
        """Return what counts the bytes that wait in the server's memory for each node.

        Args:
            prefix: begins the names of the run's connections; `node-N-` follows.
        """

    def told(self) -> dict[str, Any]:
        """Return what nodes and publisher are told of it besides its address."""
        return {}

    def client(self) -> redis.Redis:
        """Return a connection of the lab's own to the user's server, which is a Redis-protocol one."""
        raise NotImplementedError

    def forget(self, *names: str) -> None:
        """Remove a run's keys from the user's own server; the embedded one ends anyway."""
        return None

    def forget_all(self, prefix: str) -> None:
        """Remove the keys that begin with `prefix` from the user's own server."""
        return None
