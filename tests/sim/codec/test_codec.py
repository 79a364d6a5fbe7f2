"""Codecs, compression and batches in the model, by times and sizes computed by hand."""

from collections import Counter

import numpy as np
import pytest

from sim import simulate
from sim.engines import pick
from tests.codecs import CODEC_MICROSECONDS, DEFLATE_MICROSECONDS, codec_profile
from tests.costs import cost_of
from tests.strategies import small
from twin.costs.codec import CONTENTS, shape_of
from twin.invariants import audit
from twin.measures import measure_record

PROFILE = codec_profile()
WAY = (
    *("publisher_send", "bus_stamp", "bus_publish", "node_receive", "node_fanout", "balancer_delivery"),
    "client_delivery",
)
"""Parts of a delivery."""


def talking(**changes):
    base = small(clients={"count": 12}, bus={"kind": "pubsub"}, publisher={"rate": 10.0, "stop": 4.0}, duration=6.0)
    return base.vary(**changes)


def run(scenario):
    record = simulate(scenario, 0, PROFILE)
    assert audit(record).as_dict()["broken"] == {}
    return record


def lone(**changes):
    return talking(clients={"count": 1}, nodes={"count": 1}, host={"cores": 4}).vary(**changes)


def test_a_lone_delivery_takes_its_parts_with_encoding_and_decoding():
    plain, coded = (measure_record(run(lone(codec=codec)))["latency_p50"] for codec in ("none", "json"))
    larger = sum(
        PROFILE.curves(name, payload=shape_of(lone(codec="json")).payload)[0](1) - PROFILE.curves(name)[0](1)
        for name in WAY
    )
    more = CODEC_MICROSECONDS["codec_encode_lone"] + CODEC_MICROSECONDS["codec_decode_lone"]
    assert coded - plain == pytest.approx(more / 1e6 + larger, abs=1e-9)


def test_frames_are_compressed_one_by_one_and_counted():
    plain, smaller = (measure_record(run(talking(codec="json", nodes={"compression": one}))) for one in (None, {}))
    contents = talking(codec="json", nodes={"compression": {}}).contents
    sizes = [contents.frame(number) for number in range(1, 41)]
    assert smaller["wire_bytes"] == pytest.approx(np.mean(sizes), rel=1e-9)
    assert plain["wire_bytes"] == pytest.approx(np.mean([len(contents.content(n)) + 4 for n in range(1, 41)]))
    assert len(contents.content(20)) < CONTENTS[0]
    extra = DEFLATE_MICROSECONDS["deflate_kept"] / 1e6
    assert smaller["node_cpu"] - plain["node_cpu"] == pytest.approx(extra, rel=0.01)


def test_what_a_node_uses_for_a_message_is_the_sum_of_its_parts():
    slow, fast = (lone(codec="json").vary(publisher={"rate": rate}) for rate in (10.0, 20.0))
    used = [run(one).select("cpu_used").query("node == 1")["microseconds"].iloc[0] / 1e6 for one in (slow, fast)]
    payload = shape_of(slow).payload  # those with larger numbers have a byte more
    each = sum(PROFILE.curves(name, payload=payload)[0](1) for name in ("node_receive", "node_fanout"))
    assert (used[1] - used[0]) / 40 == pytest.approx(each + cost_of("node_ack", "node_answer"), rel=0.002)


def test_a_batch_of_the_publisher_is_one_message():
    batch = talking(codec="json").vary(publisher={"batch": {"count": 5, "window": 1.0}})
    record = run(batch)
    assert len(record.select("published")) == 8
    assert Counter(record.select("delivered")["client"]) == dict.fromkeys(range(12), 8)
    assert record.select("published")["t"].tolist() == pytest.approx([0.4 + 0.5 * n for n in range(8)], abs=0.002)
    found = measure_record(record)
    # of five messages, .1 s apart, the first waits .4 s and the last not at all
    assert found["age_p50"] == pytest.approx(0.2, abs=0.02)
    assert found["age_p99"] == pytest.approx(0.4, abs=0.02)
    assert found["latency_p50"] < 0.02
    assert found["wire_bytes"] == pytest.approx(np.mean([batch.contents.frame(n) for n in range(1, 9)]) / 5)


