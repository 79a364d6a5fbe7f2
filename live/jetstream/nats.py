"""A connection to a NATS server: what is published, asked and subscribed to over it.

The lab's own processes speak to the server with this small part of the client protocol instead of a client library:
they must notice at once when the connection breaks, send many messages in one go, and start fast. When to try again is
not decided here.
Source: NATS manual, "Client Protocol" (INFO, CONNECT, PUB, HPUB, SUB, MSG, HMSG, PING, PONG, -ERR).
"""

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from live.control.address import Address
from live.control.resp import LinkLostError, ReplyError

MOST_LINE = 65_536
"""Bytes of a line of the protocol that is not complete."""
MOST_ASKED = 200_000
"""Questions of a connection that may wait for their replies."""
OF_HEADERS = b"NATS/1.0"
OF_ANSWERS = 1
"""Number of the subscription on which answers come."""
NO_RESPONDERS = "503"


class NobodyError(ReplyError):
    """Nobody listens where something was asked: no stream is there, or it has no leader."""


@dataclass(frozen=True)
class NatsMessage:
    """A message that has come.

    Attributes:
        reply: subject to which an answer goes, empty if none is expected.
        data: what it holds.
        headers: by their names; the status of a message that is only a status is under "Status".
    """

    reply: str
    data: bytes
    headers: dict[str, str]


Take = Callable[[NatsMessage], None]


def headers_of(block: bytes) -> dict[str, str]:
    """Return the headers of a block, and the status of its first line, if it has one, under "Status"."""
    first, *lines = block.decode(errors="replace").split("\r\n")
    found = dict[str, str]()
    if status := first.removeprefix(OF_HEADERS.decode()).strip():
        found["Status"] = status.split()[0]
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            found[name] = value.strip()
    return found


def published(subject: str, data: bytes, reply: str = "", headers: dict[str, str] | None = None) -> bytes:
    """Return a message as it is sent."""
    to = f"{subject} {reply}" if reply else subject
    if not headers:
        return b"PUB %b %d\r\n%b\r\n" % (to.encode(), len(data), data)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    block = OF_HEADERS + b"\r\n" + lines.encode() + b"\r\n"
    return b"HPUB %b %d %d\r\n%b%b\r\n" % (to.encode(), len(block), len(block) + len(data), block, data)


