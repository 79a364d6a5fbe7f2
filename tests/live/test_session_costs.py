import pytest

from live import session_costs
from live.workbench import Costs
from twin.cost import LEVELS
from twin.scenario import Scenario
from twin.session_parts import SESSION_PARTS

pytestmark = pytest.mark.live


@pytest.mark.filterwarnings("ignore::live.host.BusyHostWarning")
def test_every_part_of_sessions_is_measured_at_every_load() -> None:
    scenario = Scenario.parse({"name": "calibration", "clients": {"count": 600}, "balancer": {"retries": 0}})
    found = Costs()
    session_costs.measure_sessions(scenario, found)
    assert set(found) == set(SESSION_PARTS)
    for name, levels in found.items():
        assert set(levels) == ({LEVELS[1]} if name == "node_hash" else set(LEVELS))
        assert all(0 < value < 0.1 for values in levels.values() for value in values)
    most = LEVELS[-1]
    assert found["node_hash"][LEVELS[1]][0] > found["node_session"][most][0]
    assert found["node_look_up"][most][0] + found["node_found"][most][0] > found["bus_session"][most][0]
