"""Requests that make nodes work in the model, against times by hand."""

import numpy as np
import pytest

from sim import simulate
from tests.costs import cost_of
from tests.strategies import knowing_profile, small
from twin.measures import measure_record
from twin.measures.handler import answer_times
from twin.rules.handler import LOOK_EVERY

WAYS = cost_of("client_send", "balancer_delivery", "node_read", "node_fanout", "balancer_delivery", "client_delivery")
"""What a request and its answer cost besides the work."""
MICROSECOND = 1e-6
EXACT = 5e-6
"""Seconds by which pings and checks slow a request down at most."""


def handler(*tasks, clients=1, executor=None, **changes):
    """Return a cluster in which each process has a machine of its own."""
    nodes = {"count": 1, "handler": {"tasks": list(tasks)}, "executor": executor or {}}
    return small(
        **{"duration": 4.0, "clients": {"count": clients}, "nodes": nodes, "host": {"placement": "separate"}} | changes
    )


def took(record, task="short"):
    asked, seconds = answer_times(record, task)
    return seconds[asked < record.scenario.duration - 0.2]


def test_a_lone_request_takes_its_ways_and_its_work():
    work = {"cpu": 0.0007, "blocking": 0.003, "awaiting": 0.05}
    record = simulate(handler({"rate": 5.0, **work}), 0, knowing_profile())
    found = took(record)
    assert len(found) == 19
    assert found == pytest.approx(np.full(19, sum(work.values()) + WAYS), abs=0.0011)  # a timer counts milliseconds
    assert took(simulate(handler({"rate": 5.0, "cpu": 0.0007, "blocking": 0.003}), 0, knowing_profile())) == (
        pytest.approx(np.full(19, 0.0037 + WAYS), abs=EXACT)
    )


def test_the_clients_ask_in_turn_one_interval_after_each_other():
    record = simulate(handler({"rate": 20.0}, clients=4), 0, knowing_profile())
    asked = record.select("requested")
    assert asked["client"].tolist()[:8] == [0, 1, 2, 3] * 2
    assert np.diff(asked["t"]) == pytest.approx(np.full(len(asked) - 1, 0.05), abs=1e-6)
    assert asked["version"].tolist()[:5] == [0, 0, 0, 0, 1]


@pytest.mark.parametrize("work", ["cpu", "blocking"])
def test_a_short_request_waits_for_a_long_one_in_the_same_loop(work):
    long = {"name": "long", "rate": 1.0, work: 0.1}
    record = simulate(handler({"rate": 100.0}, long, clients=50), 0, knowing_profile())
    waits = took(record) - WAYS
    assert waits.max() == pytest.approx(0.1, abs=0.012)
    assert (waits > 0.02).mean() == pytest.approx(0.08, abs=0.02)
    assert took(record, "long") == pytest.approx(np.full(4, 0.1 + WAYS), abs=0.001)


def test_who_awaits_lets_others_in():
    long = {"name": "long", "rate": 1.0, "awaiting": 0.1}
    record = simulate(handler({"rate": 100.0}, long, clients=50), 0, knowing_profile())
    assert took(record).max() < WAYS + 0.001


def test_how_late_the_loop_is_shows_the_share_of_its_time_that_it_stood_still():
    record = simulate(handler({"name": "long", "rate": 2.0, "cpu": 0.2}), 0, knowing_profile())
    late = record.select("loop_late")
    assert len(late) == pytest.approx(4.0 / LOOK_EVERY, abs=8)
    assert (late["late"] * MICROSECOND > 0.1).mean() == pytest.approx(0.2, abs=0.03)
    found = measure_record(record)
    assert found["loop_late_p99"] == pytest.approx(0.2, abs=0.02)
    assert found["loop_late_p50"] < 0.002
    assert found["long_answer_p50"] == pytest.approx(0.2 + WAYS, abs=0.001)


