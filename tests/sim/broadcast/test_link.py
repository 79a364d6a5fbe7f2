import pytest
import simpy

from sim.broadcast.link import Clock, Link, Subscription
from twin.rules.output_buffer import BLOCK, COUNTED, SHARED_SIZE, OutputBuffer

ROOM = 1000


def times(env, link, items, up=True):
    """Carry some items over a link and return when each arrived."""
    arrived = []
    for item in items:
        link.carry(lambda item=item: arrived.append((item, env.now)), up)
    return arrived


def test_a_link_takes_no_time_of_its_own():
    env = simpy.Environment()
    assert times(env, Link(env, 1), "ab") == [("a", 0), ("b", 0)]


def test_a_slow_link_takes_its_delay_in_each_direction_and_never_overtakes():
    env = simpy.Environment()
    link = Link(env, 1)
    link.delay = 0.2
    slow = times(env, link, "a")
    link.delay = 0.05
    fast, other_way = times(env, link, "b"), times(env, link, "c", up=False)
    env.run()
    assert (slow, fast, other_way) == ([("a", 0.2)], [("b", 0.2)], [("c", 0.05)])


def test_what_comes_while_a_link_is_cut_waits_for_the_end_of_the_last_cut():
    env = simpy.Environment()
    link = Link(env, 1)
    link.delay = 0.1
    under_way = times(env, link, "a")
    env.run(until=0.05)
    link.cuts = 2
    later = times(env, link, "b")
    env.run(until=1.0)
    link.restore()
    assert (link.cut, under_way, later) == (True, [], [])
    env.run(until=2.0)
    link.restore()
    env.run()
    assert (under_way, later) == ([("a", 2.0)], [("b", 2.1)])


def test_what_was_on_its_way_when_a_link_was_cut_is_ahead_of_what_was_sent_later():
    env = simpy.Environment()
    link, arrived = Link(env, 1), []
    link.delay = 0.1
    for name in "ab":
        link.carry(lambda name=name: arrived.append(name))
    env.run(until=0.05)
    link.delay, link.cuts = 0.0, 1
    link.carry(lambda: arrived.append("c"))
    env.run(until=1.0)
    link.restore()
    env.run()
    assert arrived == ["a", "b", "c"]


def subscription(room=ROOM, hard=0, soft=0, seconds=0, phase=0.0):
    env = simpy.Environment()
    link, heard = Link(env, 1), []
    buffer, clock = OutputBuffer(hard, soft, seconds), Clock(lambda: phase, 0.2, lambda number: 0.15 * number)
    return (
        env,
        link,
        heard,
        Subscription(
            link, buffer, room, clock, heard.append, lambda why: heard.append((env.now, "lost", why)), heard.append
        ),
    )


def fill(one, size, n):
    """Push `n` messages and return how many of them were sent."""
    return sum(one.push("a", size) for _ in range(n))


def test_a_subscriber_that_reads_nothing_is_cut_when_connection_and_buffer_are_full():
    _, _, heard, one = subscription(hard=2 * COUNTED)
    sent = ROOM // 100 + (1024 + BLOCK) // 100  # the connection, its own buffer in the server, one block
    assert fill(one, 100, 10_000) == sent
    assert heard == ["a"] * sent + [(0, "lost", "buffer"), one]
    assert not one.push("d", 0)


def test_what_waits_in_the_brokers_memory_is_lost_when_it_closes_the_connection():
    _, _, _, one = subscription(hard=2 * COUNTED)
    sent = fill(one, 100, 10_000)
    assert [one.read(100) for _ in range(sent)] == [True] * (ROOM // 100) + [False] * (sent - ROOM // 100)


def test_what_a_subscriber_has_read_does_not_wait_any_more():
    _, _, _, one = subscription(hard=1)
    for _ in range(100):
        assert one.push("a", ROOM)
        assert one.read(ROOM)
    assert one.waiting == 0


def test_a_silent_subscriber_is_cut_by_the_soft_limit_although_nothing_is_sent():
    env, _, heard, one = subscription(soft=2 * COUNTED, seconds=5, phase=0.25)
    env.run(until=1.0)
    fill(one, 1000, 40)
    assert one.open
    env.run(until=6.75)
    assert one.open
    env.run()
    # reached in second 1 of the clock; it shows 7, more than five later, at 6.75; the look after that is at 6.83
    assert heard[-2:] == [(pytest.approx(6.83), "lost", "buffer"), one]


def test_a_subscriber_that_has_drained_below_the_soft_limit_in_time_is_not_cut():
    env, _, _, one = subscription(soft=2 * COUNTED, seconds=5)
    assert fill(one, 1000, 40) == 40
    env.run(until=4.0)
    for _ in range(36):
        assert one.read(1000)
    env.run(until=9.5)
    assert fill(one, 1000, 36) == 36  # above it again, for the first time since
    env.run(until=14.9)
    assert one.open
    env.run()
    assert not one.open


def test_large_messages_hardly_count_until_the_subscriber_reads():
    env, _, heard, one = subscription(hard=5_000_000)
    assert fill(one, 100_000, 300) == 300
    env.run(until=5.0)
    assert one.read(100_000)
    assert one.open  # a write came to the first block, with 159 strings of 100 kB; the next look finds that
    env.run()
    assert heard[-2:] == [(pytest.approx(5.03), "lost", "buffer"), one]
    _, _, _, one = subscription(hard=5_000_000)
    assert fill(one, SHARED_SIZE - 1, 1000) * SHARED_SIZE < 5_050_000


def test_a_subscriber_reads_what_was_sent_before_it_notices_that_it_is_cut():
    env, link, heard, one = subscription()
    link.delay = 0.1
    one.push("a", 10)
    one.close("closed")
    one.close("closed")
    assert heard == []
    env.run()
    assert heard == ["a", (0.1, "lost", "closed")]
