"""What the compiled engine leaves to the SimPy model is refused in the same words as the documents have it."""

from pathlib import Path

import pytest

from sim.compiled.subset import MOST_PEERS, NOT_COVERED, listed
from sim.engines import pick, uncovered
from sim.node.asyncio_runtime import AsyncioRuntime
from tests.strategies import knowing_profile, small
from twin.errors import ScenarioError

ROOT = Path(__file__).parents[3]
PUBLISHER = {"bus": {"kind": "stream"}, "publisher": {"rate": 5.0}}
KILL = {"at": 1.0, "kind": "kill", "node": 1}


def faults(*some):
    return {"faults": list(some)}


RUNTIME, RELAY = "the nodes run on something else than asyncio", "the relay of a fault takes CPU time"
EXAMPLES = {
    RUNTIME: {},
    "the balancer is of another kind than the kernel knows": {"balancer": {"kind": "envoy"}},
    RELAY: faults({"at": 1.0, "kind": "delay", "node": 1, "delay": 0.1}) | PUBLISHER,
    "the scenario has a blackhole": faults({"at": 1.0, "kind": "blackhole", "node": 1}),
    "a server of the bus hangs": faults({"at": 1.0, "kind": "bus_hang", "duration": 1.0}) | PUBLISHER,
    "a killed node is started again": faults({**KILL, "duration": 1.0}),
    "messages are encoded, compressed, gathered or held back": {"nodes": {"nodelay": False}},
    "clients come in the run": {"clients": {"arrivals": {"count": 1}}},
    "the balancer has limits": {"balancer": {"server_maxconn": 1000}},
    "clients look at the status of a refusal": {"clients": {"refusals": {"fatal": [429]}}},
    "the clients send": {"clients": {"sends": {"rate": 1.0}}},
    "the nodes have a handler": {"nodes": {"handler": {}}},
    "the bus is a NATS server": {"bus": {"kind": "jetstream"}, "publisher": {"rate": 5.0}},
    "the clients poll": {"clients": {"transport": {"kind": "poll"}}} | PUBLISHER,
    "the CPU time of processes is noted": {"host": {"accounts": True}},
    "the memory of nodes is noted or has a limit": {"host": {"memory": True}},
    "a fault may find what another has left": faults({"at": 0.5, "kind": "hang", "node": 1, "duration": 2.0}, KILL),
    "a client may not answer a node that ends": faults(
        {"at": 1.0, "kind": "stall", "client": 1, "duration": 11.0}, {"at": 2.0, "kind": "restart", "node": 1}
    )
    | PUBLISHER,
    "the clients of a broadcast have machines of their own": {"host": {"placement": "separate"}} | PUBLISHER,
    "a broadcast goes through an outage": faults({"at": 1.0, "kind": "outage"}) | PUBLISHER,
    "there are sessions": {"sessions": {"store": "memory"}},
    "the clients' heartbeat adapts to the network": {"clients": {"heartbeat": {"max_interval": 30.0}}},
    "the scenario has a registry": {"registry": {}},
    "the nodes end connections by themselves": {"nodes": {"lifetime": {"mean": 60.0}}},
    "the nodes have deadlines": {"nodes": {"read_deadline": 5.0}},
    "the nodes have pools of connections": {"nodes": {"pool": {}}},
    "the nodes ping": {"nodes": {"ping_interval": 1.0}},
    "a server of the balancer has a slowstart": {"balancer": {"slowstart": 1}},
    "the balancer hashes the names of its servers": {"balancer": {"kind": "nginx", "algorithm": "hash_consistent"}},
    "the balancer's idle timeout can end within the run": {"balancer": {"tunnel_timeout": 8.3}},
    f"a balancer that tries peer after peer has more than {MOST_PEERS} nodes": {
        "balancer": {"kind": "nginx"},
        "nodes": {"count": MOST_PEERS + 1},
    },
}
"""The smallest change of a covered scenario for each."""


TALK = {"bus": {"kind": "stream"}, "publisher": {}}
BESIDE_A_BROADCAST = {
    "there are sessions": {"sessions": {"store": "redis"}},
    "the clients send": {"clients": {"sends": {"rate": 1.0}}},
    "the scenario has a registry": {"registry": {}},
    "the nodes end connections by themselves": {"nodes": {"lifetime": {"mean": 60.0}}},
    "the scenario has a blackhole": faults({"at": 1.0, "kind": "blackhole", "node": 1}),
}


@pytest.mark.parametrize("why", BESIDE_A_BROADCAST)
def test_a_broadcast_beside_other_mechanisms_is_left_to_the_simpy_model(why):
    assert uncovered(small(**TALK | BESIDE_A_BROADCAST[why])) == why


def test_everything_that_is_not_covered_has_an_example():
    assert list(EXAMPLES) == list(NOT_COVERED)


@pytest.mark.parametrize("why", NOT_COVERED)
def test_what_only_the_simpy_model_has_is_left_to_it(why, monkeypatch):
    if why == RUNTIME:
        monkeypatch.setattr(AsyncioRuntime, "compiled", False)
    scenario, profile = small(**EXAMPLES[why]), knowing_profile() if why == RELAY else None
    assert [reason for reason, holds in NOT_COVERED.items() if holds(scenario, profile)] == [why]
    assert pick(scenario, "auto", profile) == (
        "simpy",
        f"The SimPy model is used, because {why}, which the compiled engine does not cover.",
    )
    with pytest.raises(ScenarioError) as refused:
        pick(scenario, "compiled", profile)
    assert str(refused.value) == f"engine is 'compiled'; it does not cover this: {why}; allowed is auto or simpy."


@pytest.mark.parametrize(
    "changes",
    [
        {"balancer": {"kind": "nginx"}, "nodes": {"count": MOST_PEERS}},
        {"balancer": {"tunnel_timeout": 8.4}},
        faults(KILL),
        faults({"at": 1.0, "kind": "stall", "client": 1, "duration": 10.0}, {"at": 2.0, "kind": "restart", "node": 1})
        | PUBLISHER,
    ],
)
def test_what_lies_just_within_the_limits_is_covered(changes):
    assert small().warm_up < 0.05
    assert uncovered(small(**changes)) == ""


def test_another_idle_timeout_that_can_end_is_not_covered_either():
    why = "the balancer's idle timeout can end within the run"
    assert uncovered(small(balancer={"kind": "nginx", "read_timeout": 8.3})) == why


def test_the_documents_have_the_same_list():
    text = (ROOT / "docs" / "model.md").read_text(encoding="utf-8")
    before, after = text.split("of which this list is made):\n")
    assert before
    assert after.split("\n\n")[0] == listed()
