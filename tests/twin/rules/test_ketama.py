"""nginx's consistent hash: choices of the real program, and laws."""

from zlib import crc32

from hypothesis import given
from hypothesis import strategies as st

from twin.rules.balancing import HashConsistent, SmoothRoundRobin
from twin.rules.ketama import MOST_STEPS, POINTS, next_upwards, ring

NAMES = [f"127.0.0.1:{20_000 + number}" for number in range(1, 6)]
REAL = "521432255512251335235142141554143111455542553553111423213415"
"""Which of `NAMES` nginx 1.22.1 sent the clients 127.0.1.1 to 127.0.60.1 to."""

REAL_WITHOUT_2 = "511434455514451335535144141554143111455541553553111413313415"
"""The same, with the second one marked `down`."""

keys = st.ip_addresses(v=4).map(str)
hosts = st.lists(
    st.tuples(keys, st.integers(1, 65535)).map("{0[0]}:{0[1]}".format), min_size=2, max_size=8, unique=True
)


def no_draw():
    raise AssertionError("this rule must not draw")


def choices(rule, usable):
    return "".join(str(rule.choose(usable, -1, f"127.0.{k}.1", no_draw) + 1) for k in range(1, 61))


def named(names):
    rule = HashConsistent(len(names))
    rule.name_servers(names)
    return rule


def test_the_choices_are_those_of_the_real_program():
    rule = named(NAMES)
    assert choices(rule, [True] * 5) == REAL
    assert choices(rule, [True, False, True, True, True]) == REAL_WITHOUT_2


@given(hosts, keys, st.data())
def test_only_clients_of_a_server_that_is_gone_move(names, key, data):
    rule, usable = named(names), [True] * len(names)
    home = rule.choose(usable, -1, key, no_draw)
    gone = data.draw(st.integers(0, len(names) - 1))
    usable[gone] = False
    then = rule.choose(usable, -1, key, no_draw)
    assert then != gone
    assert then == home or home == gone
    assert rule.choose([True] * len(names), gone, key, no_draw) == then, (
        "one that has been tried is as one that is gone"
    )


@given(hosts)
def test_each_server_has_its_points_and_they_are_in_order(names):
    points, owners = ring(names)
    assert points == sorted(set(points))
    assert len(points) == len(owners) >= POINTS * len(names) - 2  # two may meet
    assert set(owners) == set(range(len(names)))
    alone, _ = ring(names[:1])
    assert {point for point, owner in zip(points, owners, strict=True) if owner == 0} == set(alone)


def test_the_first_points_of_a_server_are_chained_checksums():
    first = crc32(b"10.0.0.1\x008080\0\0\0\0")
    second = crc32(b"10.0.0.1\x008080" + first.to_bytes(4, "little"))
    assert {first, second} <= set(ring(["10.0.0.1:8080"])[0])
    assert crc32(b"node-a\0\0\0\0\0") in ring(["node-a"])[0]
    assert crc32(b"node-a\0\0\0\0\0") in ring(["node-a:"])[0]
    assert crc32(b"[::1]\0\0\0\0\0") in ring(["[::1]"])[0]


def test_the_way_along_the_ring_ends_after_twenty_steps():
    value = crc32(b"key")
    points, owners = [value + step for step in range(30)], [0] * 30
    owners[MOST_STEPS], owners[MOST_STEPS + 1] = 1, 2
    assert next_upwards(points, owners, [False, True, True], "key", -1) == 1
    assert next_upwards(points, owners, [False, False, True], "key", -1) == -1
    assert next_upwards(points, owners, [True, True, True], "key", 0) == 1
    assert next_upwards([value - 1], [0], [True], "key", -1) == 0, "behind the last point comes the first"


def test_after_that_way_and_for_a_lone_server_it_is_round_robin():
    rule, plain = named(NAMES), SmoothRoundRobin(5)
    usable = [False, True, False, False, False]
    far = next(k for k in range(10**6) if next_upwards(rule.points, rule.owners, usable, str(k), -1) < 0)
    assert rule.choose(usable, -1, str(far), no_draw) == plain.choose(usable, -1, "", no_draw) == 1
    assert rule.current == plain.current
    assert HashConsistent(1).choose([True], -1, "127.0.0.1", no_draw) == 0
    assert HashConsistent(2).choose([False, False], -1, "127.0.0.1", no_draw) == -1
