"""What a node asks of a client library's pool, whichever that is."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from live.control.messages import Struct

Told = Callable[[str], None]
"""Told why a connection was closed."""


class PoolSettings(Struct):
    """What a node has to know of its pool.

    Attributes:
        store: `redis` or `postgresql`.
        address: of the store: host, port, password.
        size, min_size, max_waiting, timeout, idle_timeout, lifetime, check: as in a scenario; times in seconds.
        service: mean and distribution of the time that a use takes.
        leak: share of the uses that keep their connection.
        handshake: whether handshakes are uses.
        rate: further uses a second.
        alarms: share, share_for, wait, out.
        seed, replication: of the random numbers.
        first: number of the process's first use.
        begin: when uses begin, by the monotonic clock; infinite until the lab says.
    """

    store: str
    address: dict[str, Any]
    size: int
    min_size: int
    max_waiting: int
    timeout: float
    idle_timeout: float
    lifetime: float
    check: bool
    service: dict[str, Any]
    leak: float
    handshake: bool
    rate: float
    alarms: dict[str, float]
    seed: int
    replication: int
    first: int
    begin: float | None


class NoConnectionError(Exception):
    """A use gets no connection.

    Attributes:
        reason: `full`, `timeout` or `down`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class LibraryPool(ABC):
    """A client library's pool.

    Args:
        settings: of the node.
        opened: told of each connection that was opened.
        closed: told of each that was closed, with a word.
    """

    def __init__(self, settings: PoolSettings, opened: Callable[[], None], closed: Told) -> None:
        self.settings = settings
        self.opened = opened
        self.closed = closed

    @abstractmethod
    async def start(self) -> None:
        """Open the connections that there are always, and wait for them."""

    @abstractmethod
    async def borrow(self) -> Any:
        """Return a connection.

        Raises:
            NoConnectionError: there is none.
        """

    @abstractmethod
    async def ask(self, connection: Any, seconds: float) -> bool:
        """Ask the store, hold the connection for so long in all, and tell whether it works still."""

    @abstractmethod
    async def give_back(self, connection: Any, works: bool) -> None:
        """Give a connection back."""
