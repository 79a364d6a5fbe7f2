"""A node's side of the bus: it reads messages by subscription or with a cursor, acknowledges, and asks what came before
a client.

Source: `twin.rules.delivery.Cursor` for how a cursor goes on after a lost connection and into a new epoch.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from live.broadcast.broker import Command, followed, place, recovery
from live.broadcast.link import AGAIN, MOST_BLOCK, Access, Caller, UnansweredError, keep_alive
from live.control.resp import RespConnection
from twin.rules.consistency import SIGNS_A_LEASE
from twin.rules.delivery import RecoveryAnswer

MOST_WAITING = 100_000
"""Commands that a node keeps for the bus while it is away; the oldest are dropped first."""
BLOCK_SHARE = 0.8
"""Share of the time that an answer may take for which the broker is to wait for messages; the rest is for the way."""

Note = Callable[..., None]
"""Receives the event, the version and the detail."""


class Subscriber:
    """Reads the bus for one node and speaks to it.

    Args:
        access: to the bus.
        number: of the node.
        kind: of the bus: pubsub or stream.
        lease: seconds for which a sign of life counts.
        take: receives the body of each message.
        note: notes an event of this node.
    """

    def __init__(
        self, access: Access, number: int, kind: str, lease: float, take: Callable[[bytes], None], note: Note
    ) -> None:
        self.access = access
        self.number = number
        self.kind = kind
        self.lease = lease
        self.take = take
        self.note = note
        self.epoch, self.version = 0, 0
        self.joined = asyncio.Event()
        self._caller = Caller(access, "commands")
        self._queue: list[tuple[Command, asyncio.Future[Any] | None]] = []
        self._queued = asyncio.Event()
        self._reading: list[asyncio.Task[None]] = []
        self._speaking: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Join the bus."""
        topic, access = self.access.topic, self.access
        if self.kind == "pubsub":
            reading = access.subscribe("reader", [topic.fresh, topic.again], self._push, self._lost, self._up)
        else:
            reading = access.keep("reader", self._follow, None, self._lost, self._up)
            self._reading.append(keep_alive(access.subscribe(AGAIN, [topic.again], self._push)))
        self._reading += [keep_alive(reading), keep_alive(self._live())]
        self._speaking = keep_alive(self._speak())

    def _push(self, channel: bytes, data: bytes) -> None:
        self.take(data)

    def _lost(self, reason: str) -> None:
        self.note("bus_lost", -1, reason)

    def _up(self) -> None:
        if self.joined.is_set():
            self.note("bus_joined", -1, "")
        self.joined.set()

    async def _follow(self, link: RespConnection, ready: Callable[[], None]) -> None:
        """Read with the cursor until the connection breaks; a new process begins at the present end."""
        timeout, topic = self.access.retry.timeout, self.access.topic
        head = recovery(await link.ask(timeout, *topic.read(0, -1)))
        if not self.joined.is_set():
            self.epoch, self.version = head.epoch, head.version
        elif head.epoch != self.epoch:
            self.epoch, self.version = head.epoch, 0
        ready()
        block = min(MOST_BLOCK, BLOCK_SHARE * timeout)
        while True:
            bodies = followed(await link.ask(timeout, *topic.follow(self.version, block)))
            for data in bodies:
                self.take(data)
                self.version = place(data)[1]

    def say(self, *words: object) -> None:
        """Publish something for the publisher of messages, sooner or later."""
        self._put(("PUBLISH", self.access.topic.acks, " ".join(str(word) for word in words)))

    async def recover(self, epoch: int, version: int) -> RecoveryAnswer | None:
        """Return what the broker has after a position, or None if it does not answer."""
        reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._put(self.access.topic.read(epoch, version), reply)
        answer = await reply
        return None if answer is None else recovery(answer)

    def _put(self, command: Command, reply: "asyncio.Future[Any] | None" = None) -> None:
        if len(self._queue) >= MOST_WAITING:
            _answer([self._queue.pop(0)], [None])
        self._queue.append((command, reply))
        self._queued.set()

    async def _speak(self) -> None:
        """Send what is queued, all in one go, and go on with what has come meanwhile."""
        while True:
            await self._queued.wait()
            self._queued.clear()
            batch, self._queue = self._queue, []
            try:
                _answer(batch, await self._caller.ask([command for command, _ in batch]))
            except UnansweredError:
                _answer(batch, [None] * len(batch))

    async def _live(self) -> None:
        """Give signs of life."""
        await self.joined.wait()
        due = time.monotonic()
        while True:
            self.say("alive", self.number)
            due = max(due + self.lease / SIGNS_A_LEASE, time.monotonic())
            await asyncio.sleep(due - time.monotonic())

    def leave(self) -> None:
        """Stop reading and giving signs of life, and say goodbye if there is time."""
        for task in self._reading:
            task.cancel()
        self.say("bye", self.number)


def _answer(batch: list[tuple[Command, "asyncio.Future[Any] | None"]], replies: list[Any]) -> None:
    for (_, reply), value in zip(batch, replies, strict=True):
        if reply is not None and not reply.done():
            reply.set_result(value)
