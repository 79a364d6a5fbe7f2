"""What the fan-out of a live node costs beside the bare library, and what one client that stops reading costs.

Run with `-s` to see the figures.
"""

import asyncio
import socket
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import psutil
import pytest
import uvloop
from websockets.asyncio.client import connect
from websockets.asyncio.server import broadcast, serve

from live.broadcast.broker import READ, STAMP, Topic, body, place
from live.broadcast.bus import Bus, client_of
from live.broadcast.fanout import FanOut, WatchedConnection
from live.client.connection import Inlet
from live.client.messages import Warm
from live.control.address import Address
from live.control.messages import Listening, Ready
from live.control.process import Stage
from live.machine import placement
from live.node.base import Node
from twin.rules.delivery import Message
from twin.scenario.settings import Reconnect

pytestmark = pytest.mark.live

CLIENTS, ROUNDS, WARM = 200, 300, 30
LEAST_RATIO = 0.9
LIMIT = 2**20
PAYLOAD, MESSAGES, PACE = 200_000, 150, 0.02
OTHERS = 5
SLACK_BYTES = 2 * 2**20
"""What the memory of a process may differ by between two runs, besides what waits for a client."""
RESOLUTION = 0.0005
"""Seconds; two percentiles closer than that are the same."""


def node_config(limit: int, policy: str, address: Address, topic: Topic) -> dict[str, Any]:
    return {
        "address": asdict(address),
        "topic": {"prefix": topic.prefix, "max_length": topic.max_length, "window": topic.window},
        "retry": {"base": 0.01, "cap": 1.0, "retries": 10, "timeout": 5.0},
        **{"seed": 1, "replication": 0, "lease": 2.0, "kind": "pubsub", "scope": "node"},
        **{"policy": policy, "limit_bytes": limit},
    }


def test_the_fan_out_of_a_node_is_as_fast_as_the_bare_library() -> None:
    """Both send like messages to the same clients in turn; the time is the CPU time of the loop, writes included."""

    async def measure(stage: Stage) -> dict[str, list[float]]:
        fan_out = FanOut(1, node_config(2**24, "close", Address(), Topic("t:", 10, 60.0)))
        node = Node(1)
        node.add(fan_out)
        took: dict[str, list[float]] = {"bare": [], "node": []}
        options = {"compression": None, "ping_interval": None, "create_connection": WatchedConnection}
        async with serve(
            node.serve_client,
            "127.0.0.1",
            0,
            process_response=lambda connection, request, response: response.headers.update({"X-Node": "1"}) or response,
            **options,  # type: ignore[arg-type]
        ) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            swarm = stage.python("swarm", "live.client.client", swarm_config(port), host_cpus()[-1:])
            await asyncio.to_thread(swarm.hear, Ready)
            swarm.tell(Warm(time.monotonic(), time.monotonic() + 5))
            while len(fan_out.clients) < CLIENTS:
                await asyncio.sleep(0.02)
            connections = list(fan_out.clients)
            for i in range(WARM + ROUNDS):
                for name in ("bare", "node") if i % 2 else ("node", "bare"):
                    version = 2 * i + (name == "bare") + 1
                    data = body(Message(1, version, version, bytes(64)))
                    began = time.thread_time()
                    if name == "bare":
                        broadcast(connections, data)
                    else:
                        fan_out.take(data)
                    await asyncio.sleep(0)
                    while any(one.transport.get_write_buffer_size() for one in connections):
                        await asyncio.sleep(0)
                    if i >= WARM:
                        took[name].append(time.thread_time() - began)
                    await asyncio.sleep(0.002)
        return took

    with Stage() as stage:
        took = uvloop.run(measure(stage))
    medians = {name: statistics.median(times) for name, times in took.items()}
    ratio = medians["bare"] / medians["node"]
    print(f"\nCPU a message to {CLIENTS} clients: {medians}, throughput {ratio:.2f} of the bare library")  # noqa: T201
    assert ratio >= LEAST_RATIO


def host_cpus() -> list[int]:
    return psutil.Process().cpu_affinity() or []


def swarm_config(port: int) -> dict[str, Any]:
    return {
        **{"port": port, "seed": 1, "replication": 0, "first": 0, "count": CLIENTS, "connect_rate": 1000.0},
        **{"open_timeout": 10.0, "addresses": 1},
        "reconnect": Reconnect(max_attempts=1).model_dump(),
        "heartbeat": {"interval": 0.0, "timeout": 10.0, "close_timeout": 0.0},
        "broadcast": {
            **{"recover": False, "on_reconnect": False, "timeout": 5.0},
            **{"confirm": False, "max_size": 2**20},
        },
    }


