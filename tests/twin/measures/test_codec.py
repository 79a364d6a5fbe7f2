"""Measures of how messages travel, by hand."""

import pytest

from tests.strategies import small
from twin.measures import MEASURES, measure_record
from twin.measures.codec import measure_codec
from twin.record.events import CpuUsed
from twin.record.record import Record, row

BATCH = {"count": 2, "window": 0.5}


def record(rows, **changes):
    scenario = small(clients={"count": 2}, nodes={"count": 2}, duration=4.0).vary(**changes)
    return Record.of(rows, {"scenario": scenario.model_dump(exclude_none=True), "replication": 0})


def published():
    """Return a publisher of five messages in batches of two: the last leaves alone, half a second after it was due."""
    return {
        "bus": {"kind": "pubsub"},
        "codec": "json",
        "publisher": {"rate": 10.0, "start": 1.0, "messages": 5, "batch": BATCH},
    }


def rows():
    return [
        *(row(t, "published", attempt=1, version=n, detail=f"1 {n} acknowledged 2") for t, n in ((1.1, 1), (1.3, 2))),
        row(1.2, "delivered", 0, 1, version=1, detail="1 1"),
        row(1.4, "delivered", 0, 1, version=2, detail="1 2"),
        row(1.9, "published", attempt=1, version=3, detail="1 3 acknowledged 2"),
        row(2.0, "delivered", 0, 1, version=3, detail="1 3"),
        row(2.1, "node_written", node=1, detail="900 2"),
        row(2.1, "node_written", node=2, detail="100 1"),
        row(3.98, "cpu_used", detail=CpuUsed.pack("clients", 500)),
        row(3.98, "cpu_used", detail=CpuUsed.pack("balancer", 90)),
        *(row(3.98, "cpu_used", node=node, detail=CpuUsed.pack("node", used)) for node, used in ((1, 1000), (2, 200))),
    ]


def test_age_counts_from_when_each_message_of_a_batch_was_due():
    found = measure_codec(record(rows(), **published()))
    # due at 1.0, 1.1 | 1.2, 1.3 | 1.4, and applied at 1.2 | 1.4 | 2.0
    waits = sorted([0.2, 0.1, 0.2, 0.1, 0.6])
    assert found["age_p50"] == pytest.approx(waits[2])
    assert found["age_p99"] == pytest.approx(0.2 + 0.96 * 0.4)


def test_bytes_and_cpu_time_are_a_message():
    found = measure_codec(record(rows(), **published()))
    assert found["wire_bytes"] == pytest.approx(1000 / 3 / (5 / 3))
    assert found["node_cpu"] == pytest.approx(1200e-6 / 5)
    assert found["client_cpu"] == pytest.approx(500e-6 / 5)


def test_without_the_cpu_time_of_each_node_there_is_none_of_nodes():
    found = measure_codec(record([one for one in rows() if one[3] != 2], **published()))
    assert "node_cpu" not in found
    assert "client_cpu" in found


def test_messages_of_clients_count_from_their_batch_or_from_when_they_were_sent():
    sends = {"clients": {"sends": {"rate": 1.0, "batch": BATCH}}}
    some = [
        row(1.0, "batched", 0, 1, version=0),
        row(1.5, "sent", 0, 1, version=0),
        row(1.6, "arrived", 0, 1, version=0),
        row(1.7, "batched", 1, 2, version=0),
        row(1.8, "kept", 1, version=0, detail="64"),  # its connection broke
        row(3.0, "sent", 1, 2, version=0, detail="flushed"),
        row(3.1, "arrived", 1, 2, version=0),
        row(3.98, "cpu_used", node=1, detail=CpuUsed.pack("node", 100)),
        row(3.98, "cpu_used", node=2, detail=CpuUsed.pack("node", 300)),
    ]
    found = measure_codec(record(some, **sends))
    assert (found["age_p50"], found["age_p99"]) == (pytest.approx(0.6), pytest.approx(0.6))
    assert found["node_cpu"] == pytest.approx(400e-6 / 2)
    plain = [one for one in some if one[1] != "batched"]
    coded = {"codec": "json", "clients": {"sends": {"rate": 1.0}}}
    assert measure_codec(record(plain, **coded))["age_p50"] == pytest.approx(0.1)


def test_a_scenario_without_any_of_it_has_none_of_these_measures():
    plain = published() | {"codec": "none"}
    plain["publisher"] = plain["publisher"] | {"batch": None}
    found = measure_record(record([one for one in rows() if one[1] in ("published", "delivered")], **plain))
    assert "latency_p50" in found
    assert not {name for name in found if name in ("age_p50", "wire_bytes", "node_cpu")}
    assert {"age_p50", "wire_bytes", "node_cpu", "client_cpu"} <= set(MEASURES)


def test_frames_of_answers_alone_have_no_bytes_a_message():
    nothing_due = published() | {"publisher": {"rate": 1.0, "start": 1.0, "stop": 1.0}}
    found = measure_codec(record([row(2.1, "node_written", node=1, detail="48 2")], **nothing_due))
    assert "wire_bytes" not in found
