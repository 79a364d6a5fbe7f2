import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.rules.slow_consumer import Outlet, OutputBuffer, is_too_large


@pytest.mark.parametrize("policy", ["drop", "coalesce", "close"])
def test_a_message_that_does_not_fit_meets_the_policy(policy):
    outlet = Outlet(policy, 1000)
    assert outlet.offer(100, 900) == "send"
    assert outlet.offer(101, 900) == policy


def test_a_coalescing_outlet_sends_nothing_until_half_is_free_and_then_one_snapshot():
    outlet = Outlet("coalesce", 1000)
    assert not outlet.pay(0)
    outlet.offer(200, 900)
    assert outlet.offer(10, 0) == "coalesce"
    assert not outlet.pay(501)
    assert outlet.pay(500)
    assert not outlet.pay(0)
    assert outlet.offer(10, 500) == "send"


@given(
    st.sampled_from(["drop", "coalesce", "close"]),
    st.lists(st.tuples(st.integers(1, 3000), st.integers(0, 3000)), max_size=50),
)
def test_what_waits_never_exceeds_the_limit(policy, steps):
    outlet, waiting = Outlet(policy, 2000), 0
    for size, leaves in steps:
        decision = outlet.offer(size, waiting)
        if decision == "send":
            waiting += size
        assert waiting <= 2000
        if decision == "close":
            return
        waiting = max(0, waiting - leaves)
        outlet.pay(waiting)


def test_an_answer_of_more_than_half_the_limit_becomes_a_snapshot():
    assert [is_too_large(size, 1000) for size in (500, 501)] == [False, True]
    assert [is_too_large(size, 1001) for size in (500, 501)] == [False, True]


def test_the_bus_cuts_at_the_hard_limit_at_once_and_at_the_soft_one_after_its_seconds():
    buffer = OutputBuffer(32, 8, 60.0)
    assert buffer.cuts(32, 0.0)
    assert not OutputBuffer(32, 8, 60.0).cuts(31, 0.0)
    assert [buffer.cuts(8, t) for t in (0.0, 60.0, 60.1)] == [False, False, True]
    assert not buffer.cuts(7, 61.0)
    assert not buffer.cuts(8, 62.0)
    assert not OutputBuffer(0, 0, 0.0).cuts(10**12, 1e6)
