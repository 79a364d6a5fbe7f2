"""The server that every kind of node is."""

import time
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from itertools import count
from typing import TYPE_CHECKING, Any

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

if TYPE_CHECKING:
    from live.node.lifetime import Ages

PLACE = "place_in_node"
"""Attribute of a connection: how many the node had opened before it."""
FENCED = 3
"""Exit status of a node that ended because the registry had given its slot to another one."""


class Node:
    """The server: its connections, what the balancer's check saw last, and what it has to tell at the end.

    Attributes:
        origins: what a handshake's `Origin` may be. The clients of a run send none, and a browser always sends one: so
            no page of a browser connects, whatever name it has for this machine (403). Source: RFC 6455, 10.2.
    """

    origins: Sequence[Any] = (None,)

    def __init__(self, number: int) -> None:
        self.number = str(number)
        self.ages: Ages | None = None
        self.events: list[tuple[float, str, int, int, int, int, str]] = []
        self.take: Callable[[str | bytes], None] = lambda data: None
        self.checked = 0.0
        self.ready = True
        self.opened = count()

    def answer_check(
        self, connection: ServerConnection, request: Request
    ) -> Awaitable[Response | None] | Response | None:
        """Answer the health check without a WebSocket handshake."""
        if request.path != "/healthz":
            return None
        self.checked = time.monotonic()
        if not self.ready:
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "draining\n")
        return connection.respond(HTTPStatus.OK, "ok\n")

    def name_itself(self, connection: ServerConnection, request: Request, response: Response) -> Response:
        """Tell the client which node it reached, and number the connection."""
        response.headers["X-Node"] = self.number
        setattr(connection, PLACE, next(self.opened))
        return response

    async def serve_client(self, connection: ServerConnection) -> None:
        """Keep a connection until it closes."""
        clock = self.ages.begin(connection) if self.ages is not None else None
        async for data in connection:
            self.take(data)
        if clock is not None:
            clock.cancel()
