from dataclasses import replace
from math import inf

import numpy as np
import pytest

from tests.strategies import small
from twin.measures import (
    CONNECTION,
    CURVE_STEP,
    LOSSES,
    NOT_WITHIN,
    attempt_counts,
    connected_curve,
    marks,
    measure_record,
    measure_with_bounds,
    reconnect_times,
)
from twin.measures.connection import course
from twin.record.record import Record, row

WARM = [row(-0.4 + 0.1 * i, "connected", i, node, 1) for i, node in enumerate((1, 2, 1, 3))]
KILL = {"at": 2.0, "kind": "kill", "node": 1}


def record(rows, **changes):
    scenario = small(clients={"count": 4}, duration=10.0, **changes)
    return Record.of([*WARM, *rows], {"scenario": scenario.model_dump(exclude_none=True)})


def killed(*extra):
    """Node 1 dies at 2 s with clients 0 and 2: client 0 is back at 3.2 s, client 2 gives up."""
    return record(
        [
            row(2.0, "fault", node=1, detail="kill"),
            row(2.05, "node_stopped", node=1),
            row(2.1, "disconnected", 0, 1, detail="1006"),
            row(2.3, "disconnected", 2, 1, detail="1006"),
            row(2.5, "attempt_connect", 0, attempt=2),
            row(2.55, "attempt_connect", 2, attempt=2),
            row(2.57, "connect_failed", 0, attempt=2, detail="503"),
            row(2.58, "connect_failed", 2, attempt=2, detail="503"),
            row(2.59, "attempt_connect", 0, attempt=3),
            row(3.0, "marked_down", node=1),
            row(3.15, "attempt_connect", 2, attempt=3),
            row(3.2, "connected", 0, 2, 3),
            row(3.25, "connect_failed", 2, attempt=3, detail="503"),
            row(3.25, "gave_up", 2, attempt=3),
            *extra,
        ],
        faults=[KILL],
    )


def test_every_measure_of_a_kill_is_what_a_hand_computes():
    found = measure_with_bounds(killed())
    assert {name: found[name] for name in CONNECTION} == pytest.approx(
        {
            "notice_p50": 0.2,  # of 0.1 and 0.3 s
            "notice_p99": 0.1 + 0.99 * 0.2,
            "reconnect_p50": inf,  # of one client that is back and one that is not
            "reconnect_p90": inf,
            "reconnect_p99": inf,
            "attempts_per_client": 4 / 2,
            "peak_attempts": 3,  # 2.5, 2.55 and 2.59 s
            "time_to_99": inf,  # never all four
            "time_to_all": 1.2,
            "gave_up_share": 0.25,
            "imbalance": 2 / 1.5,  # node 2 has clients 0 and 1, node 3 has client 3, node 1 is gone
            "mark_down_delay": 1.0,
        }
    )
    bounds = {name: found[name + NOT_WITHIN] for name in CONNECTION if name + NOT_WITHIN in found}
    assert bounds == dict.fromkeys(("reconnect_p50", "reconnect_p90", "reconnect_p99", "time_to_99"), 8.0)


def test_what_is_censored_does_not_tell_how_much_later_than_due_a_fault_came():
    due = course(killed())
    late = replace(due, faults=due.faults + 0.0004)
    bound = "time_to_99" + NOT_WITHIN
    assert late.censored(late.faults[0]) == due.censored(due.faults[0]) == due.measures()[bound] == 8.0
    assert late.measures()[bound] == 8.0


def test_every_measure_is_described_and_nothing_else_is_returned():
    assert set(measure_record(killed())) == set(CONNECTION) | set(LOSSES)


def test_without_a_fault_only_the_imbalance_is_defined():
    assert measure_record(record([])) == pytest.approx({"imbalance": 2 / (4 / 3)})


def test_a_fault_that_nobody_felt_defines_no_times():
    found = measure_record(record([row(2.0, "fault", detail="reload")], faults=[{"at": 2.0, "kind": "reload"}]))
    assert set(found) & set(CONNECTION) == {"imbalance"}
    assert not any(found[name] for name in LOSSES if name in found)


def test_a_loss_counts_from_the_last_fault_before_it_until_all_stay_connected():
    found = measure_record(
        record(
            [
                row(1.0, "fault", node=1, detail="kill"),
                row(1.5, "disconnected", 0, 1),
                row(2.0, "connected", 0, 2, 2),
                row(3.0, "fault", node=2, detail="kill"),
                row(3.1, "disconnected", 0, 2),
                row(3.6, "connected", 0, 3, 3),
            ],
            faults=[KILL | {"at": 1.0}, KILL | {"at": 3.0, "node": 2}],
        )
    )
    assert found["notice_p50"] == pytest.approx((0.5 + 0.1) / 2)
    assert found["reconnect_p50"] == pytest.approx((1.0 + 0.6) / 2)
    assert found["time_to_99"] == found["time_to_all"] == pytest.approx(2.6)  # from the first fault
    assert found["mark_down_delay"] == inf  # both nodes are dead and in rotation at the end


