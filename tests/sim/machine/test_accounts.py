import pytest

from sim import simulate
from tests.costs import cost_of
from tests.strategies import knowing_profile, small, small_profile
from twin.costs.lacking import background
from twin.measures import measure_record


def accounted(**changes):
    talk = {"bus": {"kind": "pubsub"}, "publisher": {"rate": 5.0, "stop": 6.0}}
    check = {"check": {"inter": 100.0}}  # a check costs a node a handshake
    return small(**talk, host={"accounts": True}, balancer=check).vary(**changes)


def test_the_cpu_time_of_each_process_is_what_its_work_has_cost():
    record = simulate(accounted(clients={"count": 1}, nodes={"count": 1}), 0, small_profile())
    used = {row.part: row.microseconds for row in record.select("cpu_used").itertuples()}
    assert used["clients"] == 30 * round(1e6 * cost_of("client_delivery"))
    assert used["balancer"] == 30 * round(1e6 * cost_of("balancer_delivery"))
    signs = used["node"] - 30 * 1e6 * cost_of("node_receive", "node_fanout", "node_ack", "node_answer")
    assert signs % (1e6 * cost_of("node_ack", "node_answer")) == pytest.approx(0.0, abs=1e-6)
    assert 0 < signs < 1e6 * 20 * cost_of("node_ack", "node_answer")
    measures = measure_record(record)
    assert measures["client_cpu_per_delivery"] == pytest.approx(1e6 * cost_of("client_delivery"))


def test_a_node_that_has_ended_and_clients_with_own_machines_are_left_out():
    fault = [{"at": 2.0, "kind": "kill", "node": 1, "duration": 1.0}]
    record = simulate(accounted(faults=fault), 0, small_profile())
    assert sorted(record.select("cpu_used")["node"]) == [-1, -1, 2, 3]
    record = simulate(accounted(host={"placement": "separate"}), 0, small_profile())
    assert set(record.select("cpu_used")["part"]) == {"node", "balancer"}


def test_who_does_not_ask_for_it_gets_none():
    assert not len(simulate(accounted(host={"accounts": False}), 0, small_profile()).select("cpu_used"))


def test_what_the_background_takes_is_booked_for_all_of_the_time():
    """Ten clients ping each second for 30 s, and nothing else happens but what the signs of life of the nodes cost."""
    beat = {"clients": {"count": 10, "heartbeat": {"interval": 1.0}}, "nodes": {"count": 2}}
    scenario = accounted(publisher={"rate": 1.0, "stop": 0.1}).vary(duration=30.0, **beat)
    host = knowing_profile()
    for part, room in (("clients", "client"), ("balancer", "balancer")):
        with_pings, without = (
            simulate(one, 0, host).select("cpu_used").query(f"part == '{part}'")["microseconds"].sum()
            for one in (scenario, scenario.vary(clients={"heartbeat": {"interval": 0.0}}))
        )
        (share, *_), still = background(host, scenario, room), scenario.vary(clients={"heartbeat": {"interval": 0.0}})
        less = background(host, still, room)
        assert with_pings - without == pytest.approx(30e6 * (share - (less[0] if less else 0.0)), rel=0.01)
