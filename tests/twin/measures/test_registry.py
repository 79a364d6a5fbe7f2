"""Measures of a cluster that changes its size, computed by hand."""

from math import inf

import pytest

from tests.strategies import small
from twin.measures import measure_record
from twin.record.record import Record, row

SCENARIO = small(
    duration=10.0,
    clients={"count": 4},
    nodes={"count": 2},
    registry={},
    autoscaling={"target": 1, "minimum": 2, "maximum": 3},
)
WARM = [
    row(-1.0, event, client, 1 + client % 2 if event == "connected" else -1)
    for client in range(4)
    for event in ("attempt_connect", "connected")
]
START = [
    row(2.0, "scaled", detail="2 to 3: DesiredWithinRange"),
    row(2.0, "node_starting", node=3),
    row(2.5, "node_started", node=3),
    row(3.0, "marked_up", node=3),
]


def measured(*rows, scenario=SCENARIO):
    return measure_record(Record.of([*WARM, *rows], {"scenario": scenario.model_dump(exclude_none=True)}))


def test_an_empty_newcomer_has_been_in_rotation_and_has_nothing():
    found = measured(*START)
    assert found["start_to_rotation"] == 1.0
    assert found["new_share"] == 0.0
    assert found["start_to_first"] == found["start_to_share"] == inf
    assert found["nodes_end"] == 3
    assert found["nodes_mean"] == pytest.approx((2 * 2.5 + 3 * 7.5) / 10)
    assert found["scalings"] == 1
    assert found["churn_peak"] == 0.0


def test_a_newcomer_has_its_share_when_it_has_nine_tenths_of_the_mean():
    moves = [
        row(4.0, "disconnected", 0, 1),
        row(4.2, "attempt_connect", 0),
        row(4.5, "connected", 0, 3),  # 1 of a mean of 4 / 3: not enough
        row(6.0, "disconnected", 1, 2),
        row(6.1, "attempt_connect", 1),
        row(6.5, "connected", 1, 3),
    ]
    found = measured(*START, *moves)
    assert found["start_to_first"] == 2.5
    assert found["start_to_share"] == 4.5
    assert found["new_share"] == pytest.approx(2 / (4 / 3))
    assert found["away_per_close"] == pytest.approx(0.5)
    assert found["churn_peak"] == 1.0


def test_a_node_that_has_ended_is_no_newcomer_and_runs_no_more():
    found = measured(*START, row(8.0, "node_stopped", node=3))
    assert "new_share" not in found
    assert found["nodes_end"] == 2
    assert found["nodes_mean"] == pytest.approx((2 * 4.5 + 3 * 5.5) / 10)


def test_a_hang_ends_when_the_balancer_knows():
    scenario = small(registry={}, faults=[{"at": 1.0, "kind": "hang", "node": 2, "duration": 3.0}])
    rows = [
        row(1.0, "fault", node=2, detail="hang"),
        row(3.0, "marked_down", node=2),
        row(4.0, "healed", node=2, detail="hang"),
        row(4.6, "marked_up", node=1),
        row(4.7, "marked_up", node=2),
    ]
    assert measured(*rows, scenario=scenario)["resume_to_rotation"] == pytest.approx(0.7)


def test_the_share_of_the_next_version_is_that_of_the_connected():
    scenario = small(clients={"count": 4}, registry={"canary": {"nodes": [2], "share": 0.5}})
    assert measured(row(1.0, "disconnected", 0, 1), scenario=scenario)["next_share"] == pytest.approx(2 / 3)


def test_other_scenarios_have_none_of_these():
    assert set(measured(scenario=small(clients={"count": 4}))) == {"imbalance"}


def test_nine_tenths_of_the_mean_are_enough_for_a_share():
    scenario = SCENARIO.vary(clients={"count": 10})
    homes = [1 + client % 2 for client in range(10)]
    warm = [row(-1.0, "connected", client, home) for client, home in enumerate(homes)]

    def carried(count):
        moves = []
        for client in range(count):
            moves += [row(4.0, "disconnected", client, homes[client]), row(5.0 + client, "connected", client, 3)]
        record = Record.of([*warm, *START, *moves], {"scenario": scenario.model_dump(exclude_none=True)})
        return measure_record(record).get("start_to_share")

    assert carried(3) == pytest.approx(5.0)  # of 10 on 3 nodes: its 3 are exactly nine tenths of the mean
    assert carried(2) == inf


