"""A pool of connections as a state machine: what happens goes in, what is to be done comes out.

Two client libraries' pools, each after its own source. `HandOverPool` is psycopg_pool's: who comes first is served
first, a connection that is given back is handed to who waits, the pool grows in the background by one at a time,
replaces what is broken after waits that double, closes one connection a `max_idle` that nobody needed, and each that is
given back after its lifetime. `SlotPool` is redis-py's: a borrower gets a slot and opens its connection by itself; the
last one given back is borrowed first, and none is closed. Connections and uses are numbers; times are in seconds.

Sources: psycopg_pool 3.3, pool_async.py (`_getconn_unchecked`, `_maybe_grow_pool`, `_add_connection`,
`_return_connection`, `_add_to_pool`, `_shrink_pool`) and base.py (`AttemptWithBackoff`, `_set_connection_expiry_date`);
redis-py 8, asyncio/connection.py (`BlockingConnectionPool.get_connection`, `release`, `get_available_connection`).
"""

from collections import deque
from dataclasses import dataclass
from math import inf, log
from typing import Literal

Store = Literal["redis", "postgresql"]
"""Where the connections of a pool lead, and so whose pool it is: redis-py's or psycopg_pool's."""
Distribution = Literal["fixed", "exponential"]
"""How a time is drawn around its mean."""
WORKERS = 3
"""Connections that psycopg_pool opens at the same time at most (`num_workers`)."""
GIVES_UP = 300.0
"""Seconds for which psycopg_pool tries to replace a connection (`reconnect_timeout`)."""
FIRST_DELAY, DELAY_SPREAD, DELAY_FACTOR = 1.0, 0.1, 2.0
"""Of `replacement_delay`: the first wait in seconds, its spread, and its growth."""
YOUNGEST = 0.95
"""Share of the lifetime after which the first connections end, so that they do not end all at once."""


@dataclass(frozen=True)
class Give:
    """Hand a connection to a use, which has to open it first if it is not open."""

    use: int
    connection: int
    opened: bool = True


@dataclass(frozen=True)
class Open:
    """Open a connection in the background, `delay` seconds from now; then tell `opened` or `failed`."""

    connection: int
    delay: float = 0.0


@dataclass(frozen=True)
class Close:
    """Close a connection, because of a `reason`: `idle` or `lifetime`."""

    connection: int
    reason: str


@dataclass(frozen=True)
class Refuse:
    """Tell a use that the queue is as long as it may be."""

    use: int


Step = Give | Open | Close | Refuse


def drawn_time(distribution: Distribution, mean: float, u: float) -> float:
    """Return a time in seconds for a uniform number `u` in [0, 1)."""
    return mean if distribution == "fixed" else -mean * log(1.0 - u)


def replacement_delay(failures: int, u: float) -> float:
    """Return how long psycopg_pool waits after `failures` failed attempts to open a connection, from 1, in seconds.

    One number `u` in [0, 1) spreads all waits of a connection.
    """
    return FIRST_DELAY * (1.0 - DELAY_SPREAD + 2.0 * DELAY_SPREAD * u) * DELAY_FACTOR ** (failures - 1)


def longest_return(away: float) -> float:
    """Return how long after the return of a store a pool has a connection again at the latest; `away`: seconds without
    it.
    """
    longest = FIRST_DELAY * (1.0 + DELAY_SPREAD)
    return 2.0 * longest + DELAY_FACTOR * away


class ConnectionPool:
    """What both kinds have in common.

    Args:
        size: connections at most, at least 1.
        max_waiting: uses that may wait at most; 0 is no bound.

    Attributes:
        idle: open connections that nobody has, in the order in which they were given back.
        out: who has which connection.
        waiting: uses that wait, the first one first; `gone` are those of them that do not any more.
    """

    background = False
    """Whether the pool opens connections by itself."""

    def __init__(self, size: int, max_waiting: int = 0) -> None:
        self.size = size
        self.max_waiting = max_waiting
        self.idle: deque[int] = deque()
        self.out: dict[int, int] = {}
        self.waiting: deque[int] = deque()
        self.gone: set[int] = set()
        self.made = 0

    @property
    def in_use(self) -> int:
        """How many connections are out."""
        return len(self.out)

    def timed_out(self, use: int) -> bool:
        """A use has waited for as long as it may; False when it has its connection."""
        if use not in self.waiting or use in self.gone:
            return False
        self.gone.add(use)
        return True

    def _new(self) -> int:
        self.made += 1
        return self.made

    def _next(self) -> int | None:
        """Return the first use that still waits, and forget those before it."""
        while self.waiting:
            use = self.waiting.popleft()
            if use not in self.gone:
                return use
            self.gone.discard(use)
        return None

    def _give(self, use: int, connection: int, opened: bool = True) -> Give:
        self.out[connection] = use
        return Give(use, connection, opened)


