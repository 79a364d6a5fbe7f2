"""The publisher's end of a NATS server: what it publishes is acknowledged by the stream."""

from collections.abc import Callable, Coroutine
from typing import Any

from live.broadcast.broker import body
from live.broadcast.link import keep
from live.broadcast.publisher_end import Hear
from live.control.resp import LinkLostError
from live.jetstream.link import NatsAccess, NatsCaller, Say, StoreMessage
from live.jetstream.nats import NatsConnection
from live.jetstream.stream import kept
from twin.rules.delivery import Message, Stamp


class NatsEnd:
    """The publisher's end; see `live.broadcast.publisher_end.PublisherEnd`."""

    def __init__(self, access: NatsAccess) -> None:
        self.access = access
        self.caller = NatsCaller(access, "commands")

    def hearing(self, hear: Hear) -> Coroutine[Any, Any, None]:
        """Return what stays subscribed to what nodes say; what they say while the connection is down is lost."""
        subject = self.access.names.acks

        async def talk(link: NatsConnection, ready: Callable[[], None]) -> None:
            link.subscribe(subject, lambda found: hear(subject.encode(), found.data))
            await link.flush()
            ready()
            raise LinkLostError(await link.lost)

        return keep(self.access, "acks", talk)

    async def stamp(self, number: int, payload: bytes, tries: list[int]) -> Stamp:
        """Have the stream keep a message; its number is the `Nats-Msg-Id`, so that a second try is none."""
        (told,) = await self.caller.ask([StoreMessage(kept(number, payload), {"Nats-Msg-Id": str(number)})], tries)
        message = Message(self.caller.epoch, int(told["seq"]), number, payload)
        return Stamp(message, not told.get("duplicate", False))

    async def again(self, message: Message) -> None:
        """Send a message to all nodes again, beside the stream."""
        await self.caller.ask([Say(self.access.names.again, body(message))])


def publishing(config: dict[str, Any]) -> NatsEnd:
    """Return the publisher's end of the bus by the lab's settings."""
    return NatsEnd(NatsAccess.of(config, 0))
