"""What pings, pongs and checks cost: measured once, on this machine, with few connections for a short time."""

import pytest

from live.calibration import pings
from live.calibration.workbench import MeasuredCosts
from twin.costs.background import BACKGROUND_PARTS
from twin.costs.starts import LEVEL
from twin.scenario.scenario import Scenario

pytestmark = [pytest.mark.live, pytest.mark.timeout(180)]


def test_pings_and_checks_cost_everybody_they_pass_cpu_time(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PINGING": 40, "WATCHED": 1.0}.items():
        monkeypatch.setattr(pings, name, value)
    costs = MeasuredCosts()
    pings.measure(Scenario.parse({"name": "pings"}), costs)
    assert set(costs) == set(costs.paces) == set(BACKGROUND_PARTS)
    assert all(list(levels) == [LEVEL] and levels[LEVEL][0] < 0.02 for levels in costs.values())
    assert all(costs[name][LEVEL][0] > 2e-6 for name in ("client_ping", "node_ping", "client_pong", "node_pong"))