class NatsConnection(asyncio.Protocol):
    """One connection.

    Attributes:
        reason: a word once it is broken.
        lost: gets that word.
        info: what the server told of itself.
    """

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.reason = ""
        self.lost: asyncio.Future[str] = self.loop.create_future()
        self.info: dict[str, Any] = {}
        self._told = self.loop.create_future()
        self._pongs: deque[asyncio.Future[None]] = deque()
        self._takes: dict[int, Take] = {}
        self._asked: dict[int, tuple[asyncio.Future[Any], Take]] = {}
        self._number = OF_ANSWERS
        self._inbox = ""
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def open(cls, address: Address, name: str, timeout: float) -> "NatsConnection":
        """Connect, log in and tell the server the connection's name.

        Raises:
            LinkLostError, OSError, TimeoutError: it did not work within `timeout` seconds, or the server does not let
                us in.
        """
        link = cls()
        try:
            async with asyncio.timeout(timeout):
                await link.loop.create_connection(lambda: link, address.host, address.port)
                await link._told
                hello = {"verbose": False, "pedantic": False, "name": name, "lang": "python", "version": "1"}
                hello |= {"protocol": 1, "headers": True, "no_responders": True}
                hello |= {"user": address.username, "pass": address.password}
                link.write(b"CONNECT %b\r\n" % json.dumps(hello).encode())
                link._inbox = f"_INBOX.{link.info['client_id']}.{link.info['server_id']}"
                link.write(f"SUB {link._inbox}.* {OF_ANSWERS}\r\n".encode())
                await link.flush()
        except BaseException:
            link.abort()
            raise
        return link

    # What is sent

    def write(self, data: bytes) -> None:
        """Send bytes of the protocol.

        Raises:
            LinkLostError: the connection is broken.
        """
        if self._transport is None or self.reason:
            raise LinkLostError(self.reason or "closed")
        self._transport.write(data)

    def subscribe(self, subject: str, take: Take) -> None:
        """Have `take` called with each message of a subject from now on."""
        self._number += 1
        self._takes[self._number] = take
        self.write(f"SUB {subject} {self._number}\r\n".encode())

    async def flush(self) -> None:
        """Wait until the server has read all that was sent.

        Raises:
            LinkLostError: the connection broke before.
        """
        pong: asyncio.Future[None] = self.loop.create_future()
        self.write(b"PING\r\n")
        self._pongs.append(pong)
        await pong

    def ask(
        self, subject: str, data: bytes = b"", headers: dict[str, str] | None = None
    ) -> "asyncio.Future[NatsMessage]":
        """Send a question; the future has the first reply to it.

        The future may have the exceptions `NobodyError` (nobody listens there) and `LinkLostError`.

        Raises:
            LinkLostError: the connection is broken.
        """
        reply: asyncio.Future[NatsMessage] = self.loop.create_future()
        self._ask(reply, reply.set_result, subject, data, headers)
        return reply

    async def gather(self, subject: str, data: bytes) -> list[NatsMessage]:
        """Return all replies to a question, up to the one that is only a status, and without it.

        Raises:
            NobodyError: nobody listens there.
            LinkLostError: the connection is broken, or broke before.
        """
        replies: list[NatsMessage] = []
        whole: asyncio.Future[None] = self.loop.create_future()

        def take(found: NatsMessage) -> None:
            if "Status" in found.headers:
                whole.set_result(None)
            else:
                replies.append(found)

        self._ask(whole, take, subject, data, None)
        await whole
        return replies

    def _ask(
        self, waiting: "asyncio.Future[Any]", take: Take, subject: str, data: bytes, headers: dict[str, str] | None
    ) -> None:
        if len(self._asked) >= MOST_ASKED:
            raise LinkLostError("full")
        self._number = number = self._number + 1
        self.write(published(subject, data, f"{self._inbox}.{number}", headers))
        self._asked[number] = waiting, take
        waiting.add_done_callback(lambda _: self._asked.pop(number, None))

    def _answered(self, number: int, found: NatsMessage) -> None:
        """Take a reply to a question; to one that nobody waits for any more there may be some, too."""
        waiting, take = self._asked.get(number, (None, None))
        if waiting is None or take is None or waiting.done():
            return
        if found.headers.get("Status") == NO_RESPONDERS:
            waiting.set_exception(NobodyError("nobody answers"))
        else:
            take(found)

    def abort(self) -> None:
        """Close the connection at once."""
        if self._transport is not None:
            self._transport.abort()
        self._end("closed")

    # What comes

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport (asyncio)."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Hand out all that is complete (asyncio)."""
        self._buffer += data
        at = 0
        try:
            while (end := self._buffer.find(b"\r\n", at)) >= 0:
                following = self._hand_out(bytes(self._buffer[at:end]), end + 2)
                if following < 0:
                    break
                at = following
            if end < 0 and len(self._buffer) - at > MOST_LINE:
                raise ValueError
        except (ValueError, IndexError):
            self._end("protocol")
            self.abort()
        del self._buffer[:at]

    def _hand_out(self, line: bytes, after: int) -> int:
        """Take one line and what belongs to it; return the place behind that, -1 if it is not complete."""
        word, _, rest = line.partition(b" ")
        if word in (b"MSG", b"HMSG"):
            return self._message(word, rest.split(), after)
        if word == b"PING":
            with contextlib.suppress(LinkLostError):
                self.write(b"PONG\r\n")
        elif word == b"PONG":
            if self._pongs and not (pong := self._pongs.popleft()).done():
                pong.set_result(None)
        elif word == b"INFO":
            self.info = json.loads(rest)
            if not self._told.done():
                self._told.set_result(None)
        elif word == b"-ERR":
            self._end("refused" if b"uthorization" in rest else "error")
            self.abort()
        elif word != b"+OK":
            raise ValueError(line)
        return after

    def _message(self, word: bytes, fields: list[bytes], after: int) -> int:
        """Take a message: subject, number of the subscription, maybe where to reply, sizes."""
        sizes = 2 if word == b"HMSG" else 1
        total = int(fields[-1])
        if len(self._buffer) < after + total + 2:
            return -1
        block = int(fields[-2]) if sizes == 2 else 0
        reply = fields[2].decode() if len(fields) - sizes > 2 else ""
        headers = headers_of(bytes(self._buffer[after : after + block])) if block else {}
        found = NatsMessage(reply, bytes(self._buffer[after + block : after + total]), headers)
        number = int(fields[1])
        if number == OF_ANSWERS:
            self._answered(int(fields[0].rpartition(b".")[2]), found)
        elif (take := self._takes.get(number)) is not None:
            take(found)
        return after + total + 2

    def connection_lost(self, error: Exception | None) -> None:
        """Tell all who wait (asyncio)."""
        self._end("closed" if error is None else "reset")

    def _end(self, reason: str) -> None:
        if self.reason:
            return
        self.reason = reason
        for waiting in (self._told, *self._pongs, *(waiting for waiting, _ in list(self._asked.values()))):
            if not waiting.done():
                waiting.set_exception(LinkLostError(reason))
                waiting.exception()  # it may be that nobody waits any more
        self._asked.clear()
        if not self.lost.done():
            with contextlib.suppress(RuntimeError):
                self.lost.set_result(reason)
