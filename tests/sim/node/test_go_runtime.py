"""Nodes in Go in the model: whatever happens to them, a record keeps the invariants, and nobody is lost."""

import pytest

from sim import simulate
from sim.machine.goroutines import GoProcess
from sim.machine.process import Cost
from sim.node.kinds import RUNTIMES
from tests.loops import machine
from tests.strategies import go_profile, small
from twin.invariants import audit
from twin.measures import measure_record

FAULTS = {
    "none": [],
    "kill": [{"at": 1.0, "kind": "kill", "node": 1}],
    "killed and started again": [{"at": 1.0, "kind": "kill", "node": 1, "duration": 1.0}],
    "hang": [{"at": 1.0, "kind": "hang", "node": 2, "duration": 0.8}],
    "restart": [{"at": 1.0, "kind": "restart", "node": 3}],
    "drain": [{"at": 1.0, "kind": "drain", "node": 1, "lead": 0.2, "pace": 20.0}],
    "bus_cut": [{"at": 1.0, "kind": "bus_cut", "node": 2}],
    "stall": [{"at": 1.0, "kind": "stall", "client": 3, "duration": 1.0}],
}


def in_go(**changes):
    nodes = {"count": 3, "runtime": "go"} | changes.pop("nodes", {})
    return small(**{"duration": 5.0, "nodes": nodes} | changes)


@pytest.mark.parametrize("kind", ["pubsub", "stream"])
@pytest.mark.parametrize("name", FAULTS)
def test_a_broadcast_reaches_everybody_and_breaks_no_invariant(name, kind):
    scenario = in_go(faults=FAULTS[name], bus={"kind": kind}, publisher={"rate": 10.0, "stop": 3.0})
    record = simulate(scenario, 0, go_profile())
    assert audit(record).verdict == "pass"
    found = measure_record(record)
    assert found["undelivered_share"] == 0.0
    assert len(record.select("delivered")) == 30 * 30


@pytest.mark.parametrize("placement", ["pinned", "free", "separate"])
def test_a_node_has_a_p_for_each_core_that_it_may_use(placement):
    record = simulate(in_go(host={"placement": placement}, faults=FAULTS["kill"]), 0, go_profile())
    assert audit(record).verdict == "pass"
    assert len(record.select("connected").query("t > 0")) == len(record.select("disconnected")) == 10


def test_the_process_of_a_node_has_as_many_ps_as_there_are_cores():
    _, cores = machine(3)
    runtime = RUNTIMES["go"](lambda name: Cost.constant(0.0), "start_node", in_go().nodes)
    (process,) = runtime.processes(cores)
    assert isinstance(process, GoProcess)
    assert len(process.go.procs) == 3


def test_what_clients_send_arrives():
    record = simulate(in_go(clients={"count": 30, "sends": {"rate": 2.0}}), 0, go_profile())
    assert audit(record).verdict == "pass"
    assert len(record.select("arrived")) >= len(record.select("sent")) - 2
