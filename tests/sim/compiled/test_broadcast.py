"""Broadcasts in the compiled engine against the SimPy model, event by event, on random scenarios.

A fifth as many scenarios as in `test_engine.py`, and more by the same settings.
"""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sim import simulate
from sim.compiled.engine import KernelRun
from sim.engines import uncovered
from sim.world import World
from tests.broadcasts import talks
from tests.sim.compiled.test_engine import EXAMPLES, assert_same, in_order, of_seed
from tests.strategies import disk_profile, profiles, small, small_profile
from twin.measures import connected_curve, latency_quantiles, measure_with_bounds
from twin.record.record import Record
from twin.rules.frames import answer_body

pytestmark = pytest.mark.timeout(240 + EXAMPLES)


@of_seed
@settings(max_examples=EXAMPLES // 5, deadline=None)
@given(scenario=talks(), profile=profiles(broadcast=True), replication=st.integers(0, 1000))
def test_both_engines_note_the_same_events_of_a_broadcast(scenario, profile, replication):
    assume(not uncovered(scenario))
    expected = World(scenario, replication, profile).run()
    found = KernelRun(scenario, replication, profile).go().rows()
    assert_same(in_order(expected), in_order(found))


@pytest.mark.parametrize("kind", ["haproxy", "nginx"])
def test_who_is_cut_after_the_balancer_forgot_the_connection_is_not_awaited(kind):
    scenario = small(  # clients give up while the node hangs; then a message is too large for every outlet
        duration=1.4,
        nodes={"count": 1},
        balancer={"kind": kind},
        clients={"count": 3, "heartbeat": {"interval": 1.0, "timeout": 0.1, "close_timeout": 0.2}},
        bus={"kind": "pubsub"},
        publisher={"rate": 5.0, "start": 0.2, "payload_bytes": 20_000, "ack_timeout": 0.4, "scope": "client"},
        slow_consumer={"policy": "close", "limit_bytes": 1024},
        faults=[{"at": 0.1, "kind": "hang", "node": 1, "duration": 0.8}],
    )
    for replication in range(8):
        expected = World(scenario, replication, small_profile()).run()
        found = KernelRun(scenario, replication, small_profile()).go().rows()
        assert_same(in_order(expected), in_order(found))


def talk(**changes):
    """Return a broadcast to many clients, with some fields changed."""
    base = small(bus={"kind": "stream"}, publisher={"rate": 50.0}, clients={"count": 300}, duration=4.0)
    return base.vary(**changes)


PARTITION = {"at": 1.0, "kind": "partition", "node": 1, "duration": 1.0}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"publisher": {"scope": "client"}},
        {"publisher": {"payload_bytes": 3000}, "slow_consumer": {"policy": "coalesce", "limit_bytes": 4096}},
        {"publisher": {"payload_bytes": 3000}, "slow_consumer": {"policy": "drop", "limit_bytes": 4096}},
        {"bus": {"kind": "pubsub"}, "faults": [PARTITION]},
        {"bus": {"kind": "kafka", "commit_interval": 0.4}, "faults": [{"at": 1.0, "kind": "restart", "node": 1}]},
        {"faults": [{"at": 1.0, "kind": "bus_down", "duration": 0.5}, {"at": 1.001, "kind": "kill", "node": 2}]},
        {  # an answer of two messages is small enough by its body, and would not be by its frame
            "publisher": {"rate": 20.0, "payload_bytes": 300},
            "slow_consumer": {"limit_bytes": 2 * answer_body([300, 300]) + 2},
            "balancer": {"retries": 3, "redispatch": 1},
            "clients": {"count": 60},
            "faults": [{"at": 1.0, "kind": "kill", "node": 1}],
        },
        {"bus": {"max_length": 5}, "faults": [{"at": 1.0, "kind": "stall", "client": 7, "duration": 2.0}]},
    ],
)
def test_a_broadcast_to_many_clients_is_the_same_too(changes):
    scenario = talk(**changes)
    expected = World(scenario, 1, small_profile()).run()
    found = KernelRun(scenario, 1, small_profile()).go().rows()
    assert sum(row[1] == "delivered" for row in found) > 1000
    assert_same(in_order(expected), in_order(found))


