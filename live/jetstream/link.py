"""How a process holds on to a NATS server: its connections, and what it sends over them."""

import json
from dataclasses import dataclass, field
from typing import Any

from live.broadcast.link import AnyCaller, CommandRetry
from live.control.address import Address
from live.control.resp import BROKEN
from live.jetstream.nats import NatsConnection, published
from live.jetstream.stream import Names, StreamSettings, declare, recover, refusal


@dataclass(frozen=True)
class NatsAccess:
    """What a process needs to know of the server.

    Attributes:
        addresses: of the servers; who finds one that does not answer goes to the next.
        first: place of the one to which a process goes first.
        names: of the run.
        stream: what it asks of JetStream.
        retry: the rule for failures.
        name: begins the names of its connections.
    """

    addresses: tuple[Address, ...]
    first: int
    names: Names
    stream: StreamSettings
    retry: CommandRetry
    name: str
    _next: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, config: dict[str, Any], entity: int) -> "NatsAccess":
        """Return what the lab's configuration says; `entity` is the node's number, 0 for the publisher."""
        prefix = config["topic"]["prefix"]
        name = prefix + (f"node-{entity}" if entity else "publisher")
        stream, retry = StreamSettings(**config["stream"]), CommandRetry.of(config, entity)
        told = config.get("addresses") or [config["address"]]
        addresses = tuple(Address(**one) for one in told)
        return cls(addresses, entity % len(addresses), Names(prefix), stream, retry, name)

    async def open(self, role: str, push: Any = None) -> NatsConnection:
        """Open one connection.

        Raises:
            LinkLostError, OSError, TimeoutError: it did not work.
        """
        place = self._next.get(role, self.first)
        try:
            return await NatsConnection.open(self.addresses[place], f"{self.name}-{role}", self.retry.timeout)
        except BROKEN:
            self._next[role] = (place + 1) % len(self.addresses)
            raise

    async def declare(self, link: NatsConnection) -> int:
        """Make sure that the stream is there, and return its epoch."""
        return await declare(link, self.names, self.stream)


@dataclass(frozen=True)
class Say:
    """Something that is published beside the stream, or an acknowledgement; nobody replies."""

    subject: str
    data: bytes


@dataclass(frozen=True)
class StoreMessage:
    """A message for the stream, which replies with its version."""

    data: bytes
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Missed:
    """A question for what followed a position."""

    epoch: int
    version: int


def acknowledgement(data: bytes) -> dict[str, Any]:
    """Return the stream's acknowledgement of a message: `seq`, and `duplicate` if its number was known.

    Raises:
        ReplyError: the stream did not take it.
    """
    found: dict[str, Any] = json.loads(data)
    if "error" in found:
        raise refusal(found)
    return found


NatsCommand = Say | StoreMessage | Missed


class NatsCaller(AnyCaller[NatsConnection, NatsCommand]):
    """Sends commands to a NATS server.

    Args:
        access: to the server.
        role: ends the connection's name.

    Attributes:
        epoch: of the stream, as it was when the connection was opened.
    """

    def __init__(self, access: NatsAccess, role: str) -> None:
        super().__init__(access, role)
        self.server = access
        self.epoch = 0
        self._declared: NatsConnection | None = None

    async def send(self, link: NatsConnection, commands: list[NatsCommand]) -> list[Any]:
        """Send commands in one go, and wait for the replies to all of them; a PONG replies to all that has none."""
        stored = [link.ask(self.server.names.log, one.data, one.headers) for one in await self._ready(link, commands)]
        said = [published(one.subject, one.data) for one in commands if isinstance(one, Say)]
        if said:
            link.write(b"".join(said))
            await link.flush()
        answers = iter([acknowledgement((await one).data) for one in stored])
        replies: list[Any] = []
        for one in commands:
            if isinstance(one, Say):
                replies.append(None)
            elif isinstance(one, StoreMessage):
                replies.append(next(answers))
            else:
                replies.append(await recover(link, one.epoch, one.version))
        return replies

    async def _ready(self, link: NatsConnection, commands: list[NatsCommand]) -> list[StoreMessage]:
        """Return what is for the stream, once that is there."""
        found = [one for one in commands if isinstance(one, StoreMessage)]
        outlives = self._declared is not None and self.server.stream.replicas > 1
        if found and self._declared is not link and not outlives:
            self.epoch = await self.server.declare(link)
            self._declared = link
        return found

    def failed(self, error: BaseException) -> None:
        """A try has failed: drop a connection that is broken or silent; one that has given an answer is good."""
        if isinstance(error, BROKEN):
            self.close()
