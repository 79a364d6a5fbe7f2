"""What is said of clients that come back in one moment, in a loop, or not any more."""

import pytest

from tests.findings import by, one
from tests.strategies import small
from twin.advice.reconnecting import Wave, waves
from twin.scenario.balancer.base import BACKLOG

AT_ONCE = {"policy": "exponential", "base": 1.0, "cap": 5.0, "jitter": "none"}


def cut(count=300, nodes=3, backlog=1000, reconnect=AT_ONCE, **more):
    clients = {"count": count, "connect_rate": 1e5, "reconnect": reconnect}
    return small(clients=clients, nodes={"count": nodes, "backlog": backlog}, **more)


@pytest.mark.parametrize(
    ("fault", "clients", "nodes"),
    [
        ({"kind": "kill", "node": 1}, 100, 2),
        ({"kind": "restart", "node": 1}, 100, 2),
        ({"kind": "drain", "node": 1}, 100, 2),
        ({"kind": "outage"}, 300, 3),
    ],
)
def test_a_fault_that_cuts_clients_at_once_makes_a_wave(fault, clients, nodes):
    fault = {"at": 1.0, **fault}
    placement = {"placement": "separate"}
    found = waves(cut(faults=[fault], host=placement))
    assert found == [Wave("the loss of one node", 100, 2), Wave(f"faults.0 ({fault['kind']})", clients, nodes)]


@pytest.mark.parametrize(
    "fault", [{"kind": "drain", "node": 1, "pace": 10.0}, {"kind": "hang", "node": 1}, {"kind": "reload"}]
)
def test_a_fault_that_cuts_nobody_at_once_makes_none(fault):
    assert len(waves(cut(faults=[{"at": 1.0, **fault}]))) == 1


def test_a_hard_stop_cuts_everybody_and_a_mark_down_those_of_a_node():
    reload = cut(faults=[{"at": 1.0, "kind": "reload"}], balancer={"hard_stop_after": 2.0})
    assert waves(reload)[1] == Wave("faults.0 (reload)", 300, 3)
    hang = cut(faults=[{"at": 1.0, "kind": "hang", "node": 1}], balancer={"on_marked_down": "shutdown-sessions"})
    assert waves(hang)[1] == Wave("faults.0 (hang)", 100, 2)


def test_an_accept_queue_has_room_for_one_more_than_the_backlog():
    assert by("backlog-burst", cut(backlog=49)) == []  # 100 clients come to two nodes
    found = one("backlog-burst", cut(backlog=48))
    assert (found.level, found.field, found.value) == ("warning", "nodes.backlog", "48")
    assert "up to 50 clients come in one moment to a node" in found.happens
    assert by("backlog-burst", cut(backlog=48, reconnect=AT_ONCE | {"jitter": "full"})) == []


def test_the_queue_of_the_balancer_counts_too():
    outage = {"faults": [{"at": 1.0, "kind": "outage"}], "host": {"placement": "separate"}}
    assert by("backlog-burst", cut(BACKLOG, 10, **outage)) == []
    found = one("backlog-burst", cut(BACKLOG + 1, 10, **outage))
    assert found.field == "clients.count"
    assert f"up to {BACKLOG + 1} clients come in one moment to the balancer" in found.happens


@pytest.mark.parametrize(
    ("reconnect", "field", "again"),
    [
        (AT_ONCE, "jitter", True),
        ({"policy": "immediate"}, "policy", True),
        (AT_ONCE | {"jitter": "full", "first": "immediate"}, "first", False),
        ({"policy": "list", "delays": [0.0, [0.0, 5.0]]}, "delays.0", False),
        ({"policy": "list", "delays": [1.0, 2.0]}, "delays.0", True),
    ],
)
def test_what_keeps_clients_together_is_named(reconnect, field, again):
    found = one("no-jitter", cut(reconnect=reconnect))
    assert (found.level, found.field) == ("note", f"clients.reconnect.{field}")
    assert "100 clients of a node come back together" in found.happens
    assert found.happens.endswith("again after each wait.") == again


@pytest.mark.parametrize("name", ["phoenix", "signalr", "websockets"])
def test_libraries_whose_first_wait_is_given_are_told(name):
    assert by("no-jitter", small(clients={"reconnect": name}))
    assert by("no-jitter", small(clients={"reconnect": "centrifuge-js"})) == []


@pytest.mark.parametrize(("name", "loops"), [("websockets", True), ("signalr", True), ("phoenix", False)])
def test_only_a_first_attempt_without_a_wait_makes_a_loop(name, loops):
    assert bool(by("reconnect-loop", small(clients={"reconnect": name}))) == loops


@pytest.mark.parametrize(("outage", "level"), [(41.0, "note"), (43.0, "warning"), (None, "warning")])
def test_who_gives_up_before_the_end_of_an_outage_is_warned_of(outage, level):
    fault = {"at": 1.0, "kind": "outage"} | ({"duration": outage} if outage else {})
    found = one("gives-up", small(duration=60.0, clients={"reconnect": "signalr"}, faults=[fault]))
    assert (found.level, found.field) == (level, "clients.reconnect.then")
    assert "after 42 s of waits at most" in found.happens


def test_a_balancer_that_never_tries_again_is_not_waited_for():
    assert one("open-timeout", small(balancer={"kind": "nginx", "connect_timeout": 60.0})).level == "note"
    assert by("open-timeout", small(balancer={"kind": "haproxy", "connect_timeout": 60.0, "retries": 0})) == []
    alone = small(balancer={"kind": "nginx", "connect_timeout": 60.0}, nodes={"count": 1})
    assert by("open-timeout", alone) == []
