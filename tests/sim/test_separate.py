"""Every mechanism on machines of their own, against sums by hand: nobody waits for a core that another one has."""

import pytest

from sim import simulate
from sim.world import World
from tests.costs import cost_of
from tests.strategies import small, small_profile
from twin.invariants import audit

SEPARATE = {"placement": "separate"}
TO_NODE = ("publisher_send", "bus_stamp", "bus_publish", "node_receive")
TO_CLIENT = ("node_fanout", "balancer_delivery", "client_delivery")


def record_of(**changes):
    record = simulate(small(host=SEPARATE, **changes), 0, small_profile())
    assert audit(record).as_dict()["broken"] == {}
    return record


def test_bus_and_publisher_have_cores_of_their_own():
    world = World(
        small(host=SEPARATE, bus={"kind": "stream"}, publisher={"rate": 10.0}, nodes={"count": 4}), 0, small_profile()
    )
    processes = [world.balancer.workers[0], *[node.process for node in world.nodes]]
    processes += [world.broadcast.bus.process, world.broadcast.publisher.process]
    assert len({id(process.cores) for process in processes}) == 7
    assert [len(process.cores.idle) + len(process.cores.running) for process in processes] == [1] * 7


def test_a_message_comes_to_each_client_as_soon_as_its_own_way_takes():
    record = record_of(
        clients={"count": 2}, nodes={"count": 2}, bus={"kind": "pubsub"}, publisher={"rate": 5.0, "stop": 4.0}
    )
    sent = record.select("published")["t"].to_numpy()
    delivered = record.select("delivered")
    times = [delivered[delivered["node"] == node]["t"].to_numpy() - sent for node in (1, 2)]
    first = cost_of(*TO_NODE, *TO_CLIENT)
    assert times[0] == pytest.approx([first] * 20, abs=1e-9)
    # the bus pushes to one node after the other; all others have done with the first message by then
    assert times[1] == pytest.approx([first + cost_of("bus_publish")] * 20, abs=1e-9)


def test_clients_read_a_message_side_by_side():
    record = record_of(
        clients={"count": 6}, nodes={"count": 1}, bus={"kind": "pubsub"}, publisher={"rate": 5.0, "messages": 1}
    )
    sent = record.select("published")["t"].iloc[0]
    times = record.select("delivered")["t"].to_numpy() - sent
    # node and balancer deal with the six connections in one batch each, and then all clients begin at once
    batches = 6 * cost_of("node_fanout", "balancer_delivery")
    assert times == pytest.approx([cost_of(*TO_NODE, "client_delivery") + batches] * 6, abs=1e-9)


def test_what_a_client_sends_takes_what_the_ways_to_the_node_take():
    record = record_of(clients={"count": 1, "sends": {"rate": 4.0}}, nodes={"count": 1}, duration=4.0)
    sent = record.select("sent")["t"].to_numpy()
    arrived = record.select("arrived")["t"].to_numpy()
    assert len(arrived) >= 15
    way = cost_of("client_send", "balancer_delivery", "node_read")
    assert arrived - sent[: len(arrived)] == pytest.approx([way] * len(arrived), abs=1e-9)


def test_a_shared_session_is_looked_up_on_the_server_s_own_machine():
    faults = [{"at": 1.0, "kind": "kill", "node": 1}]
    record = record_of(
        clients={"count": 1},
        nodes={"count": 2},
        sessions={"store": "redis"},
        bus={"kind": "valkey"},
        faults=faults,
        balancer={"retries": 3, "redispatch": 1},
    )
    began = record.select("attempt_connect").query("t > 0")["t"].iloc[0]
    back = record.select("connected").query("t > 0")["t"].iloc[0]
    asked = cost_of("client_request", "balancer_request", "node_accept", "node_look_up", "bus_session", "node_found")
    assert back - began == pytest.approx(asked + cost_of("balancer_response", "client_open"), abs=1e-9)


def test_a_bus_that_is_killed_takes_no_work_from_a_node_that_has_its_own_machine():
    down = [{"at": 2.0, "kind": "bus_down", "duration": 1.0}]
    record = record_of(
        clients={"count": 4},
        bus={"kind": "stream", "persist": True},
        publisher={"rate": 10.0, "stop": 6.0},
        faults=down,
    )
    assert len(record.select("delivered")) == 4 * len(record.select("published"))
