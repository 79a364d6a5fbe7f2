"""Measures of pools, computed by hand."""

from math import inf

import pytest

from tests.strategies import small
from twin.measures import measure_record
from twin.measures.pools import measure_pools
from twin.record.record import Record, row

POOL = {"size": 2, "rate": 1.0, "leak": 0.5, "handshake": False}


def record(rows, pool=POOL, duration=10.0, nodes=2, faults=()):
    scenario = small(nodes={"count": nodes, "pool": pool}, duration=duration, faults=list(faults))
    return Record.of(sorted(rows), {"scenario": scenario.model_dump(exclude_none=True), "replication": 0})


def use(node, number, asked, borrowed=None, back=None, last="given_back", detail=""):
    rows = [row(asked, "borrow_asked", node=node, version=number)]
    if borrowed is not None:
        rows.append(row(borrowed, "borrowed", node=node, version=number))
    if back is not None:
        rows.append(row(back, last, node=node, version=number, detail=detail))
    return rows


ROWS = [
    *use(1, 0, 1.0, 1.0, 2.0),
    *use(1, 1, 1.5, 1.9, 3.9),
    *use(1, 2, 2.0, None, 3.0, "borrow_failed", "timeout"),
    *use(2, 0, 1.0, 1.0005, 4.0005, detail="broken"),
    *use(2, 1, 4.0, None, 4.0, "borrow_failed", "full"),
    *use(2, 2, 5.0, None, 5.1, "borrow_failed", "down"),
    *use(2, 3, 6.0, 6.0, 7.0, "leaked"),
    *use(2, 4, 9.5),  # waits still
    row(2.5, "pool_alarm", node=1, version=2, detail="slow"),
    row(1.2, "pool_opened", node=2),
]


def test_shares_waits_and_use_by_hand():
    found = measure_pools(record(ROWS))
    assert found["pool_in_use"] == pytest.approx((1.0 + 2.0 + 3.0 + 4.0) / (2 * 2 * 10.0))
    assert found["pool_timeouts"] == found["pool_refused"] == 1 / 8
    assert found["pool_failed"] == 2 / 8  # one found the store down, one its connection broken
    assert found["pool_waited"] == 4 / 7  # of those who know: one for 0.4 s, and three in vain
    assert found["pool_wait_p50"] == pytest.approx(0.00025)
    assert found["pool_wait_p99"] == pytest.approx(0.0005 + 0.97 * (0.4 - 0.0005))
    assert found["pool_connects"] == found["pool_alarms"] == 0.5
    assert found["pool_alarm_at"] == inf  # one of two nodes raised one


def test_a_pool_is_empty_when_its_last_connection_has_leaked():
    rows = [*use(1, 0, 1.0, 1.0, 2.0, "leaked"), *use(1, 1, 3.0, 3.0, 4.0, "leaked")]
    assert measure_record(record(rows, nodes=1))["pool_empty_at"] == 4.0
    with_other = measure_record(record([*rows, *use(2, 0, 1.0, 1.0, 2.0, "leaked")]))
    assert with_other["pool_empty_at"] == inf  # the median of 4 s and of not within 10 s
    assert "pool_empty_at" not in measure_pools(record(rows, pool={**POOL, "leak": 0.0}, nodes=1))


def test_how_long_a_pool_needs_after_the_return_of_its_store():
    down = {"at": 2.0, "kind": "store_down", "duration": 1.0}
    rows = [row(2.0, "fault", detail="store_down"), row(3.1, "healed", detail="store_down")]
    rows += use(1, 0, 2.5, 3.0, 3.05, detail="broken") + use(1, 1, 3.2, 5.0, 5.1) + use(1, 2, 3.3, 5.2, 5.3)
    found = measure_pools(record(rows, nodes=1, faults=[down]))
    assert found["pool_back"] == pytest.approx(2.0)


def test_nodes_that_have_stopped_are_left_out():
    found = measure_pools(record([*ROWS, row(8.0, "node_stopped", node=2)]))
    assert found["pool_in_use"] == pytest.approx((1.0 + 2.0) / (2 * 10.0))
    assert found["pool_refused"] == 0.0


def test_without_pools_or_uses_there_is_nothing_to_measure():
    assert measure_pools(record([])) == {}
    bare = Record.of(ROWS, {"scenario": small().model_dump(exclude_none=True), "replication": 0})
    assert measure_pools(bare) == {}