def test_the_first_share_of_the_present_process_counts_and_a_later_one_does_not():
    again = [
        row(6.0, "node_stopped", node=3),
        row(6.1, "marked_down", node=3),
        row(7.0, "node_starting", node=3),
        row(7.4, "node_started", node=3),
        row(7.5, "marked_up", node=3),
        row(8.0, "marked_up", node=3),
        row(8.2, "disconnected", 0, 1),
        row(9.0, "connected", 0, 3),
    ]
    found = measured(*START, *again)
    assert found["start_to_rotation"] == pytest.approx((1.0 + 0.5) / 2)
    assert found["start_to_first"] == inf  # 2 s for the present process; the other one had none in its time
    assert found["nodes_end"] == 3
    assert found["nodes_mean"] == pytest.approx((2 * 2.5 + 3 * 3.5 + 2 * 1.4 + 3 * 2.6) / 10)


def test_a_node_that_was_replaced_before_it_left_rotation_is_there_when_it_listens():
    killed = [
        row(5.0, "node_stopped", node=1),
        row(5.0, "node_starting", node=1),
        row(5.3, "node_started", node=1),
    ]
    assert measured(*killed)["start_to_rotation"] == pytest.approx(0.3)
    out = [killed[0], row(5.0, "marked_down", node=1), *killed[1:]]
    assert measured(*out)["start_to_rotation"] == inf
    assert measured(*out, row(6.0, "marked_up", node=1))["start_to_rotation"] == pytest.approx(1.0)


def test_what_happens_after_the_run_does_not_change_the_mean_number_of_nodes():
    assert measured(*START, row(12.0, "node_stopped", node=3))["nodes_mean"] == pytest.approx(2.75)
    assert measured(row(-0.5, "node_started", node=3))["nodes_mean"] == pytest.approx(3.0)


def test_a_connection_at_the_end_of_the_warm_up_is_no_churn_and_one_at_the_start_is():
    assert measured(row(-0.001, "attempt_connect", 0))["churn_peak"] == 0.0
    assert measured(row(0.0, "attempt_connect", 0))["churn_peak"] == 1.0
    assert measured(row(0.0, "attempt_connect", 0), row(1.0, "attempt_connect", 0))["churn_peak"] == 1.0
    assert measured(row(0.0, "attempt_connect", 0), row(0.999, "attempt_connect", 0))["churn_peak"] == 2.0


def test_who_gives_up_without_any_fault_is_counted_where_clients_may():
    ends = [row(3.0, "disconnected", 0, 1), row(3.5, "gave_up", 0)]
    base = {"clients": {"count": 4}, "nodes": {"count": 2}, "registry": {"rebalance": {}}}
    assert "gave_up_share" not in measured(*ends, scenario=small(**base))
    for may in ({"max_attempts": 1}, {"policy": "list", "delays": [0.1], "then": "stop"}):
        scenario = small(**base | {"clients": {"count": 4, "reconnect": may}})
        assert measured(*ends, scenario=scenario)["gave_up_share"] == 0.25
        assert measured(scenario=scenario)["gave_up_share"] == 0.0
    stops = small(**base, sessions={"store": "memory", "on_refusal": "stop"})
    assert measured(*ends, scenario=stops)["gave_up_share"] == 0.25


def test_a_node_that_came_into_rotation_when_its_hang_ended_was_back_at_once():
    scenario = small(registry={}, faults=[{"at": 1.0, "kind": "hang", "node": 2, "duration": 3.0}])
    rows = [row(3.9, "marked_up", node=2), row(4.0, "healed", node=2, detail="hang"), row(4.0, "marked_up", node=2)]
    assert measured(*rows, scenario=scenario)["resume_to_rotation"] == 0.0
    others = [row(4.0, "healed", node=2, detail="kill"), row(5.0, "marked_up", node=2)]
    assert "resume_to_rotation" not in measured(*others, scenario=scenario)


def test_nobody_has_the_next_version_when_nobody_is_connected():
    scenario = small(clients={"count": 4}, registry={"canary": {"nodes": [2], "share": 0.5}})
    away = [row(1.0, "disconnected", client, 1 + client % 2) for client in range(4)]
    assert measured(*away, scenario=scenario)["next_share"] == 0.0
    assert measured(*away, row(2.0, "disconnected", 0, 1), scenario=scenario)["next_share"] == 0.0
