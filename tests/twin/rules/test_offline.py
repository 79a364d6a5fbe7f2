import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.rules.offline import OfflineQueue, due_at

offers = st.lists(st.integers(1, 50), max_size=60)
bounds = st.tuples(st.integers(0, 12), st.integers(0, 200))


def offer_all(queue, sizes):
    """Offer messages numbered from 0 and return all that were dropped."""
    return [one for n, size in enumerate(sizes) for one in queue.offer(n, size)]


@given(offers, bounds, st.sampled_from(["oldest", "newest"]))
def test_what_is_kept_and_what_is_dropped_is_what_was_offered_in_order(sizes, most, overflow):
    queue = OfflineQueue(*most, overflow)
    dropped = offer_all(queue, sizes)
    held = queue.held
    kept = queue.flush()
    numbers = [n for n, _ in kept]
    assert numbers == sorted(numbers)
    assert sorted(numbers + dropped) == list(range(len(sizes)))
    assert held == sum(size for _, size in kept) == sum(sizes[n] for n in numbers)
    assert (len(queue), queue.held, queue.flush()) == (0, 0, [])


@given(offers, bounds, st.sampled_from(["oldest", "newest"]))
def test_the_bounds_hold_after_every_offer(sizes, most, overflow):
    queue = OfflineQueue(*most, overflow)
    for n, size in enumerate(sizes):
        queue.offer(n, size)
        assert len(queue) <= most[0]
        assert not most[1] or queue.held <= most[1]


@given(st.integers(0, 40), st.integers(1, 12))
def test_of_equal_messages_the_oldest_or_the_newest_are_dropped(count, most):
    last = OfflineQueue(most, 0, "oldest")
    first = OfflineQueue(most, 0, "newest")
    offer_all(last, [8] * count)
    offer_all(first, [8] * count)
    assert [n for n, _ in last.flush()] == list(range(max(0, count - most), count))
    assert [n for n, _ in first.flush()] == list(range(min(count, most)))


def test_a_message_that_can_never_fit_costs_no_other():
    queue = OfflineQueue(10, 100, "oldest")
    queue.offer(0, 60)
    assert queue.offer(1, 101) == [1]
    assert queue.offer(2, 100) == [0]
    assert queue.flush() == [(2, 100)]


def test_messages_are_an_interval_apart():
    assert [due_at(n, 4.0, 0.5) for n in range(3)] == pytest.approx([0.125, 0.375, 0.625])
