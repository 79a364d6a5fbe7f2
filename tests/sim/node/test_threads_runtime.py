"""Nodes with a thread for each connection in the model."""

import numpy as np
import pytest

from sim import simulate
from sim.machine.threads import Thread
from sim.world import World
from tests.costs import cost_of
from tests.strategies import knowing_profile, small
from twin.errors import ScenarioError
from twin.measures import measure_record
from twin.measures.handler import answer_times

WAYS = cost_of("client_send", "balancer_delivery", "node_read", "node_fanout", "balancer_delivery", "client_delivery")


@pytest.fixture(scope="module")
def profile():
    """A profile in which a node with threads costs what one with a loop does."""
    known = knowing_profile()
    nodes = known.of("node", "asyncio")
    return known.model_copy(update={"parts": known.parts | {"node": {"asyncio": nodes, "threads": nodes}}})


def nodes(*tasks, **more):
    return {"count": 1, "runtime": "threads", "handler": {"tasks": list(tasks)}} | more


def took(record, task="short"):
    asked, seconds = answer_times(record, task)
    return seconds[asked < record.scenario.duration - 0.5]


def run(profile, *tasks, clients=50, **changes):
    data = {"duration": 4.0, "clients": {"count": clients}, "host": {"placement": "separate"}}
    return simulate(small(nodes=nodes(*tasks), **data | changes), 0, profile)


def test_each_connection_has_a_thread_that_serves_and_one_that_reads(profile):
    world = World(small(nodes=nodes({}), clients={"count": 7}), 0, profile)
    node = world.nodes[0]
    served = {node.loop_of(tunnel) for tunnel in node.tunnels}
    reading = {node.reader_of(tunnel) for tunnel in node.tunnels}
    assert len(served) == len(reading) == 7
    assert not served & reading
    assert all(isinstance(one, Thread) and one.gil is node.process.gil for one in served | reading)


def test_who_blocks_or_waits_holds_up_nobody_but_the_same_client(profile):
    long = {"name": "long", "rate": 5.0, "blocking": 0.1, "awaiting": 0.1}
    record = run(profile, {"rate": 50.0}, long, clients=10)
    assert np.median(took(record)) == pytest.approx(WAYS, abs=5e-6)  # pings slow it down by less
    assert took(record).max() > 0.15  # that client's own long one came before
    assert took(record, "long") == pytest.approx(np.full(len(took(record, "long")), 0.2 + WAYS), abs=0.001)


def test_a_thread_that_computes_holds_up_others_for_the_lock_s_interval(profile):
    record = run(profile, {"rate": 100.0}, {"name": "long", "rate": 2.0, "cpu": 0.2})
    waits = took(record) - WAYS
    assert (waits > 0.001).mean() == pytest.approx(0.4, abs=0.08)
    late = np.sort(waits[waits > 0.001])
    assert np.median(late) == pytest.approx(0.0053, abs=0.001)
    assert measure_record(record)["loop_late_p90"] == pytest.approx(0.005, abs=0.001)


@pytest.mark.parametrize("fault", ["kill", "restart", "hang"])
def test_all_threads_share_the_fate_of_their_node(fault, profile):
    faults = [{"at": 1.0, "kind": fault, "node": 1} | ({"duration": 0.5} if fault != "restart" else {})]
    record = run(profile, {"rate": 100.0, "cpu": 0.002}, clients=10, faults=faults)
    answered = record.select("answered")["t"]
    assert answered.between(0.5, 1.0).sum() > 30
    assert answered.between(1.03, 1.15).sum() == 0
    assert answered.between(3.0, 4.0).sum() > 80
    assert len(record.select("node_started")) == (fault != "hang")


def test_a_node_with_threads_takes_no_part_in_what_it_lacks():
    with pytest.raises(ScenarioError, match=r"nodes\.runtime is 'threads'; allowed is .* with nodes\.lifetime"):
        small(nodes={"runtime": "threads", "lifetime": {"mean": 5.0}})
