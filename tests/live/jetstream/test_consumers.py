"""What a real NATS server does with consumers and a stream is what the rules say of it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict
from typing import Any

import pytest

from live.broadcast.broker import place
from live.control.process import READY_WITHIN, Stage
from live.jetstream.publisher import publishing
from live.jetstream.server import NatsServer
from live.jetstream.stream import api
from live.jetstream.subscriber import Consumer, joining
from live.machine import placement
from twin.rules.delivery import Broker
from twin.rules.jetstream import Consumer as Rule
from twin.scenario.broadcast import Bus

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("nats")]

RETRY = {"base": 0.01, "cap": 0.05, "retries": 50, "timeout": 2.0}
ACK_WAIT = 0.4
LATE = 0.3
"""Seconds that a redelivery may come late on a machine that has other work."""


@pytest.fixture(scope="module")
def server() -> Iterator[NatsServer]:
    """A server whose stream is in files; each test has a run of its own on it, one after the other."""
    with Stage() as stage:
        found = NatsServer(stage, placement.free_ports(1)[0], [], None, Bus(kind="jetstream", persist=True))
        found.wait_ready(READY_WITHIN)
        yield found


@pytest.fixture
def own() -> Iterator[NatsServer]:
    """A server that a test may kill."""
    with Stage() as stage:
        found = NatsServer(stage, placement.free_ports(1)[0], [], None, Bus(kind="jetstream", persist=True))
        found.wait_ready(READY_WITHIN)
        yield found


class Node:
    """A node's end that keeps what comes, and acknowledges when it is told to."""

    def __init__(self, config: dict[str, Any], number: int = 1) -> None:
        self.heard: list[tuple[float, int]] = []
        self.epoch = 0
        self.end: Consumer = joining(config, number, self._take, lambda *event: None)
        self.end.start()

    def _take(self, data: bytes) -> None:
        self.epoch, version, _ = place(data)
        self.heard.append((time.monotonic(), version))

    @property
    def versions(self) -> list[int]:
        return [version for _, version in self.heard]

    async def until(self, count: int) -> None:
        async with asyncio.timeout(5.0):
            while len(self.heard) < count:
                await asyncio.sleep(0.005)

    def acknowledge(self, version: int) -> None:
        self.end.say("ack", 1, self.epoch, version)


class Place:
    """One run on the server: its publisher, and its nodes."""

    def __init__(self, server: NatsServer, config: dict[str, Any]) -> None:
        self.server = server
        self.config = config
        self.publisher = publishing(config)
        self.published = 0

    async def publish(self, count: int = 1) -> None:
        for _ in range(count):
            self.published += 1
            stamp = await self.publisher.stamp(self.published, b"payload", [0])
            assert (stamp.message.version, stamp.fresh) == (self.published, True)

    async def node(self, number: int = 1) -> Node:
        found = Node(self.config, number)
        await asyncio.wait_for(found.end.joined.wait(), 5.0)
        return found


def on(server: NatsServer, test: Callable[[Place], Awaitable[None]], max_length: int = 100, **stream: Any) -> None:
    """Run a test in a run of its own, whose stream is gone afterwards."""
    told = server.told()["stream"] | {"max_length": max_length, "ack_wait": ACK_WAIT, "commit_interval": 0.0} | stream
    config = {"address": asdict(server.address), "topic": {"prefix": "run:1:"}, "stream": told, "retry": RETRY}
    config |= {"seed": 1, "replication": 0, "lease": 60.0}

    async def main() -> None:
        place = Place(server, config)
        try:
            async with asyncio.timeout(20.0):
                await test(place)
        finally:
            link = await place.publisher.access.open("end")
            await api(link, "STREAM.DELETE.messages")
            link.abort()
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()

    asyncio.run(main())


