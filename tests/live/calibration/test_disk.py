"""What a log on disk costs a bus: measured once, on this machine."""

import pytest

from live.calibration import disk
from live.calibration.workbench import MeasuredCosts
from twin.costs.parts import LONE_OF_DISK
from twin.scenario.scenario import Scenario

pytestmark = [pytest.mark.live, pytest.mark.timeout(60)]


def test_a_log_on_disk_costs_cpu_time_alone_and_in_a_row_and_a_wait() -> None:
    costs, lone = MeasuredCosts(), {name: list[float]() for name in LONE_OF_DISK}
    disk.measure(Scenario.parse({"name": "disk"}), costs, lone)
    assert {level: len(values) for level, values in costs["bus_sync"].items()} == {1: 1, disk.ROW: 1}
    assert {level: len(values) for level, values in costs.paces["bus_sync"].items()} == {1: 1, disk.ROW: 1}
    assert all(0.0 < values[0] < 0.05 for values in costs["bus_sync"].values())
    assert all(len(values) == 1 and 0.0 <= values[0] < 1.0 for values in lone.values())
