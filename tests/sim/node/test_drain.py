"""A paced drain in the model, against times computed by hand."""

import pytest

from sim import simulate
from sim.machine.timers import MILLISECOND
from sim.world import World
from tests.checks import next_check
from tests.costs import AT_THE_CORE, GOODBYE, cost_of
from tests.loops import timer
from tests.strategies import CHECK_OVERHEAD, NODE_START, NODE_STOP, small
from twin.invariants import audit
from twin.measures import measure_record

TOLD = cost_of(*GOODBYE)
CHECK = {"inter": 0.2, "fall": 2, "rise": 1, "timeout": 0.2}


def drain(duration=8.0, **more):
    fault = {"at": 1.0, "kind": "drain", "node": 1} | more
    balancer = {"retries": 3, "redispatch": 1, "check": CHECK}
    return small(duration=duration, balancer=balancer, faults=[fault])


def ends(record):
    return record.select("disconnected")["t"].tolist()


def test_the_closes_are_a_pace_apart_and_carry_1012(profile):
    record = simulate(drain(lead=1.0, pace=5.0), 0, profile)
    assert set(record.select("disconnected")["detail"]) == {"1012"}
    lead, pace = timer(1.0), timer(0.2)  # the second counts from the end of the first, and not from the last close
    assert lead[0] <= ends(record)[0] - 1.0 - TOLD <= lead[1]
    for place, t in enumerate(ends(record)[1:]):
        assert lead[0] + pace[0] + place / 5.0 <= t - 1.0 - TOLD <= lead[1] + pace[1] + place / 5.0
    assert measure_record(record)["drain_time"] == pytest.approx(ends(record)[-1] - 1.0, abs=2 * MILLISECOND)


def test_the_balancer_knows_before_the_first_close_and_nobody_is_refused(profile):
    for replication in range(5):
        scenario = drain(lead=0.6, pace=20.0)
        record = simulate(scenario, replication, profile)
        down = record.select("marked_down")
        assert down["node"].tolist() == [1]
        refused = cost_of("node_handshake")
        known = next_check(scenario, replication, 1.0) + refused + 0.2 + CHECK_OVERHEAD + refused
        assert down["t"].iloc[0] == pytest.approx(known, abs=1e-9)
        assert known <= 1.6
        assert not len(record.select("connect_failed"))
        later = record.select("connected").query("t > 1")
        assert len(later) == 10
        assert set(later["node"]) <= {2, 3}


def test_without_a_pace_everybody_leaves_at_once(profile):
    record = simulate(drain(), 0, profile)
    assert max(ends(record)) - min(ends(record)) < 10 * TOLD
    paced = simulate(drain(pace=2.0), 0, profile)
    assert measure_record(record)["peak_reconnect_rate"] == 10.0
    assert 2.0 <= measure_record(paced)["peak_reconnect_rate"] <= 3.0


def test_the_node_comes_back_as_a_new_process_that_is_ready(profile):
    world = World(drain(lead=0.5, pace=20.0), 0, profile)
    world.run()
    seen = {
        one[1]: one[0] for one in world.rows if one[3] == 1 and one[1] in ("drained", "node_stopped", "node_started")
    }
    assert seen["drained"] < seen["node_stopped"] < seen["node_started"]
    assert seen["node_stopped"] == pytest.approx(seen["drained"] + NODE_STOP, abs=1e-9)
    clients = 10 * cost_of(*AT_THE_CORE)  # which come back meanwhile, have their turns
    assert NODE_START <= seen["node_started"] - seen["node_stopped"] <= NODE_START + clients
    assert world.nodes[0].ready
    assert world.balancer.up == [True, True, True]


@pytest.mark.parametrize(("lead", "pace"), [(3.0, None), (0.5, 2.0)])
def test_an_outage_ends_a_drain_and_the_node_comes_back_ready(lead, pace, profile):
    faults = [*drain(lead=lead, pace=pace).faults, {"at": 2.0, "kind": "outage", "duration": 0.5}]
    world = World(drain().vary(faults=[dict(fault) for fault in faults]), 0, profile)
    world.run()
    assert not any(one[1] == "drained" for one in world.rows)
    assert not any(one[6] == "1012" and one[0] > 2.0 for one in world.rows)
    assert world.nodes[0].ready
    assert world.balancer.up == [True, True, True]


def test_a_rolling_drain_loses_no_message(profile):
    faults = [
        {"at": t, "kind": "drain", "node": node, "lead": 0.6, "pace": 20.0} for node, t in enumerate((1, 5, 9), 1)
    ]
    scenario = drain(duration=16.0).vary(faults=faults, bus={"kind": "stream"}, publisher={"rate": 10.0, "stop": 13.0})
    record = simulate(scenario, 0, profile)
    found = measure_record(record)
    assert found["lost_share"] == 0.0
    assert len(record.select("drained")) == 3
    result = audit(record)
    assert result.verdict == "pass", result
    assert found["peak_reconnect_rate"] <= 1.2 * 20.0


def test_a_node_that_drains_goes_on_serving_those_that_are_left(profile):
    scenario = drain(lead=0.0, pace=2.0).vary(bus={"kind": "stream"}, publisher={"rate": 10.0, "stop": 5.0})
    record = simulate(scenario, 0, profile)
    lost = record.select("disconnected").set_index("client")["t"]
    late = lost.idxmax()
    got = record.select("delivered").query("client == @late and node == 1 and t > 1.5")
    assert len(got) >= 10
    assert got["t"].max() <= lost[late]
