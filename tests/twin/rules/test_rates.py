"""HAProxy's sliding count and nginx's bucket, against their programs' arithmetic by hand."""

from itertools import pairwise

import pytest

from twin.rules.rates import FrequencyCounter, LeakyBucket, per_second


def counted(period, *times):
    counter = FrequencyCounter(period)
    for t in times:
        counter.count(t)
    return counter


def test_a_period_counts_whole_until_it_is_over():
    counter = counted(60_000, *range(0, 11_000, 1000))
    assert counter.rate(10_000) == 11
    assert counter.rate(59_999) == 11


def test_what_is_left_of_the_period_before_counts_in_proportion():
    counter = counted(60_000, *[0] * 12)
    counter.count(60_000)
    assert counter.rate(60_000) == 13
    assert counter.rate(75_000) == 12 * 45_000 // 60_000 + 1 == 10
    assert counter.rate(119_999) == 1
    assert counter.rate(180_000) == 1  # one event is told until another period is over
    assert counter.rate(180_001) == 0


def test_a_counter_that_was_left_alone_for_two_periods_starts_anew():
    counter = counted(1000, 0, 10, 20)
    assert (counter.rate(1_500), counter.rate(2_001)) == (1, 0)
    counter.count(2_000)
    assert (counter.past, counter.present, counter.tick) == (0, 1, 2_000)
    counter = counted(1000, 0, 10, 1_999)
    assert (counter.past, counter.present, counter.tick) == (2, 1, 1_000)


@pytest.mark.parametrize("pause", [100, 1000, 5000])
def test_who_goes_on_trying_stays_above_the_limit(pause):
    counter = counted(60_000, *range(0, 1100, 100))
    late = range(1100, 600_000, pause)
    refused = [bool(counter.count(t) or counter.rate(t) > 10) for t in late]
    assert all(refused)


def test_the_remaining_events_and_the_time_to_the_next_one():
    counter = counted(1000, *[0] * 4)
    assert (counter.remaining(0, 5), counter.remaining(0, 4), counter.remaining(0, 3)) == (1, 0, 0)
    assert (counter.delay(0, 5), counter.delay(0, 4), counter.delay(0, 2)) == (0, 1, 1000)
    assert counter.remaining(1_500, 4) == 2
    assert FrequencyCounter(1000).remaining(0, 7) == 7


def test_a_bucket_lets_the_burst_in_and_then_one_each_time_that_it_has_run_out():
    rate = per_second(10, minute=True)
    assert (rate, per_second(10, minute=False)) == (166, 10_000)
    bucket = LeakyBucket(rate, 9)
    assert [bucket.admit(t) for t in range(12)] == [True] * 10 + [False] * 2
    assert bucket.admit(6_033) is False  # 166 thousandths a second, counted in whole ones from the last that came in
    assert bucket.admit(6_034) is True
    assert bucket.admit(6_035) is False


def test_what_was_refused_does_not_fill_the_bucket():
    bucket = LeakyBucket(per_second(10, minute=True), 0)
    let_in = [t for t in range(0, 60_000, 100) if bucket.admit(t)]
    assert len(let_in) == 10
    assert all(6_000 <= later - before <= 6_100 for before, later in pairwise(let_in))
