"""A node that gives up connections over which nothing comes, or whose clients take nothing.

Both watch a connection from outside: a method of it, or of its protocol, is replaced for this one connection, so that
nodes without deadlines pay nothing.
"""

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from websockets.asyncio.server import ServerConnection

from live.node.part import NodePart
from twin.rules.deadline import expires

if TYPE_CHECKING:
    from live.node.base import Node


class DeadlinesOfNode(NodePart):
    """The deadlines of one node's connections.

    Args:
        config: read, write: seconds; 0 is none.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self.read: float = config["read"]
        self.write: float = config["write"]
        self.ends: dict[ServerConnection, list[Callable[[], None]]] = {}

    def connected(self, connection: ServerConnection) -> None:
        """Watch a connection that has opened."""
        ends = self.ends[connection] = []
        if self.read:
            ends.append(watch_reading(connection, self.read))
        if self.write:
            ends.append(watch_writing(connection, self.write))

    def disconnected(self, connection: ServerConnection) -> None:
        """Stop its clocks."""
        for end in self.ends.pop(connection, ()):
            end()


def watch_reading(connection: ServerConnection, deadline: float) -> Callable[[], None]:
    """Drop a connection when nothing has been read from it for so many seconds; return what ends the watch."""
    loop, protocol = asyncio.get_running_loop(), connection.protocol
    receive = protocol.receive_data
    heard = time.monotonic()
    clock: asyncio.TimerHandle

    def take(data: bytes) -> None:
        nonlocal heard
        heard = time.monotonic()
        receive(data)

    def look() -> None:
        nonlocal clock
        left = expires(heard, deadline) - time.monotonic()
        if left > 0.0:
            clock = loop.call_later(left, look)
        else:
            connection.transport.abort()

    vars(protocol)["receive_data"] = take
    clock = loop.call_later(deadline, look)
    return lambda: clock.cancel()


def watch_writing(connection: ServerConnection, deadline: float) -> Callable[[], None]:
    """Drop a connection that was full for so many seconds; return what ends the watch."""
    loop = asyncio.get_running_loop()
    pause, resume = connection.pause_writing, connection.resume_writing
    clock: asyncio.TimerHandle | None = None

    def paused() -> None:
        nonlocal clock
        pause()
        clock = loop.call_later(deadline, connection.transport.abort)

    def resumed() -> None:
        stop()
        resume()

    def stop() -> None:
        nonlocal clock
        if clock is not None:
            clock.cancel()
            clock = None

    vars(connection).update(pause_writing=paused, resume_writing=resumed)
    return stop


def attach(node: "Node", config: dict[str, Any]) -> None:
    """Add it to a node."""
    node.add(DeadlinesOfNode(config["deadlines"]))
