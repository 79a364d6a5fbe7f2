"""Whoever is connected when the run starts has a place; who comes later need not."""

import pytest

from tests.strategies import small
from twin.errors import ScenarioError


def said(**changes):
    with pytest.raises(ScenarioError) as error:
        small(**changes)
    return str(error.value)


def test_there_is_room_for_who_is_connected_at_the_start():
    assert "balancer.maxconn is 29; allowed is room for the 30 clients" in said(balancer={"maxconn": 29})
    assert "balancer.server_maxconn is 9; allowed is room for the 30" in said(balancer={"server_maxconn": 9})
    small(balancer={"maxconn": 30, "server_maxconn": 10})
    small(balancer={"server_maxconn": 9}, clients={"arrivals": {"count": 3}})
    assert "server_maxconn" in said(balancer={"server_maxconn": 9}, clients={"arrivals": {"count": 2}})


@pytest.mark.parametrize("algorithm", ["source", "consistent", "random"])
def test_a_rule_that_does_not_look_for_room_needs_it_at_each_server(algorithm):
    assert "here it is for 29" in said(balancer={"server_maxconn": 29, "algorithm": algorithm})
    small(balancer={"server_maxconn": 30, "algorithm": algorithm})


def test_arrivals_fit_into_the_run_and_among_the_clients():
    assert "clients.arrivals.count is 31; allowed is at most clients.count, 30" in said(
        clients={"arrivals": {"count": 31}}
    )
    assert "clients.arrivals.at is 7.9; allowed is such that all have come" in said(
        clients={"arrivals": {"count": 20, "at": 7.9}}
    )
    scenario = small(clients={"arrivals": {"count": 10}, "connect_rate": 10.0})
    assert (scenario.clients.early, scenario.warm_up) == (20, 2.0)


def test_queue_timeout_is_by_default_the_connect_timeout():
    assert small(balancer={"connect_timeout": 3.0}).balancer.queues_for == 3.0
    assert small(balancer={"connect_timeout": 3.0, "queue_timeout": 1.0}).balancer.queues_for == 1.0
