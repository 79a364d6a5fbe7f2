"""What a client of a run sends to its node, and keeps while it is away; and how the node takes it.

A message is a binary frame: number of the client and number of the message, 4 bytes each, and filling.
"""

import struct
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from websockets.asyncio.client import ClientConnection

from live.client.connection import Inlet
from live.client.part import ClientPart
from live.control.noted import Event
from twin.draws import Purpose
from twin.rules.offline import OfflineQueue, due_at

if TYPE_CHECKING:
    from live.ports import Swarm

_NAME = struct.Struct(">II")
FIRST_BYTE = 0
"""First byte of each message: no run has 2**24 clients."""
MOST_ARRIVED = 400_000
"""Events of a node with which it notes messages: twice what all clients of a run may send (`twin.scenario.sending`)."""


def taker(events: list[Event], node: int) -> Callable[[str | bytes], None]:
    """Return what notes each message of a client that a node has read.

    One above `MOST_ARRIVED` is an OverflowError, which closes its connection (1011): somebody else has sent some.
    """

    def take(data: str | bytes) -> None:
        if isinstance(data, bytes) and len(data) >= _NAME.size:
            if len(events) >= MOST_ARRIVED:
                raise OverflowError(f"more than {MOST_ARRIVED} messages of clients")
            client, number = _NAME.unpack_from(data)
            events.append((time.monotonic(), "arrived", client, node, -1, number, ""))

    return take


class Outbox(ClientPart):
    """One client's messages, across all its connections.

    Args:
        swarm: with the list of events and the start of the run.
        number: of the client.
        config: rate, payload_bytes, and offline: messages, bytes, overflow.
    """

    def __init__(self, swarm: "Swarm", number: int, config: dict[str, Any]) -> None:
        self.swarm = swarm
        self.number = number
        self.rate: float = config["rate"]
        self.size: int = config["payload_bytes"]
        offline = config["offline"]
        self.queue = OfflineQueue(offline["messages"], offline["bytes"], offline["overflow"])
        self.connection: Inlet | None = None
        self.node = -1
        self.options = {"create_connection": Inlet}

    async def run(self) -> None:
        """Send or keep each message when it is due, from the start of the run on."""
        phase, start, n = self.swarm.draw(self.number, Purpose.SEND_PHASE, 0), self.swarm.start, 0
        while True:
            await self.swarm.timers.until(start + due_at(n, self.rate, phase), "send")
            if self.connection is not None:
                self._send(n, flushed=False)
            else:
                self._keep(n)
            n += 1

    def connected(self, connection: ClientConnection, node: int) -> None:
        """Send what is kept over a new connection, in order."""
        self.connection, self.node = cast("Inlet", connection), node
        for n, _ in self.queue.flush():
            self._send(n, flushed=True)

    def disconnected(self) -> None:
        """The connection is over: keep what is due from now on."""
        self.connection = None

    def _send(self, n: int, flushed: bool) -> None:
        assert self.connection is not None
        self.swarm.events.append((time.monotonic(), "sent", self.number, self.node, -1, n, (flushed,)))
        self.connection.say(_NAME.pack(self.number, n).ljust(self.size, b"\0"))

    def _keep(self, n: int) -> None:
        dropped = self.queue.offer(n, self.size)
        append, now = self.swarm.events.append, time.monotonic()
        if n not in dropped:
            append((now, "kept", self.number, -1, -1, n, (self.queue.held,)))
        for one in dropped:
            append((now, "discarded", self.number, -1, -1, one, (self.queue.held,)))


def attach(swarm: "Swarm", config: dict[str, Any]) -> None:
    """Give each client of a swarm its outbox."""
    swarm.equip(lambda client: Outbox(swarm, client.number, config["sends"]))
