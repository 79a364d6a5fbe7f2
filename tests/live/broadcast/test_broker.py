"""The Lua scripts do in a real Valkey what the rule class does: the same stamps and the same histories."""

import time
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from live.broadcast.broker import READ, STAMP, Topic, body, followed, message, recovery, stamped
from live.broadcast.bus import Bus, client_of
from live.control.process import Stage
from live.machine import placement
from twin.rules.delivery import Broker, Message, RecoveryAnswer
from twin.scenario import broadcast

pytestmark = pytest.mark.live
_numbers = count()

PUBLISH = st.tuples(st.just("publish"), st.integers(1, 6), st.binary(max_size=20))
RECOVER = st.tuples(st.just("recover"), st.integers(-2, 1), st.integers(0, 8))
RESTART = st.tuples(st.just("restart"), st.booleans())


class Real:
    """The real broker behind the interface of the rule class."""

    def __init__(self, client: Any, max_length: int, window: float = 600.0) -> None:
        self.client = client
        self.topic = Topic(f"t{next(_numbers)}:", max_length, window)

    def do(self, command: tuple[Any, ...]) -> Any:
        try:
            return self.client.execute_command(*command)
        except redis.exceptions.NoScriptError:
            for text in (STAMP, READ):
                self.client.script_load(text)
            return self.client.execute_command(*command)

    def publish(self, key: int, payload: bytes) -> tuple[Message, bool]:
        stamp = stamped(self.do(self.topic.stamp(key, payload)), key, payload)
        return stamp.message, stamp.fresh

    def recover(self, epoch: int, version: int) -> RecoveryAnswer:
        return recovery(self.do(self.topic.read(epoch, version)))

    def lose_all(self) -> None:
        """What a restart without persistence does to this topic."""
        keys = self.client.keys(self.topic.prefix + "*")
        if keys:
            self.client.delete(*keys)


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with Stage() as stage:
        bus = Bus(stage, placement.free_ports(1)[0], [])
        bus.wait_ready(10)
        with client_of(bus.address) as one:
            yield one


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(PUBLISH | RECOVER | RESTART, max_size=25), max_length=st.sampled_from([0, 1, 3, 100]))
def test_random_commands_and_restarts_give_the_same_stamps_and_histories(
    client: Any, steps: list[Any], max_length: int
) -> None:
    real, rule = Real(client, max_length), Broker(max_length, 600.0)
    epochs: dict[int, int] = {0: 0}  # of the real broker, as the rule class counts them

    def same(one: Message) -> Message:
        return Message(epochs.setdefault(one.epoch, rule.epoch), one.version, one.key, one.payload)

    for step in steps:
        if step[0] == "publish":
            _, key, payload = step
            stamped_message, fresh = real.publish(key, payload)
            expected = rule.publish(key, payload, 0.0)
            assert fresh == expected.fresh
            if fresh:
                assert same(stamped_message) == expected.message
            else:
                assert (stamped_message.version, epochs[stamped_message.epoch]) == (
                    expected.message.version,
                    expected.message.epoch,
                )
        elif step[0] == "recover":
            wanted = max(0, rule.epoch + step[1])
            known = {mine: theirs for theirs, mine in epochs.items()}
            found = real.recover(known.get(wanted, 1), step[2])
            epochs.setdefault(found.epoch, rule.epoch)
            expected = rule.recover(wanted if wanted in known else -1, step[2])
            assert (found.recovered, epochs[found.epoch], found.version) == (
                expected.recovered,
                expected.epoch,
                expected.version,
            )
            assert tuple(same(one) for one in found.messages) == expected.messages
        else:
            rule.restart(step[1])
            if not step[1]:
                real.lose_all()
    assert sorted(epochs) == [theirs for theirs, _ in sorted(epochs.items(), key=lambda pair: pair[1])]


def test_a_key_is_forgotten_after_its_window(client: Any) -> None:
    real = Real(client, 100, window=0.1)
    first, fresh = real.publish(1, b"x")
    assert fresh
    again, fresh = real.publish(1, b"x")
    assert (again, fresh) == (first, False)
    time.sleep(0.2)
    later, fresh = real.publish(1, b"x")
    assert (later.version, fresh) == (2, True)


def test_a_stamped_message_is_published_once_and_read_with_a_cursor(client: Any) -> None:
    real = Real(client, 100)
    listener = client.pubsub()
    listener.subscribe(real.topic.fresh)
    assert listener.get_message(timeout=5.0)["type"] == "subscribe"
    one, _ = real.publish(7, b"payload")
    real.publish(7, b"payload")
    two, _ = real.publish(8, b"")
    heard = [listener.get_message(timeout=5.0)["data"] for _ in range(2)]
    assert [message(data) for data in heard] == [one, two]
    assert listener.get_message(timeout=0.1) is None
    listener.close()
    # the reply as the lab's own connection sees it: a list of streams, each with its entries
    raw = [[b"log", [[b"1-0", [b"m", body(one)]], [b"2-0", [b"m", body(two)]]]]]
    assert [message(data) for data in followed(raw)] == [one, two]
    entries = client.xrange(real.topic.log)
    assert [(name, message(fields[b"m"])) for name, fields in entries] == [(b"1-0", one), (b"2-0", two)]


@pytest.mark.parametrize("persist", [True, False])
def test_a_killed_server_has_all_it_acknowledged_or_a_later_epoch(stage: Stage, persist: bool) -> None:
    settings = broadcast.Bus(kind="stream", persist=persist)
    bus = Bus(stage, placement.free_ports(1)[0], [], settings=settings)
    bus.wait_ready(10)
    with client_of(bus.address) as client:
        real = Real(client, 100)
        stamps = [real.publish(key, b"abc")[0] for key in range(1, 51)]
        bus.kill()
        bus.start_again()
        bus.wait_ready(10)
        found = real.recover(stamps[0].epoch, 0)
        assert found.recovered == persist
        assert found.messages == (tuple(stamps) if persist else ())
        after, fresh = real.publish(50, b"abc")
        assert fresh != persist
        assert (after.epoch == stamps[0].epoch) == persist
        assert after.epoch >= stamps[0].epoch
