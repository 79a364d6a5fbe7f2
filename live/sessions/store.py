"""The sessions that all nodes share, on a Redis or Valkey server: each step is one script, so that it is atomic.

The scripts do what `twin.rules.session.SessionTable` says. A session is a text "generation owner" with an expiry; Redis
calls setting both at once SETEX, and PSETEX in milliseconds. Source: Valkey's manual, EVAL and PSETEX.
"""

import asyncio
import hashlib
from collections.abc import Callable
from typing import Any

from live.broadcast.link import Access, keep_alive
from live.control.resp import BROKEN, LinkLostError, ReplyError, RespConnection

START = "redis.call('PSETEX', KEYS[1], ARGV[2], '1 ' .. ARGV[1]) return 1"
"""KEYS: session. ARGV: owner, expiry in ms."""

TAKE = """
local held = redis.call('GET', KEYS[1])
if not held then return 0 end
local generation = tonumber(string.match(held, '^%d+')) + 1
redis.call('PSETEX', KEYS[1], ARGV[2], string.format('%d %s', generation, ARGV[1]))
return generation
"""
"""The same; answers with the new generation, 0 when there is no such session."""

REFRESH = """
local held = redis.call('GET', KEYS[1])
if not held or string.match(held, ' (%d+)$') ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""
"""The same; answers with 0 when the session is gone or another node's."""

SCRIPTS = {"start": START, "take": TAKE, "refresh": REFRESH}
SHA = {name: hashlib.sha1(text.encode()).hexdigest() for name, text in SCRIPTS.items()}


class StoreDownError(Exception):
    """The shared server did not answer."""


class SessionStore:
    """One node's way to the shared sessions.

    Args:
        config: of `live.sessions.sessions.access_config`.
        number: of the node.
        expiry: seconds.
        note: receives `bus_lost` with a word, and `bus_joined`, when a connection that was up breaks and is back.
    """

    def __init__(self, config: dict[str, Any], number: int, expiry: float, note: Callable[[str, str], None]) -> None:
        self.access = Access.of(config, number)
        self.prefix = self.access.topic.prefix
        self.number = number
        self.expiry_ms = max(1, round(expiry * 1000))
        self.note = note
        self.link: RespConnection | None = None
        self.up = asyncio.Event()
        self._was_up = False

    def begin(self) -> None:
        """Connect, and stay connected."""
        self._task = keep_alive(self.access.keep("sessions", self._talk, lost=self._lost, joined=self._joined))

    async def _talk(self, link: RespConnection, ready: Callable[[], None]) -> None:
        timeout = self.access.retry.timeout
        await asyncio.gather(*(link.ask(timeout, "SCRIPT", "LOAD", text) for text in SCRIPTS.values()))
        self.link = link
        ready()
        raise LinkLostError(await link.lost)

    def _lost(self, reason: str) -> None:
        self.link = None
        self.up.clear()
        self.note("bus_lost", reason)

    def _joined(self) -> None:
        self.up.set()
        if self._was_up:
            self.note("bus_joined", "")
        self._was_up = True

    async def start(self, name: str) -> int:
        """Begin a session and return its generation.

        Raises:
            StoreDownError: the server did not answer.
        """
        return await self._ask("start", name)

    async def take(self, name: str) -> int | None:
        """Give a session to this node and return its generation, None when there is none.

        Raises:
            StoreDownError: the server did not answer.
        """
        return await self._ask("take", name) or None

    async def refresh(self, names: list[str]) -> None:
        """Put off the end of some sessions, if the server answers."""
        try:
            await asyncio.gather(*(self._ask("refresh", name) for name in names))
        except StoreDownError:
            return

    async def _ask(self, what: str, name: str) -> int:
        """Ask once; a session is not worth a wait of several tries."""
        if self.link is None:
            raise StoreDownError("no connection")
        command = ("EVALSHA", SHA[what], 1, self.prefix + name, self.number, self.expiry_ms)
        try:
            return int(await self.link.ask(self.access.retry.timeout, *command))
        except (*BROKEN, ReplyError) as error:
            raise StoreDownError(str(error)) from None
