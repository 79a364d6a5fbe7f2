"""What a record says of those who come in the run, by hand."""

from math import inf

import pytest

from tests.strategies import small
from twin.measures import measure_with_bounds
from twin.record.record import Record, row


def record(rows, **changes):
    scenario = small(clients={"count": 4, "arrivals": {"count": 3, "at": 1.0}}, **changes)
    return Record.of(rows, {"scenario": scenario.model_dump(exclude_none=True), "world": "simulated", "replication": 0})


ROWS = [
    row(-1.0, "attempt_connect", 0, attempt=1),
    row(-0.9, "connected", 0, 1, attempt=1),
    row(1.05, "attempt_connect", 1, attempt=1),
    row(1.1, "attempt_connect", 2, attempt=1),
    row(1.2, "attempt_connect", 3, attempt=1),
    row(1.5, "connected", 2, 1, attempt=1),
    row(3.0, "connect_failed", 1, attempt=1, detail="503"),
    row(4.2, "connect_failed", 3, attempt=1, detail="429"),
    row(5.0, "attempt_connect", 1, attempt=2),
    row(5.0, "connected", 1, 1, attempt=2),
    row(8.0, "balancer_queue", detail="2"),
]


def test_arrivals_are_measured_from_their_first_attempt():
    found = measure_with_bounds(record(ROWS))
    assert found["arrivals_served"] == pytest.approx(2 / 3)
    assert found["arrivals_attempts"] == pytest.approx(4 / 3)
    assert found["arrival_p50"] == pytest.approx(3.95)
    assert (found["arrival_p99"], found["arrival_p99.not_within"]) == (inf, 6.8)
    assert found["refusal_p50"] == pytest.approx((1.95 + 3.0) / 2)
    assert (found["failed_503"], found["failed_429"], found["failed_502"], found["queue_most"]) == (1, 1, 0, 2)


def test_without_arrivals_there_are_none():
    scenario = small(clients={"count": 4})
    plain = Record.of(ROWS[:2], {"scenario": scenario.model_dump(exclude_none=True), "world": "simulated"})
    assert not any(name.startswith(("arriv", "refusal", "queue")) for name in measure_with_bounds(plain))
