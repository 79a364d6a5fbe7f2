"""A node's end of the bus, whatever its kind: what it says waits for what it said before, and leaves together."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from live.broadcast.link import AnyCaller, UnansweredError, keep_alive
from twin.rules.consistency import SIGNS_A_LEASE
from twin.rules.delivery import RecoveryAnswer

MOST_WAITING = 100_000
"""Commands that a node keeps for the bus while it is away; the oldest are dropped first."""

Note = Callable[..., None]
"""Receives the event, the version and the detail."""


class NodeEnd:
    """Reads the bus for one node and speaks to it; each kind of bus has a class of its own.

    Args:
        caller: sends the commands.
        number: of the node.
        lease: seconds for which a sign of life counts.
        take: receives the body of each message.
        note: notes an event of this node.
    """

    def __init__(
        self, caller: AnyCaller[Any, Any], number: int, lease: float, take: Callable[[bytes], None], note: Note
    ) -> None:
        self.number = number
        self.lease = lease
        self.take = take
        self.note = note
        self.joined = asyncio.Event()
        self._caller = caller
        self._queue: list[tuple[Any, asyncio.Future[Any] | None]] = []
        self._queued = asyncio.Event()
        self._reading: list[asyncio.Task[None]] = []
        self._speaking: asyncio.Task[None] | None = None

    # What a kind of bus does otherwise

    def reading(self) -> Sequence[Coroutine[Any, Any, None]]:
        """Return what reads the bus until it is cancelled; it calls `took` for messages, `lost` and `up`."""
        raise NotImplementedError

    def words(self, said: tuple[object, ...]) -> Sequence[Any]:
        """Return the commands that tell the publisher something: `ack NODE EPOCH VERSION`, `alive` or `bye NODE`."""
        raise NotImplementedError

    def question(self, epoch: int, version: int) -> Any:
        """Return the command that asks what followed a position."""
        raise NotImplementedError

    def answered(self, reply: Any) -> RecoveryAnswer:
        """Return what the reply to a question says."""
        raise NotImplementedError

    # What all have in common

    def start(self) -> None:
        """Join the bus."""
        self._reading = [keep_alive(one) for one in (*self.reading(), self._live())]
        self._speaking = keep_alive(self._speak())

    def lost(self, reason: str) -> None:
        """The connection on which messages come is broken."""
        self.note("bus_lost", -1, reason)

    def up(self) -> None:
        """That connection is there, for the first time or again."""
        if self.joined.is_set():
            self.note("bus_joined", -1, "")
        self.joined.set()

    def say(self, *words: object) -> None:
        """Tell the publisher of messages something, sooner or later."""
        for command in self.words(words):
            self._put(command)

    async def recover(self, epoch: int, version: int) -> RecoveryAnswer | None:
        """Return what the broker has after a position, or None if it does not answer."""
        reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._put(self.question(epoch, version), reply)
        answer = await reply
        return None if answer is None else self.answered(answer)

    def _put(self, command: Any, reply: "asyncio.Future[Any] | None" = None) -> None:
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


def _answer(batch: "list[tuple[Any, asyncio.Future[Any] | None]]", replies: list[Any]) -> None:
    for (_, reply), value in zip(batch, replies, strict=True):
        if reply is not None and not reply.done():
            reply.set_result(value)
