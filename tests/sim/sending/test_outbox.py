"""Messages of clients in the model, against counts by hand."""

import numpy as np
import pytest

from sim import simulate
from tests.strategies import small
from twin.measures import measure_record

KILL = [{"at": 1.0, "kind": "kill", "node": 1}]
RATE = 4.0


def sending(offline=None, faults=KILL, duration=8.0, **clients):
    sends = {"sends": {"rate": RATE, "payload_bytes": 20}, "offline": offline or {}}
    return small(
        duration=duration, clients={**sends, **clients}, balancer={"retries": 3, "redispatch": 1}, faults=faults
    )


def numbers(record, event, client):
    table = record.select(event)
    return table[table["client"] == client]["version"].tolist()


def test_without_a_fault_every_message_arrives_once_and_in_order(profile):
    record = simulate(sending(faults=[], duration=4.0), 0, profile)
    for client in range(30):
        sent = numbers(record, "sent", client)
        assert sent == list(range(len(sent)))
        assert len(sent) == pytest.approx(4 * RATE, abs=1)
        assert numbers(record, "arrived", client) == sent[: len(numbers(record, "arrived", client))]
        assert len(sent) - len(numbers(record, "arrived", client)) <= 1
    gaps = np.diff(record.select("sent").query("client == 3")["t"])
    assert gaps == pytest.approx(np.full(len(gaps), 1 / RATE), abs=0.003)
    assert not len(record.select("kept", "discarded"))


def test_who_is_away_keeps_what_is_due_and_sends_it_first(profile):
    slow = {"reconnect": {"policy": "fixed", "base": 2.0, "cap": 5.0, "jitter": "none"}}
    record = simulate(sending(**slow), 0, profile)
    away = record.select("disconnected")["client"].unique()
    assert len(away) == 10
    for client in away:
        kept = numbers(record, "kept", client)
        assert len(kept) == pytest.approx(2 * RATE, abs=1)
        sent = record.select("sent").query("client == @client")
        flushed = sent[sent["detail"] == "flushed"]
        assert flushed["version"].tolist() == kept
        assert sent["version"].tolist() == sorted(sent["version"])
        assert flushed["t"].nunique() == 1
        arrived = numbers(record, "arrived", client)
        assert set(kept) <= set(arrived)
        assert arrived == sorted(arrived)
    found = measure_record(record)
    assert found["kept_messages"] == len(record.select("kept")) / 30
    most = len(record.select("kept")) * 20
    assert most - 10 * 20 <= found["offline_bytes"] <= most  # the first is back just before the last is due once more
    assert found["dropped_messages"] == 0.0
    assert found["flush_peak"] > 10 * RATE


def test_the_bound_drops_the_oldest_or_the_newest(profile):
    slow = {"reconnect": {"policy": "fixed", "base": 2.0, "cap": 5.0, "jitter": "none"}}
    for overflow in ("oldest", "newest"):
        record = simulate(sending({"messages": 3, "overflow": overflow}, **slow), 0, profile)
        client = record.select("disconnected")["client"].iloc[0]
        sent = record.select("sent").query("client == @client and detail == 'flushed'")["version"].tolist()
        due = sorted({*numbers(record, "kept", client), *numbers(record, "discarded", client)})
        assert sent == (due[-3:] if overflow == "oldest" else due[:3])
        assert measure_record(record)["offline_bytes"] == 10 * 3 * 20


def test_a_node_that_hangs_reads_what_has_gathered_when_it_goes_on(profile):
    hang = [{"at": 1.0, "kind": "hang", "node": 1, "duration": 2.0}]
    record = simulate(sending(faults=hang, heartbeat={"interval": 20.0, "timeout": 20.0}), 0, profile)
    read = record.select("arrived").query("node == 1")["t"]
    assert not read.between(1.01, 2.99).any()
    assert (read.between(3.0, 3.1)).sum() > 10 * 2 * RATE * 0.9
    assert not len(record.select("kept"))
