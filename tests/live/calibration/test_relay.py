"""What a relay costs: measured once, on this machine."""

import pytest

from live.calibration import relay
from live.calibration.workbench import MeasuredCosts
from twin.scenario.scenario import Scenario

pytestmark = [pytest.mark.live, pytest.mark.timeout(60)]


def test_a_relay_costs_cpu_time_for_each_piece_alone_and_in_a_row() -> None:
    costs = MeasuredCosts()
    relay.measure(Scenario.parse({"name": "relay"}), costs)
    assert {level: len(values) for level, values in costs["relay_frame"].items()} == {1: 1, relay.ROW: 1}
    assert all(1e-6 < values[0] < 0.02 for values in costs["relay_frame"].values())
