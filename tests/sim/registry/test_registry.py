"""Leases in the model, against times computed by hand."""

from math import inf

import pytest

from sim import simulate
from sim.machine.timers import MILLISECOND
from sim.node.node import POLL
from sim.world import World
from tests.costs import GOODBYE, cost_of
from tests.loops import timer
from tests.strategies import FIRST_PARTS, NODE_REGISTERS, NODE_START, small
from twin.draws import Purpose, stratified, uniform
from twin.measures import measure_record
from twin.rules.registry import removal_bounds, tries_next

REGISTRY = {"ttl": 1.0, "heartbeat": 0.4, "sync": 0.3}


def registered(**changes):
    return small(registry=REGISTRY, balancer={"retries": 3, "redispatch": 1}).vary(**changes)


def phase(scenario, replication, entity, purpose):
    return stratified(scenario.seed, replication, entity, purpose)


def last_beat(scenario, replication, node, before):
    """Return when a node last renewed its lease before a time."""
    beat = 0.4 * uniform(scenario.seed, replication, node, Purpose.MEMBER_PHASE)
    while beat + 0.4 < before:
        beat += 0.4
    return beat


def next_look(scenario, replication, after):
    """Return when the balancer's side first looks at the leases after a time."""
    look = 0.3 * phase(scenario, replication, 0, Purpose.SYNC_PHASE)
    while look < after:
        look += 0.3
    return look


@pytest.mark.parametrize("replication", range(4))
def test_a_death_is_known_at_the_first_look_after_the_end_of_the_lease(replication, profile):
    scenario = registered(faults=[{"at": 3.0, "kind": "kill", "node": 2}])
    record = simulate(scenario, replication, profile)
    look = next_look(scenario, replication, last_beat(scenario, replication, 2, 3.0) + 1.0)
    down = record.select("marked_down")
    assert down["node"].tolist() == [2]
    assert down["detail"].tolist() == ["registry"]
    assert down["t"].iloc[0] == pytest.approx(look, abs=1e-9)
    low, high = removal_bounds(1.0, 0.4, 0.3)
    assert low <= measure_record(record)["mark_down_delay"] <= high + MILLISECOND  # its timer was late


def test_a_node_that_joins_is_in_rotation_at_the_first_look_after_it_has_registered(profile):
    scenario = registered(faults=[{"at": 2.0, "kind": "join", "node": 4}])
    record = simulate(scenario, 0, profile)
    started = record.select("node_started")["t"].iloc[0]
    assert started == pytest.approx(2.0 + NODE_START, abs=1e-9)
    registers = record.select("registered")["t"].iloc[0]
    assert registers == pytest.approx(started + NODE_REGISTERS, abs=1e-9)
    look = next_look(scenario, 0, registers)
    up = record.select("marked_up")
    assert (up["node"].tolist(), up["t"].iloc[0]) == ([4], pytest.approx(look, abs=1e-9))
    found = measure_record(record)
    assert found["start_to_rotation"] == pytest.approx(look - 2.0, abs=1e-9)
    assert found["new_share"] == 0.0  # nobody moves
    assert found["start_to_first"] == inf
    assert found["imbalance"] == pytest.approx(4 / 3)


def test_nodes_that_join_together_share_their_core(profile):
    faults = [{"at": 2.0, "kind": "join", "node": number} for number in (4, 5)]
    for cores, times in ((2, 2), (4, 1)):  # half of the cores are the cluster's
        record = simulate(registered(faults=faults, host={"cores": cores}), 0, profile)
        first, last = record.select("node_started")["t"]
        assert last == pytest.approx(2.0 + times * NODE_START, abs=1e-9)
        assert last - first < profile.time_slice


def test_a_node_that_drains_before_it_has_registered_never_does(profile):
    faults = [{"at": 0.5, "kind": "kill", "node": 3}, {"at": 3.0, "kind": "join", "node": 3}]
    drain = {"at": 3.0 + NODE_START + NODE_REGISTERS / 2, "kind": "drain", "node": 3, "lead": 1.0}
    for also, registrations in (([], 1), ([drain], 0)):
        record = simulate(registered(faults=faults + also, duration=4.0), 0, profile)
        assert len(record.select("node_started")) == 1
        assert len(record.select("registered")) == registrations


def test_nobody_is_sent_to_a_node_before_it_is_in_rotation(profile):
    world = World(registered(faults=[{"at": 2.0, "kind": "join", "node": 4}]), 0, profile)
    assert world.balancer.up == [True, True, True, False]
    world.run()
    assert world.balancer.up == [True] * 4


