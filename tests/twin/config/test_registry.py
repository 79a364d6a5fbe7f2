"""Configurations of balancers whose servers a registry decides about."""

from tests.strategies import small
from twin.config.haproxy import routes, server_of, slots
from twin.config.nginx import head, peer, peers
from twin.rules.registry import Registration

SERVERS = ["127.0.0.1:9001", "127.0.0.1:9002", "127.0.0.1:9003"]


def backends(scenario):
    return slots(scenario, scenario.balancer, SERVERS)


def test_every_slot_is_a_server_out_of_service_without_checks():
    text = backends(small(registry={}))
    assert text.splitlines()[:2] == ["backend cluster", "    balance leastconn"]
    assert "    server n2 127.0.0.1:9002 id 2 disabled" in text.splitlines()
    assert "check" not in text
    assert routes(small(registry={})) == "default_backend cluster\n"


def test_a_gray_release_is_a_second_backend_and_a_hash():
    scenario = small(registry={"canary": {"nodes": [3], "share": 0.25}}, balancer={"algorithm": "roundrobin"})
    text = backends(scenario)
    first, second = text.removeprefix("backend cluster\n").split("backend next\n")
    assert second.splitlines()[0] == "    balance roundrobin"
    assert second.splitlines()[3] == "    server n3 127.0.0.1:9003 id 3 disabled"
    assert first == second  # the registry, not this file, says which of them a node belongs to
    assert server_of(3, "v2", "v2") == "next/n3"
    assert server_of(3, "v1", "v2") == "cluster/n3"
    assert server_of(3, "v2", None) == "cluster/n3"
    assert routes(scenario).splitlines() == [
        "use_backend next if { req.hdr(X-Client-Id),crc32,mod(1000) -m int lt 250 } { nbsrv(next) gt 0 }",
        "default_backend cluster",
    ]


def test_what_a_mark_down_does_and_slowstart_are_kept():
    balancer = {"on_marked_down": "shutdown-sessions", "slowstart": 5, "algorithm": "consistent"}
    text = backends(small(registry={}, balancer=balancer))
    assert "id 1 disabled on-marked-down shutdown-sessions slowstart 5s" in text
    assert "hash-type consistent" in text


def test_a_peer_that_is_not_there_keeps_its_place():
    scenario = small(registry={}, balancer={"kind": "nginx", "algorithm": "least_conn"})
    absent = dict(enumerate(SERVERS, 1))
    text = peers(head(scenario.balancer), peer(scenario.balancer), absent, {2: Registration(4, "127.0.0.1:7777")})
    assert text.splitlines() == [
        "upstream cluster {",
        "    zone cluster 256k;",
        "    least_conn;",
        "    server 127.0.0.1:9001 max_fails=1 fail_timeout=10s down;",
        "    server 127.0.0.1:7777 max_fails=1 fail_timeout=10s;",
        "    server 127.0.0.1:9003 max_fails=1 fail_timeout=10s down;",
        "}",
    ]
