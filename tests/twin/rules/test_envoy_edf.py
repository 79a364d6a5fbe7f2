"""Envoy's scheduler for servers of different weights."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.rules.envoy_edf import MOST_PICKS, EdfScheduler

weights = st.lists(st.integers(1, 20), min_size=2, max_size=6)


def scheduler(given_weights, seed=0):
    return EdfScheduler(range(len(given_weights)), given_weights.__getitem__, seed)


def test_servers_of_weights_1_2_and_3_come_in_the_order_of_their_deadlines():
    """Deadlines by hand: 1/3 of 2, 1/2 of 1, 2/3 of 2, then 1 of 0, 1 and 2 in that order."""
    one = scheduler([1, 2, 3])
    assert [one.pick() for _ in range(3)] == [2, 1, 2]
    assert sorted(one.pick() for _ in range(3)) == [0, 1, 2]


@given(weights, st.integers(0, 10**6))
def test_in_a_whole_turn_each_server_comes_as_often_as_it_weighs(given_weights, seed):
    one, total = scheduler(given_weights, seed), sum(given_weights)
    found = Counter(one.pick() for _ in range(10 * total))
    for server, weight in enumerate(given_weights):
        assert found[server] == pytest.approx(10 * weight, abs=1)


@given(weights, st.integers(0, 200))
def test_a_seed_is_as_good_as_so_many_choices_before(given_weights, seed):
    before, one = scheduler(given_weights), scheduler(given_weights, seed)
    first = Counter(before.pick() for _ in range(seed))
    then = Counter(before.pick() for _ in range(60)), Counter(one.pick() for _ in range(60))
    assert sum(first.values()) == seed
    assert all(abs(then[0][server] - then[1][server]) <= 1 for server in range(len(given_weights)))


def test_seeds_are_taken_modulo_a_number():
    pair = scheduler([1, 3], 7), scheduler([1, 3], 7 + MOST_PICKS)
    assert len({tuple(one.pick() for _ in range(20)) for one in pair}) == 1
