"""What a scenario may say of pools, and how it is refused."""

import pytest

from tests.strategies import small
from twin.errors import ScenarioError
from twin.rules.pool_alarms import AlarmLimits

DOWN = {"at": 1.0, "kind": "store_down", "duration": 1.0}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"min_size": 11}, "nodes.pool.min_size is 11; allowed is at most size, 10."),
        (
            {"handshake": False},
            "nodes.pool.rate is 0; allowed is handshake true or a rate above 0: something has to borrow.",
        ),
        (
            {"timeout": 10.0},
            "nodes.pool.timeout is 10; allowed is at most 9 s where handshakes borrow, as a node ends one after 10 s.",
        ),
        (
            {"size": 200},
            "nodes.pool.size is 200; allowed is such that all 3 nodes together have at most 500 connections.",
        ),
        ({"rate": 5000.0}, "nodes.pool.rate is 5000; allowed is such that there are at most 100000 uses in a run."),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(changes, said):
    with pytest.raises(ScenarioError) as caught:
        small(nodes={"pool": changes})
    assert str(caught.value) == f"vary: {said}"


def test_a_longer_wait_is_allowed_where_no_handshake_borrows():
    assert small(nodes={"pool": {"timeout": 30.0, "handshake": False, "rate": 1.0}}).nodes.pool.timeout == 30.0


def test_a_number_stands_for_a_fixed_service_time():
    pool = small(nodes={"pool": {"service": 0.05}}).nodes.pool
    assert (pool.service.mean, pool.service.distribution) == (0.05, "fixed")
    drawn = small(nodes={"pool": {"service": {"mean": 0.05, "distribution": "exponential"}}}).nodes.pool
    assert drawn.service.distribution == "exponential"


def test_a_scenario_has_no_pool_unless_asked_and_idle_ones_live_for_five_minutes():
    assert small().nodes.pool is None
    assert small(nodes={"pool": {}}).nodes.pool.idle_timeout == 300.0
    assert small(nodes={"pool": {}}).nodes.pool.alarms.limits() == AlarmLimits(0.8, 1.0, 1.0, 10.0)


def test_a_store_that_dies_needs_a_pool_and_names_no_node():
    with pytest.raises(ScenarioError, match=r"faults\.0\.kind is 'store_down'; allowed is only in a scenario with a"):
        small(faults=[DOWN])
    with pytest.raises(ScenarioError, match=r"faults\.0\.node is 1; allowed is no node for a store_down"):
        small(nodes={"pool": {}}, faults=[{**DOWN, "node": 1}])
    assert small(nodes={"pool": {}}, faults=[DOWN]).faults[0].kind == "store_down"


def test_a_pool_is_written_out_and_read_again():
    scenario = small(nodes={"pool": {"store": "postgresql", "service": {"mean": 0.1}}})
    assert scenario.parse(scenario.model_dump(exclude_none=True)) == scenario
    assert "[nodes.pool]" in scenario.to_toml()
