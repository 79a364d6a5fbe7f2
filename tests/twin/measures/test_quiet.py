import pytest

from tests.messages import record
from twin.measures import lifetimes, measure_quiet
from twin.record.record import row

CUTS = {"tunnel_timeout": 3.0}


def test_lifetimes_losses_and_the_time_away_by_hand():
    rows = []
    for client in range(3):
        rows += [row(-1.0, "attempt_connect", client, attempt=1), row(-1.0, "connected", client, 1, 1)]
    rows += [row(2.0, "disconnected", 0, 1, detail="1006"), row(3.0, "attempt_connect", 0, attempt=2)]
    rows += [row(3.0, "connected", 0, 2, 2), row(6.0, "disconnected", 0, 2, detail="1006")]
    rows += [row(6.5, "attempt_connect", 0, attempt=3), row(6.5, "connected", 0, 2, 3)]
    rows += [row(9.0, "disconnected", 1, 1, detail="1006")]
    one = record(rows, duration=10.0, balancer=CUTS)
    end = one.scenario.duration
    found = measure_quiet(one)
    count = one.scenario.clients.count
    assert found["losses_per_client"] == pytest.approx(3 / count)
    assert lifetimes(one) == pytest.approx([3.0])  # those of the first connections began before the run
    away = 1.0 + 0.5 + max(0.0, end - 9.0)
    assert found["away_share"] == pytest.approx(away / (count * end))


def test_a_scenario_with_faults_has_no_such_measures():
    kill = {"at": 1.0, "kind": "kill", "node": 1}
    assert measure_quiet(record([], balancer=CUTS, faults=[kill])) == {}
    assert measure_quiet(record([])) == {}
    assert measure_quiet(record([], balancer=CUTS)) == {"losses_per_client": 0.0, "away_share": 0.0}


def test_a_timeout_that_no_connection_reaches_within_the_run_cuts_nothing_in_it():
    assert measure_quiet(record([], duration=2.6, balancer=CUTS)) == {}
    assert measure_quiet(record([], duration=2.8, balancer=CUTS)) != {}  # the first one was opened 0.3 s before it


def test_a_connection_or_loss_as_the_run_starts_counts_from_then_on():
    rows = [row(0.0, "connected", 0, 1, 1), row(2.0, "disconnected", 0, 1), row(0.0, "disconnected", 1, 1)]
    rows += [row(-0.5, "disconnected", 2, 1), row(0.25, "connected", 2, 1), row(1.0, "connected", 3, 2)]
    one = record(rows, duration=10.0, balancer=CUTS)
    assert lifetimes(one) == pytest.approx([2.0])
    assert measure_quiet(one)["away_share"] == pytest.approx((8.0 + 10.0) / 40.0)
