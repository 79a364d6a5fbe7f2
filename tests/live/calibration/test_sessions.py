import pytest

from live.calibration import sessions
from live.calibration.workbench import MeasuredCosts
from twin.costs.curve import LEVELS
from twin.scenario.scenario import Scenario

pytestmark = pytest.mark.live


@pytest.mark.filterwarnings("ignore::live.machine.placement.BusyHostWarning")
def test_what_hangs_on_the_balancer_is_measured_by_itself_at_every_load() -> None:
    scenario = Scenario.parse({"name": "calibration", "clients": {"count": 600}, "balancer": {"retries": 0}})
    found = MeasuredCosts()
    sessions.measure_sessions(scenario, found, of_balancer=True)
    assert set(found) == {"node_denied", "balancer_denied", "client_denied"}  # all parts: test_calibration.py
    for levels in found.values():
        assert set(levels) == set(LEVELS)
        assert all(0 < value < 0.1 for values in levels.values() for value in values)