@pytest.mark.parametrize("kind", ["pubsub", "stream"])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"publisher": {"rate": 900.0, "stop": 1.5}, "clients": {"count": 20}},  # in a row
        {"faults": [{"at": at, "kind": "bus_down", "duration": 0.5} for at in (1.0, 1.9021)]},
        {"host": {"cores": 1}, "faults": [{"at": 1.0, "kind": "restart", "node": 1}]},
    ],
)
def test_a_bus_waits_for_its_disk_in_both_engines(kind, changes):
    scenario = talk(bus={"kind": kind, "persist": True}, **changes)
    expected = World(scenario, 1, disk_profile()).run()
    found = KernelRun(scenario, 1, disk_profile()).go().rows()
    assert_same(in_order(expected), in_order(found))
    free = KernelRun(scenario, 1, small_profile()).go().rows()
    assert [row[0] for row in free if row[1] == "delivered"] != [row[0] for row in found if row[1] == "delivered"]


@pytest.mark.parametrize("payload", [1000, 20_000])
@pytest.mark.parametrize(
    "limits",
    [
        {"hard_bytes": 49_000, "soft_bytes": 0},
        {"hard_bytes": 2**20, "soft_bytes": 0},  # strings count when the node reads again
        {"hard_bytes": 0, "soft_bytes": 49_000, "soft_seconds": 1},
    ],
)
def test_a_subscriber_that_does_not_read_is_cut_by_the_bus_at_the_same_time(payload, limits):
    hang = {"at": 1.0, "kind": "hang", "node": 2, "duration": 2.9}
    publisher = {"rate": 200.0, "payload_bytes": payload, "stop": 4.0}
    scenario = talk(bus={"kind": "pubsub", "output_buffer": limits}, publisher=publisher, clients={"count": 30})
    scenario = scenario.vary(faults=[hang], duration=8.0)
    expected = World(scenario, 1, small_profile()).run()
    found = KernelRun(scenario, 1, small_profile()).go().rows()
    cut = [row for row in found if row[1] == "bus_lost" and row[-1] == "buffer" and row[3] == 2]
    assert len(cut) == 1 - (payload == 1000 and limits["hard_bytes"] == 2**20)
    assert_same(in_order(expected), in_order(found))


@pytest.mark.parametrize(
    "changes",
    [
        {"faults": [{"at": 1.0, "kind": "bus_down", "duration": 0.5}, {"at": 1.001, "kind": "kill", "node": 2}]},
        {
            "bus": {"kind": "pubsub"},
            "clients": {"recovery": {"recover": False}},
            "faults": [{"at": 1.0, "kind": "bus_cut", "node": 1}],
        },
        {"bus": {"max_length": 5}, "faults": [{"at": 1.0, "kind": "stall", "client": 7, "duration": 2.0}]},
    ],
)
def test_measures_are_the_same_from_the_kernels_columns_from_rows_and_from_a_table(changes):
    made = simulate(talk(**changes), 1, small_profile(), engine="compiled")
    expected, curve = measure_with_bounds(made), connected_curve(made)
    assert expected["latency_p99"] > 0.0
    assert "gaps_recovered" in expected
    for other in (Record.of(made.columns.rows(), made.provenance), Record.of_frame(made.events, made.provenance)):
        assert measure_with_bounds(other) == expected
        assert (connected_curve(other) == curve).all()
        assert (latency_quantiles(other) == latency_quantiles(made)).all()
        assert other.digest() == made.digest()


def test_the_comparison_finds_one_message_that_differs():
    """The tests above can fail: another rate is not the same."""
    expected = World(talk(duration=1.0), 1, small_profile()).run()
    found = KernelRun(talk(duration=1.0, publisher={"rate": 49.0}), 1, small_profile()).go().rows()
    with pytest.raises(AssertionError):
        assert_same(in_order(expected), in_order(found))
