"""All mechanisms at once, on real processes: every invariant holds, and each mechanism has done its part."""

from collections.abc import Callable
from typing import Any

import pytest
import redis

from live.broadcast.bus import Bus, client_of
from live.control.process import Stage
from live.machine import placement
from live.runs import run
from twin.invariants import audit
from twin.record.record import EVENTS, Record
from twin.scenario.scenario import Scenario

pytestmark = [pytest.mark.live, pytest.mark.timeout(180)]

ALL: dict[str, Any] = {
    "duration": 5.0,
    "clients": {
        "sends": {"rate": 5.0},
        "heartbeat": {"interval": 0.5, "timeout": 0.5},
        "recovery": {"timeout": 0.3},
    },
    "nodes": {"lifetime": {"mean": 2.0, "jitter": 0.5}},
    "bus": {"kind": "stream", "lease": 1.0},
    "publisher": {"rate": 20.0},
    "sessions": {"store": "redis", "login_iterations": 1000},
    "registry": {"heartbeat": 0.2, "ttl": 0.6, "sync": 0.1, "rebalance": {"pace": 20.0, "slack": 0.1}},
}


def broken(record: Record) -> dict[str, Any]:
    """Return the violations of a record, by invariant."""
    return {name: found.violations for name, found in audit(record).findings.items() if found.count}


def of_node(record: Record, event: str) -> set[int]:
    """Return the nodes that have noted an event."""
    table = record.select(event)
    return set(table[table["client"] < 0]["node"] if event == "received" else table["node"])


def test_a_broadcast_beside_sessions_sends_registry_and_lifetimes(small: Callable[..., Scenario]) -> None:
    faults = [{"kind": "kill", "node": 1, "at": 1.0, "duration": 0.5}, {"kind": "join", "node": 3, "at": 1.5}]
    record = run(small(**ALL, faults=faults))
    assert broken(record) == {}
    seen = set(record.events["event"])
    assert seen <= EVENTS
    assert {"delivered", "consistent", "arrived", "session_resumed", "registered", "recovered", "healed"} <= seen
    assert record.select("disconnected")["detail"].eq("1012").sum() > 20  # lifetimes
    assert 3 in of_node(record, "registered")
    assert {2, 3} <= of_node(record, "received"), "a node that joins subscribes and tells what it received"
    assert {2, 3} <= of_node(record, "acked"), "it has registered with the publisher"
    assert 3 in of_node(record, "arrived")
    resumed = record.select("session_resumed")
    assert 3 in set(resumed["node"]), "it shares the sessions"


def test_a_node_of_the_autoscaler_has_all_mechanisms(small: Callable[..., Scenario]) -> None:
    scaling = {"target": 5, "minimum": 2, "maximum": 4, "sync_period": 0.4}
    record = run(small(**ALL, autoscaling=scaling))
    assert broken(record) == {}
    (first, *_) = record.select("scaled")["detail"]
    assert first.startswith("2 to 4")
    for event in ("registered", "received", "acked", "arrived", "session_resumed"):
        assert {3, 4} & of_node(record, event), event


@pytest.mark.parametrize("kind", ["pubsub", "stream"])
def test_nothing_of_any_use_is_left_in_the_users_own_server(
    kind: str, stage: Stage, small: Callable[..., Scenario]
) -> None:
    bus = Bus(stage, placement.free_ports(1)[0], [])
    bus.wait_ready(10)
    with client_of(bus.address) as client:
        client.config_set("notify-keyspace-events", "KA")
        written: set[bytes] = set()
        with client.pubsub() as listening:  # type: ignore[no-untyped-call]
            listening.psubscribe("__keyspace@0__:stormlab:*")
            record = run(small(**ALL | {"duration": 1.5, "bus": {"kind": kind, "lease": 1.0}}), redis_url=bus.address)
            while (message := listening.get_message(timeout=0.2)) is not None:
                written.add(bytes(message["channel"]).split(b":")[-1])
        assert broken(record) == {}
        assert {b"head", b"generations"} <= written, written
        assert _left(client) == []


def _left(client: redis.Redis) -> list[bytes]:
    return sorted(client.scan_iter("*"))