def test_a_node_hands_on_what_it_has_gathered_and_acknowledges_then():
    gathered = talking(nodes={"batch": {"count": 3, "window": 0.25}})
    record = run(gathered)
    assert Counter(record.select("delivered")["client"]) == dict.fromkeys(range(12), 40)
    taken = record.select("received").query("client < 0 and node == 1")["t"].to_numpy()
    own = record.select("delivered").query("node == 1 and client == client.iloc[0]")
    waits = own["t"].to_numpy() - taken
    # three of them are complete before the window of .25 s is over: the first waits for two more, .1 s apart
    assert waits[:6] == pytest.approx([0.2, 0.1, 0.0] * 2, abs=0.01)
    last = waits[39:]
    assert last == pytest.approx([0.25], abs=0.01)
    found = measure_record(record)
    assert found["consistent_p50"] > 0.09
    assert found["resends_per_message"] == 0.0


def test_a_message_sent_again_while_it_waits_is_acknowledged_only_when_it_is_out():
    record = run(talking(nodes={"batch": {"count": 100, "window": 0.5}}).vary(publisher={"ack_timeout": 0.2}))
    assert len(record.select("resent"))
    assert len(record.select("received").query("client < 0 and how == 'duplicate'"))
    first = record.select("acked").groupby("version")["t"].min()
    out = record.select("delivered").groupby("version")["t"].min()
    assert (first.sort_index() > out.sort_index() - 0.01).all()


def test_what_is_gathered_is_lost_with_its_node_and_recovered_elsewhere():
    kill = [{"at": 2.05, "kind": "kill", "node": 1}]
    scenario = talking(nodes={"batch": {"count": 100, "window": 0.4}}, faults=kill, duration=8.0)
    record = run(scenario)
    found = measure_record(record)
    assert found["lost_share"] == 0.0
    assert "node_cpu" not in found


def sending(batch=None, **changes):
    sends = {"rate": 10.0, "payload_bytes": 64, "batch": batch}
    return small(clients={"count": 6, "sends": sends}, duration=4.0).vary(**changes)


def numbers(table, client):
    return table[table["client"] == client]["version"].tolist()


def test_a_batch_of_a_client_is_one_frame_that_is_read_in_one_go():
    record = run(sending({"count": 4, "window": 1.0}, codec="json"))
    mine = record.select("sent").query("client == 2")
    assert Counter(mine["t"].round(6)).most_common(1)[0][1] == 4
    assert len(record.select("batched").query("client == 2")) >= len(mine)
    arrived = record.select("arrived").query("client == 2")
    assert arrived["version"].tolist() == list(range(len(arrived)))
    found = measure_record(record)
    # of four messages, .1 s apart, the first waits .3 s
    assert found["age_p99"] == pytest.approx(0.3, abs=0.02)


def test_on_the_way_in_a_codec_costs_node_and_client_their_share_of_each_message():
    plain, single, tens = (
        measure_record(run(one))
        for one in (
            sending({"count": 1, "window": 1.0}),
            sending({"count": 1, "window": 1.0}, codec="json"),
            sending({"count": 10, "window": 2.0}, codec="json"),
        )
    )
    decode, more = CODEC_MICROSECONDS["codec_decode"] / 1e6, CODEC_MICROSECONDS["codec_decode_more"] / 1e6
    assert single["node_cpu"] - plain["node_cpu"] == pytest.approx(decode, rel=0.05)
    read, checks = cost_of("node_read"), plain["node_cpu"] - cost_of("node_read")  # what else they do stays the same
    assert tens["node_cpu"] - checks == pytest.approx((read + decode + 9 * more) / 10, rel=0.1)


def test_what_has_not_left_when_a_connection_breaks_goes_over_the_next_one():
    kill = [{"at": 1.05, "kind": "kill", "node": 1}]
    settings = {"reconnect": {"policy": "fixed", "base": 1.0, "cap": 5.0, "jitter": "none"}}
    record = run(sending({"count": 50, "window": 0.4}, faults=kill, clients=settings, duration=6.0))
    lost = record.select("disconnected")["client"].unique()
    assert len(lost)
    for client in lost:
        kept, batched, arrived = (numbers(record.select(name), client) for name in ("kept", "batched", "arrived"))
        sent = record.select("sent")
        assert kept == sorted(kept) == numbers(sent[sent["flushed"]], client)
        assert set(kept) & set(batched)
        assert arrived == sorted(set(arrived))
        assert set(kept) <= set(arrived)


def test_the_compiled_engine_says_that_it_does_not_know_this():
    engine, why = pick(talking(codec="json"), "auto", PROFILE)
    assert engine == "simpy"
    assert "messages are encoded, compressed, gathered or held back" in why
