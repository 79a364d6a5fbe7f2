"""What a hand-over to a pool costs: measured once, on this machine."""

import pytest

from live.calibration import handler
from live.calibration.workbench import MeasuredCosts
from twin.costs.handler import HANDLER_PARTS
from twin.scenario.scenario import Scenario

pytestmark = [pytest.mark.live, pytest.mark.timeout(90)]


def test_a_call_costs_a_node_and_the_processes_of_its_pool_cpu_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handler, "BATCHES", {1: 3, handler.ROW: 3})
    costs = MeasuredCosts()
    handler.measure(Scenario.parse({"name": "handler"}), costs)
    assert set(costs) == set(HANDLER_PARTS)
    for name, part in costs.items():
        assert {level: len(values) for level, values in part.items()} == {1: 1, handler.ROW: 1}
        least = (
            1e-6 if name == "node_worker" else 0.0
        )  # the others are differences, and lost in noise beside other tests
        assert all(least < values[0] < 0.02 for values in part.values())
