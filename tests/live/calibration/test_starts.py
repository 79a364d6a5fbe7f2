"""What starts cost: each configuration once, on this machine."""

import pytest

from live.calibration.starts import measure_starts
from live.calibration.workbench import MeasuredCosts
from twin.costs.starts import LEVEL, START_PARTS
from twin.scenario.scenario import Scenario

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]


def test_each_start_is_measured_once_and_takes_no_less_than_what_follows_it() -> None:
    found = MeasuredCosts()
    measure_starts(Scenario.parse({"name": "starts"}), found)
    assert set(found) == set(START_PARTS)
    for name in START_PARTS:
        assert [len(found[name][LEVEL]), len(found.paces[name][LEVEL])] == [1, 1]
        assert 0.0 < found.paces[name][LEVEL][0] < 1.0
        assert 0.001 < found[name][LEVEL][0] < 10.0
    assert found["start_registry"][LEVEL][0] < found["start_node"][LEVEL][0]
