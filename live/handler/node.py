"""How a node handles requests: it lets an executor do the work, awaits, answers; and it sees how late its loop is."""

import asyncio
import time
from typing import TYPE_CHECKING, Any

from websockets.asyncio.server import ServerConnection
from websockets.frames import Frame, Opcode
from websockets.protocol import State

from live.control.noted import Event
from live.handler import wire
from live.handler.executors import executor
from live.node.part import NodePart, Take
from twin.rules.handler import LOOK_EVERY, Demand, looks_missed

if TYPE_CHECKING:
    from live.node.base import Node

MOST_UNDER_WAY = 20_000
"""Requests that a node works on at a time; one more closes its connection (1011)."""
MOST_WAITING = 2**20
"""Bytes of answers that may wait for one client that does not read; more cut its connection."""
MOST_LOOKS = 200_000
"""Looks that a node notes: of a run of two hours."""

Name = tuple[int, int, int]
"""A request: number of the client, its own number, place of its task."""


class HandlerOfNode(NodePart):
    """The handler of one node.

    Args:
        number: of the node.
        config: answer_bytes, executor, size (threads or processes).
    """

    frames = frozenset({wire.REQUEST})

    def __init__(self, number: int, config: dict[str, Any]) -> None:
        self.number = number
        self.size: int = config["answer_bytes"]
        self.executor = executor(config["executor"], config["size"])
        self.under_way = 0
        self.events: list[Event] = []
        self.begun = 0.0
        self.last = 0

    def connected(self, connection: ServerConnection) -> Take:
        """Take each request of a connection."""

        def take(data: str | bytes) -> None:
            if isinstance(data, bytes) and data[:1] == bytes([wire.REQUEST]):
                self.begin(connection, *wire.read_request(data))

        return take

    def begin(self, connection: ServerConnection, name: Name, demand: Demand) -> None:
        """Begin the work of a request.

        Raises:
            OverflowError: there is too much of it.
        """
        if self.under_way >= MOST_UNDER_WAY:
            raise OverflowError(f"more than {MOST_UNDER_WAY} requests at a time")
        self.under_way += 1

        def answer() -> None:
            self.under_way -= 1
            self.answer(connection, name)

        def done() -> None:
            if demand.awaiting > 0.0:
                asyncio.get_running_loop().call_later(demand.awaiting, answer)
            else:
                answer()

        self.executor.begin(demand.cpu, demand.blocking, done)

    def answer(self, connection: ServerConnection, name: Name) -> None:
        """Write the answer to a request, if its connection is still there."""
        if connection.protocol.state is not State.OPEN:
            return
        if connection.transport.get_write_buffer_size() > MOST_WAITING:
            connection.transport.abort()
            return
        frame = Frame(Opcode.BINARY, wire.answer(name, self.size))
        connection.transport.write(frame.serialize(mask=False, extensions=[]))

    def listening(self) -> None:
        """Look from now on how late the loop is."""
        self.begun = time.monotonic()
        self._look_later()

    def _look_later(self) -> None:
        wait = self.begun + (self.last + 1) * LOOK_EVERY - time.monotonic()
        asyncio.get_running_loop().call_later(max(0.0, wait), self._look)

    def _look(self) -> None:
        now = time.monotonic()
        for place in looks_missed(self.last, now - self.begun):
            late = now - self.begun - place * LOOK_EVERY
            if len(self.events) < MOST_LOOKS:
                self.events.append((now, "loop_late", -1, self.number, -1, -1, (round(late * 1e6),)))
            self.last = place
        self._look_later()

    def ended(self) -> None:
        """The node closes: end what the executor has started."""
        self.executor.close()

    def finish(self) -> list[Event]:
        """Return how late the loop was at each look."""
        return self.events


def attach(node: "Node", config: dict[str, Any]) -> None:
    """Add it to a node."""
    node.add(HandlerOfNode(node.number, config["handler"]))