def test_a_hung_node_is_fenced_and_registers_anew(profile):
    hang = {"at": 2.0, "kind": "hang", "node": 1, "duration": 3.0}
    heartbeat = {"interval": 0.5, "timeout": 0.5}
    scenario = registered(faults=[hang], clients={"heartbeat": heartbeat})
    record = simulate(scenario, 0, profile)
    down, up = record.select("marked_down"), record.select("marked_up")
    gone = next_look(scenario, 0, last_beat(scenario, 0, 1, 2.0) + 1.0)
    assert down["t"].iloc[0] == pytest.approx(gone, abs=1e-9)
    fenced, again = record.select("fenced"), record.select("registered")
    assert fenced["detail"].tolist() == ["1"]
    assert again["detail"].tolist() == ["2"]
    assert 5.0 <= fenced["t"].iloc[0] <= 5.0 + POLL
    assert again["t"].iloc[0] == fenced["t"].iloc[0]
    assert up["t"].iloc[0] == pytest.approx(next_look(scenario, 0, again["t"].iloc[0]), abs=1e-9)
    assert measure_record(record)["resume_to_rotation"] == up["t"].iloc[0] - 5.0


def test_a_hang_shorter_than_the_lease_is_never_seen(profile):
    hang = {"at": 2.0, "kind": "hang", "node": 1, "duration": 0.5}
    record = simulate(registered(faults=[hang]), 0, profile)
    assert not len(record.select("marked_down", "fenced", "registered"))


def test_a_drain_deregisters_before_its_first_close_and_a_new_process_registers(profile):
    drain = {"at": 2.0, "kind": "drain", "node": 1, "lead": 0.5, "pace": 20.0}
    scenario = registered(faults=[drain])
    record = simulate(scenario, 0, profile)
    assert record.select("marked_down")["t"].iloc[0] == pytest.approx(next_look(scenario, 0, 2.0), abs=1e-9)
    soonest, latest = (2.0 + t + cost_of(*GOODBYE) for t in timer(0.5))
    assert soonest <= record.select("disconnected")["t"].min() <= latest
    assert not len(record.select("connect_failed"))
    assert record.select("registered")["detail"].tolist() == ["2"]
    assert record.select("marked_up")["t"].iloc[0] >= record.select("node_started")["t"].iloc[0]


def test_a_killed_node_can_join_again(profile):
    faults = [{"at": 1.0, "kind": "kill", "node": 3}, {"at": 4.0, "kind": "join", "node": 3}]
    record = simulate(registered(faults=faults), 0, profile)
    assert record.select("marked_down", "marked_up")["event"].tolist() == ["marked_down", "marked_up"]
    assert record.select("registered")["detail"].tolist() == ["2"]


def test_given_marks_stand_in_for_the_registrar(profile):
    scenario = registered(faults=[{"at": 2.0, "kind": "kill", "node": 1}])
    record = simulate(scenario, 0, profile, marks=[(2.5, 1, False)])
    down = record.select("marked_down")
    assert list(zip(down["t"], down["node"], down["detail"], strict=True)) == [(2.5, 1, "observed")]


def test_nginx_gets_a_new_list_and_counts_anew(profile):
    scenario = small(registry=REGISTRY, balancer={"kind": "nginx"}, faults=[{"at": 2.0, "kind": "join", "node": 4}])
    world = World(scenario, 0, profile)
    world.run()
    assert world.balancer.generation == 1
    assert world.balancer.up == [True] * 4
    ups = [one for one in world.rows if one[1] == "marked_up"]
    assert [one[3] for one in ups] == [4]


def test_nginx_with_a_hard_stop_cuts_what_its_old_worker_holds(profile):
    join = [{"at": 2.0, "kind": "join", "node": 4}]
    balancer = {"kind": "nginx", "hard_stop_after": 1}
    record = simulate(small(registry=REGISTRY, balancer=balancer, faults=join), 0, profile)
    (up,) = record.select("marked_up")["t"]
    lost = record.select("disconnected")
    assert sorted(lost["client"]) == list(range(30))
    assert set(lost["detail"]) == {"1006"}
    one = cost_of("balancer_close", "client_closed", balancer="nginx")
    burst = FIRST_PARTS["nginx"] * 29 * cost_of("balancer_close", balancer="nginx")
    soonest, latest = (up + t for t in timer(1.0))
    assert soonest + burst + one <= lost["t"].min() <= latest + burst + one
    assert lost["t"].max() <= latest + 30 * one


