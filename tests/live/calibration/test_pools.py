"""What pools cost: measured once, on this machine."""

import pytest

from live.calibration import pools
from live.calibration.workbench import MeasuredCosts
from twin.costs.pool import POOL_PARTS, pool_parts
from twin.scenario.scenario import Scenario

pytestmark = [pytest.mark.live, pytest.mark.timeout(180)]


def test_a_pool_costs_its_node_and_the_store_cpu_time() -> None:
    costs, starts = MeasuredCosts(), {}  # type: ignore[var-annotated]
    pools.measure(Scenario.parse({"name": "pools"}), costs, starts)
    known = pools.stores()
    wanted = {name for store in known for name in pool_parts(store, check=True)}
    assert set(costs) == set(costs.paces) == wanted <= set(POOL_PARTS)
    for name, levels in costs.items():
        assert set(levels) == set(pools.SIZES), name
        checked = name.endswith("check")  # a difference
        assert all((checked or values[0] > 1e-6) and values[0] < 0.1 for values in levels.values()), name
    assert set(starts) == set(known)
    assert all(0.001 < seconds < 5.0 for times in starts.values() for seconds in times)
