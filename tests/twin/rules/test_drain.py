import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.rules.drain import close_after, drain_time


@given(st.integers(0, 5000), st.floats(0.5, 5000))
def test_no_second_holds_more_closes_than_the_pace_and_one(start, pace):
    times = [close_after(place, pace) for place in range(start, start + 200)]
    assert times == sorted(times)
    first = times[0]
    assert sum(t < first + 1.0 for t in times) <= pace + 1


def test_without_a_pace_all_close_at_once():
    assert {close_after(place, 0.0) for place in range(10)} == {0.0}
    assert drain_time(500, 2.5, 0.0) == 2.5


@pytest.mark.parametrize(("connections", "expected"), [(0, 2.0), (1, 2.0), (101, 4.0)])
def test_a_drain_takes_its_lead_and_its_closes(connections, expected):
    assert drain_time(connections, 2.0, 50.0) == expected
