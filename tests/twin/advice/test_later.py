"""What is said of settings that bite after the end of the run."""

import pytest

from tests.findings import texts
from tests.strategies import small
from twin.advice import later_advice

BEAT = {"heartbeat": {"interval": 20.0, "timeout": 20.0}}


@pytest.mark.parametrize("kind", ["hang", "blackhole"])
def test_a_silent_node_that_nobody_notices_before_the_end_is_told(kind):
    fault = {"at": 5.0, "kind": kind, "node": 1}
    (text,) = texts(later_advice(small(duration=20.0, clients=BEAT, faults=[fault])))
    assert "faults.0 silences node 1 at 5 s" in text
    assert "20 to 40 s later: nobody does within the run of 20 s" in text
    assert not later_advice(small(duration=30.0, clients=BEAT, faults=[fault]))
    assert not later_advice(small(duration=20.0, clients=BEAT, faults=[fault | {"duration": 2.0}]))


@pytest.mark.parametrize("balancer", [{"on_marked_down": "shutdown-sessions"}, {"tunnel_timeout": 5.0}])
def test_a_silent_node_whose_connections_the_balancer_cuts_is_not_told(balancer):
    fault = {"at": 5.0, "kind": "hang", "node": 1}
    assert not later_advice(small(duration=20.0, clients=BEAT, balancer=balancer, faults=[fault]))


def test_a_silent_node_whose_clients_have_no_heartbeat_is_told():
    scenario = small(clients={"heartbeat": {"interval": 0.0}}, faults=[{"at": 1.0, "kind": "hang", "node": 2}])
    (text,) = texts(later_advice(scenario))
    assert "clients.heartbeat.interval is 0: no client notices it" in text


@pytest.mark.parametrize("kind", ["haproxy", "nginx"])
@pytest.mark.parametrize(("stop", "said"), [(0, False), (3, False), (8, True)])
def test_a_hard_stop_after_the_end_of_the_run_is_told(kind, stop, said):
    balancer = {"kind": kind, "hard_stop_after": stop if kind == "nginx" else float(stop)}
    found = texts(later_advice(small(duration=10.0, balancer=balancer, faults=[{"at": 5.0, "kind": "reload"}])))
    assert bool(found) == said
    assert all("balancer.hard_stop_after is 8 s, and the reload is at 5 s" in text for text in found)


@pytest.mark.parametrize(("on_refusal", "then"), [("login", "logs in again"), ("stop", "stops for good")])
def test_sessions_that_end_below_connections_after_the_run_are_told(on_refusal, then):
    sessions = {"store": "memory", "expiry": 60.0, "refresh": False, "on_refusal": on_refusal}
    (text,) = texts(later_advice(small(duration=30.0, sessions=sessions)))
    assert "sessions.expiry is 60 s and sessions.refresh is false" in text
    assert then in text
    assert not later_advice(small(duration=30.0, sessions=sessions | {"refresh": True}))
    assert not later_advice(small(duration=90.0, sessions=sessions))
