"""psycopg_pool's pool of connections to PostgreSQL; a use sleeps in the server (pg_sleep)."""

import logging
import time
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

from live.control.process import READY_WITHIN
from live.pool.base import LibraryPool, NoConnectionError, PoolSettings, Told
from twin.rules.pool import WORKERS, YOUNGEST

FOREVER = 10 * 365 * 86400.0
"""Seconds of a lifetime that never ends."""
QUERY = "SELECT pg_sleep(%s)"


class PooledConnection(psycopg.AsyncConnection[Any]):
    """A connection that tells when the pool closes it.

    Attributes:
        told: told why.
        ends: when its lifetime may be over, by the monotonic clock.
    """

    told: Told | None = None
    ends = 0.0

    async def close(self) -> None:
        """Close the connection (psycopg), and tell."""
        if self.told is not None and not self.closed:
            self.told("lifetime" if time.monotonic() >= self.ends else "idle")
        await super().close()


class PostgresqlPool(LibraryPool):
    """The pool of a node that asks PostgreSQL."""

    def __init__(self, settings: PoolSettings, opened: Callable[[], None], closed: Told) -> None:
        super().__init__(settings, opened, closed)
        logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)
        address = settings.address
        self.pool = AsyncConnectionPool(
            f"host={address['host']} port={address['port']} user={address['user']} dbname=postgres sslmode=disable "
            "gssencmode=disable",
            connection_class=PooledConnection,
            kwargs={"autocommit": True, "password": address["password"]},
            min_size=settings.min_size,
            max_size=settings.size,
            open=False,
            configure=self._opened,
            check=self._check if settings.check else None,
            timeout=settings.timeout,
            max_waiting=settings.max_waiting,
            max_lifetime=settings.lifetime or FOREVER,
            max_idle=settings.idle_timeout,
            num_workers=WORKERS,
        )

    async def _opened(self, connection: PooledConnection) -> None:
        connection.told = self.closed
        connection.ends = time.monotonic() + YOUNGEST * (self.settings.lifetime or FOREVER)
        self.opened()

    async def _check(self, connection: PooledConnection) -> None:
        try:
            await AsyncConnectionPool.check_connection(connection)
        except psycopg.Error:
            connection.told = None
            self.closed("broken")
            raise

    async def start(self) -> None:
        """Open the pool, and wait for the connections that there are always."""
        await self.pool.open(wait=True, timeout=READY_WITHIN)

    async def borrow(self) -> PooledConnection:
        """Return a connection.

        Raises:
            NoConnectionError: so many wait already, or the wait timed out.
        """
        try:
            return await self.pool.getconn()
        except TooManyRequests:
            raise NoConnectionError("full") from None
        except PoolTimeout:
            raise NoConnectionError("timeout") from None

    async def ask(self, connection: PooledConnection, seconds: float) -> bool:
        """Let the server sleep for so long, and answer."""
        try:
            await connection.execute(QUERY, (seconds,))
        except psycopg.Error:
            return False
        return True

    async def give_back(self, connection: PooledConnection, works: bool) -> None:
        """Give a connection back; the pool looks whether it is broken."""
        if not works:
            self.closed("broken")
            connection.told = None
        await self.pool.putconn(connection)