def test_what_is_not_acknowledged_comes_again_after_ack_wait_as_the_rule_says(server: NatsServer) -> None:
    async def test(place: Place) -> None:
        node = await place.node()
        await place.publish(3)
        await node.until(3)
        node.acknowledge(2)
        await node.until(5)
        rule = Rule("explicit", ACK_WAIT, 1000)
        expected = rule.take(3, 0.0)
        rule.acknowledge(2, 0.1)
        assert rule.expire(ACK_WAIT)
        assert node.versions == expected + rule.take(3, ACK_WAIT)
        assert ACK_WAIT <= node.heard[3][0] - node.heard[0][0] < ACK_WAIT + LATE

    on(server, test)


def test_no_more_is_delivered_than_may_wait_for_an_acknowledgement(server: NatsServer) -> None:
    async def test(place: Place) -> None:
        node = await place.node()
        await place.publish(4)
        await node.until(2)
        await asyncio.sleep(0.1)
        assert node.versions == [1, 2]
        node.acknowledge(1)
        await node.until(3)
        assert node.versions == [1, 2, 3]

    on(server, test, max_ack_pending=2, ack_wait=30.0)


@pytest.mark.parametrize(("policy", "again"), [("explicit", [1, 2]), ("all", []), ("none", [])])
def test_one_acknowledgement_covers_what_its_policy_says(server: NatsServer, policy: str, again: list[int]) -> None:
    async def test(place: Place) -> None:
        node = await place.node()
        await place.publish(3)
        await node.until(3)
        if policy == "all":
            node.acknowledge(1)  # begins the interval
        node.acknowledge(3)
        await asyncio.sleep(1.5 * ACK_WAIT)
        assert node.versions == [1, 2, 3, *again]

    on(server, test, ack_policy=policy)


def test_a_new_process_of_a_node_goes_on_with_its_consumer(server: NatsServer) -> None:
    async def test(place: Place) -> None:
        node = await place.node()
        await place.publish(1)
        await node.until(1)
        node.end.leave()
        await asyncio.sleep(0.05)
        await place.publish(1)
        again, new = await place.node(), await place.node(2)
        await again.until(2)
        await place.publish(1)
        await new.until(1)
        assert again.versions[:2] == [2, 1]  # what is new comes before ack_wait is over for the first
        assert new.versions == [3]

    on(server, test)


def test_questions_are_answered_as_by_the_broker_of_the_rules(server: NatsServer) -> None:
    async def test(place: Place) -> None:
        node = await place.node()
        await place.publish(6)
        await node.until(6)
        broker = Broker(4, 60.0, node.epoch)
        for key in range(1, 7):
            broker.publish(key, b"payload", 0.0)
        for epoch, version in [(0, 0), (0, 2), (0, 6), (node.epoch, 3), (node.epoch, 1), (node.epoch, 7), (5, 3)]:
            assert await node.end.recover(epoch, version) == broker.recover(epoch, version)

    on(server, test, max_length=4)


def test_a_killed_server_has_its_stream_its_numbers_and_its_consumers(own: NatsServer) -> None:
    async def test(place: Place) -> None:
        node = await place.node()
        await place.publish(2)
        await node.until(2)
        node.acknowledge(1)
        node.acknowledge(2)
        epoch = node.epoch
        await asyncio.sleep(0.3)  # the state of the consumer is in its file
        own.kill()
        own.start_again()
        await asyncio.to_thread(own.wait_ready, READY_WITHIN)
        stamp = await place.publisher.stamp(2, b"payload", [0])
        assert (stamp.message.epoch, stamp.message.version, stamp.fresh) == (epoch, 2, False)
        await place.publish(1)
        await node.until(3)
        assert node.versions == [1, 2, 3]

    on(own, test)


def test_a_stream_in_memory_is_gone_and_the_next_one_has_a_later_epoch(own: NatsServer) -> None:
    async def test(place: Place) -> None:
        node = await place.node()
        await place.publish(2)
        await node.until(2)
        before = node.epoch
        own.kill()
        own.start_again()
        await asyncio.to_thread(own.wait_ready, READY_WITHIN)
        place.published = 0
        await place.publish(1)
        await node.until(3)
        assert node.versions == [1, 2, 1]
        assert node.epoch > before

    on(own, test, file=False)
