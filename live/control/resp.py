"""A connection to a Redis or Valkey server: commands that are pipelined, and what subscriptions push.

The lab's own processes speak to the bus with this small part of RESP 2 instead of a client library: they must notice at
once when the connection breaks, send many commands in one go, and start fast. When to try again is not decided here.
Source: the specification of RESP, "Redis serialization protocol".
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import Any, cast

from live.control.address import Address, tls_context

FIRST_LIFE = 86_400_000
"""Milliseconds that a key without an end of its own lives unless that is changed, see `live.broadcast.leftovers`."""

MOST_ASKED = 200_000
"""Commands of a connection that may wait for their replies: two batches of `live.broadcast.subscriber`. Those of
sessions are not taken back when their time is over, and a server that hangs answers none."""
MOST_REPLY = 1 << 29
"""Bytes of a reply that is not complete: as much as one text has at most in Redis (`proto-max-bulk-len`)."""

Push = Callable[[bytes, bytes], None]
"""Receives the channel and what was published."""


class LinkLostError(ConnectionError):
    """The connection to the bus broke, or was never made; the text is a word for the reason."""


class ReplyError(Exception):
    """The server answered a command with an error."""


BROKEN = (LinkLostError, OSError, TimeoutError, EOFError)
"""What a caller may see when the bus does not answer."""


def encode(*parts: str | bytes | int) -> bytes:
    """Return a command as the server reads it."""
    out = [b"*%d\r\n" % len(parts)]
    for part in parts:
        data = part if isinstance(part, bytes) else str(part).encode()
        out.append(b"$%d\r\n%b\r\n" % (len(data), data))
    return b"".join(out)


class _MoreError(Exception):
    """The reply is not complete yet."""


def decode(data: bytes | bytearray, at: int = 0) -> tuple[Any, int]:
    """Return the reply that begins at a place, and the place behind it; errors are returned as `ReplyError`.

    Raises:
        _MoreError: the reply is not complete.
        ValueError: it is no reply.
    """
    end = data.find(b"\r\n", at)
    if end < 0:
        raise _MoreError
    kind, line, after = data[at : at + 1], bytes(data[at + 1 : end]), end + 2
    if kind == b":":
        return int(line), after
    if kind == b"+":
        return line, after
    if kind == b"-":
        return ReplyError(line.decode(errors="replace")), after
    size = int(line)
    if size < 0:
        return None, after
    if kind == b"$":
        if len(data) < after + size + 2:
            raise _MoreError
        return bytes(data[after : after + size]), after + size + 2
    if kind == b"*":
        items = []
        for _ in range(size):
            item, after = decode(data, after)
            items.append(item)
        return items, after
    raise ValueError(f"{bytes(data[at : at + 20])!r} is not a reply")


class RespConnection(asyncio.Protocol):
    """One connection. Replies come in the order of the commands.

    Args:
        push: receives what the subscriptions of this connection bring.
    """

    def __init__(self, push: Push | None = None) -> None:
        self.push = push
        self.loop = asyncio.get_running_loop()
        self.waiting: deque[asyncio.Future[Any]] = deque()
        self.reason = ""
        self.lost = self.loop.create_future()
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def open(cls, address: Address, name: str, timeout: float, push: Push | None = None) -> "RespConnection":
        """Connect, log in and tell the server the connection's name.

        Raises:
            LinkLostError, OSError, TimeoutError: it did not work within `timeout` seconds.
            RefusedError: the server does not let us in.
        """
        link = cls(push)
        try:
            async with asyncio.timeout(timeout):
                await link._connect(address)
                first = []
                if address.login:
                    first.append(link.send("AUTH", *address.login))
                if address.db:
                    first.append(link.send("SELECT", address.db))
                await asyncio.gather(*first, link.send("CLIENT", "SETNAME", name))
        except BaseException:
            link.abort()
            raise
        return link

    async def _connect(self, address: Address) -> None:
        if address.path:
            await self.loop.create_unix_connection(lambda: self, address.path)
        elif address.tls:
            name = address.server_name or address.host
            context = tls_context(address)
            await self.loop.create_connection(
                lambda: self, address.host, address.port, ssl=context, server_hostname=name
            )
        else:
            await self.loop.create_connection(lambda: self, address.host, address.port)

    def send(self, *parts: str | bytes | int) -> "asyncio.Future[Any]":
        """Send a command; the future has its reply."""
        reply = self.loop.create_future()
        if self._transport is None or self.reason:
            reply.set_exception(LinkLostError(self.reason or "closed"))
            return reply
        if len(self.waiting) >= MOST_ASKED:
            reply.set_exception(LinkLostError("full"))
            return reply
        self.waiting.append(reply)
        self._transport.write(encode(*parts))
        return reply

    async def ask(self, timeout: float, *parts: str | bytes | int) -> Any:
        """Return the reply to a command.

        Raises:
            TimeoutError: none came within `timeout` seconds.
            LinkLostError: the connection broke.
            RefusedError: the reply is an error.
        """
        async with asyncio.timeout(timeout):
            return await self.send(*parts)

    def abort(self) -> None:
        """Close the connection at once."""
        if self._transport is not None:
            self._transport.abort()
        self._end("closed")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport (asyncio)."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Hand out all complete replies (asyncio)."""
        self._buffer += data
        at = 0
        try:
            while at < len(self._buffer):
                reply, at = decode(self._buffer, at)
                self._hand_out(reply)
        except _MoreError:
            if len(self._buffer) - at > MOST_REPLY:
                self._end("protocol")
                self.abort()
        except ValueError:
            self._end("protocol")
            self.abort()
        del self._buffer[:at]

    def _hand_out(self, reply: Any) -> None:
        if isinstance(reply, list) and len(reply) == 3 and reply[0] == b"message":
            if self.push is not None:
                self.push(reply[1], reply[2])
        elif self.waiting:
            asked = self.waiting.popleft()
            if asked.done():
                return
            if isinstance(reply, ReplyError):
                loading = str(reply).startswith("LOADING")  # a restarted server that still reads its data
                asked.set_exception(LinkLostError("loading") if loading else reply)
            else:
                asked.set_result(reply)

    def connection_lost(self, error: Exception | None) -> None:
        """Tell all who wait (asyncio)."""
        self._end("closed" if error is None else "reset")

    def _end(self, reason: str) -> None:
        if self.reason:
            return
        self.reason = reason
        for asked in self.waiting:
            if not asked.done():
                asked.set_exception(LinkLostError(reason))
        self.waiting.clear()
        if not self.lost.done():
            with contextlib.suppress(RuntimeError):
                self.lost.set_result(reason)


def word(error: BaseException) -> str:
    """Return one word for the reason of a broken link."""
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, ReplyError):
        return str(error).split()[0].lower() if str(error) else "error"
    return str(error) if isinstance(error, LinkLostError) else "reset"
