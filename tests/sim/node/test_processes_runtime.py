"""Nodes of several processes in the model."""

from collections import Counter

import numpy as np
import pytest

from sim import simulate
from sim.world import World
from tests.strategies import knowing_profile, small
from twin.errors import ScenarioError
from twin.measures import measure_record
from twin.measures.handler import answer_times

LONG = [{"rate": 100.0, "cpu": 0.0002}, {"name": "long", "rate": 4.0, "cpu": 0.1}]


def nodes(count=4, **more):
    return {"count": 1, "runtime": "processes", "workers": {"count": count}} | more


def shares(world):
    return Counter(tunnel.worker for tunnel in world.nodes[0].tunnels)


def test_a_hash_spreads_connections_over_the_workers():
    apart = World(small(nodes=nodes(), clients={"count": 400}), 0, knowing_profile())
    assert all(shares(apart)[worker] == pytest.approx(100, abs=30) for worker in range(4))


def test_a_worker_that_computes_holds_up_only_its_own_connections():
    changes = {"clients": {"count": 60}, "host": {"placement": "free", "cores": 4}, "duration": 6.0}
    one, several = (
        simulate(small(nodes=nodes(count=count, handler={"tasks": LONG}), **changes), 0, knowing_profile())
        for count in (1, 4)
    )
    late = [np.nanmean(answer_times(record, "short")[1] > 0.02) for record in (one, several)]
    assert late[0] == pytest.approx(0.32, abs=0.06)  # a request in 0.4 s of each second, but for the last 20 ms
    assert late[1] < 0.5 * late[0]


def test_clients_that_come_back_are_spread_over_the_workers_too():
    faults = [{"at": 1.0, "kind": "kill", "node": 1, "duration": 0.1}]
    again = {"count": 200, "reconnect": {"policy": "fixed", "base": 1.0, "jitter": "full"}}
    world = World(small(nodes=nodes(), clients=again, faults=faults, balancer={"retries": 3}), 0, knowing_profile())
    before = dict(shares(world))
    world.run()
    found = shares(world)
    assert sum(found.values()) == 200
    assert all(found[worker] == pytest.approx(50, abs=25) for worker in range(4))
    assert found != before


@pytest.mark.parametrize("fault", ["kill", "restart", "drain", "hang"])
def test_all_workers_share_the_fate_of_their_node(fault):
    faults = [{"at": 1.0, "kind": fault, "node": 1} | ({"duration": 0.5} if fault in ("kill", "hang") else {})]
    scenario = small(
        nodes=nodes(handler={"tasks": [{"rate": 100.0, "cpu": 0.001}]}) | {"count": 2},
        faults=faults,
        balancer={"retries": 3, "redispatch": 1},
    )
    record = simulate(scenario, 0, knowing_profile())
    answered = record.select("answered")
    assert answered.query("node == 1 and t < 1.0")["client"].nunique() > 5
    quiet = answered.query("node == 1")["t"].between(1.02, 1.1 if fault == "restart" else 1.45)
    assert quiet.sum() == 0
    if fault == "hang":
        assert answered.query("node == 1")["t"].between(1.5, 1.6).sum() > 10
    else:
        assert len(record.select("node_stopped").query("node == 1")) == 1
        assert record.select("node_started")["node"].tolist() == [1]
    assert measure_record(record)["unanswered_share"] < 0.2


def test_a_node_of_several_processes_takes_no_part_in_what_it_lacks():
    with pytest.raises(
        ScenarioError, match=r"nodes\.runtime is 'processes'; allowed is 'asyncio' or 'go' with publisher"
    ):
        small(nodes=nodes(), publisher={}, bus={"kind": "stream"})
