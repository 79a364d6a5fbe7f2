from hypothesis import given
from hypothesis import strategies as st

from twin.rules.heartbeat import beat_after, detection_bounds, next_ping

times = st.floats(0, 100)
intervals = st.floats(0.01, 60)


@given(intervals, st.floats(0, 100))
def test_the_wait_for_the_next_ping_is_shortened_by_the_round_trip(interval, round_trip):
    wait = next_ping(interval, round_trip)
    assert 0 <= wait <= interval
    assert wait + round_trip >= interval * 0.999999


@given(times, intervals, times)
def test_a_beat_comes_within_one_interval_and_on_the_clients_grid(first, interval, now):
    beat = beat_after(first, interval, now)
    assert beat >= now - 1e-9
    assert beat == first or beat - now <= interval + 1e-9
    steps = (beat - first) / interval
    assert abs(steps - round(steps)) < 1e-6


def test_the_first_beat_is_waited_for():
    assert beat_after(5.0, 2.0, 1.0) == 5.0
    assert beat_after(5.0, 2.0, 5.0) == 5.0
    assert beat_after(5.0, 2.0, 5.5) == 7.0
    assert beat_after(5.0, 2.0, 9.0) == 9.0


@given(times, intervals, st.floats(0.01, 60), st.floats(0, 10), times)
def test_a_death_is_found_within_the_bounds(first, interval, timeout, close_timeout, lived):
    death = first + lived
    found = beat_after(first, interval, death) + timeout + close_timeout
    low, high = detection_bounds(interval, timeout, close_timeout)
    assert low - 1e-9 <= found - death <= high + 1e-9


def test_the_bounds_are_the_timeout_and_one_interval_more():
    assert detection_bounds(20.0, 15.0, 1.0) == (16.0, 36.0)
