"""The connection to the bus: commands and replies as the server speaks them, whatever pieces they come in."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from live.broadcast.bus import Bus
from live.control.process import Stage
from live.control.resp import LinkLostError, ReplyError, RespConnection, decode, encode
from live.machine import placement

VALUES = st.recursive(
    st.integers(-(2**40), 2**40) | st.binary(max_size=30) | st.none(), lambda inner: st.lists(inner, max_size=4)
)


def wire(value: Any) -> bytes:
    """Write a reply as a server does."""
    if value is None:
        return b"$-1\r\n"
    if isinstance(value, int):
        return b":%d\r\n" % value
    if isinstance(value, bytes):
        return b"$%d\r\n%b\r\n" % (len(value), value)
    return b"*%d\r\n" % len(value) + b"".join(wire(one) for one in value)


@given(VALUES)
def test_a_reply_is_read_back_as_it_was_written(value: Any) -> None:
    assert decode(wire(value)) == (value, len(wire(value)))


@given(st.lists(VALUES.filter(lambda value: value != []), min_size=1, max_size=4), st.integers(1, 7))
def test_replies_that_come_in_pieces_answer_the_commands_in_order(values: list[Any], size: int) -> None:
    async def talk() -> list[Any]:
        link = RespConnection()
        asked = [link.loop.create_future() for _ in values]
        link.waiting.extend(asked)
        data = b"".join(wire(value) for value in values)
        for start in range(0, len(data), size):
            link.data_received(data[start : start + size])
        return [one.result() for one in asked]

    assert asyncio.run(talk()) == values


def test_a_command_is_an_array_of_its_parts() -> None:
    assert encode("SET", b"\r\n", 12) == b"*3\r\n$3\r\nSET\r\n$2\r\n\r\n\r\n$2\r\n12\r\n"


def test_an_error_is_raised_at_its_own_command_and_a_push_disturbs_nobody() -> None:
    async def talk() -> list[tuple[bytes, bytes]]:
        pushed: list[tuple[bytes, bytes]] = []
        link = RespConnection(lambda channel, data: pushed.append((channel, data)))
        good, bad, loading = (link.loop.create_future() for _ in range(3))
        link.waiting.extend([good, bad, loading])
        link.data_received(wire([b"message", b"c", b"hello"]) + b"+OK\r\n-ERR no\r\n-LOADING soon\r\n")
        assert good.result() == b"OK"
        assert isinstance(bad.exception(), ReplyError)
        assert isinstance(loading.exception(), LinkLostError)
        return pushed

    assert asyncio.run(talk()) == [(b"c", b"hello")]


@pytest.mark.live
def test_a_broken_connection_is_noticed_at_once_by_all_who_wait(stage: Stage, until: Callable[..., None]) -> None:
    bus = Bus(stage, placement.free_ports(1)[0], [])
    bus.wait_ready(10)

    async def talk() -> str:
        link = await RespConnection.open(bus.address, "me", 5.0)
        assert await link.ask(5.0, "PING") == b"PONG"
        waits = link.send("BLPOP", "nothing", 0)
        await asyncio.to_thread(bus.cut, "me")
        async with asyncio.timeout(5.0):
            with pytest.raises(LinkLostError):
                await waits
            assert await link.lost == "closed"
        with pytest.raises(LinkLostError):
            await link.send("PING")
        return link.reason

    assert asyncio.run(talk()) == "closed"


def test_a_server_that_never_answers_or_never_ends_its_reply_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("live.control.resp.MOST_ASKED", 3)
    monkeypatch.setattr("live.control.resp.MOST_REPLY", 1000)

    async def talk() -> list[str]:
        link = RespConnection()
        sent: list[bytes] = []
        link.connection_made(SimpleNamespace(write=sent.append, abort=lambda: None))  # type: ignore[arg-type]
        asked = [link.send("PING") for _ in range(4)]
        assert len(sent) == len(link.waiting) == 3
        assert str(asked[3].exception()) == "full"
        link.data_received(b"+PONG\r\n$2000\r\n" + bytes(900))
        assert asked[0].result() == b"PONG"
        assert not link.reason
        link.data_received(bytes(200))
        return [str(one.exception()) for one in asked[1:3]]

    assert asyncio.run(talk()) == ["protocol", "protocol"]
