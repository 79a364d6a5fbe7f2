"""What must hold for pools, broken on purpose."""

import pytest

from tests.strategies import small
from twin.invariants import audit
from twin.record.record import Record, row

NAMES = ("pool_bounded", "borrow_ends")


def findings(rows, pool=None, **changes):
    pool = {"size": 1, "rate": 1.0, "timeout": 1.0, "service": 0.1, **(pool or {})}
    scenario = small(duration=30.0, nodes={"pool": pool}, **changes)
    found = audit(Record.of(rows, {"world": "sim", "scenario": scenario.model_dump(exclude_none=True)})).findings
    return {name: [one.text for one in found[name].violations] for name in NAMES}


def use(number, asked, borrowed, back, last="given_back", node=1):
    times = ((asked, "borrow_asked"), (borrowed, "borrowed"), (back, last))
    return [row(t, event, node=node, version=number) for t, event in times if t is not None]


GOOD = [*use(0, 1.0, 1.0, 2.0), *use(1, 1.5, 2.0, 2.1), *use(0, 1.0, 1.0, 2.0, node=2)]


def test_uses_that_follow_the_rules_break_nothing():
    assert findings(GOOD) == {"pool_bounded": [], "borrow_ends": []}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([*use(0, 1.0, 1.0, 3.0), *use(1, 1.5, 2.0, 2.1)], "node 1, use 1: the pool has 2 of 1 connections out"),
        (use(0, None, 1.0, 2.0), "node 1, use 0: borrowed without having asked"),
        (use(0, 1.0, None, 2.0), "node 1, use 0: given_back what it does not have"),
        (use(0, 1.0, None, 2.0, "leaked"), "node 1, use 0: leaked what it does not have"),
        ([*use(0, 1.0, 1.0, 2.0, "leaked"), *use(1, 3.0, 3.0, 4.0)], "node 1, use 1: the pool has 2 of 1 connections"),
    ],
)
def test_more_than_the_size_or_out_of_order_is_a_violation(rows, said):
    (text,) = findings(sorted(rows))["pool_bounded"]
    assert text.startswith(said)


def test_a_use_that_is_never_told_or_never_ends_is_a_violation():
    found = findings(use(0, 1.0, None, None))
    assert found["borrow_ends"] == ["node 1, use 0 neither got a connection nor was refused one for more than 3 s"]
    found = findings(use(0, 1.0, 1.0, None))
    assert found["borrow_ends"] == ["node 1, use 0 kept its connection for more than 2.1 s"]
    assert findings(use(0, 28.0, None, None))["borrow_ends"] == []
    assert findings(use(0, 1.0, 1.0, 2.0, "leaked"))["borrow_ends"] == []


def test_a_drawn_service_time_may_take_longer():
    service = {"mean": 0.1, "distribution": "exponential"}
    assert findings(use(0, 25.0, 25.0, None), {"service": service})["borrow_ends"] == []
    assert findings(use(0, 23.0, 23.0, None), {"service": service})["borrow_ends"] != []


def test_a_process_that_has_ended_owes_nothing():
    rows = [*use(0, 1.0, 1.0, None), row(2.0, "node_stopped", node=1), *use(1, 3.0, 3.0, 3.1)]
    assert findings(rows) == {"pool_bounded": [], "borrow_ends": []}


def test_without_pools_nothing_is_broken():
    rows = use(0, 1.0, None, 2.0)
    record = Record.of(rows, {"world": "sim", "scenario": small().model_dump(exclude_none=True)})
    assert [audit(record).findings[name].count for name in NAMES] == [0, 0]
