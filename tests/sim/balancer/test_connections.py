"""Each connection takes something that there is only so much of: connections of a worker, ports towards a node."""

import pytest

from sim import simulate
from tests.strategies import small
from twin.advice.limits import PORTS
from twin.scenario.balancer.nginx import OWN

WAIT = {"policy": "fixed", "base": 100.0, "jitter": "none"}


def late_comers(balancer, count, late, **changes):
    """Return so many clients, the last of whom come in the run, one after the other."""
    clients = {"count": count, "reconnect": WAIT, "arrivals": {"count": late, "at": 1.0, "rate": 20.0}}
    return small(clients=clients, balancer=balancer, **{"duration": 4.0, **changes})


def answers(record):
    return record.select("connect_failed")["reason"].tolist()


@pytest.mark.parametrize(("worker_connections", "inside"), [(1024, 511), (64, 31)])
def test_a_worker_carries_half_as_many_clients_as_it_has_connections(profile, worker_connections, inside):
    balancer = {"kind": "nginx", "worker_connections": worker_connections}
    scenario = late_comers(balancer, inside + 5, 10)
    record = simulate(scenario.vary(clients={"connect_rate": 5000.0}), 0, profile)
    assert inside == (worker_connections - OWN) // 2
    assert len(record.select("connected")) == inside
    assert answers(record) == ["reset"] * 5  # closed at once: none is left for the client itself


def test_with_one_connection_left_the_request_is_read_and_gets_500(profile):
    record = simulate(late_comers({"kind": "nginx", "worker_connections": 65}, 33, 3), 0, profile)
    assert len(record.select("connected")) == 31
    assert answers(record) == ["500"] * 2  # each gives the last one back


def test_a_connection_that_ends_gives_both_of_its_own_back(profile):
    nodes = {"count": 1, "lifetime": {"mean": 1.5, "jitter": 0.0}}
    scenario = late_comers({"kind": "nginx", "worker_connections": 64}, 36, 10, nodes=nodes, duration=8.0)
    record = simulate(scenario.vary(clients={"reconnect": {"base": 0.5}}), 0, profile)
    assert record.select("connected")["client"].nunique() == 36
    up = record.select("connected", "disconnected")["event"].map({"connected": 1, "disconnected": -1}).cumsum()
    assert 29 <= up.max() <= 32
    assert up.iloc[-1] > 25  # as long as all find room again


def test_ports_to_one_node_end_where_their_range_does(profile):
    scenario = late_comers({"source_ports": 100}, 120, 30, nodes={"count": 1})
    record = simulate(scenario.vary(clients={"connect_rate": 500.0}), 0, profile)
    assert (len(record.select("connected")), answers(record)) == (100, ["503"] * 20)
    assert record.select("marked_down")["node"].tolist() == [1]  # no port is left for a health check either


def test_each_node_has_the_whole_range(profile):
    scenario = late_comers({"source_ports": 40, "retries": 1, "redispatch": 1}, 80, 20, nodes={"count": 2})
    record = simulate(scenario, 0, profile)
    assert record.select("server_connections")["count"].tolist() == [40, 40]


def test_the_kernels_range_carries_28232_connections_to_one_node(profile):
    scenario = late_comers({"source_ports": PORTS}, PORTS + 5, 10, nodes={"count": 1}, duration=1.6)
    record = simulate(scenario.vary(clients={"connect_rate": 100_000.0}), 0, profile)
    assert (PORTS, len(record.select("connected"))) == (28_232, 28_232)
    assert answers(record) == ["503"] * 5
