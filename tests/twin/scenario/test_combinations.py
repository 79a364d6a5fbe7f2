"""Mechanisms that not all nodes and clients have: what does not go together is refused in a sentence."""

import pytest

from tests.strategies import small
from twin.errors import ScenarioError
from twin.scenario.runtimes import LACKS

BATCH = {"count": 2, "window": 0.1}
TALK = {"bus": {"kind": "pubsub"}, "publisher": {"rate": 1.0}}
USES = {
    "codec": {"codec": "json"},
    "nodes.compression": {"nodes": {"compression": {}}},
    "nodes.batch": {"nodes": {"batch": BATCH}},
    "publisher.batch": {**TALK, "publisher": {"rate": 1.0, "batch": BATCH}},
    "clients.sends.batch": {"clients": {"sends": {"rate": 1.0, "batch": BATCH}}},
    "nodelay": {"clients": {"nodelay": False}},
    "nodes.pool": {"nodes": {"pool": {}}},
    "host.accounts": {"host": {"accounts": True}},
    "host.memory": {"host": {"memory": True}},
    "nodes.memory_limit": {"nodes": {"memory_limit": 2**26}},
    "clients.transport": {**TALK, "clients": {"transport": {"kind": "poll"}}},
    "nodes.lifetime": {"nodes": {"lifetime": {"mean": 60.0}}},
    "registry": {"registry": {}},
    "sessions.store": {"sessions": {"store": "memory"}},
    "publisher": TALK,
}
"""What a runtime may lack -> a scenario that has it."""


@pytest.mark.parametrize("runtime", sorted(LACKS))
@pytest.mark.parametrize("name", sorted(USES))
def test_a_scenario_with_what_its_nodes_lack_is_refused_and_any_other_is_not(name, runtime):
    uses = {name, *(("publisher",) if "publisher" in USES[name] else ())}
    scenario = small(**USES[name])
    if not uses & LACKS[runtime]:
        assert scenario.vary(nodes={"runtime": runtime}).nodes.runtime == runtime
        return
    with pytest.raises(ScenarioError, match=rf"nodes.runtime is '{runtime}'; allowed is 'asyncio' (with|or)"):
        scenario.vary(nodes={"runtime": runtime})


POLLS = {**TALK, "clients": {"transport": {"kind": "poll"}}}
NEEDS = {
    "nodes.handler": {"nodes": {"handler": {}}},
    "nodes.read_deadline": {"nodes": {"read_deadline": 5.0}},
    "nodes.write_deadline": {"nodes": {"write_deadline": 5.0}},
    "nodes.pool.handshake": {"nodes": {"pool": {}}},
    "codec": {"codec": "json"},
    "nodes.compression": {"nodes": {"compression": {}}},
    "nodes.memory_limit": {"nodes": {"memory_limit": 2**26}},
    "host.memory": {"host": {"memory": True}},
    "nodes.batch": {"nodes": {"batch": BATCH}},
    "publisher.batch": {"publisher": {"batch": BATCH}},
    "nodes.nodelay": {"nodes": {"nodelay": False}},
    "clients.nodelay": {"clients": {"nodelay": False}},
}
"""Setting -> a change of a scenario that gives it a value which needs a connection that stays."""


@pytest.mark.parametrize("name", sorted(NEEDS))
def test_what_needs_a_connection_that_stays_is_refused_where_clients_poll(name):
    assert small(**TALK).vary(**NEEDS[name])
    with pytest.raises(ScenarioError, match=rf"{name} is .*; allowed is .* with clients.transport.kind 'poll'"):
        small(**POLLS).vary(**NEEDS[name])


def test_a_pool_beside_the_handshakes_is_well_with_polls():
    assert small(**POLLS).vary(nodes={"pool": {"handshake": False, "rate": 5.0}}).nodes.pool is not None
