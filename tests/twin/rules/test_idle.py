from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.rules.idle import Adaptive, last_ping, longest_silence, survives


def test_only_pings_that_are_closer_than_the_timeout_keep_a_connection():
    assert survives(60.0, 20.0)
    assert not survives(20.0, 20.0)
    assert not survives(60.0, inf)


def test_the_side_that_pings_more_often_decides():
    assert longest_silence(20.0, 5.0) == 5.0
    assert longest_silence(20.0, 0.0) == 20.0
    assert longest_silence(0.0, 0.0) == inf


@given(st.floats(-50, 50), st.floats(0.1, 30), st.floats(-100, 500))
def test_the_last_ping_is_at_most_one_interval_ago(first, interval, now):
    last = last_ping(first, interval, now)
    if now < first:
        assert last == -inf
    else:
        assert first <= last <= now + 1e-6
        assert now - last <= interval + 1e-6


def test_a_ping_counts_from_the_moment_in_which_it_is_due():
    assert last_ping(5.0, 2.0, 4.999) == -inf
    assert [last_ping(5.0, 2.0, now) for now in (5.0, 6.999, 7.0, 9.0)] == [5.0, 5.0, 7.0, 9.0]


def test_without_an_interval_there_is_no_last_ping():
    assert last_ping(0.0, 0.0, 5.0) == -inf


def search(adaptive, timeout, most_steps=2000):
    """Play a client against a balancer that cuts after `timeout` seconds; return how many connections broke."""
    broken = 0
    for _ in range(most_steps):
        if adaptive.interval < timeout:
            adaptive.answered()
        else:
            adaptive.broke(timeout)
            broken += 1
    return broken


@given(st.floats(1, 20), st.floats(0, 400), st.floats(0.5, 400), st.integers(1, 5), st.floats(0.1, 5))
def test_the_search_finds_the_longest_interval_that_survives(least, more, timeout, beats, precision):
    most = least + more
    adaptive = Adaptive(least, most, beats, precision)
    broken = search(adaptive, timeout)
    if timeout <= least:
        assert adaptive.interval == least  # nothing shorter is allowed
        return
    assert adaptive.interval < timeout
    assert adaptive.interval >= min(timeout, most) - 2 * precision - 1e-9
    assert broken <= 2 + max(0.0, (more / precision)) ** 0.5 + 12  # a bisection, not a walk


@given(st.floats(2, 40), st.floats(2, 40))
def test_when_the_network_grows_stricter_the_search_begins_anew(before, after):
    adaptive = Adaptive(1.0, 60.0, 2, 0.5)
    search(adaptive, before)
    search(adaptive, after)
    assert adaptive.interval < after
    assert adaptive.interval >= min(before, after) - 1.0 - 1e-9


def test_a_search_by_hand():
    one = Adaptive(10.0, 50.0, beats=2, precision=5.0)
    assert [one.answered(), one.answered()] == [10.0, 30.0]
    assert [one.answered(), one.answered()] == [30.0, 40.0]
    assert one.broke(35.0) == 30.0  # the balancer cuts after 35 s
    assert [one.answered(), one.answered()] == [30.0, 35.0]
    assert one.broke(35.0) == 30.0
    assert [one.answered(), one.answered()] == [30.0, 30.0]


@pytest.mark.parametrize("idle", [0.0, 5.0, 10.0])
def test_a_break_after_a_short_silence_says_nothing_about_the_interval(idle):
    one = Adaptive(10.0, 50.0, beats=1)
    assert one.answered() == 30.0
    assert one.broke(idle) == 30.0
    assert one.bad == inf
