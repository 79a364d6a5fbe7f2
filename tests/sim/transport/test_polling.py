"""Clients that poll, in the model: by times computed by hand, and by what must hold whatever happens."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim import simulate
from sim.machine.timers import MILLISECOND
from tests.costs import cost_of
from tests.strategies import flat, small, small_profile
from twin.draws import Purpose, uniform
from twin.invariants import audit
from twin.measures import measure_record


def polling(kind="poll", bus="stream", **changes):
    """Ten messages a second for six of eight seconds, to twelve clients of three nodes."""
    data = {"clients": {"count": 12, "transport": {"kind": kind}}, "bus": {"kind": bus}}
    return small(**data, publisher={"rate": 10.0, "stop": 6.0}).vary(**changes)


def run(scenario, profile=None):
    record = simulate(scenario, 0, profile or small_profile())
    found = audit(record)
    assert found.as_dict()["broken"] == {}
    return record


@pytest.mark.parametrize("kind", ["poll", "long_poll"])
@pytest.mark.parametrize("bus", ["pubsub", "stream", "kafka"])
def test_everybody_gets_every_message_once_in_order(kind, bus):
    record = run(polling(kind, bus))
    assert len(record.select("published")) == 60
    assert Counter(record.select("delivered")["client"]) == dict.fromkeys(range(12), 60)
    assert len(record.select("consistent")) == 60
    assert not len(record.select("resent", "gap", "recovered", "disconnected"))


LONE = {"clients": {"count": 1}, "nodes": {"count": 1}, "host": {"cores": 4}}
AT_THE_BALANCER = ("client_get", "balancer_get")


def test_an_exchange_takes_the_sum_of_its_parts():
    one = polling(publisher={"rate": 0.1}, **LONE)
    record = run(one)
    polled = record.select("polled")
    way = cost_of(*AT_THE_BALANCER, "node_get", "balancer_got", "client_got")
    empty = polled[polled["messages"] == 0]["t"].to_numpy()
    asked = uniform(one.seed, 0, 0, Purpose.POLL_PHASE, 0) + np.arange(8)
    late = np.sort((empty - asked[0] - way) % 1.0)
    assert len(late) == 7
    assert (late[0] + 0.5) % 1.0 - 0.5 > -MILLISECOND
    assert late[-2] < 3 * MILLISECOND  # a timer counts whole milliseconds, and wakes late by a thousandth


def test_a_held_request_is_answered_as_soon_as_there_is_a_message():
    record = run(polling("long_poll", **LONE))
    way = cost_of("publisher_send", "bus_stamp", "bus_publish", "node_poll", "node_receive", "node_release")
    way += cost_of("node_get_more", "balancer_got", "balancer_got_more", "client_got", "client_got_more")
    way += cost_of("node_ack")  # the balancer shares the core of the node, which goes on with that
    assert measure_record(record)["latency_p50"] == pytest.approx(way, abs=1e-9)


def test_a_hold_without_a_message_ends_in_an_empty_answer_and_the_next_request():
    transport = {"kind": "long_poll", "hold": 2.0}
    record = run(polling("long_poll", publisher={"rate": 0.01}, clients={"transport": transport}, duration=9.0))
    polled = record.select("polled")
    first = polled[polled["messages"] > 0]
    assert Counter(first["client"]) == dict.fromkeys(range(12), 1)
    for client in range(12):
        mine = polled[(polled["client"] == client)]["t"].to_numpy()
        assert np.diff(mine) == pytest.approx(2.0, abs=0.02)
        assert len(mine) == 4 + 1
    assert set(polled[polled["t"] > 1.0]["messages"]) == {0}


def test_latency_of_polls_is_what_is_left_of_the_interval_and_answers_coalesce():
    measures = measure_record(run(polling(publisher={"rate": 20.0}, clients={"transport": {"interval": 0.5}})))
    assert measures["requests_per_second"] == pytest.approx(12 / 0.5, rel=0.03)
    assert measures["messages_per_answer"] == pytest.approx(0.5 * 20, rel=0.1)
    assert measures["latency_p50"] == pytest.approx(0.25, abs=0.05)
    assert measures["empty_share"] == pytest.approx(2.0 / 8.0, abs=0.08)  # nothing comes in the last two seconds


def test_what_gathers_before_a_held_request_is_answered_comes_in_one_answer():
    slow = small_profile(parts=small_profile().by_name() | {"client_got": flat(0.02)})
    record = run(polling("long_poll", publisher={"rate": 50.0}), slow)
    assert measure_record(record)["messages_per_answer"] > 3
    assert Counter(record.select("delivered")["client"]) == dict.fromkeys(range(12), 300)


def test_requests_and_their_costs_are_counted():
    record = run(polling(clients={"transport": {"interval": 0.25}}))
    measures, polled = measure_record(record), record.select("polled")
    delivered = len(record.select("delivered"))
    of_nodes = len(polled) * cost_of("node_get") + polled["messages"].sum() * cost_of("node_get_more")
    of_bus = 60 * 3 * cost_of("node_receive", "node_poll", "node_ack", "node_answer")
    assert measures["node_cpu_per_delivery"] == pytest.approx(1e6 * (of_nodes + of_bus) / delivered, rel=0.15)
    of_clients = len(polled) * cost_of("client_get", "client_got") + delivered * cost_of("client_got_more")
    assert measures["client_cpu_per_delivery"] == pytest.approx(1e6 * of_clients / delivered, rel=0.02)
    of_balancer = len(polled) * cost_of("balancer_get", "balancer_got") + delivered * cost_of("balancer_got_more")
    assert measures["balancer_cpu_per_delivery"] == pytest.approx(1e6 * of_balancer / delivered, rel=0.05)
    assert measures["bytes_per_delivery"] == pytest.approx(polled["size"].sum() / delivered)


@pytest.mark.parametrize(("kind", "lost"), [("poll", 0.7), ("long_poll", 0.0)])
def test_without_a_cursor_what_comes_between_two_requests_is_lost(kind, lost):
    changes = {"clients": {"transport": {"cursor": False, "interval": 0.5}}}
    measures = measure_record(run(polling(kind, **changes)))
    assert measures["lost_share"] >= lost
    if kind == "long_poll":
        fast = run(polling(kind, publisher={"rate": 400.0, "stop": 3.0}, **changes))
        assert measure_record(fast)["lost_share"] > 0.2
        assert len(fast.select("gap"))


@pytest.mark.parametrize("kind", ["poll", "long_poll"])
def test_a_killed_node_is_left_for_another_and_nothing_is_lost(kind):
    fault = [{"at": 2.0, "kind": "kill", "node": 1}]
    record = run(polling(kind, faults=fault, balancer={"retries": 3, "redispatch": 1}))
    assert measure_record(record)["lost_share"] == 0.0
    assert set(record.select("polled").query("t > 2.2")["node"]) == {2, 3}
    if kind == "long_poll":  # the balancer closes their connections, and they ask again at once
        assert not len(record.select("disconnected"))


def test_requests_to_a_node_that_hangs_are_given_up_and_made_anew():
    fault = [{"at": 2.0, "kind": "hang", "node": 1, "duration": 4.0}]
    clients = {"open_timeout": 1.0, "transport": {"interval": 0.5}}
    record = run(polling(faults=fault, clients=clients, duration=12.0, publisher={"stop": 10.0}))
    gone = record.select("disconnected")
    assert set(gone["reason"]) == {"timeout"}
    assert len(gone)
    assert measure_record(record)["lost_share"] == 0.0


@pytest.mark.parametrize("kind", ["haproxy", "nginx"])
def test_a_hold_is_cut_where_the_balancer_waits_no_longer(kind):
    timeout = {"haproxy": {"server_timeout": 1.5}, "nginx": {"read_timeout": 1.5, "max_fails": 0}}[kind]
    balancer = {"kind": kind, **timeout}
    data = {"clients": {"count": 4, "transport": {"kind": "long_poll", "hold": 4.0}}, "bus": {"kind": "stream"}}
    scenario = small(**data, publisher={"rate": 0.2, "start": 5.0}, balancer=balancer)
    record = run(scenario)
    gone = record.select("disconnected")
    assert set(gone["reason"]) == {"504"}
    times = [gone[gone["client"] == client]["t"].iloc[:2].to_numpy() for client in range(4)]
    if kind == "nginx":  # which asks each of three peers in turn
        assert all(time[0] > 3.0 for time in times)
    else:
        assert all(time[1] - time[0] == pytest.approx(1.5, abs=0.3) for time in times)
    assert measure_record(record)["lost_share"] == 0.0


def test_behind_a_balancer_that_keeps_no_connections_each_request_is_accepted_anew():
    kept, anew = (
        measure_record(run(polling(balancer=balancer, publisher={"rate": 0.5})))["node_cpu_per_delivery"]
        for balancer in ({"check": {"inter": 100.0}}, {"kind": "nginx"})  # checks cost nodes, too
    )
    answers = 12 * 8 / (12 * 3)
    assert anew - kept == pytest.approx(1e6 * cost_of("node_accept") * answers, rel=0.1)


FAULTS = st.sampled_from(
    [
        {"kind": "kill", "node": 1},
        {"kind": "kill", "node": 2, "duration": 0.5},
        {"kind": "hang", "node": 1, "duration": 0.8},
        {"kind": "blackhole", "node": 2, "duration": 0.8},
        {"kind": "reload"},
        {"kind": "outage", "duration": 0.6},
        {"kind": "bus_down", "duration": 0.5},
        {"kind": "bus_cut", "node": 1},
        {"kind": "partition", "node": 2, "duration": 0.7},
        {"kind": "delay", "node": 1, "duration": 0.7, "delay": 0.05},
    ]
)


@settings(max_examples=20)
@given(
    st.sampled_from(["poll", "long_poll"]),
    st.sampled_from(["pubsub", "stream"]),
    st.sampled_from(["haproxy", "nginx"]),
    st.lists(FAULTS, max_size=2),
    st.booleans(),
    st.sampled_from([0.05, 0.4]),
    st.booleans(),
)
def test_whatever_happens_nothing_is_lost_or_doubled_with_a_cursor(kind, bus, balancer, faults, persist, every, cursor):
    transport = {"kind": kind, "interval": every, "hold": 4 * every, "cursor": cursor}
    clients = {"count": 6, "open_timeout": 0.5, "transport": transport}
    faults = [{**fault, "at": 1.0 + 0.3 * i} for i, fault in enumerate(faults)]
    changes = {"bus": {"kind": bus, "persist": persist}, "faults": faults, "duration": 9.0}
    run(small(clients=clients, balancer={"kind": balancer}, publisher={"rate": 20.0, "stop": 8.0}, **changes))
