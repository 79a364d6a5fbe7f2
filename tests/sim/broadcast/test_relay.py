"""The relay between a node and the bus, where a fault acts on that way, against sums by hand."""

import pytest

from sim import simulate
from sim.engines import pick, uncovered
from sim.world import World
from tests.costs import cost_of
from tests.strategies import knowing_profile, small, small_profile
from twin.errors import ScenarioError
from twin.invariants import audit

DELAY = [{"at": 6.0, "kind": "delay", "node": 1, "delay": 0.2, "duration": 1.0}]
WAY = ("publisher_send", "bus_stamp", "bus_publish", "node_receive", "node_fanout", "balancer_delivery")


def talk(**changes):
    data = {
        "clients": {"count": 1, "heartbeat": {"interval": 0.0}},
        "nodes": {"count": 1},
        "balancer": {"kind": "nginx"},
        "bus": {"kind": "pubsub"},
        "publisher": {"rate": 2.0, "stop": 5.0},
        "host": {"cores": 4},
        "faults": DELAY,
    }
    return small(**data).vary(**changes)


def first_latency(scenario, profile):
    record = simulate(scenario, 0, profile, engine="simpy")
    assert audit(record).as_dict()["broken"] == {}
    return (record.select("delivered")["t"] - record.select("published")["t"].to_numpy()).iloc[0]


def test_a_message_passes_the_relay_once_on_its_way_to_the_node():
    plain, relayed = (first_latency(talk(), profile) for profile in (small_profile(), knowing_profile()))
    usual = cost_of(*WAY, balancer="nginx") + cost_of("client_delivery")
    assert plain == pytest.approx(usual, abs=1e-9)
    # the publisher reads the bus's answer on the core on which the relay waits, or after it
    later = relayed - plain - cost_of("relay_frame")
    assert later == pytest.approx(0.0, abs=1e-9) or later == pytest.approx(cost_of("publisher_answer"), abs=1e-9)


def test_only_nodes_on_whose_link_a_fault_acts_have_a_relay():
    world = World(talk(nodes={"count": 3}, clients={"count": 6}), 0, knowing_profile())
    assert [fanout.link.relay is not None for fanout in world.broadcast.fanouts] == [True, False, False]
    apart = World(talk(host={"placement": "separate"}), 0, knowing_profile())
    assert apart.broadcast.fanouts[0].link.relay is None
    assert World(talk(), 0, small_profile()).broadcast.fanouts[0].link.relay is None


def test_what_is_held_pays_the_relay_once():
    cut = [{"at": 1.0, "kind": "partition", "node": 1, "duration": 1.0}]
    world = World(talk(faults=cut, bus={"kind": "stream"}), 0, knowing_profile())
    process, _ = world.broadcast.fanouts[0].link.relay
    rows = world.run()
    assert len([row for row in rows if row[1] == "delivered"]) == 10
    assert process.used / cost_of("relay_frame") == pytest.approx(round(process.used / cost_of("relay_frame")))


def test_the_compiled_engine_leaves_a_relay_that_costs_something_to_simpy():
    scenario = talk(balancer={"kind": "haproxy"})
    assert uncovered(scenario) == uncovered(scenario, small_profile()) == ""
    assert uncovered(scenario, knowing_profile()) == "the relay of a fault takes CPU time"
    assert pick(scenario, "auto", knowing_profile())[0] == "simpy"
    with pytest.raises(ScenarioError, match="the relay of a fault takes CPU time"):
        simulate(scenario, 0, knowing_profile(), engine="compiled")
