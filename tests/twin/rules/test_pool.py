"""The two pools, step by step, and what holds whatever happens to them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pools import MOVES, Played
from twin.rules.pool import Close, Give, HandOverPool, Open, Refuse, SlotPool, drawn_time, replacement_delay


def opened(pool, count):
    """Return connections of a pool that has just opened `count` of them."""
    steps = pool.start()
    assert steps == [Open(i + 1) for i in range(count)]
    for step in steps:
        assert pool.opened(step.connection, 0.0, 0.5) == []
    return [step.connection for step in steps]


def test_a_time_is_fixed_or_exponential():
    assert drawn_time("fixed", 0.05, 0.9) == 0.05
    assert drawn_time("exponential", 0.05, 0.0) == 0.0
    assert drawn_time("exponential", 0.05, 1 - 1 / 2.718281828459045) == pytest.approx(0.05)


# psycopg_pool


def test_who_comes_first_gets_what_is_given_back():
    pool = HandOverPool(2, min_size=2)
    first, second = opened(pool, 2)
    assert pool.borrow(10) == [Give(10, first)]
    assert pool.borrow(11) == [Give(11, second)]
    assert pool.borrow(12) == []
    assert pool.borrow(13) == []
    assert pool.give_back(second, 1.0) == [Give(12, second)]
    assert pool.give_back(first, 1.0) == [Give(13, first)]
    assert pool.in_use == 2


def test_the_connection_that_rests_longest_is_borrowed_first():
    pool = HandOverPool(2, min_size=2)
    first, second = opened(pool, 2)
    pool.borrow(10)
    assert pool.give_back(first, 1.0) == []
    assert pool.borrow(11) == [Give(11, second)]


def test_a_pool_grows_by_one_at_a_time_while_somebody_waits():
    pool = HandOverPool(3)
    assert pool.start() == []
    assert pool.borrow(10) == [Open(1)]
    assert pool.borrow(11) == pool.borrow(12) == pool.borrow(13) == []
    assert pool.opened(1, 0.0, 0.5) == [Give(10, 1), Open(2)]
    assert pool.opened(2, 0.0, 0.5) == [Give(11, 2), Open(3)]
    assert pool.opened(3, 0.0, 0.5) == [Give(12, 3)]
    assert pool.give_back(2, 1.0) == [Give(13, 2)]
    assert pool.count == 3


def test_it_stops_growing_when_nobody_waits_any_more():
    pool = HandOverPool(3)
    pool.borrow(10)
    assert pool.opened(1, 0.0, 0.5) == [Give(10, 1)]
    assert not pool.growing
    assert pool.give_back(1, 0.1) == []
    assert pool.borrow(11) == [Give(11, 1)]
    assert pool.borrow(12) == [Open(2)]


def test_a_queue_that_is_full_refuses_and_a_timed_out_wait_still_counts():
    pool = HandOverPool(1, max_waiting=2, min_size=1)
    (one,) = opened(pool, 1)
    pool.borrow(10)
    assert pool.borrow(11) == pool.borrow(12) == []
    assert pool.borrow(13) == [Refuse(13)]
    assert pool.timed_out(11)
    assert not pool.timed_out(11)
    assert pool.borrow(14) == [Refuse(14)]  # psycopg_pool looks at the length of its queue only
    assert pool.give_back(one, 1.0) == [Give(12, one)]
    assert not pool.timed_out(12)
    assert pool.borrow(15) == []


def test_a_broken_connection_is_replaced_after_waits_that_double():
    pool = HandOverPool(1, min_size=1)
    (one,) = opened(pool, 1)
    pool.borrow(10)
    (again,) = pool.give_back(one, 5.0, broken=True)
    assert again == Open(2)
    assert pool.failed(2, 5.0, 0.5) == [Open(2, 1.0)]
    assert pool.failed(2, 6.0, 0.5) == [Open(2, 2.0)]
    assert pool.failed(2, 8.0, 0.5) == [Open(2, 4.0)]
    assert pool.borrow(11) == []
    assert pool.opened(2, 12.0, 0.5) == [Give(11, 2)]
    assert pool.count == 1


def test_the_first_wait_of_a_replacement_is_spread_by_a_tenth():
    assert replacement_delay(1, 0.0) == pytest.approx(0.9)
    assert replacement_delay(1, 1.0) == pytest.approx(1.1)
    assert replacement_delay(3, 0.5) == pytest.approx(4.0)


def test_after_five_minutes_a_replacement_is_given_up_and_the_pool_may_grow():
    pool = HandOverPool(1)
    assert pool.borrow(10) == [Open(1)]
    t, steps = 0.0, pool.failed(1, 0.0, 0.5)
    while steps:
        t += steps[0].delay
        steps = pool.failed(1, t, 0.5)
    assert t == pytest.approx(300.0)
    assert (pool.count, pool.growing) == (0, False)
    assert pool.borrow(11) == [Open(2)]


def test_one_connection_that_nobody_needed_is_closed_a_period():
    pool = HandOverPool(4, min_size=1)
    opened(pool, 1)
    for use in (10, 11, 12):
        pool.borrow(use)
    pool.opened(2, 0.0, 0.5)
    pool.opened(3, 0.0, 0.5)
    for connection in (1, 2, 3):
        pool.give_back(connection, 1.0)
    assert pool.shrink() == []  # in this period all of them were out
    assert pool.shrink() == [Close(1, "idle")]
    pool.borrow(13)
    pool.borrow(14)
    pool.give_back(2, 2.0)
    pool.give_back(3, 2.0)
    assert pool.shrink() == []
    assert pool.shrink() == [Close(2, "idle")]
    assert pool.shrink() == []  # it keeps min_size
    assert pool.count == 1


def test_a_connection_past_its_lifetime_is_replaced_when_it_is_given_back():
    pool = HandOverPool(1, min_size=1, lifetime=10.0)
    (one,) = opened(pool, 1)  # ends at 9.75 s
    pool.borrow(10)
    assert pool.give_back(one, 9.7) == []
    pool.borrow(11)
    assert pool.give_back(one, 9.8) == [Close(one, "lifetime"), Open(2)]
    assert pool.count == 1


# redis-py


def test_a_borrower_opens_the_connection_of_its_slot_and_the_last_is_borrowed_first():
    pool = SlotPool(2)
    assert pool.borrow(10) == [Give(10, 1, opened=False)]
    assert pool.borrow(11) == [Give(11, 2, opened=False)]
    pool.opened(1)
    pool.opened(2)
    assert pool.borrow(12) == []
    assert pool.give_back(1) == [Give(12, 1)]
    pool.give_back(2)
    pool.give_back(1)
    assert pool.borrow(13) == [Give(13, 1)]
    pool.lost(1)
    assert pool.give_back(1) == []
    assert pool.borrow(14) == [Give(14, 1, opened=False)]


def test_a_node_lets_only_so_many_wait_before_it():
    pool = SlotPool(1, max_waiting=1)
    pool.borrow(10)
    assert pool.borrow(11) == []
    assert pool.borrow(12) == [Refuse(12)]
    assert pool.timed_out(11)
    assert pool.borrow(13) == []
    assert pool.give_back(1) == [Give(13, 1, opened=False)]


# Whatever happens


@given(moves=MOVES, size=st.integers(1, 4), least=st.integers(0, 4), waiting=st.integers(0, 3), life=st.floats(1, 20))
def test_psycopgs_pool_keeps_its_promises(moves, size, least, waiting, life):
    pool = HandOverPool(size, waiting, min(least, size), life)
    played = Played(pool)
    played.take(pool.start())
    for what, which in moves:
        played.move(what, which)
        played.holds()


@given(moves=MOVES, size=st.integers(1, 4), waiting=st.integers(0, 3))
def test_redis_pys_pool_keeps_its_promises(moves, size, waiting):
    played = Played(SlotPool(size, waiting))
    for what, which in moves:
        played.move(what, which)
        played.holds()


@given(moves=MOVES, size=st.integers(1, 4))
def test_once_all_is_given_back_and_opened_nobody_waits(moves, size):
    """Liveness: nothing that has happened keeps a use waiting for ever."""
    for pool in (HandOverPool(size), SlotPool(size)):
        played = Played(pool)
        for what, which in moves:
            played.move(what, which)
        for _ in range(4 * len(moves) + 4):
            played.move("open", 0)
            played.move("back", 0)
        assert played.live == []
        assert pool.in_use == 0
