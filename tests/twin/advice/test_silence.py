"""What is said of a balancer that cuts silent connections."""

import pytest

from tests.findings import texts
from tests.strategies import small
from twin.advice import idle_advice

FIELD = {"haproxy": "tunnel_timeout", "nginx": "read_timeout"}
KINDS = pytest.mark.parametrize("kind", ["haproxy", "nginx"])


def quiet(kind, timeout, interval, node=0.0, **more):
    clients = {"heartbeat": {"interval": interval, **more.pop("heartbeat", {})}}
    balancer = {"kind": kind, FIELD[kind]: timeout}
    return small(balancer=balancer, clients=clients, nodes={"ping_interval": node}, **more)


@KINDS
@pytest.mark.parametrize(
    ("timeout", "interval", "node", "said"),
    [
        (60.0, 20.0, 0.0, ""),
        (15.0, 20.0, 0.0, "nothing passes for 20 s between two pings: idle connections are cut"),
        (15.0, 20.0, 10.0, ""),
        (60.0, 0.0, 0.0, "nobody pings: idle connections are cut"),
        (20.0, 20.0, 0.0, "nothing passes for 20 s between two pings: idle connections are cut, after how many"),
        (20.001, 20.0, 0.0, "nothing passes for 20 s between two pings: idle connections are cut, after how many"),
        (20.01, 20.0, 0.0, ""),
    ],
)
def test_a_timeout_that_is_not_longer_than_the_pings_are_apart_is_told(kind, timeout, interval, node, said):
    found = texts(idle_advice(quiet(kind, timeout, interval, node, duration=100.0)))
    assert len(found) == bool(said)
    assert said in "".join(found)
    assert all(text.startswith(f"balancer.{FIELD[kind]} is {timeout:g} s, but ") for text in found)


@KINDS
def test_a_timeout_that_ends_after_the_run_is_told_to_be_unseen_in_it(kind):
    (text,) = texts(idle_advice(quiet(kind, 60.0, 0.0, duration=30.0)))
    assert text.endswith("nobody pings: idle connections are cut, though not within the run of 30 s.")
    (text,) = texts(idle_advice(quiet(kind, 60.0, 0.0, duration=61.0)))
    assert text.endswith("nobody pings: idle connections are cut.")


def test_a_difference_below_the_lazy_delay_of_nginx_is_told_when_both_sides_ping():
    assert not idle_advice(quiet("nginx", 20.2, 20.0))
    assert not idle_advice(quiet("haproxy", 20.2, 20.0, 20.0))
    (text,) = texts(idle_advice(quiet("nginx", 20.2, 20.0, 20.0)))
    assert "nginx does not move a timer by less than 0.3 s: idle connections may be cut" in text


def test_a_heartbeat_that_adapts_is_said_to_find_an_interval():
    (text,) = texts(idle_advice(quiet("haproxy", 20.0, 10.0, heartbeat={"max_interval": 40.0})))
    assert "connections are cut until the heartbeat has found a shorter interval" in text
