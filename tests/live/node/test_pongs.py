"""Pongs that a client does not read: they do not gather, and it is cut in the end."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvloop
from websockets.asyncio.server import serve
from websockets.frames import Opcode
from websockets.protocol import State

from live.node.connection import MOST_UNANSWERED, BoundedConnection
from tests.strangers import HANDSHAKE, masked, until

pytestmark = pytest.mark.live


class Client:
    """A client that reads when it is told to, in the process of its node."""

    def __init__(self, link: socket.socket) -> None:
        self.link = link
        self.loop = asyncio.get_running_loop()
        self.pings = 0
        self.pongs: list[int] = []
        self.held = b""

    async def send(self, opcode: Opcode, data: bytes = b"") -> None:
        await self.loop.sock_sendall(self.link, masked(opcode, data))

    async def ping(self) -> None:
        self.pings += 1
        await self.send(Opcode.PING, struct.pack(">I", self.pings) + bytes(96))

    async def read_until(self, pong: int) -> None:
        async with asyncio.timeout(10):
            while pong not in self.pongs:
                self.held += await self.loop.sock_recv(self.link, 1 << 16)
                while len(self.held) >= 102:
                    self.pongs.append(struct.unpack_from(">I", self.held, 2)[0])
                    self.held = self.held[102:]


def small_link(port: int) -> socket.socket:
    """Return a connection whose kernel keeps little of what is not read: its room must not shrink later."""
    link = socket.socket()
    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    link.connect(("127.0.0.1", port))
    link.sendall(HANDSHAKE)
    assert link.recv(4096).startswith(b"HTTP/1.1 101")
    link.setblocking(False)
    return link


def talk(what: Callable[[Client, BoundedConnection, list[Any]], Awaitable[None]]) -> None:
    """Run a client against a node with little room for what waits."""

    async def run() -> None:
        made: list[BoundedConnection] = []
        heard: list[Any] = []

        async def handler(connection: Any) -> None:
            made.append(connection)
            connection.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            async for data in connection:
                heard.append(data)

        options: dict[str, Any] = {"compression": None, "ping_interval": None, "write_limit": 4096}
        async with serve(handler, "127.0.0.1", 0, create_connection=BoundedConnection, **options) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            link = await asyncio.to_thread(small_link, port)
            await until(lambda: made)
            await what(Client(link), made[0], heard)
            link.close()

    uvloop.run(run())


async def fill(client: Client, connection: BoundedConnection) -> None:
    """Ping until more waits than the write limit, slowly enough for the node to read each."""
    async with asyncio.timeout(20):
        while not connection.paused:
            await client.ping()
            await asyncio.sleep(0.0001)


def test_a_client_that_paused_reading_gets_a_pong_to_its_last_ping_and_then_to_each() -> None:
    async def check(client: Client, connection: BoundedConnection, heard: list[Any]) -> None:
        await fill(client, connection)
        answered = client.pings
        for _ in range(50):
            await client.ping()
        await client.send(Opcode.TEXT, b"still heard")
        await until(lambda: heard)
        assert connection.paused
        assert connection.unanswered >= 50
        await client.read_until(client.pings)
        assert len(client.pongs) < answered + 10
        assert client.pongs == sorted(client.pongs)
        assert not connection.paused
        for _ in range(3):
            await client.ping()
            await client.read_until(client.pings)
        assert client.pongs[-4:] == list(range(client.pings - 3, client.pings + 1))

    talk(check)


def test_so_many_unanswered_pings_end_the_connection() -> None:
    async def check(client: Client, connection: BoundedConnection, heard: list[Any]) -> None:
        await fill(client, connection)
        while (before := connection.unanswered) < MOST_UNANSWERED - 1:
            await client.ping()
            await until(lambda before=before: connection.unanswered > before)
        assert connection.paused
        assert not connection.transport.is_closing()
        await client.ping()
        await until(lambda: connection.protocol.state is State.CLOSED)
        assert connection.transport.get_write_buffer_size() == 0

    talk(check)
