"""What is said of limits that a scenario comes near."""

from pathlib import Path

import pytest

from tests.strategies import small
from twin.advice import limit_advice
from twin.advice.limits import NEAR, PORTS, fewest_nodes, on_fullest_node

PORT_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def sized(count, nodes=3, kind="haproxy", faults=(), **more):
    clients = {"count": count, "connect_rate": 100_000.0, "addresses": more.pop("addresses", 1)}
    return small(clients=clients, nodes={"count": nodes}, balancer={"kind": kind, **more}, faults=list(faults))


def about(text, scenario):
    return [one.text for one in limit_advice(scenario) if text in one.text]


def test_a_scenario_of_two_hundred_clients_is_far_from_every_limit():
    assert not limit_advice(sized(200))
    assert not limit_advice(sized(200, kind="nginx"))


@pytest.mark.parametrize("kind", ["haproxy", "nginx"])
def test_ports_between_balancer_and_node_are_told_from_a_fifth_below_the_limit(kind):
    near = int(NEAR * PORTS) + 1
    (text,) = about("ip_local_port_range", sized(2 * near, nodes=2, kind=kind))
    assert f"Linux has {PORTS} ports" in text
    assert f"the fullest node gets {near}" in text
    assert not about("ip_local_port_range", sized(2 * near, nodes=3, kind=kind))


def test_the_clients_of_a_dead_node_need_ports_at_the_others():
    kill = {"at": 1.0, "kind": "kill", "node": 1}
    assert not about("ip_local_port_range", sized(60_000, nodes=3))
    assert "gets 30000" in about("ip_local_port_range", sized(60_000, nodes=3, faults=[kill]))[0]


def test_a_rule_that_hashes_addresses_sends_those_of_one_address_to_one_node():
    assert "gets 30000" in about("ip_local_port_range", sized(30_000, nodes=10, algorithm="source"))[0]
    assert not about("ip_local_port_range", sized(30_000, nodes=10, algorithm="source", addresses=20))
    assert on_fullest_node(sized(1000, nodes=10, kind="nginx", algorithm="ip_hash", addresses=4)) == 250


def test_worker_connections_of_nginx_are_two_a_client():
    assert not about("worker_connections", sized(204, kind="nginx"))
    (text,) = about("worker_connections", sized(205, kind="nginx"))
    assert "512 connections by default" in text
    assert "205 clients need 410, two each. Set events { worker_connections 1410; }." in text
    assert not about("worker_connections", sized(1000))


def test_open_files_of_balancer_and_nodes_are_told():
    found = about("files by default", sized(3000, kind="nginx"))
    assert len(found) == 2
    assert "3000 clients need 6000, two each. Set worker_rlimit_nofile 13000;." in found[0]
    assert "the fullest one gets 1000 clients" in found[1]
    assert [text[:6] for text in about("files by default", sized(3000))] == ["A node"]
    (text,) = about("HAProxy may open 524288", sized(150_000, nodes=500))
    assert "maxconn 301000 for 150000 clients needs 602000, two a session" in text
    assert "fs.nr_open" not in text
    assert "fs.nr_open" in about("HAProxy may open", sized(300_000, nodes=900))[0]


@pytest.mark.parametrize(
    ("faults", "left"),
    [
        ([], 4),
        ([(1.0, "kill", 1, None), (5.0, "kill", 2, None)], 2),
        ([(1.0, "hang", 1, 2.0), (5.0, "hang", 2, 2.0)], 3),
        ([(1.0, "restart", 1, None), (5.0, "restart", 2, None)], 3),
        ([(1.0, "restart", node, None) for node in (1, 2, 3, 4)], 4),
        ([(1.0, "kill", 1, None), (2.0, "kill", 1, None)], 3),
    ],
)
def test_as_few_nodes_as_serve_at_the_worst_moment_share_the_clients(faults, left):
    names = ("at", "kind", "node", "duration")
    given = [{k: v for k, v in zip(names, one, strict=True) if v is not None} for one in faults]
    assert fewest_nodes(sized(100, nodes=4, faults=given)) == left


@pytest.mark.skipif(not PORT_RANGE.exists(), reason="there is no /proc/sys here")
def test_the_default_range_of_ports_is_that_of_a_linux_that_nobody_has_changed():
    low, high = map(int, PORT_RANGE.read_text().split())
    if (low, high) == (32768, 60999):
        assert high - low + 1 == PORTS
    else:
        pytest.skip("this machine has another range")
