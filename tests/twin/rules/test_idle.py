from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.rules.idle import (
    LAZY,
    MS,
    TIE,
    Adaptive,
    PingSchedule,
    in_time,
    last_ping,
    longest_silence,
    survives,
    timer_set,
)


def test_only_pings_that_are_closer_than_the_timeout_keep_a_connection():
    assert survives(60.0, 20.0)
    assert not survives(20.0, 20.0)
    assert not survives(60.0, inf)


def test_a_ping_a_millisecond_before_the_timeout_is_not_certain_to_be_in_time():
    assert not survives(60.0, 59.999)
    assert survives(60.0, 59.998)
    assert not survives(60.0, 59.8, LAZY["nginx"])
    assert survives(60.0, 59.6, LAZY["nginx"])


LUCKS = [(i / 20, j / 20, k / 20) for i in range(20) for j in range(20) for k in range(20)]


def cut(kind, margin, first=False):
    """Return the share of pings that come too late `margin` milliseconds before the end of the timeout."""
    return sum(not in_time(margin * MS, lucks, kind, first) for lucks in LUCKS) / len(LUCKS)


@pytest.mark.parametrize("kind", ["haproxy", "nginx"])
def test_chance_decides_about_a_ping_only_within_two_milliseconds_of_the_end(kind):
    assert cut(kind, TIE / MS) == 0
    assert cut(kind, -TIE / MS) == 1
    shares = [cut(kind, margin / 2) for margin in range(-4, 5)]
    assert shares == sorted(shares, reverse=True)


@pytest.mark.parametrize(
    ("kind", "margin", "lost", "of"),
    [
        ("haproxy", 0, 53, 56),
        ("haproxy", 1, 46, 164),
        ("haproxy", 2, 1, 298),
        ("nginx", 0, 8, 14),
        ("nginx", 1, 11, 79),
        ("nginx", 2, 1, 281),
    ],
)
def test_as_many_pings_come_too_late_as_at_the_real_balancers(kind, margin, lost, of):
    """Measured with 60 clients that ping every second, each process alone on a core; see docs/model.md."""
    share = cut(kind, margin)
    assert lost / of == pytest.approx(share, abs=0.01 + 2.6 * (share * (1 - share) / of) ** 0.5)


def test_haproxys_first_timeout_is_longer_than_the_next_ones():
    assert cut("haproxy", 0.0, first=True) < 0.3 < 0.8 < cut("haproxy", 0.0)
    assert cut("nginx", 0.0, first=True) == cut("nginx", 0.0)


def test_nginx_does_not_move_a_timer_by_less_than_its_lazy_delay():
    """Pings of the client at 0, 10, 20 s and of the node at 0.25, 10.25, 20.25 s: these never move the timer."""
    client, node = PingSchedule(0.0, 10.0), PingSchedule(0.25, 10.0)
    assert timer_set(-5.0, 20.3, [client, node], 0.0) == 20.25
    assert timer_set(-5.0, 20.3, [client, node], 0.3) == 20.0
    assert timer_set(-0.1, 5.0, [client, node], 0.3) == 0.25  # the client's at 0 comes 0.1 s after the last that did


def test_who_stops_pinging_moves_no_timer_any_more():
    gone = PingSchedule(1.0, 2.0, until=5.0)
    assert gone.last(100.0) == 5.0
    assert gone.following(5.0) == 5.0
    assert gone.following(5.1) == inf
    assert timer_set(0.0, 100.0, [gone], 0.3) == 5.0
    assert timer_set(0.0, 100.0, [], 0.3) == 0.0


@given(
    st.floats(0, 20),
    st.lists(st.builds(PingSchedule, st.floats(0, 20), st.floats(0.1, 10)), max_size=2),
    st.floats(20, 60),
    st.sampled_from([0.0, 0.3]),
)
def test_a_timer_is_behind_the_last_byte_by_less_than_the_lazy_delay(since, pings, now, lazy):
    last = max([since, *(side.last(now) for side in pings)])
    found = timer_set(since, now, pings, lazy)
    assert last - lazy - 1e-6 <= found <= last + 1e-6


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
    longest = least + more
    adaptive = Adaptive(least, longest, beats, precision)
    broken = search(adaptive, timeout)
    if timeout <= least:
        assert adaptive.interval == least  # nothing shorter is allowed
        return
    assert adaptive.interval < timeout
    assert adaptive.interval >= min(timeout, longest) - 2 * precision - 1e-9
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
