"""What polls cost: every part at every level, and added to a profile that does not know them."""

import pytest

from live.calibration.calibration import Figures
from live.calibration.polls import OVER, measure_polls
from live.calibration.workbench import MeasuredCosts
from twin.costs.curve import LEVELS
from twin.costs.polls import POLL_PARTS, POLL_ROUNDS
from twin.scenario.scenario import Scenario

pytestmark = [pytest.mark.live, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def measured() -> tuple[MeasuredCosts, dict[str, list[float]]]:
    found, first = MeasuredCosts(), Figures(["haproxy"]).first
    measure_polls(Scenario.parse({"name": "polls", "clients": {"count": 2000}}), found, first)
    return found, first


def test_each_part_is_measured_at_each_level(measured: tuple[MeasuredCosts, dict[str, list[float]]]) -> None:
    found, first = measured
    assert set(found) == set(POLL_PARTS)
    for name, levels in found.items():
        assert set(levels) == set(LEVELS), name
        assert all(0.0 < value < 0.05 for values in levels.values() for value in values), name
    for name in set(POLL_ROUNDS.values()):
        assert len(first[name]) == 1
        assert 0.0 <= first[name][0] <= 0.95


def test_a_request_costs_more_than_a_message_of_its_answer(
    measured: tuple[MeasuredCosts, dict[str, list[float]]],
) -> None:
    found, _ = measured
    for whole, more in (("node_get", "node_get_more"), ("client_got", "client_got_more"), OVER[1:]):
        assert found[whole][64][0] > found[more][64][0]
