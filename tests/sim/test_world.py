import gc
import os
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim import predict, simulate
from sim.world import DRAWN_AT_ONCE, World
from tests.strategies import scenarios, small, small_profile
from twin.costs.curve import PartCosts
from twin.draws import Purpose
from twin.errors import ScenarioError
from twin.record.record import Record

ROOT = Path(__file__).parents[2]
KILL = [{"at": 1.0, "kind": "kill", "node": 1}]
NEXT = {
    ("new", "attempt_connect"): "attempting",
    ("waiting", "attempt_connect"): "attempting",
    ("attempting", "connected"): "connected",
    ("attempting", "connect_failed"): "waiting",
    ("connected", "heartbeat_missed"): "missed",
    ("connected", "disconnected"): "waiting",
    ("missed", "disconnected"): "waiting",
    ("waiting", "gave_up"): "gone",
}


def lives(record):
    """Follow every client through its events and return its last state."""
    attempts = Counter()
    state = dict.fromkeys(range(record.scenario.clients.count), "new")
    for event in record.events[record.events["client"] >= 0].itertuples():
        assert (state[event.client], event.event) in NEXT, f"{event.event} while {state[event.client]}"
        state[event.client] = NEXT[state[event.client], event.event]
        attempts[event.client] += event.event == "attempt_connect"
        if event.event in ("attempt_connect", "connected", "connect_failed", "gave_up"):
            assert event.attempt == attempts[event.client]
    return state


def record_of(world):
    return Record.of(list(world.rows), {"scenario": world.scenario.model_dump(exclude_none=True)})


def held(world):
    """Return the clients whose connection some node holds."""
    return {t.client.number for node in world.nodes for t in node.tunnels if not t.client_left and not t.lost.triggered}


@settings(max_examples=60)
@given(scenario=scenarios(), replication=st.integers(0, 1000))
def test_no_client_is_lost_or_doubled_and_the_balancer_counts_what_the_nodes_hold(scenario, replication):
    world = World(scenario, replication, small_profile())
    world.run()
    record = record_of(world)
    times = record.events["t"]
    assert times.is_monotonic_increasing
    assert -scenario.warm_up - 1e-9 <= times.iloc[0]
    assert times.iloc[-1] <= scenario.duration
    states = lives(record)
    assert set(states.values()) <= {"attempting", "connected", "missed", "waiting", "gone"}
    balancer = world.balancer
    for server, count in enumerate(balancer.rule.connections):
        tunnels = [t for t in world.nodes[server].tunnels if not t.upstream_gone]
        known = sum(t.generation == balancer.generation for t in tunnels)
        known += sum(attempt.generation == balancer.generation for attempt in balancer.waiting[server])
        assert count >= known
        waits_to_retry = getattr(scenario.balancer, "retries", 0) > 0  # which HAProxy counts, too
        drops = any(fault.kind == "blackhole" for fault in scenario.faults)
        drops = drops or scenario.nodes.backlog < scenario.clients.count  # a full backlog drops SYNs
        if not drops and not waits_to_retry:
            assert count == known
    ghosts = {number for number, state in states.items() if state == "connected"} - held(world)
    tries = {number: world.clients[number].attempts for number in ghosts}
    world.env.run(until=scenario.duration + 0.5)  # a close that is under way arrives
    after = lives(record_of(world))
    assert not [n for n in ghosts - held(world) if after[n] == "connected" and world.clients[n].attempts == tries[n]]


def test_without_faults_everyone_stays(profile):
    record = simulate(small(), 0, profile)
    assert Counter(record.events["event"]) == {"attempt_connect": 30, "connected": 30, "server_connections": 3}
    assert record.select("server_connections")["detail"].tolist() == ["10", "10", "10"]


def test_the_warm_up_connects_one_after_the_other_and_ends_as_the_run_starts(profile):
    scenario = small(clients={"count": 10, "connect_rate": 50.0})
    times = simulate(scenario, 0, profile).select("connected")["t"].tolist()
    assert times == pytest.approx([-0.2 + 0.02 * i for i in range(10)])


def test_another_replication_and_another_seed_give_another_run(profile):
    scenario = small(faults=KILL)
    digests = {
        simulate(scenario, 0, profile).digest(),
        simulate(scenario, 1, profile).digest(),
        simulate(scenario.vary(seed=2), 0, profile).digest(),
    }
    assert len(digests) == 3
    assert simulate(scenario, 0, profile).digest() in digests


def test_the_same_seed_gives_the_same_record_to_the_last_bit_in_any_process(tmp_path, profile):
    host = {"profile": str(profile.save(tmp_path / "host.json"))}
    faults = [*KILL, {"at": 2.0, "kind": "restart", "node": 2}, {"at": 3.0, "kind": "hang", "node": 3, "duration": 2.0}]
    scenario = small(host=host, faults=faults, balancer={"algorithm": "random", "retries": 2, "redispatch": 1})
    (tmp_path / "one.toml").write_text(scenario.to_toml())
    code = "import sys; from sim import simulate; from twin.scenario.scenario import Scenario\n"
    code += "print(simulate(Scenario.load(sys.argv[1]), 4).digest())"
    digests = [
        subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "one.toml")],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout.strip()
        for seed in ("1", "2")
    ]
    assert digests == [simulate(scenario, 4).digest()] * 2


