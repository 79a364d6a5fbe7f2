"""What a node's memory is made of, by the host profile."""

import pytest

from tests.footprints import KNOWN, memory_profile
from tests.strategies import small, small_profile
from twin.costs.memory import connection_bytes, node_memory
from twin.costs.profile import HostProfile
from twin.errors import ScenarioError
from twin.rules.memory import FEW

TALK = {"bus": {"kind": "pubsub"}, "publisher": {"rate": 1.0}}
LIMIT = {"memory_limit": 100_000_000}


def test_a_node_is_as_large_as_what_it_takes_part_in():
    profile = memory_profile()
    plain, talking = (node_memory(profile, small(**more)) for more in ({}, TALK))
    assert (plain.empty, plain.connection, plain.place, plain.shared) == (20e6, 1e5, 500.0, True)
    assert (talking.empty, talking.connection) == (30e6, 2e5)
    unmeasured = node_memory(profile, small(sessions={"store": "memory"}))
    assert (unmeasured.empty, unmeasured.connection) == (20e6, 1e5)


def test_the_first_connections_of_a_measured_node_take_what_they_took():
    profile = memory_profile(few=[7e4])
    found = node_memory(profile, small())
    assert found.resident(40) - found.resident(0) == pytest.approx(40 * 7e4)
    assert found.resident(FEW) == pytest.approx(20e6 + FEW * 1e5)
    assert found.resident(1000) == pytest.approx(20e6 + 1000 * 1e5)


def test_repeats_spread_as_those_of_other_figures():
    profile = memory_profile(node=[20e6, 24e6], connection=[1e5, 3e5], place_bytes=[400.0, 600.0])
    low, high = (node_memory(profile, small(), u) for u in (0.0, 1.0))
    assert (low.empty, low.connection, low.place) == (20e6, 1e5, 400.0)
    assert (high.empty, high.connection, high.place) == (24e6, 3e5, 600.0)


def test_a_connection_takes_its_own_memory_and_that_of_kept_contexts():
    contexts = {"context_bytes_9_1": [5e3], "context_bytes_12_5": [40e3], "context_bytes_15_8": [300e3]}
    profile = memory_profile(**contexts)

    def takes(**compression):
        return connection_bytes(profile, small(nodes={"compression": compression}))

    assert takes() == 1e5 + 40e3
    assert takes(takeover=False) == 1e5
    assert takes(window_bits=15, memory_level=8) == 1e5 + 300e3
    assert 1e5 + 40e3 < takes(window_bits=13) < takes(window_bits=14) < 1e5 + 300e3
    assert not node_memory(profile, small(nodes={"compression": {}})).shared
    without = memory_profile(**contexts | {"context_bytes_9_1": []})
    assert connection_bytes(without, small(nodes={"compression": {}})) is None


def test_a_profile_of_before_knows_the_connections_of_the_usual_runtime_alone():
    profile = small_profile(connection_bytes=[9e3, 10e3, 12e3])
    found = node_memory(profile, small())
    assert (found.empty, found.connection) == (0.0, 10e3)
    assert node_memory(profile, small(), 0.9).connection == 10e3
    assert connection_bytes(profile, small(nodes={"runtime": "go"})) is None
    assert node_memory(small_profile(), small()) is None


@pytest.mark.parametrize("lacking", [{"memory": {}}, {"place_bytes": []}])
def test_a_limit_needs_a_profile_that_knows_the_memory_of_nodes(lacking):
    scenario = small(nodes=LIMIT)
    memory_profile().must_know(scenario)
    with pytest.raises(
        ScenarioError, match=r"nodes.memory_limit is 100000000; .* without the memory of such nodes: run"
    ):
        memory_profile(**lacking).must_know(scenario)
    with pytest.raises(ScenarioError, match=r"host.memory is true; .* without the memory of such nodes: run"):
        memory_profile(**lacking).must_know(small(host={"memory": True}))
    memory_profile(**lacking).must_know(small())


def test_figures_of_an_earlier_calibration_are_kept():
    earlier, later = memory_profile(), memory_profile(node=[22e6], connection=[3e5])
    found = later.with_earlier(earlier).memory["asyncio"]
    assert (found["start_node"].node, found["start_node"].connection) == ([22e6, 20e6], [3e5, 1e5])
    fresh = small_profile().with_earlier(earlier)
    assert set(fresh.memory["asyncio"]) == set(KNOWN)
    assert HostProfile.model_validate(fresh.model_dump()).memory == fresh.memory
