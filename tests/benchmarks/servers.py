"""Servers that hand one message to all their clients: the lab's node, and those of two other libraries.

Run as `python -m tests.benchmarks.servers KIND`, all on uvloop and without compression. It prints the port at which it
listens. For each number that it reads it hands on so many messages, one after the other, and prints the CPU seconds of
its thread for one recipient, the writes included, and its resident bytes.
"""

import asyncio
import sys
import time
from abc import ABC, abstractmethod
from dataclasses import asdict
from typing import Any

import psutil
import uvloop

from live.node.asyncio_runtime import YOUNG_GARBAGE

PAYLOAD = 64
PAUSE = 0.002
"""Seconds between two messages, in which the clients read."""


class Server(ABC):
    """One of them."""

    @abstractmethod
    async def start(self) -> int:
        """Listen, and return the port."""

    @abstractmethod
    async def fan_out(self, number: int) -> None:
        """Hand a message to all clients."""

    @property
    @abstractmethod
    def count(self) -> int:
        """How many clients there are."""


class LabNode(Server):
    """The lab's node: `websockets`, and its own fan-out with a bound for each client."""

    async def start(self) -> int:
        from websockets.asyncio.server import serve

        from live.broadcast.broker import Topic
        from live.broadcast.fanout import FanOut
        from live.control.address import Address
        from live.node.base import Node

        topic = Topic("t:", 10, 60.0)
        access = {"address": asdict(Address()), "topic": asdict(topic)}
        retry = {"retry": {"base": 0.01, "cap": 1.0, "retries": 10, "timeout": 5.0}, "seed": 1, "replication": 0}
        rest = {"lease": 2.0, "kind": "pubsub", "scope": "node", "policy": "close", "limit_bytes": 2**24}
        self.part = FanOut(1, access | retry | rest)
        self.node = Node(1)
        self.node.add(self.part)
        options: dict[str, Any] = {"process_response": self.node.on_response, **self.node.options}
        server = await serve(
            self.node.serve_client, "127.0.0.1", 0, compression=None, ping_interval=None, backlog=1000, **options
        )
        self.server = server
        return int(next(iter(server.sockets)).getsockname()[1])

    async def fan_out(self, number: int) -> None:
        from live.broadcast.broker import body
        from twin.rules.delivery import Message

        self.part.take(body(Message(1, number, number, bytes(PAYLOAD))))

    @property
    def count(self) -> int:
        return len(self.part.clients)


class Aiohttp(Server):
    """aiohttp: each client's message is awaited, as its documentation does it."""

    async def start(self) -> int:
        from aiohttp import WSMsgType, web

        self.clients: set[Any] = set()

        async def handle(request: web.Request) -> web.WebSocketResponse:
            one = web.WebSocketResponse(compress=False)
            await one.prepare(request)
            self.clients.add(one)
            async for message in one:
                if message.type is WSMsgType.ERROR:
                    break
            self.clients.discard(one)
            return one

        app = web.Application()
        app.router.add_get("/", handle)
        self.runner = web.AppRunner(app)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0, backlog=1000).start()
        return int(self.runner.addresses[0][1])

    async def fan_out(self, number: int) -> None:
        data = number.to_bytes(8, "big") + bytes(PAYLOAD)
        for one in self.clients:
            await one.send_bytes(data)

    @property
    def count(self) -> int:
        return len(self.clients)


class Picows(Server):
    """picows, which is written in Cython."""

    async def start(self) -> int:
        import picows

        clients = self.clients = set[Any]()

        class Listener(picows.WSListener):  # type: ignore[misc]
            def on_ws_connected(self, transport: Any) -> None:
                clients.add(transport)

            def on_ws_disconnected(self, transport: Any) -> None:
                clients.discard(transport)

        self.kind = picows.WSMsgType.BINARY
        self.server = await picows.ws_create_server(lambda request: Listener(), "127.0.0.1", 0, backlog=1000)
        return int(self.server.sockets[0].getsockname()[1])

    async def fan_out(self, number: int) -> None:
        data = number.to_bytes(8, "big") + bytes(PAYLOAD)
        for one in self.clients:
            one.send(self.kind, data)

    @property
    def count(self) -> int:
        return len(self.clients)


KINDS: dict[str, type[Server]] = {"node": LabNode, "aiohttp": Aiohttp, "picows": Picows}


async def main(kind: str) -> None:
    """Listen, and do what is asked for until standard input ends."""
    import gc

    gc.set_threshold(*YOUNG_GARBAGE)
    gc.freeze()
    server = KINDS[kind]()
    print(await server.start(), flush=True)  # noqa: T201
    number = 0
    while line := await asyncio.to_thread(sys.stdin.readline):
        spent = 0.0
        for _ in range(int(line)):
            number += 1
            began = time.thread_time()
            await server.fan_out(number)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            spent += time.thread_time() - began
            await asyncio.sleep(PAUSE)
        each = spent / max(1, int(line)) / max(1, server.count)
        print(each, psutil.Process().memory_info().rss, server.count, flush=True)  # noqa: T201


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
