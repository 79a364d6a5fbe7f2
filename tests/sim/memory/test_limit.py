"""Nodes that reach their limit, against bytes by hand."""

import pytest

from sim import simulate
from tests.footprints import KNOWN, PLACE, memory_profile
from tests.strategies import small
from twin.invariants import audit
from twin.measures import measure_memory
from twin.rules.frames import message_frame

EMPTY, EACH = (KNOWN["start_node"][name][0] for name in ("node", "connection"))
SIZE = 20_000
FRAME = message_frame(SIZE)
ROOM = 25_000
"""Bytes that the way to a client holds: one frame."""


def run(scenario):
    record = simulate(scenario, 0, memory_profile(path_bytes=[ROOM], path_bytes_large=[ROOM]))
    assert audit(record).as_dict()["broken"] == {}
    return record


def limited(connections, **changes):
    """Three nodes with 10 of 30 clients each, and room for so many."""
    limit = {"memory_limit": round(EMPTY + connections * EACH)}
    return small(nodes=limit | changes.pop("nodes", {}), **changes)


def stalled(clients, frames, **changes):
    """One node with 30 clients of which some do not read from 2 s on, and room for so many frames that wait for one."""
    empty, each = (KNOWN["start_broadcast"][name][0] for name in ("node", "connection"))
    limit = round(empty + 30 * each + frames * (FRAME + clients * PLACE))
    faults = [{"at": 2.0, "kind": "stall", "client": client, "duration": 5.0} for client in range(clients)]
    talk = {"bus": {"kind": "pubsub"}, "publisher": {"rate": 10.0, "payload_bytes": SIZE, "stop": 7.0}}
    nodes = {"count": 1, "memory_limit": limit} | changes.pop("nodes", {})
    return small(**talk, nodes=nodes, faults=faults, slow_consumer={"limit_bytes": 10_000_000}, **changes)


def test_nodes_with_room_for_their_clients_live():
    record = run(limited(10))
    assert measure_memory(record)["memory_kills"] == 0
    memory = record.select("node_memory")
    assert memory["before"].tolist() == [EMPTY] * 3
    assert memory["after"].tolist() == [EMPTY + 10 * EACH] * 3


def test_a_node_that_dies_takes_all_others_with_it():
    kill = [{"at": 1.0, "kind": "kill", "node": 1}]
    record = run(limited(14, faults=kill))
    found = record.select("out_of_memory", "node_stopped")
    assert found.query("event == 'node_stopped'")["node"].nunique() == 3
    assert sorted(found.query("event == 'out_of_memory'")["node"]) == [2, 3]
    reconnects = record.select("connected").query("t > 0").groupby("node").size()
    first = found.query("event == 'out_of_memory'").iloc[0]
    assert reconnects[first["node"]] == 5  # with the fifteenth it needs more than it may have
    assert measure_memory(run(limited(15, faults=kill)))["memory_kills"] == 0


def test_a_new_process_is_started_after_its_time_and_the_next_one_as_well():
    kill = [{"at": 1.0, "kind": "kill", "node": 1}]
    record = run(limited(14, nodes={"count": 2, "memory_restart": 1.0}, clients={"count": 28}, faults=kill))
    deaths = record.select("out_of_memory")["t"].tolist()
    starts = record.select("node_started")["t"].tolist()
    assert len(deaths) >= 2
    for death, start in zip(deaths, starts, strict=False):
        assert start - death == pytest.approx(1.0 + 0.15, abs=0.01)  # and the interpreter's own time
    assert set(record.select("out_of_memory")["node"]) == {2}


@pytest.mark.parametrize("clients", [1, 4])
def test_what_waits_for_clients_that_do_not_read_is_kept_once_for_all(clients):
    record = run(stalled(clients, 20))
    (death,) = record.select("out_of_memory")["t"]
    due = 2.0 + 0.1 * (1 + 20)  # one on its way, 20 in the node, and the next one is too many
    assert death == pytest.approx(due, abs=0.03)


def test_a_client_that_reads_again_frees_what_waited():
    scenario = stalled(1, 60)
    assert measure_memory(run(scenario))["memory_kills"] == 0
    longer = scenario.vary(publisher={"rate": 20.0})
    assert measure_memory(run(longer))["memory_kills"] == 1
