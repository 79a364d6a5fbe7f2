"""What a node does with messages: hand each to all its clients, bound what waits for a slow one, then acknowledge."""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Any, cast

from websockets.asyncio.server import ServerConnection
from websockets.frames import Frame, Opcode
from websockets.protocol import State

from live.broadcast import wire
from live.broadcast.broker import place
from live.broadcast.kinds import node_end
from live.control.noted import Event, Own
from live.node.connection import BoundedConnection
from live.node.part import NodePart, Take
from twin.rules.batching import Batcher
from twin.rules.delivery import RecoveryAnswer, SeenVersions
from twin.rules.frames import frame_bytes
from twin.rules.slow_consumer import Outlet, is_too_large

MOST_AWAITED = 1000
"""Messages for which a node waits for its clients' confirmations; older ones are acknowledged only when sent again."""


MOST_QUESTIONS = 100
"""Questions of a client that may wait for the bus; it asks again, so a further one is ignored."""


class WatchedConnection(BoundedConnection):
    """A connection that tells when bytes have left it."""

    relieved: Callable[[], None] | None = None

    def relieve(self) -> None:
        """Half of the limit is free again."""
        if self.relieved is not None:
            self.relieved()


class Recipient:
    """A connected client, as its node sees it."""

    def __init__(self, connection: WatchedConnection, outlet: Outlet) -> None:
        self.connection = connection
        self.outlet = outlet
        self.place = (0, 0)
        self.questions = 0