def test_a_loss_before_the_first_fault_does_not_count():
    early = [row(0.5, "disconnected", 1, 2), row(0.6, "connected", 1, 2, 2)]
    found = measure_record(record([*early, row(2.0, "fault", node=1, detail="kill")], faults=[KILL]))
    assert {name: found[name] for name in CONNECTION if name in found} == {"imbalance": 1.5, "mark_down_delay": inf}
    assert found["losses_per_client"] == found["away_total"] == 0.0


def test_the_window_of_the_peak_is_a_tenth_of_a_second_and_half_open():
    attempts = [row(2.5 + 0.0625 * i, "attempt_connect", 0, attempt=i + 2) for i in range(4)]
    rows = [row(2.0, "fault", node=1, detail="kill"), row(2.1, "disconnected", 0, 1), *attempts]
    assert measure_record(record(rows, faults=[KILL]))["peak_attempts"] == 2


def test_reconnect_times_name_the_clients_that_came_back():
    assert reconnect_times(killed()) == pytest.approx({0: 1.2})
    assert reconnect_times(record([])) == {}


def test_the_curve_counts_the_connected_clients():
    curve = connected_curve(killed())
    times = np.arange(0.0, 10.0, CURVE_STEP)
    assert len(curve) == len(times)
    for t, count in [(0.0, 4), (2.2, 3), (2.6, 2), (3.3, 3), (9.98, 3)]:
        assert curve[np.argmin(abs(times - t))] == count


def test_marks_are_the_balancers_own():
    assert marks(killed(row(5.0, "marked_up", node=1))) == [(3.0, 1, False), (5.0, 1, True)]
    assert marks(record([])) == []


def test_when_everybody_gave_up_nobody_is_back_within_the_run():
    rows = [row(2.0, "fault", detail="outage")]
    for client in range(4):
        rows += [row(2.1, "disconnected", client, 1, detail="1006"), row(3.0, "gave_up", client, attempt=2)]
    found = measure_with_bounds(record(rows, faults=[{"at": 2.0, "kind": "outage", "duration": 5.0}]))
    for name in ("time_to_99", "time_to_all", "reconnect_p50"):
        assert (found[name], found[name + NOT_WITHIN]) == (inf, 8.0)
    assert (found["gave_up_share"], found["away_at_end"]) == (1.0, 4.0)


def test_who_does_not_notice_that_a_node_is_silent_is_not_connected():
    """Node 1 hangs to the end with clients 0 and 2, of which only client 0 has noticed and is back."""
    rows = [row(4.0, "fault", node=1, detail="hang"), row(5.0, "disconnected", 0, 1), row(6.0, "connected", 0, 2, 2)]
    found = measure_with_bounds(record(rows, faults=[KILL | {"at": 4.0, "kind": "hang"}]))
    for name in ("notice_p50", "reconnect_p50", "time_to_99", "time_to_all", "mark_down_delay"):
        assert (found[name], found[name + NOT_WITHIN]) == (inf, 6.0)
    assert (found["half_open"], found["away_at_end"], found["away_total"]) == (1.0, 0.0, 1.0)


def test_a_hang_that_ends_leaves_nothing_half_open():
    rows = [row(4.0, "fault", node=1, detail="hang"), row(5.0, "healed", node=1, detail="hang")]
    found = measure_record(record(rows, faults=[KILL | {"at": 4.0, "kind": "hang", "duration": 1.0}]))
    assert found["half_open"] == 0.0
    assert "time_to_99" not in found
    assert "mark_down_delay" not in found


def test_only_a_balancer_that_looks_by_itself_must_mark_a_dead_node_down():
    rows = [row(2.0, "fault", node=1, detail="kill"), row(2.1, "disconnected", 0, 1)]
    assert measure_record(record(rows, faults=[KILL]))["mark_down_delay"] == inf
    assert "mark_down_delay" not in measure_record(record(rows, faults=[KILL], balancer="nginx"))


