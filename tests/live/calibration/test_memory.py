"""What memory nodes take: measured once, on this machine."""

import pytest

from live.calibration import memory
from live.calibration.starts import measure_starts
from live.calibration.workbench import MeasuredCosts
from live.machine import placement
from twin.costs.memory import USUAL_START
from twin.scenario.scenario import Scenario

pytestmark = [pytest.mark.live, pytest.mark.patient, pytest.mark.timeout(120)]


def test_each_start_has_a_size_and_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "COUNTED", 128)
    found: memory.Footprints = {}
    measure_starts(Scenario.parse({"name": "starts"}), MeasuredCosts(), found)
    assert {name: len(one.node) for name, one in found["asyncio"].items()} == dict.fromkeys(memory.STARTS, 1)
    plain, talking = (found["asyncio"][name] for name in (USUAL_START, "start_broadcast"))
    assert 5e6 < plain.node[0] < talking.node[0] < 300e6
    assert all(4_000 < one.connection[0] < 100_000 for one in found["asyncio"].values())
    assert all(4_000 < one.few[0] < 100_000 for one in found["asyncio"].values())


def test_a_place_in_a_queue_takes_some_hundred_bytes_and_not_the_frame() -> None:
    cpus = placement.placement(Scenario.parse({"name": "frames"})).cluster[:1]
    assert 16 < memory.place_bytes(cpus) < 2_000
