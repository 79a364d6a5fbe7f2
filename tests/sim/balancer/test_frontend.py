"""Connections above the frontend's maxconn wait in the kernel's accept queue until a session is over."""

from sim import simulate
from tests.sim.balancer.test_balancer import spans
from tests.strategies import small

WAIT = {"policy": "fixed", "base": 100.0, "jitter": "none"}


def late_comers(maxconn, **changes):
    """Return 40 clients, 10 of whom come in the run."""
    clients = {"count": 40, "open_timeout": 1.5, "reconnect": WAIT, "arrivals": {"count": 10, "rate": 1000.0}}
    return small(clients=clients, balancer={"maxconn": maxconn}, **changes)


def test_who_finds_no_room_is_answered_by_nobody(profile):
    took, ends = spans(simulate(late_comers(35), 0, profile))
    assert ends["event"].value_counts().to_dict() == {"connected": 5, "connect_failed": 5}
    failed = ends["event"] == "connect_failed"
    assert (set(ends["reason"][failed]), set(took[failed].round(2))) == ({"timeout"}, {1.5})


def test_a_session_that_is_over_makes_room_for_who_has_waited_longest(profile):
    nodes = {"count": 1, "lifetime": {"mean": 2.0, "jitter": 0.0}}
    record = simulate(late_comers(35, nodes=nodes, duration=2.4), 0, profile)
    late = record.select("connected").query("client >= 30")
    assert late["client"].tolist() == list(range(30, 40))
    assert (late["t"] < 1.1).sum() == 5
    assert late["t"].iloc[5:].between(1.5, 2.1).all()


def test_sessions_to_a_hung_node_take_room_though_their_clients_have_left(profile):
    clients = {
        "count": 40,
        "open_timeout": 0.5,
        "heartbeat": {"interval": 0.5, "timeout": 0.5},
        "reconnect": {"policy": "fixed", "base": 0.2},
    }
    hang = [{"at": 1.0, "kind": "hang", "node": 1}]
    balancer = {"maxconn": 50, "check": {"inter": 0.1, "fall": 1, "timeout": 0.05}}  # down before a client notices
    scenario = small(clients=clients, balancer=balancer, nodes={"count": 2}, faults=hang, duration=6.0)
    record = simulate(scenario, 0, profile)
    back = record.select("connected").query("t > 1")
    assert len(back) == 10  # 20 half-closed, 20 of the other node, and room for ten more
    assert set(record.select("connect_failed").query("t > 3")["reason"]) == {"timeout"}
    free = simulate(scenario.vary(balancer={"maxconn": 60}), 0, profile)
    assert len(free.select("connected").query("t > 1")) == 20


def test_refused_requests_leave_no_session_behind(profile):
    clients = {"count": 30, "reconnect": {"policy": "fixed", "base": 0.05}}
    kill = [{"at": 1.0, "kind": "kill", "node": node, "duration": 1.0} for node in (1, 2, 3)]
    record = simulate(small(clients=clients, balancer={"maxconn": 30}, faults=kill), 0, profile)
    assert len(record.select("connect_failed").query("reason == '503'")) > 30
    assert record.select("connected").query("t > 1")["client"].nunique() == 30