def test_rebalancing_moves_what_has_to_move_at_its_pace_and_stops(profile):
    rebalance = {"pace": 5.0, "slack": 0.1}
    scenario = registered(registry={"rebalance": rebalance}, faults=[{"at": 1.0, "kind": "join", "node": 4}])
    record = simulate(scenario, 0, profile)
    closed = record.select("disconnected")
    assert set(closed["detail"]) == {"1012"}
    assert 3 <= len(closed) <= 8  # 30 on 4 nodes: 7.5 each, 8.25 with the slack, so that 9 are enough: one a node
    for _, times in closed.groupby("node")["t"]:
        assert (times.diff().dropna() >= timer(0.2)[0]).all()
    assert measure_record(record)["imbalance"] <= 1.2
    assert closed["t"].max() < 4.0


def test_a_gray_release_sends_each_client_where_its_hash_says(profile):
    canary = {"nodes": [3], "share": 0.3}
    scenario = registered(registry={"canary": canary})
    record = simulate(scenario, 0, profile)
    homes = record.select("connected").groupby("client")["node"].last()
    assert {client for client, node in homes.items() if node == 3} == {
        client for client in range(30) if tries_next(client, 300)
    }
    assert measure_record(record)["next_share"] == sum(tries_next(client, 300) for client in range(30)) / 30


def test_the_pool_of_a_node_is_that_of_the_version_in_the_registry(profile, monkeypatch):
    """The scenario says that node 3 is the next version; what the nodes have written says that it is node 1."""
    monkeypatch.setattr("twin.scenario.registry.Registry.version", lambda self, node: "v2" if node == 1 else "v1")
    record = simulate(registered(registry={"canary": {"nodes": [3], "share": 0.3}}), 0, profile)
    homes = record.select("connected").groupby("client")["node"].last()
    assert {client for client, node in homes.items() if node == 1} == {
        client for client in range(30) if tries_next(client, 300)
    }


def test_a_node_that_registers_anew_with_another_version_changes_its_pool(profile):
    canary, faults = {"nodes": [3], "share": 0.3}, [{"at": 2.0, "kind": "kill", "node": 2}]
    scenario = registered(registry={"canary": canary}, faults=faults)
    world = World(scenario, 0, profile)
    assert world.balancer.gray.is_next == [False, False, True]
    world.env.run(until=4.0)
    assert world.balancer.up == [True, False, True]
    world.registrar.leases.register(2, "node-2", "v2", 4.0)
    world.env.run(until=4.35)
    assert world.balancer.up == [True, True, True]
    assert world.balancer.gray.is_next == [False, True, True]


def test_given_marks_bring_a_node_in_with_its_version(profile):
    canary, faults = {"nodes": [4], "share": 0.3}, [{"at": 2.0, "kind": "join", "node": 4}]
    world = World(registered(registry={"canary": canary}, faults=faults), 0, profile, [(2.5, 4, True)])
    assert world.balancer.gray.is_next == [False] * 4
    world.run()
    assert world.balancer.gray.is_next == [False, False, False, True]


def test_a_retry_stays_in_its_backend(profile):
    """HAProxy redispatches to another server of the same backend; where there is none, the client gets a 503."""
    scenario = registered(
        registry={"ttl": 1.0, "heartbeat": 0.4, "sync": 0.3, "canary": {"nodes": [3], "share": 0.3}},
        faults=[{"at": 2.0, "kind": "kill", "node": 3}],
    )
    record = simulate(scenario, 0, profile)
    down = record.select("marked_down")["t"].iloc[0]
    failed = record.select("connect_failed")
    assert len(failed)
    assert set(failed["detail"]) == {"503"}
    refused = cost_of("client_request", "balancer_refused", "client_refused")
    assert failed["t"].max() <= down + timer(1.0)[1] + 2 * refused  # a second's wait before the retry
    at_once = record.select("connected").query("t > 2 and attempt == 2")
    assert not len(at_once)


def test_clients_of_the_next_version_fall_back_when_its_nodes_are_gone(profile):
    scenario = registered(
        registry={"canary": {"nodes": [3], "share": 0.3}}, faults=[{"at": 2.0, "kind": "kill", "node": 3}]
    )
    record = simulate(scenario, 0, profile)
    down = record.select("marked_down")["t"].iloc[0]
    back = record.select("connected").query("t > 2")
    assert len(back)
    assert set(back["node"]) <= {1, 2}
    assert back["t"].min() >= down
