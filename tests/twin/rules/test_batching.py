"""Which messages leave together."""

from hypothesis import given
from hypothesis import strategies as st

from twin.rules.batching import Batcher, Departure, departures, in_a_row


def test_a_batch_leaves_when_it_is_full_or_at_the_end_of_its_window():
    batcher = Batcher[str](3, 0.5)
    assert batcher.due is None
    assert batcher.add("a", 1.0) == []
    assert batcher.add("b", 1.4) == []
    assert (batcher.due, len(batcher)) == (1.5, 2)
    assert batcher.add("c", 1.45) == ["a", "b", "c"]
    assert (batcher.due, len(batcher)) == (None, 0)
    assert batcher.add("d", 2.0) == []
    assert batcher.take() == ["d"]
    assert batcher.add("e", 9.0) == []
    assert batcher.due == 9.5


def test_a_schedule_by_hand():
    times = [0.0, 0.1, 0.2, 0.9, 1.0, 1.4]
    assert departures(times, 2, 0.5) == [Departure(0.1, 1, 2), Departure(0.7, 3, 1), Departure(1.0, 4, 2),
                                         Departure(1.9, 6, 1)]  # fmt: skip
    assert departures(times, 1, 0.5) == [Departure(t, n, 1) for n, t in enumerate(times, 1)]
    assert departures([], 3, 1.0) == []


def test_who_is_due_at_the_end_of_a_window_begins_the_next_batch():
    assert departures([0.0, 0.5], 9, 0.5) == [Departure(0.5, 1, 1), Departure(1.0, 2, 1)]


@given(
    st.lists(st.floats(0, 100, allow_nan=False), max_size=50), st.integers(1, 10), st.floats(0.001, 10, allow_nan=False)
)
def test_every_message_leaves_once_in_order_and_waits_no_longer_than_the_window(times, count, window):
    times = sorted(times)
    found = departures(times, count, window)
    assert [n for one in found for n in range(one.first, one.first + one.count)] == list(range(1, len(times) + 1))
    assert [one.at for one in found] == sorted(one.at for one in found)
    for one in found:
        assert 1 <= one.count <= count
        waits = [one.at - times[n - 1] for n in range(one.first, one.first + one.count)]
        assert all(0 <= wait <= window + 1e-9 for wait in waits)
        assert one.count == count or abs(max(waits) - window) < 1e-9


def test_only_numbers_that_follow_each_other_travel_together():
    assert in_a_row([4, 5, 7, 8], 10) == [4, 5]
    assert in_a_row([4, 5, 6], 2) == [4, 5]
    assert in_a_row([4], 1) == [4]
