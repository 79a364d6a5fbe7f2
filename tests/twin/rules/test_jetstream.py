"""What a durable consumer delivers, and when again, by nats-server's own order of things."""

import pytest

from twin.rules.jetstream import ACK_WAIT_DELAY, STATE_EVERY, Acknowledging, Consumer


def consumer(policy="explicit", ack_wait=1.0, most=1000, following=1):
    return Consumer(policy, ack_wait, most, following)


def test_messages_are_delivered_once_and_in_order_as_long_as_they_are_acknowledged():
    one = consumer()
    assert one.take(2, 0.0) == [1, 2]
    assert one.take(3, 0.1) == [3]
    assert [one.acknowledge(version, 0.2) for version in (2, 1, 3, 3)] == [True, True, True, False]
    assert one.next_look(0.2) is None
    assert not one.expire(9.0)
    assert one.take(3, 9.0) == []


def test_what_is_not_acknowledged_comes_again_after_ack_wait_and_before_what_is_new():
    one = consumer()
    one.take(3, 0.0)
    one.acknowledge(2, 0.1)
    assert one.next_look(0.4) == pytest.approx(0.6 + ACK_WAIT_DELAY)
    assert not one.expire(0.999)
    assert one.expire(1.001)
    assert one.take(4, 1.001) == [1, 3, 4]
    assert not one.expire(2.0)  # the time begins anew with each delivery
    assert one.expire(2.002)
    assert one.take(4, 2.002) == [1, 3, 4]


def test_what_expires_while_nobody_is_there_is_delivered_once_when_somebody_is():
    one = consumer()
    one.take(1, 0.0)
    assert one.expire(1.1)
    assert one.expire(2.2)
    assert one.take(2, 3.0) == [1, 2]


def test_no_new_message_is_delivered_while_as_many_wait_as_may():
    one = consumer(most=2)
    assert one.take(5, 0.0) == [1, 2]
    assert one.take(5, 0.1) == []
    one.acknowledge(1, 0.2)
    assert one.take(5, 0.3) == [3]


def test_acknowledging_all_covers_what_came_before():
    one = consumer("all")
    one.take(5, 0.0)
    assert one.acknowledge(4, 0.1)
    assert one.expire(1.2)
    assert one.take(5, 1.2) == [5]


def test_without_acknowledgements_nothing_comes_again():
    one = consumer("none", most=1)
    assert one.take(5, 0.0) == [1, 2, 3, 4, 5]
    assert one.next_look(0.0) is None
    assert not one.expire(99.0)


def test_what_the_stream_has_dropped_is_not_delivered():
    one = consumer()
    one.take(1, 0.0)
    assert one.expire(1.5)
    assert one.take(9, 1.5, oldest=8) == [8, 9]


def test_a_killed_server_forgets_what_its_file_did_not_have_yet():
    one = consumer()
    one.take(1, 0.0)
    one.acknowledge(1, 0.001)  # within STATE_EVERY of the write: it is written at its end
    one.restore(0.05)
    assert one.take(1, 0.06) == []
    assert one.pending == {1: 0.0}
    other = consumer()
    other.take(1, 0.0)
    other.acknowledge(1, 0.001)
    other.restore(STATE_EVERY + 0.001)
    assert other.pending == {}
    assert other.take(2, 1.0) == [2]


def test_what_was_delivered_since_the_last_write_is_delivered_once_more():
    one = consumer()
    one.take(1, 0.0)
    one.take(2, 0.01)
    one.restore(0.02)
    assert one.take(2, 0.03) == [2]
    assert sorted(one.pending) == [1, 2]


def test_each_message_is_acknowledged_or_all_from_time_to_time_or_none():
    each, none = Acknowledging("explicit", 0.5), Acknowledging("none", 0.5)
    assert [each.due(t) for t in (0.0, 0.1)] == [True, True]
    assert [none.due(t) for t in (0.0, 9.0)] == [False, False]
    every = Acknowledging("all", 0.5)
    assert [every.due(t) for t in (1.0, 1.2, 1.5, 1.9, 2.0, 2.4)] == [False, False, True, False, True, False]
