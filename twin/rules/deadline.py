"""When a server gives a connection up because nothing came over it, or what it wrote did not leave.

A read deadline ends a connection over which the server has read nothing for so long, be it a message, a ping or a
pong; every frame moves it. A write deadline ends one whose client takes nothing: what waits for it has been above the
limit at which writing stops for so long. Either way the connection is dropped without a close frame (1006).

Sources: Go, package net (`SetReadDeadline`, `SetWriteDeadline`) as servers with gorilla/websocket use them, which set
the read deadline anew in the pong handler (examples/chat/client.go: `pongWait`, `writeWait`); asyncio, `drain` waits
above the high-water mark (`set_write_buffer_limits`), so that `asyncio.timeout` around a send is the same.
"""

DROPPED = "1006"
"""Close code that a client sees of a connection that ended without a close frame. Source: RFC 6455, 7.1.5."""

LOOKS = 50
"""How often in the length of a write deadline the model looks at what waits."""


def expires(last: float, deadline: float) -> float:
    """Return when a connection expires of which something was read last at a time, in seconds."""
    return last + deadline


def full_since(since: float | None, now: float, waiting: int, limit: int) -> float | None:
    """Return since when more than `limit` bytes wait for a client, at a look `now`; None if fewer do.

    Args:
        since: what was returned at the look before.
        now: time of this look, in seconds.
        waiting: bytes that wait.
        limit: bytes at which writing stops.
    """
    if waiting <= limit:
        return None
    return now if since is None else since
