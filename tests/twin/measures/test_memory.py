"""The memory of nodes, read out of records made by hand."""

import pytest

from tests.strategies import small
from twin.measures import MEASURES, measure_memory
from twin.record.record import Record, row

LIMIT = {"nodes": {"memory_limit": 2**26}}
SIZES = [row(7.98, "node_memory", node=n, detail=detail) for n, detail in ((1, "1000 31000 30"), (2, "500 20500 20"))]


def record(rows, **changes):
    return Record.of(rows, {"world": "sim", "scenario": small(**changes).model_dump(exclude_none=True)})


def kills(*times, **more):
    return [row(t, "out_of_memory", node=1) for t in times] + [row(t, name, detail="stall") for name, t in more.items()]


def test_memory_is_a_connection_and_of_the_largest_node():
    assert measure_memory(record(SIZES, host={"memory": True})) == {"connection_bytes": 1000.0, "node_bytes": 31000.0}
    assert set(measure_memory(record(SIZES, codec="json"))) == {"connection_bytes"}
    assert measure_memory(record(SIZES)) == {}


def test_where_clients_send_what_nodes_note_of_that_is_in_their_memory():
    sends = {"clients": {"sends": {"rate": 1.0}}}
    assert measure_memory(record(SIZES, **sends, codec="json")) == {}
    assert measure_memory(record(SIZES, **sends, **LIMIT)) == {"memory_kills": 0.0}


def test_a_node_whose_size_the_profile_does_not_know_has_none():
    unknown = [row(7.98, "node_memory", node=1, detail="0 50000 50")]
    assert measure_memory(record(unknown, host={"memory": True})) == {"connection_bytes": 1000.0}
    few = [row(7.98, "node_memory", node=1, detail="0 49000 49")]
    assert measure_memory(record(few, host={"memory": True})) == {}


@pytest.mark.parametrize(
    ("rows", "first"),
    [(kills(2.5, 4.0), 2.5), (kills(2.5, 4.0, fault=1.0), 1.5), (kills(2.5, fault=3.0), 2.5)],
)
def test_the_first_end_counts_from_the_fault_before_it_or_from_the_start(rows, first):
    found = measure_memory(record(sorted(rows), **LIMIT))
    assert found["first_memory_kill"] == pytest.approx(first)
    assert found["memory_kills"] == sum(one[1] == "out_of_memory" for one in rows)
    assert {"node_bytes", "first_memory_kill", "memory_kills", "connection_bytes"} <= set(MEASURES)


def test_nodes_that_never_reach_their_limit_have_no_first_end():
    assert measure_memory(record([], **LIMIT)) == {"memory_kills": 0.0}