def test_a_killed_node_answers_nothing_and_its_clients_ask_the_other_one():
    faults = [{"at": 1.0, "kind": "kill", "node": 1}]
    scenario = handler(
        {"rate": 100.0, "awaiting": 0.2},
        clients=20,
        nodes={"count": 2, "handler": {"tasks": [{"rate": 100.0, "awaiting": 0.2}]}},
        faults=faults,
        balancer={"retries": 3, "redispatch": 1},
    )
    record = simulate(scenario, 0, knowing_profile())
    asked, seconds = answer_times(record, "short")
    node = record.select("requested")["node"].to_numpy()
    lost = np.isnan(seconds) & (asked < 3.5)
    assert set(node[lost]) == {1}
    assert 5 <= lost.sum() <= 15
    assert asked[lost].min() > 0.75
    answered = record.select("answered")
    assert not len(answered.query("node == 1 and t > 1.01"))
    assert measure_record(record)["unanswered_share"] == pytest.approx(lost.sum() / (asked < 3.0).sum())


def test_a_node_that_hangs_answers_when_it_goes_on():
    faults = [{"at": 1.0, "kind": "hang", "node": 1, "duration": 1.0}]
    record = simulate(handler({"rate": 50.0, "cpu": 0.002}, clients=10, faults=faults), 0, knowing_profile())
    answered = record.select("answered")
    assert not answered["t"].between(1.01, 2.0).any()
    assert answered["t"].between(2.0, 2.0 + 50 * 0.003).sum() > 45
    assert not np.isnan(took(record)).any()


def test_a_client_that_stalls_reads_its_answers_when_it_goes_on():
    faults = [{"at": 1.0, "kind": "stall", "client": 0, "duration": 1.0}]
    scenario = handler({"rate": 20.0}, clients=2, faults=faults, publisher={"rate": 1.0}, bus={"kind": "stream"})
    answered = simulate(scenario, 0, knowing_profile()).select("answered")
    assert not answered.query("client == 0")["t"].between(1.01, 2.0).any()
    assert answered.query("client == 0")["t"].between(2.0, 2.02).sum() >= 9
    assert answered.query("client == 1")["t"].between(1.0, 2.0).sum() >= 9


def test_what_a_pool_of_threads_computes_makes_the_loop_wait_for_the_lock():
    long = {"name": "long", "rate": 2.0, "cpu": 0.2}
    beside = {"kind": "thread_pool", "size": 2}
    record = simulate(handler({"rate": 100.0}, long, clients=50, executor=beside), 0, knowing_profile())
    calls = 2 * cost_of("node_hand_over")
    waits = took(record) - WAYS - calls
    assert np.median(waits) == pytest.approx(0.0, abs=EXACT)
    assert np.percentile(waits, 99) == pytest.approx(0.01, abs=0.006)  # once to read, and once for the pool's thread
    assert waits.max() < 0.03
    assert measure_record(record)["loop_late_p99"] == pytest.approx(0.0055, abs=0.0015)


def test_processes_beside_the_loop_compete_with_it_only_for_the_core():
    long = {"name": "long", "rate": 2.0, "cpu": 0.2}
    beside = {"kind": "process_pool", "size": 2}
    record = simulate(handler({"rate": 100.0}, long, clients=50, executor=beside), 0, knowing_profile())
    calls = 2 * cost_of("node_pass_on") + cost_of("node_worker")
    assert took(record).min() == pytest.approx(WAYS + calls, abs=EXACT)
    assert measure_record(record)["loop_late_p99"] < 0.008


@pytest.mark.parametrize("kind", ["thread_pool", "process_pool"])
@pytest.mark.parametrize("fault", ["kill", "restart"])
def test_a_pool_goes_with_its_node_and_comes_back_with_it(kind, fault):
    faults = [{"at": 1.0, "kind": fault, "node": 1} | ({"duration": 0.3} if fault == "kill" else {})]
    executor = {"kind": kind, "size": 2}
    tasks = {"rate": 40.0, "cpu": 0.03, "blocking": 0.03}
    record = simulate(handler(tasks, clients=8, executor=executor, faults=faults), 0, knowing_profile())
    answered = record.select("answered")["t"]
    assert answered.between(0.5, 1.0).sum() > 5
    assert answered.between(3.0, 4.0).sum() > 5
    started = record.select("node_started")["t"].iloc[0]
    assert not answered.between(1.1, started).any()
