"""What is said of pools before a run."""

import pytest

from tests.strategies import small
from twin.advice import advice
from twin.advice.pools import pool_advice


def pool(rate, **more):
    return small(nodes={"pool": {"rate": rate, "service": 0.05, "size": 10, **more}})


@pytest.mark.parametrize(
    ("rate", "said"),
    [
        (200.0, "needs 10 connections, and nodes.pool.size is 10: waits grow until they time out."),
        (190.0, "needs 9.5 connections of nodes.pool.size 10: 83% of the uses wait (Erlang C)."),
    ],
)
def test_a_pool_that_is_nearly_full_is_told_with_its_numbers(rate, said):
    (found,) = pool_advice(pool(rate))
    assert str(found) == f"nodes.pool.rate {rate:g} x nodes.pool.service 0.05 s {said}"
    assert found.text in advice(pool(rate))


def test_a_pool_with_room_or_none_is_not_spoken_of():
    assert pool_advice(pool(189.0)) == []
    assert pool_advice(small()) == []
