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
from typing import Any

import uvloop
from websockets.asyncio.client import ClientConnection

from live.client.client import Client, Swarm
from live.client.inbox import listen
from live.control.given import configuration
from live.control.stdio import YOUNG_GARBAGE, lines, say
from live.sessions.client import Member

NEVER = 86_400.0
"""Seconds until a client of the bench comes back by itself: after the end of the calibration."""


async def main(config: dict[str, Any]) -> None:
    """Obey the calibration until standard input closes."""
    gc.set_threshold(*YOUNG_GARBAGE)
    gc.freeze()
    loop = asyncio.get_running_loop()
    swarm = Swarm({**config, "count": 0})
    held: list[asyncio.Task[None]] = []
    connections: list[ClientConnection] = []
    made = 0
    tokens: list[str] = []
    reader = await lines()
    say(ready=True)

    async def attempt(client: Client) -> bool:
        connection = await client.attempt()
        if connection is None:
            wait_for_the_next(client, None)
        else:
            connections.append(connection)
            held.append(asyncio.ensure_future(stay(client, connection)))
        return connection is not None

    async def stay(client: Client, connection: ClientConnection) -> None:
        wait_for_the_next(client, await client.stay(connection))

    def wait_for_the_next(client: Client, lasted: float | None) -> None:
        client.next_wait(lasted)
        loop.call_later(NEVER, len, ())  # which does nothing

    async def batch(size: int, together: bool) -> None:
        nonlocal made
        clients = [Client(swarm, made + i) for i in range(size)]
        made += size
        if swarm.broadcast is not None:
            earlier, swarm.clients = swarm.clients, clients
            listen(swarm, swarm.broadcast)
            swarm.clients = earlier + clients
        if "sessions" in config:
            for client in clients:
                client.member = Member(swarm, client.number, config["sessions"])
                client.member.token = tokens.pop(0) if tokens else ""
        if together:
            opened = await asyncio.gather(*(attempt(client) for client in clients))
        else:
            opened = [await attempt(client) for client in clients]
        why = sorted({str(detail) for _, event, *_, detail in swarm.events if event == "connect_failed"})
        say(opened=sum(opened), failed=size - sum(opened), why=why, **span("connected", "connect_failed"))

    async def abandon(pause: float) -> None:
        for connection in connections:
            await connection.ping()
        await asyncio.sleep(pause)
        for connection in connections:
            connection.transport.abort()

    async def closed() -> None:
        await asyncio.gather(*held)
        held.clear()
        connections.clear()
        say(closed=True, **span("disconnected"))

    def span(*names: str) -> dict[str, float]:
        seen = [t for t, event, *_ in swarm.events if event in names]
        swarm.events.clear()
        return {"first": min(seen, default=0.0), "last": max(seen, default=0.0)}

    tasks: list[asyncio.Task[None]] = []
    while line := await reader.readline():
        message = json.loads(line)
        if "port" in message:
            swarm.uri = f"ws://127.0.0.1:{message['port']}/"
        if "tokens" in message:
            tokens[:] = message["tokens"]
        elif "batch" in message:
            tasks.append(asyncio.ensure_future(batch(message["batch"], message.get("together", True))))
        elif "ask" in message:
            for client in swarm.clients:
                if client.inbox is not None:
                    client.inbox.ask()
        elif "stall" in message:
            swarm.stall(message["stall"], message["on"])
        elif "delivered" in message:
            say(**span("delivered"))
        elif "abandon" in message:
            tasks.append(asyncio.ensure_future(abandon(message["abandon"])))
        elif "closed" in message:
            tasks.append(asyncio.ensure_future(closed()))


if __name__ == "__main__":
    logging.getLogger("websockets").setLevel(logging.CRITICAL)
    uvloop.run(main(configuration()))
