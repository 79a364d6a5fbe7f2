"""When requests are due and what they take, by hand; and which looks at a loop have become due."""

from itertools import chain, islice
from math import exp, log

import pytest

from twin.rules.handler import Demand, TaskRule, drawn, due_times, looks_missed


@pytest.mark.parametrize(
    ("distribution", "u", "expected"),
    [("fixed", 0.9, 4.0), ("exponential", 1 - exp(-0.5), 2.0), ("exponential", 0.0, 0.0), ("uniform", 0.25, 2.0)],
)
def test_a_time_is_drawn_by_its_distribution(distribution, u, expected):
    assert drawn(distribution, 4.0, u) == pytest.approx(expected)


def test_even_requests_are_one_interval_apart_and_the_clients_take_turns():
    each = [list(islice(due_times("even", 4.0, 3, client, 0.5, float), 4)) for client in range(3)]
    assert each[1] == pytest.approx([1.5 / 4, 4.5 / 4, 7.5 / 4, 10.5 / 4])
    assert sorted(chain(*each)) == pytest.approx([(m + 0.5) / 4 for m in range(12)])


def test_poisson_intervals_are_exponential_with_the_client_s_share_of_the_rate():
    u = [0.5, 0.0, 0.75]
    due = list(islice(due_times("poisson", 10.0, 5, 3, 0.9, u.__getitem__), 3))
    assert due == pytest.approx([log(2) / 2, log(2) / 2, (log(2) + log(4)) / 2])


def test_a_request_takes_what_is_drawn_for_it_and_nothing_is_drawn_for_a_fixed_time():
    asked = []

    def draw(what, n):
        asked.append((what, n))
        return 0.5

    rule = TaskRule(10.0, "even", ("fixed", 0.1), ("uniform", 0.2), ("exponential", 0.3))
    requests = list(islice(rule.requests(1, 0, 0.0, draw), 2))
    assert requests == [(0.0, Demand(0.1, 0.2, 0.3 * log(2))), (0.1, Demand(0.1, 0.2, 0.3 * log(2)))]
    assert asked == [("blocking", 0), ("awaiting", 0), ("blocking", 1), ("awaiting", 1)]


def test_a_loop_makes_up_for_the_looks_that_it_missed():
    assert list(looks_missed(0, 0.09, 0.1)) == []
    assert list(looks_missed(0, 0.1, 0.1)) == [1]
    assert list(looks_missed(1, 0.55, 0.1)) == [2, 3, 4, 5]
    assert list(looks_missed(5, 0.55, 0.1)) == []