class FanOut(NodePart):
    """The messages of one node.

    Args:
        number: of the node.
        config: of the broadcast, from the lab; `noted` is False where nothing is to be noted, `counted` is True where
            the bytes are; `batch` says when messages leave together.

    Attributes:
        batcher: gathers messages for all clients; None hands each on at once.
        gathered: places of the messages in it, which are not acknowledged yet.
        listeners: called with each message that the node takes for the first time.
    """

    frames = frozenset({wire.QUESTION, wire.STANDING})

    def __init__(self, number: int, config: dict[str, Any]) -> None:
        self.number = number
        self.policy = config["policy"]
        self.limit: int = config["limit_bytes"]
        self.by_client = config["scope"] == "client"
        self.clients: dict[WatchedConnection, Recipient] = {}
        self.events: list[Event] = []
        self.most_waiting = (0, 0.0)
        self.seen = SeenVersions()
        self.newest = (0, 0)
        self.awaited: dict[tuple[int, int], set[Recipient]] = {}
        self.asked: dict[tuple[int, int], list[Recipient]] = {}
        self._questions: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self.listeners: list[Callable[[bytes], None]] = []
        self.options = {"create_connection": WatchedConnection, "write_limit": self.write_limit}
        self.noted: bool = config.get("noted", True)
        self.counted: bool = config.get("counted", False)
        self.written = self.frames_written = 0
        self.last_written = 0.0
        batch = config.get("batch")
        self.batcher = Batcher[bytes](**batch) if batch else None
        self.gathered = set[tuple[int, int]]()
        self.bus = node_end(config, number, self.take, self.note)

    @property
    def write_limit(self) -> tuple[int, int]:
        """Bytes at which a connection counts as full and as relieved: `Outlet.pay` asks for half of the limit."""
        return self.limit // 2, self.limit // 2

    def note(self, event: str, version: int, own: Own) -> None:
        """Note an event of this node."""
        if self.noted:
            self.events.append((time.monotonic(), event, -1, self.number, -1, version, own))

    def take(self, data: bytes) -> None:
        """Take a message from the bus: fan it out if it is new, and acknowledge it."""
        epoch, version, key = place(data)
        fresh = self.seen.first(epoch, version)
        self.note("received", version, (epoch, key, "" if fresh else "duplicate"))
        if fresh:
            for listener in self.listeners:
                listener(data)
        if not fresh:
            if (epoch, version) not in self.gathered:
                self.acknowledge(epoch, version)
        elif self.batcher is None:
            self.hand_on(data, (epoch, version))
        else:
            self.gather(data, (epoch, version))

    def gather(self, data: bytes, named: tuple[int, int]) -> None:
        """Keep a message until its batch leaves."""
        assert self.batcher is not None
        begins = not len(self.batcher)
        self.gathered.add(named)
        full = self.batcher.add(data, time.monotonic())
        if full:
            self._leave(full)
        elif begins:
            self._timer = asyncio.get_running_loop().call_later(self.batcher.window, self._window_over)

    def _window_over(self) -> None:
        assert self.batcher is not None
        self._leave(self.batcher.take())

    def _leave(self, batch: list[bytes]) -> None:
        """Hand on the messages of a batch in one round of the loop, which writes them together."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.gathered.clear()
        for data in batch:
            self.hand_on(data, place(data)[:2])

    def hand_on(self, data: bytes, named: tuple[int, int]) -> None:
        """Fan a message out, and acknowledge it."""
        self.newest = max(self.newest, named)
        self.fan_out(data)
        if self.by_client:
            if len(self.awaited) >= MOST_AWAITED:
                del self.awaited[next(iter(self.awaited))]
            self.awaited[named] = {one for one in self.clients.values() if one.place < named}
        self.acknowledge(*named)

    def acknowledge(self, epoch: int, version: int) -> None:
        """Tell the publisher, unless clients are still to confirm the message."""
        if not self.by_client:
            self.bus.say("ack", self.number, epoch, version)
        elif not self.awaited.get((epoch, version)):
            self.awaited.pop((epoch, version), None)
            self.bus.say("ack", self.number, epoch, version)

    def fan_out(self, data: bytes) -> None:
        """Hand a message to every client whose outlet has room for it.

        The frame is built once: frames of a server are not masked, so they are the same for all (RFC 6455, 5.1). But a
        connection that compresses has a context of its own, so it gets a frame of its own (RFC 7692, 7.1.1). Whether a
        message fits is asked of its size before that: what is compressed has to be sent, or the next is not understood.
        """
        message = Frame(Opcode.BINARY, data)
        shared = message.serialize(mask=False, extensions=[])
        size, is_open, waiting, sent, spared = len(shared), State.OPEN, 0, 0, 0
        for connection, client in self.clients.items():
            protocol = connection.protocol
            if protocol.state is not is_open:
                continue
            transport = connection.transport
            buffered = transport.get_write_buffer_size()
            waiting += buffered
            decision = client.outlet.offer(size, buffered)
            if decision == "send":
                sent += 1
                if protocol.extensions:
                    frame = message.serialize(mask=False, extensions=protocol.extensions)
                    spared += size - len(frame)
                    transport.write(frame)
                else:
                    transport.write(shared)
            elif decision == "close":
                transport.abort()
        self._count(sent, sent * size - spared)
        if waiting > self.most_waiting[0]:
            self.most_waiting = (waiting, time.monotonic())

    def _count(self, frames: int, size: int) -> None:
        self.frames_written += frames
        self.written += size
        self.last_written = time.monotonic()

    def finish(self) -> list[Event]:
        """Return all events, with the most bytes that waited for the clients."""
        waiting, when = self.most_waiting
        found = list(self.events)
        if waiting:
            found.append((when, "node_buffer", -1, self.number, -1, -1, (waiting,)))
        if self.counted and self.frames_written:
            count = (self.written, self.frames_written)
            found.append((self.last_written, "node_written", -1, self.number, -1, -1, count))
        return found

    def started(self) -> None:
        """Connect to the bus."""
        self.bus.start()

    def ended(self) -> None:
        """Leave the bus; what is gathered goes nowhere, and its clients ask for it elsewhere."""
        if self._timer is not None:
            self._timer.cancel()
        self.bus.leave()

    def connected(self, connection: ServerConnection) -> Take:
        """Hand messages to a connection from now on, and answer its questions."""
        reader = cast("WatchedConnection", connection)
        client = Recipient(reader, Outlet(self.policy, self.limit))
        reader.relieved = lambda: self.pay(client)
        self.clients[reader] = client
        return partial(self.hear, client)

    def disconnected(self, connection: ServerConnection) -> None:
        """Forget a client, and wait for its word no longer."""
        reader = cast("WatchedConnection", connection)
        client = self.clients.pop(reader, None)
        if client is not None:
            reader.relieved = None
            self.confirm(client, None)

    def hear(self, client: Recipient, data: str | bytes) -> None:
        """Take what a client says; text is none of a run's."""
        if not isinstance(data, bytes) or not data:
            return
        client.place = wire.read_place(data)
        if self.by_client:
            self.confirm(client, client.place)
        if data[0] == wire.QUESTION and client.questions < MOST_QUESTIONS:
            client.questions += 1
            asking = self.asked.get(client.place)
            if asking is not None:  # somebody at the same place waits already: one answer is for both
                asking.append(client)
                return
            self.asked[client.place] = [client]
            task = asyncio.ensure_future(self.answer(client.place))
            self._questions.add(task)
            task.add_done_callback(self._questions.discard)

    def confirm(self, client: Recipient, standing: tuple[int, int] | None) -> None:
        """A client stands at a position, or (None) has left: acknowledge what nobody is waited for any more."""
        for name, waiting in list(self.awaited.items()):
            if client in waiting and (standing is None or name <= standing):
                waiting.discard(client)
                if not waiting:
                    self.acknowledge(*name)

    async def answer(self, asked: tuple[int, int]) -> None:
        """Answer all clients that ask from one position; without an answer of the broker they will ask again."""
        found = await self.bus.recover(*asked)
        clients = self.asked.pop(asked)
        for client in clients:
            client.questions -= 1
        if found is None:
            return
        data = wire.answer(found)
        if is_too_large(len(data), self.limit):
            data = wire.answer(RecoveryAnswer(False, found.epoch, found.version))
        for client in clients:
            self.send(client, data)

    def send(self, client: Recipient, data: bytes) -> None:
        """Hand one client an answer or a snapshot; it has to fit like any message."""
        connection = client.connection
        if connection.protocol.state is not State.OPEN:
            return
        decision = client.outlet.offer(frame_bytes(len(data)), connection.transport.get_write_buffer_size())
        if decision == "send":
            frame = Frame(Opcode.BINARY, data).serialize(mask=False, extensions=connection.protocol.extensions)
            connection.transport.write(frame)
            self._count(1, len(frame))
        elif decision == "close":
            connection.transport.abort()

    def pay(self, client: Recipient) -> None:
        """Send the snapshot that stands for what was not sent, if one is owed."""
        connection = client.connection
        if connection.protocol.state is not State.OPEN:
            return
        if client.outlet.pay(connection.transport.get_write_buffer_size()):
            self.send(client, wire.answer(RecoveryAnswer(False, *self.newest)))
