"""Queues of Go's scheduler, by the small cases of runtime/proc.go."""

import pytest

from twin.rules.go_queues import LocalQueue, batch_size, steal_order


def queue_of(count):
    """Return a queue whose ring has so many goroutines, numbered from 0."""
    queue = LocalQueue()
    for g in range(count):
        assert queue.put(g, before=False) == []
    return queue


def test_who_was_made_runnable_last_runs_first_and_inherits_the_slice():
    queue = LocalQueue()
    for g in "abc":
        queue.put(g, before=True)
    assert len(queue) == 2  # as schedtrace counts
    assert [queue.take() for _ in range(4)] == [("c", True), ("a", False), ("b", False), None]


def test_a_full_ring_gives_its_older_half_and_the_newcomer_away():
    queue = queue_of(256)
    assert queue.put("new", before=False) == [*range(128), "new"]
    assert list(queue.ring) == list(range(128, 256))


def test_who_was_next_is_the_newcomer_of_a_full_ring():
    queue = queue_of(256)
    assert queue.put("first", before=True) == []
    assert queue.put("second", before=True) == [*range(128), "first"]
    assert queue.next == "second"


def test_a_batch_that_does_not_fit_is_left():
    queue = queue_of(254)
    assert queue.put_all("abc") == ["c"]
    assert list(queue.ring)[-2:] == ["a", "b"]


@pytest.mark.parametrize(("waiting", "stolen"), [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (256, 128)])
def test_a_thief_takes_the_older_half_rounded_up(waiting, stolen):
    queue = queue_of(waiting)
    assert queue.grab(also_next=False) == list(range(stolen))
    assert len(queue) == waiting - stolen


def test_who_is_next_is_stolen_only_as_the_last_resort():
    queue = LocalQueue()
    queue.put("next", before=True)
    assert queue.grab(also_next=False) == []
    queue.put("other", before=False)
    assert queue.grab(also_next=True) == ["other"]
    assert queue.grab(also_next=True) == ["next"]
    assert not queue


@pytest.mark.parametrize(
    ("waiting", "procs", "taken"), [(0, 1, 0), (1, 4, 1), (7, 4, 2), (10, 1, 10), (500, 1, 128), (127, 2, 64)]
)
def test_a_p_takes_its_share_of_the_global_queue(waiting, procs, taken):
    assert batch_size(waiting, procs) == taken


def test_a_thief_sees_every_p_once_in_steps_without_a_common_divisor():
    assert steal_order(6, 0) == [0, 1, 2, 3, 4, 5]
    assert steal_order(6, 6 + 2) == [2, 1, 0, 5, 4, 3]  # 1 and 5 have no divisor in common with 6
    assert steal_order(6, 12 + 3) == [3, 4, 5, 0, 1, 2]
    assert steal_order(1, 99) == [0]
    for number in range(50):
        assert sorted(steal_order(9, number)) == list(range(9))
