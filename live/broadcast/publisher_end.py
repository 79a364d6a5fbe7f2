"""The publisher's end of a Redis-protocol bus, and what that of any bus does."""

from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from live.broadcast.broker import body, stamped
from live.broadcast.link import Access, Caller
from twin.rules.delivery import Message, Stamp

Hear = Callable[[bytes, bytes], None]
"""Receives where something was said, and a node's word."""


class PublisherEnd(Protocol):
    """What a publisher does over a bus of any kind."""

    def hearing(self, hear: Hear) -> Coroutine[Any, Any, None]:
        """Return what listens to the nodes until it is cancelled."""
        ...

    async def stamp(self, number: int, payload: bytes, tries: list[int]) -> Stamp:
        """Have the bus keep a message under its number as idempotency key, and return the name that it has there.

        Args:
            number: of the message.
            payload: what it holds.
            tries: its first number counts how often the bus was asked.

        Raises:
            UnansweredError: no try had an answer.
        """
        ...

    async def again(self, message: Message) -> None:
        """Send a message that has its name to all nodes again.

        Raises:
            UnansweredError: no try had an answer.
        """
        ...


class RedisEnd:
    """The publisher's end of a Redis-protocol bus."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self.topic = access.topic
        self.caller = Caller(access, "commands")

    def hearing(self, hear: Hear) -> Coroutine[Any, Any, None]:
        """Return what stays subscribed to what nodes say."""
        return self.access.subscribe("acks", [self.topic.acks], hear)

    async def stamp(self, number: int, payload: bytes, tries: list[int]) -> Stamp:
        """Stamp a message, see `PublisherEnd.stamp`."""
        (reply,) = await self.caller.ask([self.topic.stamp(number, payload)], tries)
        return stamped(reply, number, payload)

    async def again(self, message: Message) -> None:
        """Send a message again, see `PublisherEnd.again`."""
        await self.caller.ask([("PUBLISH", self.topic.again, body(message))])


def publishing(config: dict[str, Any]) -> RedisEnd:
    """Return the publisher's end of the bus by the lab's settings."""
    return RedisEnd(Access.of(config, 0))
