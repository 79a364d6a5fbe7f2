"""Brooker's table: what contention costs with each policy.

Expected: means of 100 runs of the simulator that belongs to the article (aws-samples/aws-arch-backoff-simulator), with
100 clients. Their own uncertainty is 1 % of the calls and 4 % of the end time; ours is the 99 % interval of 30 runs.
"""

import pytest

from tests.oracles.intervals import interval
from twin.course.contention import brookers_table, contend, policies

RUNS = 30
CALLS = {"none": 2426, "exponential": 1846, "equal": 813, "full": 796, "decorrelated": 999}
END = {"none": 2.031, "exponential": 63.309, "equal": 6.540, "full": 4.909, "decorrelated": 4.780}


@pytest.mark.parametrize("name", list(CALLS))
def test_calls_and_end_of_the_aws_backoff_table(name):
    found = [contend(policies()[name], 100, replication=k) for k in range(RUNS)]
    calls, half = interval([one.calls for one in found])
    assert half < 0.04 * calls  # the interval says something
    assert abs(calls - CALLS[name]) <= half + 0.01 * CALLS[name]
    end, half = interval([one.end for one in found])
    assert half < 0.12 * end
    assert abs(end - END[name]) <= half + 0.04 * END[name]


def test_the_table_of_the_notebook_lies_within_the_uncertainty_of_both_means():
    table = brookers_table(runs=100)
    for what, own, published in (("calls", 0.01, CALLS), ("end (s)", 0.04, END)):
        for name, expected in published.items():
            ours, half = table.loc[name, (what, "ours")], table.loc[name, (what, "+-")]
            assert table.loc[name, (what, "published")] == expected
            assert abs(ours - expected) <= half + own * expected
