import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.rules.choice import FULL_WEIGHT
from twin.rules.ring import ConsistentSource, RandomOfTwo, full_hash

numbers = st.integers(0, 2**32 - 1)
flags = st.lists(st.booleans(), min_size=2, max_size=8)


def no_draw():
    raise AssertionError("this rule must not draw")


def address(number):
    return ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0))


@given(st.lists(numbers, min_size=2, max_size=50, unique=True))
def test_the_hash_keeps_different_numbers_apart(some):
    assert len({full_hash(number) for number in some}) == len(some)
    assert all(0 <= full_hash(number) < 2**32 for number in some)


def test_the_hash_changes_half_of_the_bits_when_one_changes():
    flipped = [
        (full_hash(number) ^ full_hash(number ^ 1 << bit)).bit_count() for number in range(200) for bit in range(32)
    ]
    assert 15 < sum(flipped) / len(flipped) < 17


@given(flags, numbers)
def test_the_nearest_point_wins(up, value):
    ring = ConsistentSource(len(up))
    server = ring.nearest(value, up, -1)
    if not any(up):
        assert server == -1
        return

    def distance(i):
        points = [full_hash((i + 1) * 4096 + point) for point in range(FULL_WEIGHT)]
        return min(min((value - point) % 2**32, (point - value) % 2**32) for point in points)

    assert up[server]
    assert distance(server) == min(distance(i) for i in range(len(up)) if up[i])


@given(flags.filter(lambda up: sum(up) > 2), numbers, st.data())
def test_when_a_server_leaves_only_its_own_clients_move(up, number, data):
    gone = data.draw(st.sampled_from([i for i, one in enumerate(up) if one]))
    rule = ConsistentSource(len(up))
    before = rule.choose(up, -1, address(number), no_draw)
    without = [one and i != gone for i, one in enumerate(up)]
    after = rule.choose(without, -1, address(number), no_draw)
    assert after != gone
    assert before in (gone, after)
    assert rule.choose(up, -1, address(number), no_draw) == before  # and they all come back with it


@given(flags, numbers, st.integers(-1, 7))
def test_a_server_to_avoid_is_chosen_only_when_there_is_no_other(up, number, avoid):
    for rule in (ConsistentSource(len(up)), RandomOfTwo(len(up))):
        draws = iter([number / 2**32, 0.5])
        server = rule.choose(up, avoid, address(number), lambda draws=draws: next(draws))
        others = [i for i, one in enumerate(up) if one and i != avoid]
        if others:
            assert server in others
        else:
            assert server == (avoid if 0 <= avoid < len(up) and up[avoid] else -1)


def test_a_lone_server_gets_everything():
    rule = ConsistentSource(3)
    assert {rule.choose([False, True, False], -1, address(n), no_draw) for n in range(100)} == {1}


@given(numbers, st.integers(1, FULL_WEIGHT))
def test_a_server_that_weighs_less_gains_nothing_and_loses_only_its_own(value, weight):
    ring = ConsistentSource(4)
    before = ring.nearest(value, [True] * 4, -1)
    ring.weigh(2, weight)
    after = ring.nearest(value, [True] * 4, -1)
    assert after == before or before == 2


def test_a_starting_server_draws_its_share_of_the_ring():
    ring = ConsistentSource(2)
    ring.weigh(0, 1)
    got = [ring.nearest(n * 2**32 // 10_000, [True] * 2, -1) for n in range(10_000)]
    assert 0 < got.count(0) < 2_000  # one point of seventeen


def at(server, servers=3):
    """A number for which the ring goes to `server`."""
    ring = ConsistentSource(servers)
    return next(n / 1000 for n in range(1000) if ring.nearest(int(n / 1000 * 2**32), [True] * servers, -1) == server)


@pytest.mark.parametrize(("drawn", "server"), [((0, 1), 1), ((1, 0), 1), ((0, 2), 2), ((0, 0), 0), ((2, 1), 1)])
def test_the_less_loaded_of_two_random_servers_takes_the_connection(drawn, server):
    rule = RandomOfTwo(3)
    for one, count in enumerate((5, 3, 4)):
        for _ in range(count):
            rule.take(one)
    draws = iter([at(one) for one in drawn])
    assert rule.choose([True] * 3, -1, "127.0.0.1", lambda: next(draws)) == server


def test_of_two_random_servers_with_equal_load_the_second_takes_it():
    rule = RandomOfTwo(3)
    assert rule.choose([True] * 3, -1, "", iter([at(0), at(2)]).__next__) == 2
    rule.take(0)
    rule.take(2)
    assert rule.choose([True] * 3, -1, "", iter([at(2), at(0)]).__next__) == 0
    rule.weights[0] = 8  # the same connections weigh more on half a server
    assert rule.choose([True] * 3, -1, "", iter([at(2), at(0)]).__next__) == 2
