"""What a mechanism adds to a node: the extension points, each of which does nothing until a part overrides it.

A part is asked in the order in which parts were added. A point that no part overrides costs a node nothing.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from live.control.messages import ControlMessage, Order
from live.control.noted import Event

Take = Callable[[str | bytes], None]
"""Takes a frame of one connection."""
Admission = Awaitable[Response | None] | Response | None
"""The refusal of a handshake, None if it may go on, or what will give one of them."""

TEXT = -1
"""Stands for the first byte of a text frame."""


class NodePart:
    """A mechanism of a node.

    Attributes:
        options: of the server (`websockets.asyncio.server.serve`), in place of the node's own.
        frames: first bytes of the frames that are this part's, `TEXT` for text; only asked for where several parts take
            frames.
        orders: what the lab may order, made by `live.control.messages.on`.
    """

    options: Mapping[str, Any] = {}
    frames: frozenset[int] = frozenset()
    orders: Mapping[type[ControlMessage], Order] = {}

    def admit(self, connection: ServerConnection, request: Request) -> Admission:
        """Look at a handshake that is no health check; the first refusal counts."""

    def accepted(self, connection: ServerConnection, response: Response) -> None:
        """Add headers to the answer 101."""

    def connected(self, connection: ServerConnection) -> Take | None:
        """See a connection that has opened; return what takes its frames, if this part does."""

    def disconnected(self, connection: ServerConnection) -> None:
        """See a connection that is over, also one that no `connected` has seen because another part's failed."""

    def started(self) -> None:
        """Begin: the node can be connected to, and has not said so."""

    def listening(self) -> None:
        """Begin what is no part of the node's start: it has said that it listens."""

    async def leaving(self) -> None:
        """Let others know that the node is about to drain."""

    def ended(self) -> None:
        """Give up at once what is held: the node closes."""

    def finish(self) -> list[Event]:
        """Return the events that this part has noted by itself."""
        return []
