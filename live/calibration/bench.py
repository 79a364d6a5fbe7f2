"""The client side of the calibration: it does what it is told, one batch at a time, with the swarm's own client.

Run as `python -m live.calibration.bench`. What it obeys is in `live.calibration.messages`; besides, `SetStall` of a
swarm lets a client stop reading, and `Nothing` costs what hearing a message costs.

A client that failed or was lost decides when it would try again and sets a timer, as one of a swarm does.
"""

import asyncio
import gc
import logging
from collections.abc import Coroutine
from typing import Any

from websockets.asyncio.client import ClientConnection

from live.broadcast.inbox import Inbox
from live.calibration.messages import (
    Abandon,
    AllLost,
    AskDelivered,
    AskMissed,
    AwaitLoss,
    Delivered,
    OpenBatch,
    Opened,
    Tokens,
)
from live.client.building import equip
from live.client.client import Client, Swarm
from live.client.messages import SetStall
from live.control.given import configuration
from live.control.messages import Nothing, Orders, Ready, on
from live.control.running import run
from live.control.stdio import obey, say
from live.node.asyncio_runtime import YOUNG_GARBAGE
from live.sessions.client import ClientSession

NEVER = 86_400.0
"""Seconds until a client of the bench comes back by itself: after the end of the calibration."""


class BenchClients:
    """The clients of the bench: each type of message has what obeys it.

    Args:
        config: of `live.client.client.Swarm`, and `sessions` where the clients have some.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self.swarm = Swarm({**config, "count": 0})
        equip(self.swarm, config)
        self.held: list[asyncio.Task[None]] = []
        self.connections: list[ClientConnection] = []
        self.made = 0
        self.tokens: list[str] = []
        self.tasks: list[asyncio.Task[None]] = []

    @property
    def orders(self) -> Orders:
        """What the calibration may order."""
        swarm = self.swarm
        return (
            on(Tokens, self._take_tokens)
            | on(OpenBatch, self._batch)
            | on(AskMissed, lambda order: self._ask_missed())
            | on(SetStall, lambda order: swarm.stall(order.number, order.on))
            | on(AskDelivered, lambda order: say(Delivered(*self._span("delivered"))))
            | on(Abandon, lambda order: self._begin(self.abandon(order.after)))
            | on(AwaitLoss, lambda order: self._begin(self.closed()))
            | on(Nothing, lambda order: None)
        )

    def _take_tokens(self, order: Tokens) -> None:
        self.tokens[:] = order.tokens

    def _batch(self, order: OpenBatch) -> None:
        if order.port is not None:
            self.swarm.uri = f"ws://127.0.0.1:{order.port}/"
        self._begin(self.batch(order.size, order.together))

    def _ask_missed(self) -> None:
        for client in self.swarm.clients:
            if (inbox := client.part(Inbox)) is not None:
                inbox.ask()

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        self.tasks.append(asyncio.ensure_future(work))

    async def batch(self, size: int, together: bool) -> None:
        """Let so many clients try once to connect."""
        clients = self._made(size)
        if together:
            opened = await asyncio.gather(*(self._attempt(client) for client in clients))
        else:
            opened = [await self._attempt(client) for client in clients]
        why = sorted({str(detail) for _, event, *_, detail in self.swarm.events if event == "connect_failed"})
        first, last = self._span("connected", "connect_failed")
        say(Opened(first, last, sum(opened), size - sum(opened), why))

    def _made(self, size: int) -> list[Client]:
        """Return new clients, with the tokens that come next."""
        clients = self.swarm.make(range(self.made, self.made + size))
        self.made += size
        for client in clients:
            if (member := client.part(ClientSession)) is not None:
                member.token = self.tokens.pop(0) if self.tokens else ""
        return clients

    async def _attempt(self, client: Client) -> bool:
        connection = await client.attempt()
        if connection is None:
            wait_for_the_next(client, None)
        else:
            self.connections.append(connection)
            self.held.append(asyncio.ensure_future(stay(client, connection)))
        return connection is not None

    async def abandon(self, pause: float) -> None:
        """Ping over each connection, and break it off after so many seconds."""
        for connection in self.connections:
            await connection.ping()
        await asyncio.sleep(pause)
        for connection in self.connections:
            connection.transport.abort()

    async def closed(self) -> None:
        """Wait until every connection that was open has been lost."""
        await asyncio.gather(*self.held)
        self.held.clear()
        self.connections.clear()
        say(AllLost(*self._span("disconnected")))

    def _span(self, *names: str) -> tuple[float, float]:
        """Return when the first and the last of some events were, and forget all events."""
        seen = [t for t, event, *_ in self.swarm.events if event in names]
        self.swarm.events.clear()
        return min(seen, default=0.0), max(seen, default=0.0)


async def stay(client: Client, connection: ClientConnection) -> None:
    """Keep a connection until it is lost."""
    wait_for_the_next(client, await client.stay(connection))


def wait_for_the_next(client: Client, lasted: float | None) -> None:
    """Decide when a client would try again, and set a timer, which does nothing."""
    client.next_wait(lasted)
    asyncio.get_running_loop().call_later(NEVER, len, ())


async def main(config: dict[str, Any]) -> None:
    """Obey the calibration until standard input closes."""
    gc.set_threshold(*YOUNG_GARBAGE)
    gc.freeze()
    clients = BenchClients(config)
    say(Ready())
    await obey(clients.orders)


if __name__ == "__main__":
    logging.getLogger("websockets").setLevel(logging.CRITICAL)
    run(main(configuration(dict[str, Any])))
