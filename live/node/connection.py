"""A connection of a node with a bound on all that a client can make the node hold.

Anybody on the machine can connect to a node, and need not behave as the lab's clients do:

* Who sends pings and reads nothing lets pongs gather. While more waits than the write limit, pings are not answered but
  for the last one, once there is room again: RFC 6455, 5.5.3, allows that, and a client takes a later pong for the
  earlier pings, too. After `MOST_UNANSWERED` of them the connection is cut.
* Frames and messages: `MOST_FRAME`, then close code 1009. Fragments: 4,096 of a message, then the same (`MAX_FRAGMENTS`
  of websockets). Messages that nobody has taken: 16, then the connection is not read (`max_queue`, its default).
* A handshake has `OPEN_WITHIN` seconds, 128 header lines of 8 KiB (`MAX_NUM_HEADERS`, `MAX_LINE_LENGTH`) and no body.
* Connections, also those that do not shake hands: `MOST_CONNECTIONS`, then a further one is cut.

What is sent to the client beside pongs is bounded by `live.broadcast.fanout`. Nothing of this takes part in what a
connection does ordinarily: the first rule begins only when the write limit is reached, the others are looked at once a
    connection.
The `Host` of a handshake is not looked at: a page that got here under another name still shows its `Origin`.
"""

import asyncio
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.frames import Frame, Opcode
from websockets.protocol import State

from live.node.asyncio_runtime import MOST_CONNECTIONS, MOST_FRAME, MOST_UNANSWERED, OPEN_WITHIN


def bounds() -> dict[str, Any]:
    """Return the options of a node's server that bound what a client can make it hold."""
    return {"max_size": MOST_FRAME, "open_timeout": OPEN_WITHIN, "close_timeout": OPEN_WITHIN}


class BoundedConnection(ServerConnection):
    """A connection that answers no pings while the client does not read, and is not one too many."""

    unanswered = 0
    last_ping = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Cut the connection if there are too many (asyncio)."""
        super().connection_made(transport)
        if len(self.server.handler_tasks) > MOST_CONNECTIONS:
            self.transport.abort()

    def pause_writing(self) -> None:
        """More waits than the write limit (asyncio): answer no pings from now on."""
        super().pause_writing()
        self.unanswered = 0
        vars(self.protocol)["recv_frame"] = self._take_unanswered  # so that others pay nothing

    def resume_writing(self) -> None:
        """There is room again (asyncio): answer the last ping."""
        super().resume_writing()
        del vars(self.protocol)["recv_frame"]
        self.relieve()  # first, as a pong takes room
        if self.unanswered and self.protocol.state is State.OPEN:
            self.protocol.send_pong(self.last_ping)
            self.send_data()

    def relieve(self) -> None:
        """There is room for what is owed to the client; nothing is here."""

    def _take_unanswered(self, frame: Frame) -> None:
        """Take a frame, in the place of the protocol's method, while the client does not read."""
        if frame.opcode is not Opcode.PING:
            type(self.protocol).recv_frame(self.protocol, frame)
            return
        self.last_ping = bytes(frame.data)
        self.unanswered += 1
        if self.unanswered == MOST_UNANSWERED:
            self.transport.abort()
