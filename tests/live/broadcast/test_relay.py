"""The relay before a node: it passes everything on, makes it late, or holds it back without closing anything."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

import pytest

from live.broadcast.bus import Bus
from live.broadcast.messages import Cut, RelaySettings, SetDelay
from live.broadcast.relay import MOST_HELD, LinkState
from live.control.address import Address
from live.control.messages import Listening
from live.control.process import ChildProcess, Stage
from live.control.resp import RespConnection
from live.machine import placement

pytestmark = pytest.mark.live


@pytest.fixture
def relay(stage: Stage) -> tuple[ChildProcess, Address, Bus]:
    port, bus_port = placement.free_ports(2)
    bus = Bus(stage, bus_port, [])
    part = stage.python("relay 1", "live.broadcast.relay", RelaySettings(port, bus.address.way))
    part.hear(Listening)
    bus.wait_ready(10)
    return part, bus.address.through(port), bus


def talk(address: Address, what: Callable[[RespConnection], Awaitable[None]]) -> None:
    async def run() -> None:
        link = await RespConnection.open(address, "me", 5.0)
        await what(link)
        link.abort()

    asyncio.run(run())


def test_what_comes_while_the_link_is_cut_waits_and_nothing_is_closed(relay: tuple[ChildProcess, Address, Bus]) -> None:
    part, address, _ = relay

    async def check(link: RespConnection) -> None:
        part.tell(Cut(True))
        for _ in range(10_000):  # until the relay has heard of it
            asked = link.send("PING")
            done, _ = await asyncio.wait([asked], timeout=0.3)
            if not done:
                break
        assert not asked.done()
        assert not link.reason
        part.tell(Cut(False))
        async with asyncio.timeout(5.0):
            assert await asked == b"PONG"

    talk(address, check)


def test_a_delay_holds_back_each_direction_and_keeps_the_order(relay: tuple[ChildProcess, Address, Bus]) -> None:
    part, address, _ = relay

    async def check(link: RespConnection) -> None:
        part.tell(SetDelay(0.1))
        for _ in range(10_000):  # until the relay has heard of it
            began = time.monotonic()
            await link.send("PING")
            if time.monotonic() - began >= 0.2:
                break
        began = time.monotonic()
        replies = await asyncio.gather(*(link.send("ECHO", i) for i in range(50)))
        assert time.monotonic() - began >= 0.2
        assert replies == [str(i).encode() for i in range(50)]
        part.tell(SetDelay(0.0))
        assert await link.ask(5.0, "PING") == b"PONG"

    talk(address, check)


def test_large_replies_pass_unharmed(relay: tuple[ChildProcess, Address, Bus]) -> None:
    part, address, _ = relay
    blob = bytes(range(256)) * 4096

    async def check(link: RespConnection) -> None:
        await link.ask(5.0, "SET", "blob", blob)
        part.tell(SetDelay(0.05))
        assert await link.ask(5.0, "GET", "blob") == blob

    talk(address, check)


def test_the_end_of_the_bus_ends_the_connection(relay: tuple[ChildProcess, Address, Bus]) -> None:
    _, address, bus = relay

    async def check(link: RespConnection) -> None:
        bus.kill()
        async with asyncio.timeout(5.0):
            assert await link.lost

    talk(address, check)


@pytest.mark.parametrize(("piece", "most"), [(1 << 16, MOST_HELD + (1 << 17)), (1, 1 << 16)])
def test_what_a_relay_holds_back_is_bounded_however_small_the_pieces_are(piece: int, most: int) -> None:
    class Source:
        """Gives pieces on and on."""

        taken = 0

        async def read(self, size: int) -> bytes:
            await asyncio.sleep(0)
            self.taken += piece
            return bytes(piece)

    async def run() -> int:
        state, source = LinkState(), Source()
        state.delay = 60.0
        carrying = asyncio.ensure_future(state.carry(source, None))  # type: ignore[arg-type]
        before = -1
        while source.taken != before:
            before = source.taken
            await asyncio.sleep(0.05)
        carrying.cancel()
        await asyncio.gather(carrying, return_exceptions=True)
        return source.taken

    assert 0 < asyncio.run(run()) <= most


def test_a_connection_too_many_is_cut_and_a_place_is_free_again_after_one_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("live.broadcast.relay.MOST_CONNECTIONS", 2)

    async def run() -> None:
        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while data := await reader.read(100):
                writer.write(data)
            writer.close()

        state = LinkState()
        far = await asyncio.start_server(echo, "127.0.0.1", 0)
        to = far.sockets[0].getsockname()
        near = await asyncio.start_server(lambda r, w: state.connect(r, w, *to), "127.0.0.1", 0)
        place = near.sockets[0].getsockname()

        async def echoed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
            with contextlib.suppress(ConnectionResetError):
                writer.write(b"hello")
                return await asyncio.wait_for(reader.read(100), 5)
            return b""

        links = [await asyncio.open_connection(*place) for _ in range(2)]
        assert [await echoed(*link) for link in links] == [b"hello", b"hello"]
        assert await echoed(*await asyncio.open_connection(*place)) == b""
        links[0][1].close()
        while state.carried == 2:
            await asyncio.sleep(0.01)
        assert await echoed(*await asyncio.open_connection(*place)) == b"hello"
        for server in (near, far):
            server.close()

    asyncio.run(run())
