"""Requests that goroutines work on, in the model."""

import numpy as np
import pytest

from sim import simulate
from tests.costs import cost_of
from tests.strategies import go_profile, small
from twin.errors import ScenarioError
from twin.measures import measure_record
from twin.measures.handler import answer_times
from twin.rules.go_program import TIMER_SLACK

WAYS = cost_of("client_send", "balancer_delivery", "node_read", "node_fanout", "balancer_delivery", "client_delivery")
"""What a request and its answer cost besides the work."""
SLICE = 2 * (0.010 + TIMER_SLACK)


def handler(*tasks, clients=1, **changes):
    """Return a cluster in which each process has a machine of its own, and nodes are in Go."""
    nodes = {"count": 1, "runtime": "go", "handler": {"tasks": list(tasks)}} | changes.pop("nodes", {})
    return small(
        **{"duration": 4.0, "clients": {"count": clients}, "nodes": nodes, "host": {"placement": "separate"}} | changes
    )


def took(record, task="short"):
    asked, seconds = answer_times(record, task)
    return seconds[asked < record.scenario.duration - 0.2]


def test_a_lone_request_takes_its_ways_and_its_work():
    record = simulate(handler({"rate": 5.0, "cpu": 0.0007, "blocking": 0.003}), 0, go_profile())
    assert took(record) == pytest.approx(np.full(19, 0.0037 + WAYS), abs=1e-6)


def test_a_request_that_awaits_is_answered_up_to_a_millisecond_later():
    found = took(simulate(handler({"rate": 5.0, "awaiting": 0.05}), 0, go_profile())) - 0.05 - WAYS
    assert found.min() >= 0.0
    assert found.max() < 0.0012


def test_a_short_request_waits_for_slices_and_not_for_the_whole_of_a_long_one():
    long = {"name": "long", "rate": 4.0, "cpu": 0.1}
    record = simulate(handler({"rate": 100.0, "cpu": 0.0002}, long, clients=50), 0, go_profile())
    waits = took(record) - WAYS - 0.0002
    assert (waits > 0.001).mean() == pytest.approx(0.4, abs=0.05)
    late = 2 * go_profile().time_slice  # for sysmon has to get the core at two looks
    assert 0.9 * SLICE < np.percentile(waits, 99) < SLICE + late
    assert took(record, "long") == pytest.approx(np.full(15, 0.1 + 10 * 0.0006), abs=0.003)


def test_a_request_that_blocks_lets_others_in_after_two_looks_of_sysmon():
    long = {"name": "long", "rate": 2.0, "blocking": 0.1}
    record = simulate(handler({"rate": 100.0}, long, clients=50), 0, go_profile())
    assert took(record).max() < WAYS + 0.001


def test_a_killed_node_answers_nothing_and_its_clients_ask_the_other_one():
    tasks = [{"rate": 100.0, "awaiting": 0.2}]
    scenario = handler(
        *tasks,
        clients=20,
        nodes={"count": 2},
        faults=[{"at": 1.0, "kind": "kill", "node": 1}],
        balancer={"retries": 3, "redispatch": 1},
    )
    record = simulate(scenario, 0, go_profile())
    assert not len(record.select("answered").query("node == 1 and t > 1.01"))
    assert measure_record(record)["unanswered_share"] > 0.0


def test_a_profile_whose_nodes_in_go_were_measured_without_a_broadcast_says_so():
    known = go_profile()
    bare = {name: part for name, part in known.of("node", "go").items() if name != "node_read"}
    nodes = known.parts["node"] | {"go": bare}
    lacking = known.model_copy(update={"parts": known.parts | {"node": nodes}})
    with pytest.raises(ScenarioError, match=r"^nodes\.runtime is 'go'; this host profile was calibrated without go\.$"):
        simulate(handler({"rate": 5.0}), 0, lacking)
