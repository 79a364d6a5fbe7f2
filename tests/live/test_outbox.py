"""Clients that send, and keep what they cannot send."""

from collections.abc import Callable

import pytest

from live import measure
from twin.measures import measure_record
from twin.scenario import Scenario

pytestmark = pytest.mark.live


def test_what_is_kept_is_sent_first_and_in_order(small: Callable[..., Scenario]) -> None:
    scenario = small(
        duration=4.0,
        clients={
            "sends": {"rate": 5.0, "payload_bytes": 20},
            "offline": {"messages": 4},
            "reconnect": {"policy": "fixed", "base": 1.5, "jitter": "none", "cap": 5.0},
        },
        balancer={"retries": 3, "redispatch": 1},
        faults=[{"at": 0.5, "kind": "kill", "node": 1}],
    )
    record = measure(scenario, 1)[0]
    away = record.select("disconnected")["client"].unique()
    assert len(away) == 10
    for client in range(20):
        mine = record.events[record.events["client"] == client]
        sent = mine[mine["event"] == "sent"]
        assert sent["version"].tolist() == sorted(sent["version"])
        flushed = sent[sent["detail"] == "flushed"]["version"].tolist()
        kept = mine[mine["event"] == "kept"]["version"].tolist()
        dropped = mine[mine["event"] == "discarded"]["version"].tolist()
        assert flushed == [n for n in kept if n not in dropped]
        assert len(flushed) == (4 if client in away else 0)
        arrived = mine[mine["event"] == "arrived"]["version"].tolist()
        assert set(flushed) <= set(arrived)
        assert arrived == sorted(arrived)
    found = measure_record(record)
    assert found["kept_messages"] == pytest.approx(1.5 * 5.0 / 2, rel=0.25)
    assert found["offline_bytes"] == 10 * 4 * 20
    assert found["dropped_messages"] > 0
