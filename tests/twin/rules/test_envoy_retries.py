"""Envoy's retries, by its sources."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.rules.envoy_retries import back_off, most_retries, retriable


@pytest.mark.parametrize(
    ("failure", "status", "retry_on", "again"),
    [
        ("connect-failure", 503, {"connect-failure"}, True),
        ("reset", 503, {"connect-failure"}, False),
        ("reset", 503, {"reset"}, True),
        ("per-try-timeout", 504, {"connect-failure"}, False),
        ("per-try-timeout", 504, {"gateway-error"}, True),
        ("status", 503, {"connect-failure", "reset"}, False),
        ("status", 503, {"gateway-error"}, True),
        ("status", 500, {"gateway-error"}, False),
        ("status", 500, {"5xx"}, True),
        ("status", 401, {"5xx"}, False),
        ("reset", 503, set(), False),
    ],
)
def test_what_is_retried_is_what_the_conditions_say(failure, status, retry_on, again):
    assert retriable(failure, status, retry_on) == again


def test_statuses_are_retried_that_are_named_and_of_an_answer():
    conditions = {"connect-failure", "retriable-status-codes"}
    assert retriable("status", 503, conditions, [503])
    assert not retriable("status", 502, conditions, [503])
    assert not retriable("status", 503, {"connect-failure"}, [503])
    assert not retriable("reset", 503, conditions, [503])


@pytest.mark.parametrize(
    ("budget", "requests", "most"), [(0.0, 1000, 3), (20.0, 0, 3), (20.0, 200, 40), (20.0, 19, 3), (0.5, 1000, 5)]
)
def test_a_budget_is_a_share_of_the_requests_and_at_least_three(budget, requests, most):
    assert most_retries(3, budget, 3, requests) == most


@given(st.integers(0, 20), st.floats(0, 1, exclude_max=True))
def test_the_back_off_lies_below_a_bound_that_doubles_up_to_ten_times(retry, u):
    wait = back_off(retry, 0.025, 0.25, u)
    assert 0 <= wait < min(0.025 * 2**retry, 0.25)
    assert round(wait * 1000) == pytest.approx(wait * 1000)


def test_the_largest_back_offs_are_a_millisecond_below_their_bounds():
    assert [back_off(n, 0.025, 0.25, 0.9999) for n in range(6)] == [0.024, 0.049, 0.099, 0.199, 0.249, 0.249]
