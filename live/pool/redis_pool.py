"""redis-py's blocking pool. It has no bound on those who wait, so the node counts them before it asks.

The service time is the node's: it holds the connection after the answer, as a handler does that has more to do with
it. Valkey has no command that takes a given time without holding up everybody.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from redis.asyncio import BlockingConnectionPool, Connection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from live.pool.base import LibraryPool, NoConnectionError, PoolSettings, Told

KEY = "stormlab:pool"
"""What a use asks for; there is no such key."""


class NotedConnection(Connection):
    """A connection that tells when it is opened, and when an open one is closed."""

    told: tuple[Callable[[], None], Told] = (lambda: None, lambda reason: None)

    def __init__(self, *, told: tuple[Callable[[], None], Told], **options: Any) -> None:
        super().__init__(**options)
        self.told = told

    async def on_connect_check_health(self, check_health: bool = True) -> None:
        """The connection is made (redis-py): log in, and tell."""
        await super().on_connect_check_health(check_health=check_health)
        self.told[0]()

    async def disconnect(self, *places: Any, **named: Any) -> None:
        """Close the connection (redis-py), and tell."""
        was_open = self.is_connected
        await super().disconnect(*places, **named)
        if was_open:
            self.told[1]("broken")


class RedisPool(LibraryPool):
    """The pool of a node that asks Valkey."""

    def __init__(self, settings: PoolSettings, opened: Callable[[], None], closed: Told) -> None:
        super().__init__(settings, opened, closed)
        self.waiting = 0
        self.pool = BlockingConnectionPool(
            max_connections=settings.size,
            timeout=settings.timeout,
            connection_class=NotedConnection,
            told=(opened, closed),
            retry=Retry(NoBackoff(), 0),
            **settings.address,
        )

    async def start(self) -> None:
        """Redis-py opens each connection when it is needed first."""

    async def borrow(self) -> NotedConnection:
        """Return a connection, opened anew if it was closed.

        Raises:
            NoConnectionError: so many wait already, the wait timed out, or the server does not answer.
        """
        waits, most = not self.pool.can_get_connection(), self.settings.max_waiting
        if waits and most and self.waiting >= most:
            raise NoConnectionError("full")
        self.waiting += waits
        try:
            connection: NotedConnection = await self.pool.get_connection()  # type: ignore[no-untyped-call]
        except (RedisError, OSError) as error:
            timed_out = isinstance(error.__cause__, asyncio.TimeoutError) and "available" in str(error)
            raise NoConnectionError("timeout" if timed_out else "down") from None
        finally:
            self.waiting -= waits
        return connection

    async def ask(self, connection: NotedConnection, seconds: float) -> bool:
        """Ask for a key, and hold the connection for so long after the answer."""
        try:
            await connection.send_command("GET", KEY)
            await connection.read_response()
        except (RedisError, OSError):
            return False
        if seconds > 0.0:
            await asyncio.sleep(seconds)
        return True

    async def give_back(self, connection: NotedConnection, works: bool) -> None:
        """Give a connection back, closed if it does not work."""
        if not works:
            await connection.disconnect()
        await self.pool.release(connection)