def test_a_node_that_somebody_starts_again_need_not_be_marked_down():
    rows = [row(2.0, "fault", node=1, detail="kill"), row(2.2, "node_started", node=1)]
    assert "mark_down_delay" not in measure_record(record(rows, faults=[KILL]))
    other = [row(1.0, "node_started", node=1), row(2.0, "fault", node=1, detail="kill")]
    assert measure_record(record(other, faults=[KILL]))["mark_down_delay"] == inf
    dark = [row(2.0, "fault", node=1, detail="blackhole"), row(2.2, "node_started", node=1)]
    assert measure_record(record(dark, faults=[KILL | {"kind": "blackhole"}]))["mark_down_delay"] == inf


def test_a_fault_at_a_node_that_is_down_already_waits_for_no_mark():
    rows = [row(t, "fault", node=1, detail="kill") for t in (2.0, 5.0)] + [row(3.0, "marked_down", node=1)]
    found = measure_record(record(rows, faults=[KILL, KILL | {"at": 5.0}]))
    assert found["mark_down_delay"] == 1.0


def test_a_fault_is_the_cause_of_a_loss_at_the_same_moment_and_its_attempts_count():
    rows = [
        row(2.0, "fault", node=1, detail="kill"),
        row(2.0, "disconnected", 0, 1),
        row(2.0, "attempt_connect", 0, attempt=2),
        row(2.0, "marked_down", node=1),
        row(3.0, "fault", node=2, detail="kill"),
        row(3.0, "disconnected", 1, 2),
        row(3.0, "marked_down", node=2),
        row(3.5, "connected", 1, 3, 2),
    ]
    found = measure_record(record(rows, faults=[KILL, KILL | {"at": 3.0, "node": 2}]))
    assert (found["notice_p50"], found["notice_p99"]) == (0.0, 0.0)
    assert found["attempts_per_client"] == 0.5
    assert found["peak_attempts"] == 1
    assert found["mark_down_delay"] == 0.0
    assert found["reconnect_p50"] == inf  # of one that is back and one that is not


def test_a_client_that_lost_two_connections_is_affected_once():
    rows = [row(2.0, "fault", node=1, detail="kill")]
    for n in range(2):
        rows += [
            row(2.1 + n, "disconnected", 0, 1),
            row(2.2 + n, "attempt_connect", 0),
            row(2.3 + n, "connected", 0, 2),
        ]
    one = record(rows, faults=[KILL])
    assert measure_record(one)["attempts_per_client"] == 2.0
    assert reconnect_times(one) == pytest.approx({0: 0.3})
    with pytest.raises(KeyError):
        reconnect_times(one)[1]
    with pytest.raises(KeyError):
        reconnect_times(one)[-1]


def test_99_of_100_clients_are_enough_for_the_one_time_and_not_for_the_other():
    scenario = small(clients={"count": 101}, duration=10.0, faults=[KILL])
    warm = [row(-1.0, "connected", client, 1 + client % 3, 1) for client in range(101)]
    lost = [row(2.1, "disconnected", client, 1) for client in range(3)]
    back = [row(3.0 + client, "connected", client, 2, 2) for client in range(3)]
    rows = [*warm, row(2.0, "fault", node=1, detail="kill"), *lost, *back]
    found = measure_record(Record.of(rows, {"scenario": scenario.model_dump(exclude_none=True)}))
    assert found["time_to_99"] == pytest.approx(2.0)  # 100 of 101, rounded up
    assert found["time_to_all"] == pytest.approx(3.0)


def test_a_node_that_was_started_again_counts_in_the_mean_although_it_is_empty():
    rows = [row(2.0, "node_stopped", node=1), row(2.1, "disconnected", 0, 1), row(2.1, "disconnected", 2, 1)]
    assert measure_record(record(rows))["imbalance"] == 1.0  # nodes 2 and 3 have one each
    assert measure_record(record([*rows, row(3.0, "node_started", node=1)]))["imbalance"] == pytest.approx(1.5)
    everybody = [row(4.0, "disconnected", client, node) for client, node in ((0, 1), (1, 2), (2, 1), (3, 3))]
    assert measure_record(record(everybody))["imbalance"] == 1.0


def test_attempts_are_counted_in_tenths_of_a_second_from_the_start_of_the_run():
    times = (-0.05, 0.0, 0.05, 0.15, 9.95)
    counts = attempt_counts(record([row(t, "attempt_connect", 0) for t in times]))
    assert (counts[0], counts[1], counts[99], counts.sum()) == (2, 1, 1, 4)
    assert len(counts) in (100, 101)


def test_the_curve_changes_at_the_moment_of_the_event():
    curve = connected_curve(record([row(2.0, "disconnected", 0, 1), row(4.0, "connected", 0, 1)]))
    assert [int(curve[round(t / CURVE_STEP)]) for t in (1.98, 2.0, 3.98, 4.0)] == [4, 3, 3, 4]