def test_a_record_tells_where_it_came_from(profile):
    provenance = simulate(small(), 7, profile, marks=[(1.0, 2, False)]).provenance
    assert (provenance["world"], provenance["replication"], provenance["given_marks"]) == ("sim", 7, [[1.0, 2, False]])
    assert provenance["profile"]["made"] == profile.made
    assert provenance["profile"]["digest"] == profile.named["digest"]
    assert {"python", "stormlab", "simpy", "numpy"} <= set(provenance["versions"])
    assert abs(datetime.now(UTC) - datetime.fromisoformat(provenance["start"])) < timedelta(seconds=60)
    assert simulate(small(), 7, profile).provenance["given_marks"] is None


def test_given_marks_replace_the_models_own_checks(profile):
    given_marks = [(-0.5, 3, False), (2.5, 1, False), (4.0, 3, True)]
    faults = [*KILL, {"at": 3.0, "kind": "reload"}]
    found = simulate(small(faults=faults), 0, profile, marks=given_marks).select("marked_down", "marked_up")
    seen = [tuple(one) for one in found[["t", "node", "event", "detail"]].itertuples(index=False)]
    assert seen == [
        (0.0, 3, "marked_down", "observed"),
        (2.5, 1, "marked_down", "observed"),
        (4.0, 3, "marked_up", "observed"),
    ]


@pytest.mark.parametrize("placement", ["pinned", "free"])
@pytest.mark.parametrize("cores", [1, 2, 4])
def test_processes_are_placed_as_the_scenario_says(placement, cores, profile):
    world = World(small(host={"placement": placement, "cores": cores}), 0, profile)
    clients, balancer = world.clients[0].process.cores, world.balancer.workers[0].cores
    if placement == "free" or cores == 1:
        assert {one.process.cores for one in world.nodes} == {clients} == {balancer}
        assert len(clients.idle) == cores
    else:
        assert balancer is not clients
        assert len(clients.idle) == cores // 2
        assert len({one.process.cores for one in world.nodes}) == min(3, cores // 2)


def test_clients_share_as_many_swarm_processes_as_they_need(profile):
    world = World(small(clients={"per_process": 7}), 0, profile)
    assert Counter(Counter(client.process for client in world.clients).values()) == {7: 4, 2: 1}


def test_a_prediction_has_a_row_a_curve_and_the_reconnects_of_each_replication(profile):
    steps = []
    prediction = predict(small(faults=KILL), 10, profile, progress=lambda *step: steps.append(step), jobs=1)
    assert len(prediction.measures) == len(prediction.curves) == len(prediction.reconnects) == 10
    assert prediction.curves.shape == (10, len(prediction.curve_times))
    assert (prediction.curves[:, 0] == 30).all()
    assert all(len(times) == 10 for times in prediction.reconnects)
    assert prediction.measures["reconnect_p50"].nunique() == 10
    assert steps == [(n, 10) for n in range(1, 11)]


def test_a_paired_prediction_varies_the_host_alone():
    part = PartCosts(levels=[16], values=[[0.002, 0.1]], paces=[[0.001, 0.002]])
    parts = {**small_profile().by_name(), "exit_delay": part}
    slow = small_profile(parts=parts, speed=[[[0.001] * 50 + [0.002] * 50]])
    marks = [(1.6, 1, False)]
    prediction = predict(small(faults=KILL), 4, slow, marks=marks, paired=3, jobs=1)
    spread = prediction.measures["notice_p50"]
    assert 0 < spread.max() - spread.min() < 0.1
    same = predict(small(faults=KILL), 4, small_profile(), marks=marks, paired=3, jobs=1).measures
    assert same["reconnect_p50"].nunique() == 1


@pytest.mark.parametrize("replications", [0, -1, 100_001])
def test_a_number_of_replications_out_of_range_is_refused(replications, profile):
    with pytest.raises(ScenarioError, match=rf"^replications is {replications}; allowed is 1 to 100000\.$"):
        predict(small(), replications, profile)


def test_nginx_is_not_predicted_from_a_profile_that_does_not_know_it():
    with pytest.raises(ScenarioError, match="calibrated without nginx"):
        predict(small(balancer={"kind": "nginx"}), 1, small_profile(nginx_parts={}))


def test_numbers_drawn_for_all_clients_at_once_are_those_drawn_one_by_one(profile):
    world = World(small(seed=2**40 + 1), 3, profile)
    for n in (1, 0, DRAWN_AT_ONCE - 1, DRAWN_AT_ONCE):
        for client in range(world.scenario.clients.count):
            assert world.draw_for_reconnect(client, n) == world.draw(client, Purpose.RECONNECT, n)


def test_a_run_leaves_the_collector_of_garbage_as_it_was():
    before = gc.get_threshold(), gc.get_freeze_count(), gc.isenabled()
    simulate(small(), 0, small_profile())
    assert (gc.get_threshold(), gc.get_freeze_count(), gc.isenabled()) == before
