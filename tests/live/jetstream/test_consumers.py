"""What a real NATS server does with consumers and a stream is what the rules say of it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict
from typing import Any

import pytest

from live.control.process import READY_WITHIN, Stage
from live.jetstream.publisher import publishing
from live.jetstream.server import NatsServer
from live.jetstream.stream import api
from live.machine import placement
from tests.live.jetstream.ends import Node, told_of
from twin.rules.delivery import Broker
from twin.rules.jetstream import Consumer as Rule
from twin.scenario.broadcast import Bus

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("nats")]

ACK_WAIT = 0.3
LATE = 0.3
"""Seconds that a redelivery may come late on a machine that has other work."""


def started(stage: Stage) -> NatsServer:
    """Return a server that answers."""
    found = NatsServer(stage, placement.free_ports(1)[0], [], Bus(kind="jetstream", persist=True))
    found.wait_ready(READY_WITHIN)
    return found


@pytest.fixture(scope="module")
def server() -> Iterator[NatsServer]:
    """A server; each test has a run of its own on it, one after the other."""
    with Stage() as stage:
        yield started(stage)


@pytest.fixture
def own() -> Iterator[NatsServer]:
    """A server that a test may kill."""
    with Stage() as stage:
        yield started(stage)


class Place:
    """One run on the server: its publisher, and its nodes."""

    def __init__(self, server: NatsServer, config: dict[str, Any]) -> None:
        self.server = server
        self.config = config
        self.publisher = publishing(config)
        self.published = 0

    async def publish(self, count: int = 1, every: float = 0.0) -> None:
        for _ in range(count):
            self.published += 1
            stamp = await self.publisher.stamp(self.published, b"payload", [0])
            assert stamp.message.version == self.published
            await asyncio.sleep(every)

    async def node(self, number: int = 1, acknowledges: bool = False, **stream: Any) -> Node:
        config = self.config | {"stream": self.config["stream"] | stream}
        found = Node(config, number, acknowledges)
        await asyncio.wait_for(found.end.joined.wait(), 5.0)
        return found


async def again(server: NatsServer) -> None:
    """Kill the server, and start it again with its data."""
    server.kill()
    server.start_again()
    await asyncio.to_thread(server.wait_ready, READY_WITHIN)


def on(server: NatsServer, test: Callable[[Place], Awaitable[None]], max_length: int = 100, **stream: Any) -> None:
    """Run a test in a run of its own, whose stream is gone afterwards."""
    told = server.told()["stream"] | {"max_length": max_length, "ack_wait": ACK_WAIT, "commit_interval": 0.0} | stream
    config = told_of(asdict(server.address), told)

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


def test_one_acknowledgement_covers_what_the_policy_of_the_consumer_says(server: NatsServer) -> None:
    again = {"explicit": [1, 2], "all": [], "none": []}

    async def test(place: Place) -> None:
        nodes = {policy: await place.node(number, ack_policy=policy) for number, policy in enumerate(again, 1)}
        await place.publish(3)
        for policy, node in nodes.items():
            await node.until(3)
            if policy == "all":
                node.acknowledge(1)  # begins the interval
            node.acknowledge(3)
        await asyncio.sleep(1.5 * ACK_WAIT)
        assert {policy: node.versions for policy, node in nodes.items()} == {
            policy: [1, 2, 3, *late] for policy, late in again.items()
        }

    on(server, test)


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


def test_a_killed_server_has_its_stream_and_its_consumers_but_for_a_moment(own: NatsServer) -> None:
    async def test(place: Place) -> None:
        node = await place.node(acknowledges=True)
        steady = asyncio.ensure_future(place.publish(16, every=0.05))
        await node.until(8)
        epoch = node.epoch
        await again(own)
        await steady
        await node.until_all(16)
        stamp = await place.publisher.stamp(16, b"payload", [0])
        assert (stamp.message.epoch, stamp.message.version, stamp.fresh) == (epoch, 16, False)
        assert len(node.versions) - 16 <= 3  # what its consumer's file did not have: 0.1 s at 20 messages/s, and one

    on(own, test, ack_wait=30.0)


def test_a_stream_in_memory_is_gone_and_the_next_one_has_a_later_epoch(own: NatsServer) -> None:
    async def test(place: Place) -> None:
        node = await place.node()
        await place.publish(2)
        await node.until(2)
        before = node.epoch
        await again(own)
        place.published = 0
        await place.publish(1)
        await node.until(3)
        assert node.versions == [1, 2, 1]
        assert node.epoch > before

    on(own, test, file=False)
