"""The rule of a subscriber's output buffer against the embedded server itself, by the publisher's own commands."""

import socket
import time
from collections.abc import Callable, Iterator

import pytest
import redis

from live.broadcast.broker import SCRIPTS, Topic, body, run_prefix
from live.broadcast.bus import Bus, client_of, plain_link
from live.control.process import Stage
from live.machine import placement
from twin.rules.delivery import Message
from twin.rules.frames import pushed_message
from twin.rules.output_buffer import COUNTED, REFERENCE, SHARED_SIZE, OutputBuffer
from twin.scenario import broadcast

pytestmark = pytest.mark.live
MOST_BYTES = 30_000_000
"""Most that any test publishes."""


class Place:
    """A server with some limits, one silent subscriber, and who publishes."""

    def __init__(self, connection: socket.socket, client: "redis.Redis", topic: Topic) -> None:
        self.connection = connection
        self.client = client
        self.topic = topic
        self.published = 0

    def stamp(self, payload: int) -> None:
        """Publish a fresh message."""
        self.published += 1
        self.client.execute_command(*self.topic.stamp(self.published, bytes(payload)))

    def again(self, payload: int) -> None:
        """Publish a message that was stamped before."""
        self.published += 1
        self.client.publish(self.topic.again, body(Message(1, self.published, self.published, bytes(payload))))

    def omem(self) -> int | None:
        """What the server says that it counts; None when it has closed the connection."""
        found = [one for one in self.client.client_list() if one["name"] == "silent"]
        return int(found[0]["omem"]) if found else None

    def overflow(self, payload: int, publish: Callable[[int], None]) -> int:
        """Publish until something is counted, and return that."""
        while self.published * payload < MOST_BYTES:
            publish(payload)
            if count := self.omem():
                return count
        raise AssertionError("the connection took all")

    def second(self) -> int:
        """The server's clock."""
        return int(self.client.time()[0])


@pytest.fixture
def place(stage: Stage) -> Iterator[Callable[..., Place]]:
    opened: list[socket.socket | redis.Redis] = []

    def make(**limits: int) -> Place:
        settings = broadcast.Bus.model_validate({"kind": "pubsub", "output_buffer": limits})
        port, topic = placement.free_ports(1)[0], Topic(run_prefix(), 2, 10.0)
        bus = Bus(stage, port, [], settings=settings)
        bus.wait_ready(10)
        client = client_of(bus.address)
        for script in SCRIPTS.values():
            client.script_load(script)
        silent = plain_link(bus.address, 10)
        opened.extend((silent, client))
        silent.sendall(f"CLIENT SETNAME silent\r\nSUBSCRIBE {topic.fresh} {topic.again}\r\n".encode())
        told = b""
        while told.count(b"subscribe\r\n") < 2:
            told += silent.recv(4096)
        return Place(silent, client, topic)

    yield make
    for one in opened:
        one.close()


def unlimited(**limits: int) -> dict[str, int]:
    return {"hard_bytes": 0, "soft_bytes": 0, "soft_seconds": 0} | limits


@pytest.mark.parametrize("way", ["stamp", "again"])
@pytest.mark.parametrize("payload", [1000, 8000, 15_000, 16_358, 16_359, 17_000, 30_000, 100_000])
def test_the_server_counts_what_the_rule_says(place: Callable[..., Place], payload: int, way: str) -> None:
    """Blocks of small messages begin where the buffer before them was full, which the rule knows to within a block."""
    real, rule, size = place(**unlimited()), OutputBuffer(0, 0, 0), pushed_message(payload)
    publish = getattr(real, way)
    real.overflow(payload, publish)
    waiting, apart = 0, 0
    while real.published * payload < MOST_BYTES and waiting < 200 * size:
        waiting += size
        rule.add(size, waiting, 0)
        apart = max(apart, abs((real.omem() or 0) - rule.counted))
        publish(payload)
    assert rule.counted >= COUNTED
    # the connection may take a little more meanwhile, and a reference with it
    assert apart <= (2 * REFERENCE if size >= SHARED_SIZE else 2 * COUNTED)


def test_many_large_messages_cut_the_subscriber_only_once_it_reads(
    place: Callable[..., Place],
) -> None:
    limits, payload = unlimited(hard_bytes=2_000_000), 20_000
    real, rule, size = place(**limits), OutputBuffer(**limits), pushed_message(20_000)
    real.overflow(payload, real.stamp)
    for number in range(1, 251):
        assert not rule.add(size, number * size, 0)
        real.stamp(payload)
    assert 0 < (real.omem() or 0) < 100_000  # of 5 MB
    assert not rule.look(0)
    rule.leave(245 * size)
    assert rule.look(0)
    until(lambda: bool(real.connection.recv(65_536)) and real.omem() is None)


def test_small_messages_are_cut_at_the_hard_limit(place: Callable[..., Place]) -> None:
    limits, payload = unlimited(hard_bytes=1_000_000), 8000
    real, rule, size = place(**limits), OutputBuffer(**limits), pushed_message(8000)
    real.overflow(payload, real.stamp)
    waiting = size
    while not rule.add(size, waiting, 0):
        waiting += size
    before, allowed = real.published, waiting // size
    while real.omem() is not None:
        assert real.published - before <= allowed + 2 * COUNTED // size
        real.stamp(payload)
    assert real.published - before >= allowed - 2 * COUNTED // size


def test_a_silent_subscriber_is_cut_in_the_second_of_the_clock_that_the_rule_says(place: Callable[..., Place]) -> None:
    limits, payload = unlimited(soft_bytes=300_000, soft_seconds=1), 8000
    real, rule, size = place(**limits), OutputBuffer(**limits), pushed_message(8000)
    while (real.omem() or 0) < limits["soft_bytes"]:
        before = real.second()
        real.stamp(payload)
    for number in range(1, 100):
        rule.add(size, number * size, before)
    until(lambda: real.omem() is None)
    # nothing was sent meanwhile; the server may have found it a second later, and looks several times a second
    due = next(second for second in range(before, before + 10) if rule.look(second))
    assert due <= real.second() <= due + 2


def test_a_subscriber_that_drains_below_the_soft_limit_in_time_is_not_cut(place: Callable[..., Place]) -> None:
    limits, payload = unlimited(soft_bytes=2_000_000, soft_seconds=2), 8000
    real = place(**limits)
    while (real.omem() or 0) < 3_000_000:
        real.stamp(payload)
    since = real.second()
    while (real.omem() or 0) > 1_000_000:
        assert real.connection.recv(1 << 20)
    assert real.second() <= since + 1
    until(lambda: real.second() > since + 1)  # the server has looked by now
    while (real.omem() or 0) < 2_500_000:
        real.stamp(payload)
    anew = real.second()
    until(lambda: real.second() >= max(since + 4, anew + 1))
    assert real.omem() is not None
    until(lambda: real.omem() is None)
    assert anew + 2 <= real.second() <= anew + 5


def until(holds: Callable[[], bool], within: float = 20.0) -> None:
    """Wait for something."""
    end = time.monotonic() + within
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)
