"""Brooker's five policies, each wait by hand; what comes of them is held to his table in tests/oracles."""

import pytest

from twin.course.contention import BASE, CAP, PUBLISHED, brookers_table, contend, policies
from twin.rules.backoff import Backoff


def waits(rule, u, count=3):
    backoff = Backoff(rule)
    return [backoff.after_failure(u) for _ in range(count)]


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("none", [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]),
        ("exponential", [0.010, 0.020, 0.040], [0.010, 0.020, 0.040]),  # the first failure is number 1
        ("equal", [0.005, 0.010, 0.020], [0.010, 0.020, 0.040]),
        ("full", [0.0, 0.0, 0.0], [0.010, 0.020, 0.040]),
        ("decorrelated", [0.005, 0.005, 0.005], [0.015, 0.045, 0.135]),
    ],
)
def test_the_first_waits_of_each_policy_lie_between_those_of_the_simulator(name, least, most):
    rule = policies()[name]
    assert waits(rule, 0.0) == pytest.approx(least)
    assert waits(rule, 1.0 - 1e-12) == pytest.approx(most)


def test_no_wait_is_longer_than_two_seconds():
    assert (BASE, CAP) == (0.005, 2.0)
    for rule in policies().values():
        assert max(waits(rule, 1.0 - 1e-12, 20)) <= CAP + 1e-9


def test_a_client_alone_writes_at_once_after_four_messages():
    found = contend(policies()["full"], 1)
    assert found.calls == 1
    assert 0.01 < found.end < 0.08
    assert contend(policies()["full"], 1, replication=1).end != found.end


def test_a_mean_is_apart_by_the_half_width_of_a_difference():
    seen = []
    table = brookers_table(6, ["full", "none"], lambda done, total: seen.append((done, total)))
    assert table.index.tolist() == ["full", "none"]
    assert (seen[0], seen[-1]) == ((1, 12), (12, 12))
    row = table.loc["full", "end (s)"]
    assert row["published"] == PUBLISHED["full"][1]
    both = row["+-"] * (1 + 6 / 100) ** 0.5  # 6 runs of ours, 100 of theirs
    assert row["apart"] == pytest.approx(abs(row["ours"] - row["published"]) / both)
