"""A node's server of HTTP by itself: what it answers, when, and what strangers can make it hold."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest

from live.broadcast import wire
from live.broadcast.broker import body
from live.machine import placement
from live.transport import endpoint
from live.transport.endpoint import Endpoint
from twin.rules.delivery import Message, RecoveryAnswer
from twin.rules.poll_wire import target_of

Get = Callable[..., Awaitable[tuple[int, bytes]]]
Served = Callable[[Callable[[Endpoint, SimpleNamespace, Get], Awaitable[None]]], None]


def one(version: int, size: int = 10) -> Message:
    return Message(5, version, version, bytes(size))


@pytest.fixture
def served() -> Callable[..., Served]:
    """Run a test against an endpoint that listens, with a bus that answers what it is told to."""

    def make(hold: float = 5.0, limit: int = 4096, found: RecoveryAnswer | None = None) -> Served:
        async def serve(test: Callable[[Endpoint, SimpleNamespace, Get], Awaitable[None]]) -> None:
            asked: list[tuple[int, int]] = []

            async def recover(epoch: int, version: int) -> RecoveryAnswer | None:
                asked.append((epoch, version))
                return found

            fanout = SimpleNamespace(listeners=[], bus=SimpleNamespace(recover=recover, asked=asked))
            node = SimpleNamespace(number=2, ready=True, checked=0.0)
            port = placement.free_ports(1)[0]
            config = {"port": port, "backlog": 100, "hold": hold, "limit_bytes": limit}
            served = Endpoint(node, fanout, config)  # type: ignore[arg-type]
            served.started()
            async with aiohttp.ClientSession() as session:

                async def get(target: str) -> tuple[int, bytes]:
                    async with session.get(f"http://127.0.0.1:{port}{target}") as response:
                        assert response.headers.get("X-Node", "2") == "2"
                        return response.status, await response.read()

                world = SimpleNamespace(node=node, fanout=fanout, asked=asked, port=port)
                await asyncio.wait_for(test(served, world, get), 20)

        return lambda test: asyncio.run(serve(test))

    return make


def told(served: Endpoint, *versions: int, size: int = 10) -> None:
    for version in versions:
        served.take(body(one(version, size)))


async def answer(get: Get, position: tuple[int, int] | None, waits: bool = False) -> RecoveryAnswer:
    status, data = await get(target_of(position, waits))
    assert status == 200
    return wire.read_answer(data)


def test_a_poll_gets_at_once_what_followed_its_cursor(served: Callable[..., Served]) -> None:
    async def test(one_node: Endpoint, world: SimpleNamespace, get: Get) -> None:
        assert await answer(get, (0, 0)) == RecoveryAnswer(True, 0, 0)
        told(one_node, 1, 2, 3)
        assert await answer(get, (5, 1)) == RecoveryAnswer(True, 5, 3, (one(2), one(3)))
        assert await answer(get, (5, 3)) == RecoveryAnswer(True, 5, 3)
        assert await answer(get, None) == RecoveryAnswer(True, 5, 3, (one(3),))
        assert world.asked == []

    served()(test)


def test_a_long_poll_waits_for_a_message_and_all_who_wait_get_it(served: Callable[..., Served]) -> None:
    async def test(one_node: Endpoint, world: SimpleNamespace, get: Get) -> None:
        told(one_node, 1)
        waiting = [asyncio.ensure_future(answer(get, (5, 1), waits=True)) for _ in range(3)]
        waiting.append(asyncio.ensure_future(answer(get, None, waits=True)))
        done, _ = await asyncio.wait(waiting, timeout=0.2)
        assert not done
        told(one_node, 2, 3)
        assert await asyncio.gather(*waiting) == [RecoveryAnswer(True, 5, 3, (one(2), one(3)))] * 4

    served()(test)


def test_a_hold_ends_with_an_empty_answer(served: Callable[..., Served]) -> None:
    async def test(one_node: Endpoint, world: SimpleNamespace, get: Get) -> None:
        began = time.monotonic()
        assert await answer(get, (0, 0), waits=True) == RecoveryAnswer(True, 0, 0)
        assert time.monotonic() - began >= 0.3

    served(hold=0.3)(test)


def test_what_the_node_does_not_know_it_asks_the_bus_and_then_knows(served: Callable[..., Served]) -> None:
    async def test(one_node: Endpoint, world: SimpleNamespace, get: Get) -> None:
        assert await answer(get, (5, 1)) == RecoveryAnswer(True, 5, 2, (one(2),))
        assert world.asked == [(5, 1)]
        assert await answer(get, (5, 2)) == RecoveryAnswer(True, 5, 2)
        assert world.asked == [(5, 1)]

    served(found=RecoveryAnswer(True, 5, 2, (one(2),)))(test)


def test_where_the_bus_does_not_answer_the_client_is_told_nothing(served: Callable[..., Served]) -> None:
    async def test(one_node: Endpoint, world: SimpleNamespace, get: Get) -> None:
        assert await answer(get, (5, 1)) == RecoveryAnswer(True, 5, 1)

    served(found=None)(test)


def test_an_answer_that_is_too_large_becomes_a_snapshot(served: Callable[..., Served]) -> None:
    async def test(one_node: Endpoint, world: SimpleNamespace, get: Get) -> None:
        told(one_node, 1, 2, 3, size=1000)
        assert await answer(get, (5, 0)) == RecoveryAnswer(False, 5, 3)
        assert (await answer(get, (5, 2))).messages == (one(3, 1000),)

    served(limit=4000)(test)


def test_the_balancers_check_is_answered_as_the_node_says(served: Callable[..., Served]) -> None:
    async def test(one_node: Endpoint, world: SimpleNamespace, get: Get) -> None:
        assert (await get("/healthz"))[0] == 200
        assert 0 < world.node.checked <= time.monotonic()
        world.node.ready = False
        assert (await get("/healthz"))[0] == 503
        assert (await get("/other"))[0] == 404

    served()(test)


@pytest.mark.parametrize("target", ["/messages?after=zz", "/messages?after=" + "0" * 31, "/messages?after="])
def test_a_request_that_says_no_position_is_refused(target: str, served: Callable[..., Served]) -> None:
    async def test(one_node: Endpoint, world: SimpleNamespace, get: Get) -> None:
        status, text = await get(target)
        assert status == 400
        assert b"allowed is 32 digits" in text

    served()(test)


def test_a_line_that_is_too_long_is_refused(served: Callable[..., Served]) -> None:
    async def test(one_node: Endpoint, world: SimpleNamespace, get: Get) -> None:
        assert (await get("/messages?" + "x" * 2000))[0] == 400

    served()(test)


def test_one_connection_too_many_is_cut(served: Callable[..., Served], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "MOST_CONNECTIONS", 2)

    async def test(one_node: Endpoint, world: SimpleNamespace, get: Get) -> None:
        async def connect() -> tuple[Any, Any]:
            return await asyncio.open_connection("127.0.0.1", world.port)

        first = [await connect() for _ in range(2)]
        await asyncio.sleep(0.1)
        reader, _ = await connect()
        assert await reader.read() == b""
        assert len(one_node.server.connections) == 2  # type: ignore[union-attr]
        for _, writer in first:
            writer.close()

    served()(test)
