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


def test_clients_that_poll_and_gray_releases_go_without_limits():
    polls = {"clients": {"transport": {"kind": "poll"}}, "bus": {"kind": "stream"}, "publisher": {}}
    assert "clients.transport is given; allowed is none with limits" in said(**polls, balancer={"maxconn": 100})
    come = {**polls, "clients": polls["clients"] | {"arrivals": {"count": 1}}}
    assert "clients.arrivals is given; allowed is none with clients that poll" in said(**come)
    status = {**polls, "clients": polls["clients"] | {"refusals": {"fatal": [429]}}}
    assert "clients.refusals is given; allowed is none with clients.transport.kind 'poll'" in said(**status)
    gray = {"registry": {"canary": {"nodes": [1]}}, "balancer": {"server_maxconn": 30}}
    assert "registry.canary is given; allowed is none with limits" in said(**gray)


def test_those_of_one_address_can_come_before_the_run_starts():
    assert "balancer.address_rate.limit is 29; allowed is such that 30 clients of one address" in said(
        balancer={"address_rate": {"limit": 29}}
    )
    nginx = {"kind": "nginx", "limit_req": {"burst": 28}}
    assert "balancer.limit_req.burst is 28; allowed is such that 30 clients" in said(balancer=nginx)
    assert "balancer.limit_conn is 29" in said(balancer={"kind": "nginx", "limit_conn": 29})
    small(balancer={"address_rate": {"limit": 15}}, clients={"addresses": 2})
    assert "clients.connect_rate is 800; allowed is at most what the balancer accepts, 100" in said(
        balancer={"session_rate": 100}
    )


def test_queue_timeout_is_by_default_the_connect_timeout():
    assert small(balancer={"connect_timeout": 3.0}).balancer.queues_for == 3.0
    assert small(balancer={"connect_timeout": 3.0, "queue_timeout": 1.0}).balancer.queues_for == 1.0
