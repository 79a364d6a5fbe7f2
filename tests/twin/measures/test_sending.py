from tests.strategies import small
from twin.measures.sending import held_bytes, measure_offline, read_times
from twin.record.record import Record, row

KILL = [{"at": 1.0, "kind": "kill", "node": 1}]


def record(rows, rate=2.0):
    clients = {"count": 2, "sends": {"rate": rate, "payload_bytes": 10}}
    scenario = small(clients=clients, faults=KILL)
    return Record.of(rows, {"scenario": scenario.model_dump(exclude_none=True), "replication": 0})


def kept(client, t, n):
    return row(t, "kept", client, version=n)


def rows():
    return [
        row(1.0, "fault", node=1, detail="kill"),
        row(1.2, "node_stopped", node=1),
        kept(0, 1.5, 3),
        kept(1, 1.6, 3),
        kept(0, 2.0, 4),
        row(2.5, "discarded", 0, version=3),
        kept(0, 2.5, 5),
        row(2.6, "discarded", 1, version=4),  # it never was kept
        *(row(3.0, "sent", 0, 2, version=n, detail="flushed") for n in (4, 5)),
        row(3.1, "sent", 0, 2, version=6),
        row(3.2, "arrived", 0, 2, version=4),
        row(3.25, "arrived", 0, 2, version=5),
        row(3.29, "arrived", 0, 2, version=6),
        row(3.305, "arrived", 1, 2, version=9),
        row(3.26, "arrived", 1, 1, version=7),  # on a node that stopped
    ]


def test_kept_dropped_bytes_and_the_peak_by_hand():
    assert measure_offline(record(rows())) == {
        "kept_messages": 2.0,
        "dropped_messages": 1.0,
        "offline_bytes": 30.0,
        "flush_peak": 3.0,
    }


def test_without_sends_or_a_fault_there_is_nothing_to_measure():
    assert measure_offline(record(rows(), rate=0.0)) == {}
    assert measure_offline(record([one for one in rows() if one[1] != "fault"])) == {}


def test_only_what_was_kept_counts_in_bytes_and_only_from_the_fault_on_in_the_peak():
    some = [row(1.0, "fault", node=1, detail="kill")]
    some += [row(t, "arrived", 0, 2, version=n) for n, t in enumerate((0.99, 1.0, 1.09, 1.1))]
    found = measure_offline(record([*some, row(1.5, "sent", 0, 2, version=9)]))
    assert found == {"kept_messages": 0.0, "dropped_messages": 0.0, "offline_bytes": 0.0, "flush_peak": 2.0}


def test_bytes_change_when_messages_are_kept_dropped_and_flushed():
    times, held = held_bytes(record(rows()))
    assert times.tolist() == [1.5, 1.6, 2.0, 2.5, 2.5, 3.0, 3.0]
    assert held.tolist() == [10.0, 20.0, 30.0, 20.0, 30.0, 20.0, 10.0]


def test_the_nodes_that_never_stopped_read_in_order():
    assert read_times(record(rows())).tolist() == [3.2, 3.25, 3.29, 3.305]
