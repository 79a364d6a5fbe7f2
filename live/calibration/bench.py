"""The client side of the calibration: it does what it is told, one batch at a time, with the swarm's own client.

Run as `python -m live.calibration.bench`. Messages:

* `tokens` are what the clients that come next show, one each, when they have sessions;
* `batch` lets that many clients try once to connect, all at the same time or, if not `together`, one after the other,
  and answers when all attempts have ended, with how many opened, why the others failed, and when the first and the
  last one ended;
* `ask` lets each client ask its node what it missed; `stall` lets one stop reading (`on`) or go on;
* `delivered` answers with the times of the first and the last delivery since it was asked before;
* `abandon` lets each client ping its node and, after so many seconds, break its connection off;
* `closed` answers when every connection that was open has been lost, with the times of the first and the last loss;
* `nothing` costs what hearing a message costs.

A client that failed or was lost decides when it would try again and sets a timer, as one of a swarm does.
"""

import asyncio
import gc
import json
import logging
from collections.abc import Coroutine
from typing import Any

import uvloop
from websockets.asyncio.client import ClientConnection

from live.broadcast.inbox import Inbox
from live.client.building import equip
from live.client.client import Client, Swarm
from live.control.given import configuration
from live.control.stdio import lines, say
from live.node.asyncio_runtime import YOUNG_GARBAGE
from live.sessions.client import ClientSession

NEVER = 86_400.0
"""Seconds until a client of the bench comes back by itself: after the end of the calibration."""


class BenchClients:
    """The clients of the bench: the messages' words name the methods that obey them.

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

    def obey(self, message: dict[str, Any]) -> None:
        """Do what a message says."""
        swarm = self.swarm
        if "port" in message:
            swarm.uri = f"ws://127.0.0.1:{message['port']}/"
        if "tokens" in message:
            self.tokens[:] = message["tokens"]
        elif "batch" in message:
            self._begin(self.batch(message["batch"], message.get("together", True)))
        elif "ask" in message:
            for client in swarm.clients:
                if (inbox := client.part(Inbox)) is not None:
                    inbox.ask()
        elif "stall" in message:
            swarm.stall(message["stall"], message["on"])
        elif "delivered" in message:
            say(**self._span("delivered"))
        elif "abandon" in message:
            self._begin(self.abandon(message["abandon"]))
        elif "closed" in message:
            self._begin(self.closed())

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
        say(opened=sum(opened), failed=size - sum(opened), why=why, **self._span("connected", "connect_failed"))

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
        say(closed=True, **self._span("disconnected"))

    def _span(self, *names: str) -> dict[str, float]:
        """Return when the first and the last of some events were, and forget all events."""
        seen = [t for t, event, *_ in self.swarm.events if event in names]
        self.swarm.events.clear()
        return {"first": min(seen, default=0.0), "last": max(seen, default=0.0)}


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
    clients, reader = BenchClients(config), await lines()
    say(ready=True)
    while line := await reader.readline():
        clients.obey(json.loads(line))


if __name__ == "__main__":
    logging.getLogger("websockets").setLevel(logging.CRITICAL)
    uvloop.run(main(configuration()))
