"""The server that every node is; what a mechanism does in it is added as a part (`live.node.part`)."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from http import HTTPStatus
from itertools import count
from typing import Any

from websockets.asyncio.server import Server, ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from live.control.noted import Event
from live.control.stdio import say
from live.node.connection import BoundedConnection, bounds
from live.node.drain import PLACE, drain
from live.node.messages import Drained
from live.node.part import TEXT, Admission, NodePart, Take

FENCED = 3
"""Exit status of a node that ended because the registry had given its slot to another one."""
ORIGINS = (None,)
"""What a handshake's `Origin` may be. The clients of a run send none, and a browser always sends one: so no page of a
browser connects, whatever name it has for this machine (403). Source: RFC 6455, 10.2."""


class Node:
    """The server: its connections, its parts, what the balancer's check saw last, and what it has to tell at the end.

    Attributes:
        number: of the node.
        parts: what mechanisms have added.
        events: what parts have noted that keep no list of their own.
        server: set as soon as it listens.
        status: exit status.
        checked: when the health check came last, by the monotonic clock.
        ready: whether the health check is answered with 200.
    """

    server: Server

    def __init__(self, number: int) -> None:
        self.number = number
        self.parts: list[NodePart] = []
        self.events: list[Event] = []
        self.status = 0
        self.checked = 0.0
        self.ready = True
        self.orders = set[asyncio.Future[None]]()
        self._opened = count()
        self._admit: list[Callable[[ServerConnection, Request], Admission]] = []
        self._accepted: list[Callable[[ServerConnection, Response], None]] = []
        self._connected: list[tuple[NodePart, Callable[[ServerConnection], Take | None]]] = []
        self._disconnected: list[Callable[[ServerConnection], None]] = []

    def add(self, part: NodePart) -> None:
        """Add a mechanism; of its extension points only those that it overrides are called."""
        self.parts.append(part)
        kind = type(part)
        if kind.admit is not NodePart.admit:
            self._admit.append(part.admit)
        if kind.accepted is not NodePart.accepted:
            self._accepted.append(part.accepted)
        if kind.connected is not NodePart.connected:
            self._connected.append((part, part.connected))
        if kind.disconnected is not NodePart.disconnected:
            self._disconnected.append(part.disconnected)

    @property
    def options(self) -> dict[str, Any]:
        """The options of the server: the node's own, and those of its parts."""
        options = bounds() | {"create_connection": BoundedConnection, "origins": ORIGINS}
        for part in self.parts:
            options |= part.options
        return options

    # The handshake

    def on_request(self, connection: ServerConnection, request: Request) -> Admission:
        """Answer the health check without a WebSocket handshake, and let the parts refuse a handshake."""
        if request.path != "/healthz":
            return self._ask(connection, request, 0) if self._admit else None
        self.checked = time.monotonic()
        if not self.ready:
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "draining\n")
        return connection.respond(HTTPStatus.OK, "ok\n")

    def _ask(self, connection: ServerConnection, request: Request, place: int) -> Admission:
        """Ask the parts from a place on, without waiting where none has to."""
        for following in range(place + 1, len(self._admit) + 1):
            answer = self._admit[following - 1](connection, request)
            if isinstance(answer, Awaitable):
                last = following == len(self._admit)
                return answer if last else self._go_on(answer, connection, request, following)
            if answer is not None:
                return answer
        return None

    async def _go_on(
        self, answer: Awaitable[Response | None], connection: ServerConnection, request: Request, place: int
    ) -> Response | None:
        refusal = await answer
        if refusal is not None:
            return refusal
        found = self._ask(connection, request, place)
        return await found if isinstance(found, Awaitable) else found

    def on_response(self, connection: ServerConnection, request: Request, response: Response) -> Response:
        """Tell the client which node it reached, and number the connection."""
        for accepted in self._accepted:
            accepted(connection, response)
        response.headers["X-Node"] = str(self.number)
        setattr(connection, PLACE, next(self._opened))
        return response

    # While clients stay

    async def serve_client(self, connection: ServerConnection) -> None:
        """Keep a connection until it closes."""
        try:
            take = self._taker(connection)
            async for data in connection:
                take(data)
        except ConnectionClosed:
            pass
        finally:
            for disconnected in self._disconnected:
                disconnected(connection)

    def _taker(self, connection: ServerConnection) -> Take:
        """Return what takes the frames of a connection: the only part that does, or each part its own."""
        takers = [(part, take) for part, connected in self._connected if (take := connected(connection)) is not None]
        if not takers:
            return ignore
        if len(takers) == 1:
            return takers[0][1]
        by_first = {first: take for part, take in takers for first in part.frames}

        def route(data: str | bytes) -> None:
            if data:
                by_first.get(TEXT if isinstance(data, str) else data[0], ignore)(data)

        return route

    # The node's own life

    def started(self) -> None:
        """Begin with what the parts do by themselves."""
        for part in self.parts:
            part.started()

    def listening(self) -> None:
        """Begin with what the parts do once the node has said that it listens."""
        for part in self.parts:
            part.listening()

    def end(self) -> None:
        """Close all connections at once (1001), and let the parts give up what they hold."""
        self.server.close()
        for part in self.parts:
            part.ended()

    def order(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin what an order asks for; others are obeyed meanwhile."""
        self.orders.add(asyncio.ensure_future(work))

    async def drain_and_end(self, lead: float, pace: float) -> None:
        """Drain (`live.node.drain`), say so, and end; a second order to drain does not end it twice."""
        for part in self.parts:
            await part.leaving()
        self.ready = False
        if await drain(self.server, lead, pace):
            say(Drained(time.monotonic()))
            self.end()

    def finish(self) -> list[Event]:
        """Return all events that were noted."""
        return [*self.events, *(event for part in self.parts for event in part.finish())]


def ignore(data: str | bytes) -> None:
    """Take a frame that is no part's."""
