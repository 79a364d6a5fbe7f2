"""Sockets without TCP_NODELAY, and what the kernel does with them."""

import asyncio
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest
import uvloop
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

from live.network import client, node
from live.network.nodelay import Sockets, attach
from live.node.base import Node
from twin.rules.nagle import DELAYED_ACK
from twin.scenario.scenario import Scenario

GAP = 0.004
TRIES = 5


def wait_of_the_third(answers: bool) -> float:
    """Return how long the third of three small segments takes, in seconds; the other side answers the first, or not."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as sender:
        reader, _ = server.accept()
        sender.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
        with reader:
            for n in range(3):
                began = time.monotonic()
                sender.sendall(bytes([n]) * 8)
                assert reader.recv(16) == bytes([n]) * 8
                if n == 0 and answers:
                    reader.sendall(b"y")
                time.sleep(GAP if n < 2 else 0.0)
            return time.monotonic() - began


def test_after_an_answer_the_kernel_makes_the_second_segment_wait() -> None:
    assert wait_of_the_third(answers=True) > DELAYED_ACK - GAP - 0.005


def test_on_a_one_way_connection_it_does_not() -> None:
    assert min(wait_of_the_third(answers=False) for _ in range(TRIES)) < DELAYED_ACK / 4


def test_the_option_is_set_on_the_sockets_of_both_sides() -> None:
    async def run() -> tuple[int, int]:
        one, swarm = Node(1), Equipped()
        node.attach(one, {})
        client.attach(swarm, {})  # type: ignore[arg-type]
        found: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def serving(connection: Any) -> None:
            one.parts[0].connected(connection)
            found.set_result(option(connection))
            await connection.wait_closed()

        async with serve(serving, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with connect(f"ws://127.0.0.1:{port}/", proxy=None) as link:
                before = option(link)
                swarm.parts[0].connected(link, 1)
                assert before != 0
                return await found, option(link)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(run()) == (0, 0)


class Equipped:
    """A swarm of one client."""

    def __init__(self) -> None:
        self.parts: list[Any] = []

    def equip(self, make: Callable[[Any], Any]) -> None:
        self.parts.append(make(None))


def option(connection: Any) -> int:
    found: int = connection.transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    return found


@pytest.mark.parametrize(("nodes", "clients"), [(True, True), (True, False), (False, True), (False, False)])
def test_only_who_has_no_option_is_told(nodes: bool, clients: bool, small: Callable[..., Scenario]) -> None:
    class Cluster:
        scenario = small(nodes={"nodelay": nodes}, clients={"nodelay": clients})

        def __init__(self) -> None:
            self.parts: list[Any] = []

        def add(self, part: Any) -> None:
            self.parts.append(part)

    cluster = Cluster()
    attach(cluster)  # type: ignore[arg-type]
    assert len(cluster.parts) == (not (nodes and clients))
    for part in cluster.parts:
        assert isinstance(part, Sockets)
        assert part.of_node(1) == ({} if nodes else {"nagle": True})
        assert part.of_clients() == ({} if clients else {"nagle": True})
