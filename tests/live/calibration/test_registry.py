"""What a registry costs: measured once, on this machine."""

import pytest

from live.calibration import registry
from live.calibration.workbench import MeasuredCosts
from twin.costs.registry import REGISTRY_PARTS
from twin.costs.starts import LEVEL
from twin.scenario.scenario import Scenario

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]


def test_a_registry_costs_node_server_registrar_and_balancer_cpu_time() -> None:
    costs = MeasuredCosts()
    registry.measure(Scenario.parse({"name": "registry"}), costs)
    assert set(costs) == set(costs.paces) == set(REGISTRY_PARTS)
    for name, levels in costs.items():
        assert set(levels) == ({1, registry.ROW} if name.startswith("bus") else {LEVEL}), name
        assert all(1e-6 < values[0] < 0.02 and len(values) == 1 for values in levels.values()), name
