"""Measures of a cluster that changes its size, computed by hand."""

from math import inf

import pytest

from tests.strategies import small
from twin.measures import measure_record
from twin.record import Record, row

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
