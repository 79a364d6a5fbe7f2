"""Lifetimes and shares that are given away."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.rules.lifetime import give_away, lifetime, surplus


def test_a_lifetime_lies_evenly_around_its_mean():
    assert lifetime(10.0, 0.1, 0.0) == 9.0
    assert lifetime(10.0, 0.1, 0.5) == 10.0
    assert lifetime(10.0, 0.1, 1.0) == pytest.approx(11.0)
    assert lifetime(10.0, 0.0, 0.3) == 10.0


@given(mean=st.floats(0.1, 1e4), jitter=st.floats(0, 1), u=st.floats(0, 1, exclude_max=True))
def test_a_lifetime_is_never_negative_and_never_beyond_the_jitter(mean, jitter, u):
    found = lifetime(mean, jitter, u)
    assert found >= -1e-9
    assert abs(found - mean) <= mean * jitter * (1 + 1e-9) + 1e-9


def test_a_surplus_is_what_lies_above_the_mean_and_its_slack():
    assert surplus(100, [100, 100, 0, 0], 0.0) == 50
    assert surplus(100, [100, 100, 0, 0], 0.1) == 45
    assert surplus(50, [100, 100, 0, 0], 0.0) == 0
    assert surplus(7, [], 0.0) == 0


@given(counts=st.lists(st.integers(0, 500), min_size=1, max_size=8), slack=st.floats(0, 1))
def test_what_all_give_away_has_room_on_the_others(counts, slack):
    over = [surplus(one, counts, slack) for one in counts]
    mean = sum(counts) / len(counts)
    assert all(one - gone >= min(one, mean) for one, gone in zip(counts, over, strict=True))
    assert sum(over) <= sum(max(0.0, mean - one) for one in counts) + 1e-6
    assert not any(over) or max(counts) > mean


def test_a_node_gives_away_at_its_pace_and_at_least_one():
    assert give_away(45, 10.0, 0.5) == 5
    assert give_away(3, 10.0, 0.5) == 3
    assert give_away(3, 0.5, 0.5) == 1
    assert give_away(0, 10.0, 0.5) == 0
