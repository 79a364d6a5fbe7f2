"""The client protocol of NATS, byte by byte, against a server that the test plays."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest

from live.control.address import Address
from live.control.resp import LinkLostError
from live.jetstream.nats import NatsConnection, NatsMessage, NobodyError, headers_of, published

INFO = {"server_id": "S", "client_id": 7, "max_payload": 1024}


class Server:
    """Takes one connection, reads lines, and writes what it is told."""

    def __init__(self) -> None:
        self.lines: asyncio.Queue[str] = asyncio.Queue()
        self.writer: asyncio.StreamWriter | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        writer.write(b"INFO %b\r\n" % json.dumps(INFO).encode())
        while line := await reader.readline():
            if line == b"PING\r\n":
                writer.write(b"PONG\r\n")
            self.lines.put_nowait(line.decode().rstrip("\r\n"))
        writer.close()

    def say(self, data: bytes) -> None:
        assert self.writer is not None
        self.writer.write(data)


def played(test: Callable[[Server, NatsConnection], Awaitable[None]]) -> None:
    """Run a test with a connection that is logged in."""

    async def main() -> None:
        server = Server()
        listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        link = await NatsConnection.open(Address("127.0.0.1", port, "lab", "secret"), "run:node-1-reader", 2.0)
        async with asyncio.timeout(5.0):
            hello = json.loads((await server.lines.get()).removeprefix("CONNECT "))
            assert (hello["user"], hello["pass"], hello["name"]) == ("lab", "secret", "run:node-1-reader")
            assert await server.lines.get() == "SUB _INBOX.7.S.* 1"
            assert await server.lines.get() == "PING"
            await test(server, link)
        link.abort()
        listening.close()

    asyncio.run(main())


def test_a_message_is_sent_with_or_without_reply_and_headers() -> None:
    assert published("a", b"xy") == b"PUB a 2\r\nxy\r\n"
    assert published("a", b"", "r.1") == b"PUB a r.1 0\r\n\r\n"
    assert published("a", b"xy", "", {"K": "1"}) == b"HPUB a 18 20\r\nNATS/1.0\r\nK: 1\r\n\r\nxy\r\n"


def test_headers_are_read_and_so_is_a_status() -> None:
    assert headers_of(b"NATS/1.0\r\nNats-Sequence: 7\r\nA: b: c\r\n\r\n") == {"Nats-Sequence": "7", "A": "b: c"}
    assert headers_of(b"NATS/1.0 404 Message Not Found\r\n\r\n") == {"Status": "404"}


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_messages_are_read_however_they_are_cut(size: int) -> None:
    async def test(server: Server, link: NatsConnection) -> None:
        found: list[NatsMessage] = []
        link.subscribe("to.1", found.append)
        data = b"MSG to.1 2 3\r\na\r\n\r\nPING\r\n"
        data += b"HMSG to.1 2 $JS.ACK.x 18 20\r\nNATS/1.0\r\nK: 1\r\n\r\nxy\r\nMSG to.1 9 1\r\nz\r\n"
        for at in range(0, len(data), size):
            server.say(data[at : at + size])
            await asyncio.sleep(0.0005)
        while len(found) < 2:
            await asyncio.sleep(0.001)
        assert found == [NatsMessage("", b"a\r\n", {}), NatsMessage("$JS.ACK.x", b"xy", {"K": "1"})]
        assert [await server.lines.get() for _ in range(2)] == ["SUB to.1 2", "PONG"]

    played(test)


def test_a_question_gets_its_own_answer_and_nobody_is_told_apart() -> None:
    async def test(server: Server, link: NatsConnection) -> None:
        first, second = link.ask("a"), link.ask("b", b"x", {"K": "1"})
        server.say(b"MSG _INBOX.7.S.3 1 3\r\ntwo\r\nHMSG _INBOX.7.S.2 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n")
        assert (await second).data == b"two"
        with pytest.raises(NobodyError):
            await first

    played(test)


def test_all_answers_up_to_a_status_are_gathered() -> None:
    async def test(server: Server, link: NatsConnection) -> None:
        gathering = asyncio.ensure_future(link.gather("a", b""))
        await asyncio.sleep(0)
        server.say(b"MSG _INBOX.7.S.2 1 1\r\nx\r\nMSG _INBOX.7.S.2 1 1\r\ny\r\n")
        server.say(b"HMSG _INBOX.7.S.2 1 20 20\r\nNATS/1.0 204 EOB\r\n\r\n\r\n")
        assert [one.data for one in await gathering] == [b"x", b"y"]

    played(test)


@pytest.mark.parametrize(
    ("said", "reason"), [(b"-ERR 'Authorization Violation'\r\n", "refused"), (b"HELLO\r\n", "protocol")]
)
def test_who_waits_is_told_when_the_server_refuses_or_speaks_something_else(said: bytes, reason: str) -> None:
    async def test(server: Server, link: NatsConnection) -> None:
        asked = link.ask("a")
        server.say(said)
        with pytest.raises(LinkLostError, match=reason):
            await asked
        assert await link.lost == reason
        with pytest.raises(LinkLostError):
            link.write(b"")

    played(test)
