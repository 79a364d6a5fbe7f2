"""What a mechanism adds to a client: the extension points, each of which does nothing until a part overrides it.

A client has parts of its own, which are asked in the order in which they were added. A point that no part overrides
costs a client nothing.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal

from websockets.asyncio.client import ClientConnection
from websockets.http11 import Response

Take = Callable[[bytes | str], None]
"""Takes a frame of one connection."""
Next = Literal["retry", "at once", "stop"] | float
"""What a client does after a refusal: wait and try again, try again at once, give up, or wait so many seconds."""

TEXT = -1
"""Stands for the first byte of a text frame."""


class ClientPart:
    """A mechanism of one client, across all its connections.

    Attributes:
        options: of each connection (`websockets.asyncio.client.connect`), in place of the client's own. Who takes
            frames or sends some needs `create_connection` to be `live.client.connection.Inlet`.
        frames: first bytes of the frames that are this part's, `TEXT` for text; only asked for where several parts take
            frames.
    """

    options: Mapping[str, Any] = {}
    frames: frozenset[int] = frozenset()

    def before_connect(self, headers: dict[str, str]) -> None:
        """Add headers to the request of an attempt."""

    def connected(self, connection: ClientConnection, node: int) -> Take | None:
        """See a connection that has opened; return what takes its frames, if this part does."""

    def refused(self, response: Response) -> Next | None:
        """Look at the answer to an attempt that was none of 101; the first part that decides counts."""

    def disconnected(self) -> None:
        """See that the connection is over."""

    async def run(self) -> None:
        """Do what goes on by itself from the warm-up until the swarm ends."""
