"""Envoy's ring and table: digests of the specification, and laws; the real program is asked in tests/live/balancer."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.rules.envoy_hash import hash_ring, in_table, maglev_table, on_ring, xxhash64

NAMES = [f"127.0.0.1:{20_000 + number}" for number in range(1, 6)]
PRIME = 251
keys = st.integers(0, 2**64 - 1)
places = st.lists(st.integers(1, 65535), min_size=1, max_size=8, unique=True)


@pytest.mark.parametrize(
    ("text", "seed", "digest"),
    [
        (b"", 0, 0xEF46DB3751D8E999),
        (b"a", 0, 0xD24EC4F1A98C6E5B),
        (b"abc", 0, 0x44BC2CF5AD770999),
        (b"Nobody inspects the spammish repetition", 0, 0xFBCEA83C8A378BF1),
    ],
)
def test_digests_are_those_of_others(text, seed, digest):
    """Source: the examples of the package xxhash on PyPI, and of the specification's reference implementation."""
    assert xxhash64(text, seed) == digest


def test_a_seed_and_each_length_change_the_digest():
    assert len({xxhash64(b"x" * length, seed) for length in range(70) for seed in (0, 1)}) == 140


@given(places, st.integers(1, 300))
def test_each_server_has_as_many_points_as_the_others(ports, least):
    points, owners = hash_ring([f"10.0.0.1:{port}" for port in ports], least)
    assert points == sorted(points)
    assert len(points) >= least
    each = Counter(owners)
    assert len(each) == len(ports)
    assert max(each.values()) - min(each.values()) <= 1


def test_the_default_ring_of_three_has_342_points_each():
    assert Counter(hash_ring(NAMES[:3])[1]) == {0: 342, 1: 342, 2: 342}


@given(keys)
def test_a_key_goes_to_the_next_point_upwards_and_around(key):
    points, owners = hash_ring(NAMES, 64)
    above = [owner for point, owner in zip(points, owners, strict=True) if point >= key]
    assert on_ring(points, owners, key) == (above or owners)[0]
    following = (owners + owners)[len(points) - len(above) + 1 : len(points) + 2 * len(points)]
    assert on_ring(points, owners, key, again=1) == following[0]
    assert on_ring([], [], key) == -1


@given(keys, st.integers(0, 4))
def test_only_keys_of_a_server_that_is_gone_move_on_the_ring(key, gone):
    """Where each server has the same number of points with one server less: 64 of 320 and of 256."""
    home = NAMES[on_ring(*hash_ring(NAMES, 320), key)]
    left = [name for name in NAMES if name != NAMES[gone]]
    then = left[on_ring(*hash_ring(left, 256), key)]
    assert then == home or home == NAMES[gone]


@settings(max_examples=30)
@given(places)
def test_each_server_has_its_share_of_the_table(ports):
    names = [f"10.0.0.1:{port}" for port in ports]
    each = Counter(maglev_table(names, PRIME))
    assert sum(each.values()) == PRIME
    assert max(each.values()) - min(each.values()) <= 1


@given(st.permutations(NAMES))
def test_the_table_does_not_hang_on_the_order_of_the_servers(names):
    first = [NAMES[server] for server in maglev_table(NAMES, PRIME)]
    assert [names[server] for server in maglev_table(names, PRIME)] == first


@given(keys)
def test_a_further_try_looks_elsewhere_in_the_table(key):
    table = list(range(PRIME))
    assert in_table(table, key) == key % PRIME
    assert in_table(table, key, again=1) == (key ^ (2**64 - 1)) % PRIME
    assert in_table(table, key, again=2) == (key ^ (2**64 - 2)) % PRIME
    assert in_table([], key) == -1


def test_weights_give_a_server_its_share_of_ring_and_table():
    assert Counter(hash_ring(NAMES[:3], 1024, [1, 2, 3])[1]) == {0: 171, 1: 342, 2: 513}
    assert Counter(maglev_table(NAMES[:3], PRIME, [1, 2, 3])) == {0: 42, 1: 84, 2: 125}
    assert maglev_table(NAMES, PRIME, [7] * 5) == maglev_table(NAMES, PRIME)
    assert hash_ring(NAMES, 1024, [7] * 5) == hash_ring(NAMES)
