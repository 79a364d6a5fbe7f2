"""What a client of a run sends to its node, and keeps while it is away; and how the node takes it.

A message is a binary frame: number of the client and number of the message, 4 bytes each, and filling. With a codec the
filling is what that makes of the message, and of those that leave with it: their numbers follow the first one's.
Without one a batch has a filling for each, and the node is told their size.
"""

import asyncio
import struct
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from websockets.asyncio.client import ClientConnection

from live.client.connection import Inlet
from live.client.part import ClientPart
from live.codec.codecs import codec_of
from live.control.noted import Event
from twin.draws import Purpose
from twin.rules.batching import Batcher, in_a_row
from twin.rules.chat import TEXTS, chat
from twin.rules.codecs import NO_CODEC, filling
from twin.rules.offline import OfflineQueue, due_at

if TYPE_CHECKING:
    from live.ports import Swarm

_NAME = struct.Struct(">II")
FIRST_BYTE = 0
"""First byte of each message: no run has 2**24 clients."""
MOST_ARRIVED = 400_000
"""Events of a node with which it notes messages: twice what all clients of a run may send (`twin.scenario.sending`)."""


def taker(events: list[Event], node: int, codec: str = NO_CODEC, batch_of: int = 0) -> Callable[[str | bytes], None]:
    """Return what notes each message of a client that a node has read.

    One above `MOST_ARRIVED` is an OverflowError, which closes its connection (1011): somebody else has sent some.

    Args:
        events: gets them.
        node: number of the node.
        codec: by which payloads are decoded; one that it does not understand is a ValueError, with the same end.
        batch_of: bytes of each filling of a batch; 0: each frame without a codec is one message.
    """
    decoder = codec_of(codec)

    def numbers(data: bytes, first: int) -> list[int]:
        if decoder is not None:
            return decoder.numbers(decoder.decode(data[_NAME.size :]))
        return list(range(first, first + (len(data) - _NAME.size) // batch_of)) if batch_of else [first]

    def take(data: str | bytes) -> None:
        if isinstance(data, bytes) and len(data) >= _NAME.size:
            if len(events) >= MOST_ARRIVED:
                raise OverflowError(f"more than {MOST_ARRIVED} messages of clients")
            client, first = _NAME.unpack_from(data)
            for number in numbers(data, first):
                events.append((time.monotonic(), "arrived", client, node, -1, number, ""))

    return take


class Outbox(ClientPart):
    """One client's messages, across all its connections.

    Args:
        swarm: with the list of events and the start of the run.
        number: of the client.
        config: rate, payload_bytes, codec, batch (count and window, or None), messages that it sends in all, and
            offline: messages, bytes, overflow.
    """

    def __init__(self, swarm: "Swarm", number: int, config: dict[str, Any]) -> None:
        self.swarm = swarm
        self.number = number
        self.rate: float = config["rate"]
        self.size: int = config["payload_bytes"]
        self.codec = codec_of(config.get("codec", NO_CODEC))
        batch = config.get("batch")
        self.batcher = Batcher[int](**batch) if batch else None
        offline = config["offline"]
        self.queue = OfflineQueue(offline["messages"], offline["bytes"], offline["overflow"])
        self.connection: Inlet | None = None
        self.node = -1
        self.options = {"create_connection": Inlet}
        self._timer: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Send or keep each message when it is due, from the start of the run on."""
        phase, start, n = self.swarm.draw(self.number, Purpose.SEND_PHASE, 0), self.swarm.start, 0
        while True:
            await self.swarm.timers.until(start + due_at(n, self.rate, phase), "send")
            if self.connection is None:
                self._keep(n)
            elif self.batcher is not None:
                self._gather(n)
            else:
                self._send([n], flushed=False)
            n += 1

    def connected(self, connection: ClientConnection, node: int) -> None:
        """Send what is kept over a new connection, in order."""
        self.connection, self.node = cast("Inlet", connection), node
        kept = [n for n, _ in self.queue.flush()]
        while kept:
            together = in_a_row(kept, 1 if self.batcher is None else self.batcher.count)
            self._send(together, flushed=True)
            del kept[: len(together)]

    def disconnected(self) -> None:
        """The connection is over: keep what is due from now on, and what has not left."""
        self.connection = None
        if self.batcher is not None:
            self._stop_timer()
            for n in self.batcher.take():
                self._keep(n)

    def _gather(self, n: int) -> None:
        """Keep a message until its batch leaves."""
        assert self.batcher is not None
        begins, now = not len(self.batcher), time.monotonic()
        self.swarm.events.append((now, "batched", self.number, self.node, -1, n, ""))
        full = self.batcher.add(n, now)
        if full:
            self._stop_timer()
            self._send(full, flushed=False)
        elif begins:
            self._timer = asyncio.get_running_loop().call_later(self.batcher.window, self._window_over)

    def _window_over(self) -> None:
        assert self.batcher is not None
        self._timer = None
        self._send(self.batcher.take(), flushed=False)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _send(self, numbers: list[int], flushed: bool) -> None:
        """Send messages whose numbers follow each other in one frame."""
        assert self.connection is not None
        now = time.monotonic()
        for n in numbers:
            self.swarm.events.append((now, "sent", self.number, self.node, -1, n, (flushed,)))
        name = _NAME.pack(self.number, numbers[0])
        if self.codec is not None:
            self.connection.say(name + self.codec.encode([chat(n, self.size, self.number) for n in numbers]))
        elif self.batcher is not None:
            self.connection.say(name + filling(len(numbers) * self.size))
        else:
            self.connection.say(name.ljust(self.size, b"\0"))

    def _keep(self, n: int) -> None:
        dropped = self.queue.offer(n, self.size)
        append, now = self.swarm.events.append, time.monotonic()
        if n not in dropped:
            append((now, "kept", self.number, -1, -1, n, (self.queue.held,)))
        for one in dropped:
            append((now, "discarded", self.number, -1, -1, one, (self.queue.held,)))


def attach(swarm: "Swarm", config: dict[str, Any]) -> None:
    """Give each client of a swarm its outbox."""
    settings = config["sends"]
    if settings.get("codec", NO_CODEC) != NO_CODEC:
        for number in range(min(TEXTS, settings["messages"])):
            chat(number, settings["payload_bytes"])  # an application has its texts: they are none of the codec's work
    swarm.equip(lambda client: Outbox(swarm, client.number, settings))
