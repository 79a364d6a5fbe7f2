import simpy

from sim.link import Link, Subscription
from twin.rules.slow_consumer import OutputBuffer

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


def subscription(room=ROOM, hard=500, soft=0, seconds=0):
    env = simpy.Environment()
    link, heard = Link(env, 1), []
    return env, link, heard, Subscription(
        link, OutputBuffer(hard, soft, seconds), room, heard.append, lambda why: heard.append("lost: " + why)
    )  # fmt: skip


def test_a_subscriber_that_reads_nothing_is_cut_when_connection_and_buffer_are_full():
    _, _, heard, one = subscription()
    assert one.push("a", ROOM)
    assert one.push("b", 499)
    assert not one.push("c", 1)
    assert heard == ["a", "b", "lost: buffer"]
    assert not one.push("d", 0)
    assert heard[3:] == []


def test_what_a_subscriber_has_read_does_not_wait_any_more():
    _, _, _, one = subscription()
    for _ in range(10):
        assert one.push("a", ROOM)
        one.read(ROOM)
    assert one.waiting == 0


def test_the_soft_limit_cuts_only_when_it_lasts():
    env, _, _, one = subscription(hard=0, soft=100, seconds=2)
    assert one.push("a", ROOM + 100)
    env.run(until=1.9)
    assert one.push("b", 1)
    env.run(until=2.1)
    assert not one.push("c", 1)
    env, _, _, one = subscription(hard=0, soft=100, seconds=2)
    assert one.push("a", ROOM + 100)
    one.read(ROOM)
    env.run(until=1.0)
    assert one.push("b", 1)
    env.run(until=2.1)
    assert one.push("c", ROOM)


def test_a_subscriber_reads_what_was_sent_before_it_notices_that_it_is_cut():
    env, link, heard, one = subscription()
    link.delay = 0.1
    one.push("a", 10)
    one.close("closed")
    one.close("closed")
    assert heard == []
    env.run()
    assert heard == ["a", "lost: closed"]