class HandOverPool(ConnectionPool):
    """The pool of psycopg_pool.

    Args:
        size, max_waiting: as of `ConnectionPool`; a use that has timed out counts as waiting until one is given back.
        min_size: connections that it keeps.
        lifetime: seconds after which a connection ends that is given back; infinite is never.

    Attributes:
        count: connections that are there, or being opened.
    """

    background = True

    def __init__(self, size: int, max_waiting: int = 0, min_size: int = 0, lifetime: float = inf) -> None:
        super().__init__(size, max_waiting)
        self.min_size = min_size
        self.lifetime = lifetime
        self.count = 0
        self.growing = False
        self.spare = min_size
        self.expires: dict[int, float] = {}
        self._grows: set[int] = set()
        self._failures: dict[int, tuple[int, float]] = {}

    def start(self) -> list[Step]:
        """Open the connections that there are always."""
        self.count = self.min_size
        return [Open(self._new()) for _ in range(self.min_size)]

    def borrow(self, use: int) -> list[Step]:
        """A use asks for a connection."""
        if self.idle:
            connection = self.idle.popleft()
            self.spare = min(self.spare, len(self.idle))
            return [self._give(use, connection)]
        if self.max_waiting and len(self.waiting) >= self.max_waiting:
            return [Refuse(use)]
        self.waiting.append(use)
        if self.count >= self.size or self.growing:
            return []
        return [self._grow()]

    def give_back(self, connection: int, now: float, broken: bool = False) -> list[Step]:
        """A use is done with its connection, or has found it `broken`."""
        del self.out[connection]
        if broken:
            return [self._replace(connection)]
        if self.expires[connection] <= now:
            return [Close(connection, "lifetime"), self._replace(connection)]
        return self._keep(connection)

    def opened(self, connection: int, now: float, u: float) -> list[Step]:
        """A connection is open; `u` in [0, 1) spreads the ends of the lifetimes."""
        self._failures.pop(connection, None)
        self.expires[connection] = now + self.lifetime * (YOUNGEST + (1.0 - YOUNGEST) * u)
        steps = self._keep(connection)
        if connection in self._grows:
            self._grows.discard(connection)
            if self.count < self.min_size or (self.count < self.size and self.waiting):
                return [*steps, self._grow()]
            self.growing = False
        return steps

    def failed(self, connection: int, now: float, u: float) -> list[Step]:
        """A connection could not be opened: try again later, or give it up; `u` in [0, 1) spreads the first wait."""
        failures, until = self._failures.get(connection, (0, now + GIVES_UP))
        if failures and now >= until:
            self._failures.pop(connection)
            self.count -= 1
            if connection in self._grows:
                self._grows.discard(connection)
                self.growing = False
            return []
        self._failures[connection] = failures + 1, until
        return [Open(connection, max(0.0, min(replacement_delay(failures + 1, u), until - now)))]

    def shrink(self) -> list[Step]:
        """A `max_idle` has passed: close one connection if not all were needed in it."""
        spare, self.spare = self.spare, len(self.idle)
        if self.count <= self.min_size or spare <= 0 or not self.idle:
            return []
        connection = self.idle.popleft()
        self.count -= 1
        self.spare -= 1
        self.expires.pop(connection, None)
        return [Close(connection, "idle")]

    def _keep(self, connection: int) -> list[Step]:
        """Hand a connection to who waits, or keep it."""
        use = self._next()
        if use is not None:
            return [self._give(use, connection)]
        self.idle.append(connection)
        return []

    def _grow(self) -> Open:
        self.count += 1
        self.growing = True
        connection = self._new()
        self._grows.add(connection)
        return Open(connection)

    def _replace(self, connection: int) -> Open:
        self.expires.pop(connection, None)
        return Open(self._new())


class SlotPool(ConnectionPool):
    """The pool of redis-py. A connection that breaks keeps its slot, and its next borrower opens it again.

    `max_waiting` is the node's own bound in front of it.
    """

    def __init__(self, size: int, max_waiting: int = 0) -> None:
        super().__init__(size, max_waiting)
        self.open: set[int] = set()

    def borrow(self, use: int) -> list[Step]:
        """A use asks for a connection."""
        if self.idle:
            return [self._hand(use, self.idle.pop())]
        if len(self.out) < self.size:
            return [self._hand(use, self._new())]
        if self.max_waiting and len(self.waiting) - len(self.gone) >= self.max_waiting:
            return [Refuse(use)]
        self.waiting.append(use)
        return []

    def opened(self, connection: int) -> None:
        """Its borrower has opened a connection."""
        self.open.add(connection)

    def lost(self, connection: int) -> None:
        """A connection is found to be closed."""
        self.open.discard(connection)

    def give_back(self, connection: int) -> list[Step]:
        """A use is done with its connection, whether it is open or not."""
        del self.out[connection]
        use = self._next()
        if use is not None:
            return [self._hand(use, connection)]
        self.idle.append(connection)
        return []

    def _hand(self, use: int, connection: int) -> Give:
        return self._give(use, connection, connection in self.open)