async def listen(stalls: bool, port: int, publish: Callable[[], Awaitable[dict[int, float]]]) -> list[float]:
    """Let some clients read and perhaps one not, publish, and return the latencies of those who read."""
    arrived: list[tuple[int, float]] = []
    links = []
    for i in range(OTHERS + stalls):
        options: dict[str, Any] = {}
        if i == OTHERS:
            small = socket.socket()
            small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            small.connect(("127.0.0.1", port))
            small.setblocking(False)
            options["sock"] = small
        uri = f"ws://127.0.0.1:{port}/"
        link = await connect(
            uri, create_connection=Inlet, compression=None, ping_interval=None, max_size=2**22, proxy=None, **options
        )
        assert isinstance(link, Inlet)
        if i == OTHERS:
            link.transport.pause_reading()
        else:
            link.hand_over(lambda data: arrived.append((place(data)[1], time.monotonic())))
        links.append(link)
    published = await publish()
    deadline = time.monotonic() + 10.0
    while len(arrived) < OTHERS * MESSAGES and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    for link in links:
        link.transport.abort()
    assert len(arrived) == OTHERS * MESSAGES
    return [t - published[version] for version, t in arrived]


@pytest.fixture
def one_node() -> Callable[[bool, str], tuple[list[float], int]]:
    """Runs one node with and without a client that stops reading; returns latencies and growth of memory in bytes."""

    def run(stalls: bool, policy: str) -> tuple[list[float], int]:
        with Stage() as stage:
            placement.keep_awake(stage, host_cpus())
            port, bus_port = placement.free_ports(2)
            bus = Bus(stage, bus_port, host_cpus()[:1])
            bus.wait_ready(10)
            topic = Topic("t:", 5, 60.0)
            config = {"number": 1, "port": port, "backlog": 100}
            config["broadcast"] = node_config(LIMIT, policy, bus.address, topic)  # type: ignore[assignment]
            node = stage.python("node 1", "live.node.node", config, host_cpus()[:1])
            node.hear(Listening)
            with client_of(bus.address) as client:
                for text in (STAMP, READ):
                    client.script_load(text)
                while not client.pubsub_numsub(topic.fresh)[0][1]:
                    time.sleep(0.01)

                async def publish() -> dict[int, float]:
                    nonlocal most
                    times = {}
                    for number in range(1, MESSAGES + 1):
                        times[number] = time.monotonic()
                        await asyncio.to_thread(client.execute_command, *topic.stamp(number, bytes(PAYLOAD)))
                        await asyncio.sleep(max(0.0, times[number] + PACE - time.monotonic()))
                        most = max(most, psutil.Process(node.pid).memory_info().rss)
                    return times

                most = before = psutil.Process(node.pid).memory_info().rss
                latencies = uvloop.run(listen(stalls, port, publish))
                return latencies, most - before

    return run


@pytest.mark.parametrize("policy", ["drop", "coalesce", "close"])
def test_a_client_that_stops_reading_costs_a_node_its_limit_and_the_others_nothing(
    policy: str, one_node: Callable[[bool, str], tuple[list[float], int]]
) -> None:
    """Runs with and without it take turns, and of each kind the one counts that the machine disturbed least."""
    percentiles: dict[bool, list[float]] = {False: [], True: []}
    grown: dict[bool, list[int]] = {False: [], True: []}
    for stalls in (False, True, True, False) * 4:
        latencies, growth = one_node(stalls, policy)
        percentiles[stalls].append(float(np.percentile(latencies, 99)))
        grown[stalls].append(growth)
    usual, then = min(percentiles[False]), min(percentiles[True])
    megabytes = {stalls: [round(each / 2**20, 1) for each in values] for stalls, values in grown.items()}
    every = {stalls: [round(each * 1e3, 2) for each in values] for stalls, values in percentiles.items()}
    print(f"\n{policy}: p99 {usual * 1e3:.2f} ms, with one that does not read {then * 1e3:.2f} ms; MiB {megabytes}")  # noqa: T201
    print(f"p99 of all runs, without and with it, ms: {every[False]}, {every[True]}")  # noqa: T201
    assert PAYLOAD * MESSAGES > 5 * (LIMIT + SLACK_BYTES), "without a limit it would show"
    assert min(grown[True]) <= min(grown[False]) + LIMIT + SLACK_BYTES
    assert then <= 1.1 * usual + RESOLUTION
