"""A node's server of HTTP: it keeps what came over the bus, answers polls from that, and holds who has to wait.

It has the node's port, so it answers the balancer's check, too. Everybody on the machine can connect to it: one
connection more than `MOST_CONNECTIONS` is cut at once, and a request is no larger than `MOST_LINE` allows.
"""

import asyncio
import socket
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aiohttp import web
from aiohttp.web_request import BaseRequest

from live.broadcast import wire
from live.broadcast.broker import message
from live.broadcast.fanout import FanOut
from live.broadcast.link import keep_alive
from live.node.asyncio_runtime import MOST_CONNECTIONS
from live.node.part import NodePart
from twin.rules.delivery import RecoveryAnswer
from twin.rules.poll_wire import PATH, SERVER, position_of
from twin.rules.polling import RecentMessages
from twin.rules.slow_consumer import is_too_large

if TYPE_CHECKING:
    from live.node.base import Node

MOST_LINE = 1024
"""Bytes of a request's first line, and of a header; those of the lab's clients have less than a hundred."""
NAMED = {"Server": SERVER, "Content-Type": "application/octet-stream"}
"""Headers of each answer."""


class TooMany(asyncio.Protocol):
    """A connection that is one too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Cut it (asyncio)."""
        assert isinstance(transport, asyncio.Transport)
        transport.abort()


class Endpoint(NodePart):
    """The polls of one node.

    Args:
        node: its parts, its health, its number.
        fanout: tells of messages, and asks the bus.
        config: port, backlog, hold (s) and limit_bytes of an answer.

    Attributes:
        recent: what the node can tell.
    """

    def __init__(self, node: "Node", fanout: FanOut, config: dict[str, Any]) -> None:
        self.node = node
        self.fanout = fanout
        self.port: int = config["port"]
        self.backlog: int = config["backlog"]
        self.hold: float = config["hold"]
        self.limit: int = config["limit_bytes"]
        self.headers = NAMED | {"X-Node": str(node.number)}
        self.recent = RecentMessages()
        self.server: web.Server | None = None
        self._held: dict[asyncio.Future[None], None] = {}
        self._bodies: dict[tuple[int, int], bytes] = {}
        self._listening: asyncio.Task[None] | None = None
        fanout.listeners.append(self.take)

    def started(self) -> None:
        """Listen: from now on the kernel takes connections, and the server does as soon as the loop turns to it."""
        listener = socket.create_server(("127.0.0.1", self.port), backlog=self.backlog)
        self._listening = keep_alive(self._serve(listener))

    async def _serve(self, listener: socket.socket) -> None:
        self.server = web.Server(self.handle, access_log=None, max_line_size=MOST_LINE, max_field_size=MOST_LINE)
        loop = asyncio.get_running_loop()
        await loop.create_server(self._protocol, sock=listener, backlog=self.backlog)

    def _protocol(self) -> asyncio.Protocol:
        """Return what takes a connection that has just been accepted."""
        assert self.server is not None
        return TooMany() if len(self.server.connections) >= MOST_CONNECTIONS else self.server()

    # Messages

    def take(self, data: bytes) -> None:
        """Keep a message, and let all go on who wait for one."""
        if self.recent.add(message(data)):
            self._wake()

    def _wake(self) -> None:
        self._bodies.clear()
        held, self._held = self._held, {}
        for waiting in held:
            _go_on(waiting)

    # Requests

    async def handle(self, request: BaseRequest) -> web.StreamResponse:
        """Answer the balancer's check, or a poll; anything else is not found."""
        if request.path == "/healthz":
            return self._health()
        if request.path != PATH:
            return web.Response(status=HTTPStatus.NOT_FOUND)
        waits = request.query.get("wait") == "1" and self.hold > 0.0
        after = request.query.get("after")
        try:
            position = self.recent.without_cursor(waits) if after is None else position_of(after)
        except ValueError as error:
            return web.Response(status=HTTPStatus.BAD_REQUEST, text=f"{error}\n")
        found = await self._answer(position)
        if waits and found.recovered and not found.messages:
            await self._message()
            found = await self._answer(position)
        return web.Response(body=self._body(position, found), headers=self.headers)

    def _health(self) -> web.Response:
        self.node.checked = time.monotonic()
        status = HTTPStatus.OK if self.node.ready else HTTPStatus.SERVICE_UNAVAILABLE
        return web.Response(status=status, text="ok\n" if self.node.ready else "draining\n")

    async def _message(self) -> None:
        """Wait until a message comes, or the hold is over."""
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[None] = loop.create_future()
        self._held[waiting] = None
        timer = loop.call_later(self.hold, _go_on, waiting)
        await waiting
        timer.cancel()
        self._held.pop(waiting, None)

    async def _answer(self, position: tuple[int, int]) -> RecoveryAnswer:
        """Return what there is to tell, from the bus where the node does not know; nothing if that does not answer, as
        the client will ask again.
        """
        found = self.recent.answer(*position)
        if found is None:
            found = await self.fanout.bus.recover(*position)
            if found is None:
                return RecoveryAnswer(True, *position)
            if self.recent.learn(found.epoch, found.version):
                self._wake()
        return found

    def _body(self, position: tuple[int, int], found: RecoveryAnswer) -> bytes:
        """Return an answer as it is sent; all who stand at one place get the same, until a message comes."""
        body = self._bodies.get(position) if found.messages else None
        if body is None:
            body = wire.answer(found)
            if is_too_large(len(body), self.limit):
                body = wire.answer(RecoveryAnswer(False, found.epoch, found.version))
            if found.messages and len(self._bodies) < MOST_CONNECTIONS:
                self._bodies[position] = body
        return body


def _go_on(waiting: "asyncio.Future[None]") -> None:
    if not waiting.done():
        waiting.set_result(None)


def attach(node: "Node", config: dict[str, Any]) -> None:
    """Add it to a node."""
    fanout = next(part for part in node.parts if isinstance(part, FanOut))
    node.add(Endpoint(node, fanout, config["polls"]))
