"""Requests wait for a place of a server as long as they may, and get the next one that is free."""

import pytest

from sim import simulate
from tests.costs import EXIT_DELAY
from tests.sim.balancer.test_balancer import spans
from tests.strategies import small

LATE = {"arrivals": {"count": 20, "at": 1.0, "rate": 1000.0}}
WAIT = {"policy": "fixed", "base": 100.0, "jitter": "none"}


def late_comers(balancer=None, clients=None, **changes):
    """Return 120 clients, 20 of whom come when 100 are there, on one node."""
    return small(
        clients={"count": 120, "reconnect": WAIT, **LATE, **(clients or {})},
        balancer={"server_maxconn": 100, "queue_timeout": 2.0, **(balancer or {})},
        **{"nodes": {"count": 1}, "duration": 5.0, **changes},
    )


def waited(record):
    return record.select("balancer_queue")["longest"].tolist()


def test_20_of_120_clients_wait_at_maxconn_100_and_then_get_503(profile):
    record = simulate(late_comers(), 0, profile)
    took, ends = spans(record)
    assert waited(record) == [20]
    assert (len(took), set(ends["event"]), set(ends["reason"])) == (20, {"connect_failed"}, {"503"})
    assert took.between(2.0, 2.05).all()
    assert record.select("server_connections")["count"].tolist() == [100]


def test_as_long_as_there_is_room_nobody_waits(profile):
    record = simulate(late_comers({"server_maxconn": 120}), 0, profile)
    took, ends = spans(record)
    assert (waited(record), set(ends["event"]), took.max() < 0.1) == ([0], {"connected"}, True)


def test_other_servers_take_what_a_full_one_cannot_under_a_rule_that_looks(profile):
    scenario = late_comers({"server_maxconn": 60, "algorithm": "roundrobin"}, nodes={"count": 2})
    record = simulate(scenario, 0, profile)
    assert waited(record) == [0]
    assert record.select("server_connections")["count"].tolist() == [60, 60]


def test_places_of_connections_that_end_go_to_those_who_wait(profile):
    lifetime = {"mean": 1.5, "jitter": 0.0}
    record = simulate(late_comers(nodes={"count": 1, "lifetime": lifetime}, duration=3.0), 0, profile)
    late = record.select("connected").query("client >= 100")
    assert (len(late), waited(record)) == (20, [20])
    assert late["t"].between(1.05, 2.0).all()  # lifetimes of connections that began before the run
    assert late["client"].tolist() == sorted(late["client"])
    counts = record.select("connected", "disconnected")
    now = counts["event"].map({"connected": 1, "disconnected": -1}).cumsum()
    assert now.max() <= 100 + 1  # the client notices an end after the balancer


def test_a_node_that_comes_back_takes_those_who_wait(profile):
    scenario = small(
        clients={"count": 60, "reconnect": {"policy": "fixed", "base": 0.2}},
        balancer={"server_maxconn": 40, "queue_timeout": 10.0, "check": {"inter": 0.5, "fall": 1, "rise": 1}},
        nodes={"count": 2},
        faults=[{"at": 1.0, "kind": "kill", "node": 1, "duration": 2.0}],
    )
    record = simulate(scenario, 0, profile)
    assert waited(record) == [20]
    up = record.select("marked_up")["t"].iloc[0]
    late = record.select("connected").query("t >= @up")
    assert (len(late), set(late["node"])) == (20, {1})
    assert late["t"].max() - up < 0.1


def test_a_rule_that_hashes_waits_for_its_server_and_moves_when_that_is_down(profile):
    scenario = small(
        clients={"count": 40, "reconnect": WAIT, "arrivals": {"count": 20, "at": 1.0, "rate": 1000.0}},
        balancer={"server_maxconn": 20, "queue_timeout": 5.0, "algorithm": "source", "check": {"fall": 1}},
        nodes={"count": 2},
    )
    record = simulate(scenario, 0, profile)
    (home,) = set(record.select("connected")["node"])  # all have one address, and nobody goes to the other one
    assert (len(record.select("connected")), waited(record)) == (20, [20])
    record = simulate(scenario.vary(faults=[{"at": 2.0, "kind": "hang", "node": int(home)}]), 0, profile)
    moved = record.select("connected").query("t > 0")
    down = record.select("marked_down")["t"].iloc[0]
    assert (len(moved), set(moved["node"])) == (20, {3 - home})
    assert 2.0 < down < moved["t"].min() < moved["t"].max() < down + 0.1
    record = simulate(scenario.vary(faults=[{"at": 2.0, "kind": "kill", "node": int(home)}]), 0, profile)
    refused = record.select("connect_failed").query("client >= 20")
    assert set(refused["reason"]) == {"503"}  # the places of a dead node are free, and it is not marked down yet
    assert refused["t"].between(2.0, 2.0 + EXIT_DELAY + 0.1).sum() == 20


@pytest.mark.parametrize(("patience", "event"), [(1.0, "timeout"), (3.0, "503")])
def test_a_client_that_leaves_keeps_its_place_in_the_queue(profile, patience, event):
    scenario = late_comers(clients={"open_timeout": patience, "reconnect": WAIT | {"base": 0.1}}, duration=2.5)
    record = simulate(scenario, 0, profile)
    reasons = record.select("connect_failed")["reason"]
    if event == "timeout":
        assert (set(reasons), waited(record)) == ({"timeout"}, [40])  # each left one request behind, and made another
    else:
        assert (set(reasons) | {"503"}, waited(record)) == ({"503"}, [20])


def test_with_all_servers_down_nobody_waits(profile):
    scenario = late_comers(faults=[{"at": 0.2, "kind": "kill", "node": 1}], nodes={"count": 1})
    record = simulate(scenario.vary(clients={"arrivals": {"at": 4.0}}), 0, profile)
    took, ends = spans(record)
    late = ends["t"] > 4.0
    assert late.sum() == 20
    assert took[late].max() < 0.2
