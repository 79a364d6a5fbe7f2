import pytest

from tests.messages import WARM, record
from twin.measures import course, measure_losses, measure_planned
from twin.measures.censoring import not_within
from twin.record.record import row

DRAIN = {"at": 1.0, "kind": "drain", "node": 1, "pace": 1.0}


def test_peak_rate_and_drain_time_by_hand():
    rows = [*WARM, row(1.0, "fault", node=1, detail="drain")]
    for client, lost, tried, back in ((0, 2.0, 2.4, 2.5), (2, 3.0, 3.3, 3.4)):
        rows.append(row(lost, "disconnected", client, 1, detail="1012"))
        rows += [row(tried, "attempt_connect", client, attempt=2), row(back, "connected", client, 2, 2)]
    rows.append(row(3.5, "drained", node=1))
    found = measure_planned(record(rows, faults=[DRAIN]))
    assert found["peak_reconnect_rate"] == 2.0  # 2.4 and 3.3 are less than a second apart
    assert found["drain_time"] == pytest.approx(2.5)


def test_a_drain_that_is_not_over_is_not_reached_within_the_rest_of_the_run():
    rows = [*WARM, row(1.0, "fault", node=1, detail="drain"), row(2.0, "disconnected", 0, 1, detail="1012")]
    found = measure_planned(record(rows, faults=[DRAIN]))
    assert found == {"peak_reconnect_rate": 0.0, **not_within("drain_time", 5.0)}


def test_other_faults_have_no_such_measures():
    rows = [*WARM, row(1.0, "fault", node=1, detail="kill")]
    kill = {"at": 1.0, "kind": "kill", "node": 1}
    assert measure_planned(record(rows, faults=[kill])) == {}
    assert measure_planned(record(rows, faults=[kill | {"duration": 0.5}])) == {"peak_reconnect_rate": 0.0}
    assert measure_planned(record(WARM)) == {}


def test_what_happens_at_the_moment_of_the_fault_counts_but_nothing_before():
    rows = [
        *WARM,
        row(0.9, "disconnected", 1, 2),
        row(0.9, "attempt_connect", 1),
        row(0.9, "drained", node=1),
        row(1.0, "connected", 1, 2),
        row(1.0, "fault", node=1, detail="drain"),
        row(1.0, "drained", node=2),
        row(1.0, "disconnected", 0, 1),
        row(1.0, "attempt_connect", 0),
        row(1.0, "drained", node=1),
        row(1.5, "drained", node=1),
        row(1.2, "connected", 0, 2),
        row(2.0, "attempt_connect", 3),
    ]
    found = measure_planned(record(rows, faults=[DRAIN]))
    assert found["peak_reconnect_rate"] == 1.0  # a second later is another second
    assert found["drain_time"] == 0.0
    lost = measure_losses(course(record(rows, faults=[DRAIN])))
    assert (lost["away_total"], lost["away_per_loss"]) == pytest.approx((0.2, 0.2))


def test_the_time_of_several_drains_is_their_median():
    faults = [DRAIN | {"at": float(node), "node": node} for node in (1, 2, 3)]
    rows = [*WARM]
    for node, took in ((1, 0.5), (2, 2.0), (3, 0.75)):
        rows += [row(float(node), "fault", node=node, detail="drain"), row(node + took, "drained", node=node)]
    assert measure_planned(record(rows, faults=faults))["drain_time"] == pytest.approx(0.75)
