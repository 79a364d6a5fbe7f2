"""A live node that drops connections which are silent, or whose clients take nothing."""

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest

from live.deadlines.deadlines import attach
from live.deadlines.node import DeadlinesOfNode


class Connection:
    """A connection whose bytes and limits a test moves."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.protocol = SimpleNamespace(receive_data=self.received.append)
        self.transport = self
        self.aborted = 0.0
        self.calls: list[str] = []

    def abort(self) -> None:
        self.aborted = time.monotonic()

    def pause_writing(self) -> None:
        self.calls.append("pause")

    def resume_writing(self) -> None:
        self.calls.append("resume")


async def until_aborted(connection: Connection, within: float) -> None:
    end = time.monotonic() + within
    while not connection.aborted and time.monotonic() < end:
        await asyncio.sleep(0.001)


def test_what_is_read_moves_the_deadline_and_a_silent_connection_is_dropped() -> None:
    async def run() -> float:
        part, connection = DeadlinesOfNode({"read": 0.1, "write": 0.0}), Connection()
        part.connected(connection)  # type: ignore[arg-type]
        for n in range(4):
            await asyncio.sleep(0.06)
            connection.protocol.receive_data(bytes([n]))
        last = time.monotonic()
        assert not connection.aborted
        await until_aborted(connection, 10)
        assert connection.received == [bytes([n]) for n in range(4)]
        return connection.aborted - last

    assert 0.099 <= asyncio.run(run()) < 5.0


def test_a_connection_that_stays_full_is_dropped_and_one_with_room_again_is_not() -> None:
    async def run() -> tuple[Connection, Connection, float]:
        part = DeadlinesOfNode({"read": 0.0, "write": 0.1})
        full: Any = Connection()
        relieved: Any = Connection()
        for one in (full, relieved):
            part.connected(one)
        full.pause_writing()
        relieved.pause_writing()
        began = time.monotonic()
        await asyncio.sleep(0.02)
        relieved.resume_writing()
        await until_aborted(full, 10)
        await asyncio.sleep(0.15)
        return full, relieved, began

    full, relieved, began = asyncio.run(run())
    assert 0.099 <= full.aborted - began < 5.0
    assert not relieved.aborted
    assert (full.calls, relieved.calls) == (["pause"], ["pause", "resume"])


@pytest.mark.parametrize("deadline", ["read", "write"])
def test_nothing_is_watched_any_more_of_a_connection_that_is_over(deadline: str) -> None:
    async def run() -> Connection:
        part = DeadlinesOfNode({"read": 0.0, "write": 0.0} | {deadline: 0.05})
        connection: Any = Connection()
        part.connected(connection)
        connection.pause_writing()
        part.disconnected(connection)
        await asyncio.sleep(0.12)
        return connection

    assert not asyncio.run(run()).aborted


def test_a_cluster_tells_its_nodes_the_deadlines_that_they_have() -> None:
    for read, write in ((0.0, 0.0), (2.0, 0.0), (0.0, 3.0)):
        parts: list[Any] = []
        nodes = SimpleNamespace(read_deadline=read, write_deadline=write)
        attach(SimpleNamespace(scenario=SimpleNamespace(nodes=nodes), add=parts.append))  # type: ignore[arg-type]
        found = [part.of_node(1) for part in parts]
        assert found == ([{"deadlines": {"read": read, "write": write}}] if read or write else [])
