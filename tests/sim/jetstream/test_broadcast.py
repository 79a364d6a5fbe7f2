"""The whole broadcast protocol over the model of a NATS server: by times computed by hand, and under random faults."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim import simulate
from tests.broadcasts import broadcast_faults
from tests.costs import cost_of
from tests.strategies import knowing_profile, small, small_profile
from twin.costs.lacking import lacks
from twin.invariants import audit
from twin.measures import measure_record
from twin.measures.witness import unwitnessed
from twin.scenario.servers import OF_SERVER

REPLICAS = (1, 3)


def broadcast(replicas=1, **changes):
    """Ten messages a second for two of four seconds, to six clients of three nodes."""
    stream = {"kind": "jetstream", "persist": True, "jetstream": {"replicas": replicas}}
    data = {"clients": {"count": 6}, "bus": stream, "publisher": {"rate": 10.0, "stop": 2.0}, "duration": 4.0}
    return small(**data).vary(**changes)


def run(scenario, profile=None):
    record = simulate(scenario, 0, profile or knowing_profile())
    found = audit(record)
    assert found.as_dict()["broken"] == {}
    return record


def of_nodes(record):
    rows = record.select("received")
    return rows[rows["client"] < 0]


@pytest.mark.parametrize("replicas", REPLICAS)
def test_without_faults_everybody_gets_every_message_once_in_order(replicas):
    record = run(broadcast(replicas))
    assert len(record.select("published")) == len(record.select("consistent")) == 20
    assert Counter(record.select("delivered")["client"]) == dict.fromkeys(range(6), 20)
    assert len(of_nodes(record)) == 60 == len(record.select("acked"))
    assert not len(record.select("resent", "gap", "recovered"))


@pytest.mark.parametrize(
    ("replicas", "more"), [(1, ()), (3, ("bus_jetstream_replicate", *2 * ("bus_jetstream_follow",)))]
)
def test_a_lone_delivery_takes_the_sum_of_its_parts(replicas, more):
    record = run(broadcast(replicas, clients={"count": 1}, nodes={"count": 1}, host={"cores": 8}))
    way = cost_of("publisher_jetstream_send", "bus_jetstream_stamp", "bus_jetstream_publish", *more)
    way += cost_of("node_jetstream_receive", "node_fanout", "balancer_delivery", "client_delivery")
    assert measure_record(record)["latency_p50"] == pytest.approx(way, abs=1e-6)  # pings and checks take their share


def test_a_profile_that_does_not_know_the_server_says_so():
    said = "a bus of the kind jetstream"
    assert said in lacks(small_profile(), broadcast())
    assert lacks(knowing_profile(), broadcast()) == []
    assert said not in " ".join(lacks(small_profile(), broadcast(bus={"kind": "stream"})))


def test_the_death_of_the_leader_makes_messages_late_by_the_election():
    faults = [{"at": 1.03, "kind": "bus_down", "duration": 9.5}]
    record = run(broadcast(3, duration=14.0, bus={"retry": {"cap": 0.2, "retries": 200}}, faults=faults))
    measured = measure_record(record)
    assert measured["lost_share"] == measured["undelivered_share"] == 0
    assert 3.5 < measured["latency_p99"] < 9.5


@st.composite
def over_jetstream(draw):
    """Scenarios with a publisher over a NATS server or several, and up to three faults."""
    replicas = draw(st.sampled_from(REPLICAS))
    of_bus = ("bus_partition",) if replicas > 1 else ("partition", "delay")
    faults = st.lists(broadcast_faults(3, 6, 4.0, ("bus_down", "bus_hang", "stall", *of_bus)), max_size=3)
    if replicas > 1:  # one server may fail at a time
        faults = faults.filter(lambda found: sum(fault.kind in OF_SERVER for fault in found) <= 1)
    policy = draw(st.sampled_from(["explicit", "all", "none"]))
    stream = {"replicas": replicas, "ack_policy": policy, "ack_wait": draw(st.sampled_from([0.3, 2.0]))}
    bus = {"persist": draw(st.booleans()), "commit_interval": 0.2, "lease": 0.6, "jetstream": stream}
    return broadcast(
        seed=draw(st.integers(0, 2**32)),
        duration=6.0,
        bus=bus,
        publisher={"scope": draw(st.sampled_from(["node", "client"]))},
        faults=draw(faults),
    )


@settings(max_examples=12, deadline=None)
@given(over_jetstream())
def test_no_invariant_is_broken_whatever_happens(scenario):
    run(scenario, small_profile())


@pytest.mark.parametrize(("replica", "acknowledged"), [("follower", True), ("leader", False)])
def test_a_follower_that_is_cut_off_delays_its_own_and_a_leader_everybody(replica, acknowledged):
    faults = [{"at": 1.03, "kind": "bus_partition", "replica": replica, "duration": 0.6}]
    record = run(broadcast(3, seed=1, faults=faults))
    assert measure_record(record)["lost_share"] == 0
    rows = of_nodes(record)
    silent = [node for node in (1, 2, 3) if not rows[rows["node"] == node]["t"].between(1.05, 1.63).any()]
    assert (len(silent) < 3) == acknowledged
    assert silent
    assert unwitnessed(record) == []
