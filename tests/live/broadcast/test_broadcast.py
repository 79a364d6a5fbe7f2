"""A broadcast over real processes: each fault on either bus, and what the invariants say about it."""

from collections.abc import Callable
from typing import Any

import pytest

from live.runs import run
from twin.errors import HostError, ScenarioError
from twin.invariants import audit
from twin.measures import measure_record
from twin.measures.messages import Messages
from twin.record.record import Record
from twin.scenario.scenario import Scenario

pytestmark = pytest.mark.live

COUNT, RATE, DURATION = 24, 20.0, 3.4


@pytest.fixture(scope="module")
def broadcast(small: Callable[..., Scenario]) -> Callable[..., Record]:
    """Runs 24 clients on 3 nodes through one fault, and keeps the record."""
    done: dict[str, Record] = {}

    def make(kind: str, fault: dict[str, Any] | None = None, **changes: Any) -> Record:
        name = repr((kind, fault, changes))
        if name not in done:
            settings: dict[str, Any] = {
                "duration": DURATION,
                "nodes": {"count": 3},
                "clients": {"count": COUNT, "connect_rate": 200.0, "recovery": {"timeout": 0.3}},
                "bus": {"kind": kind, "lease": 0.6, "retry": {"cap": 0.2}},
                "publisher": {"rate": RATE, "ack_timeout": 0.3},
                "faults": [] if fault is None else [{"at": 0.6, **fault}],
            }
            for part, values in changes.items():
                settings[part] = settings.get(part, {}) | values
            done[name] = run(small(**settings))
        return done[name]

    return make


FAULTS: dict[str, dict[str, Any]] = {
    "none": {},
    "kill": {"kind": "kill", "node": 1},
    "hang": {"kind": "hang", "node": 2, "duration": 0.6},
    "restart": {"kind": "restart", "node": 3},
    "bus_cut": {"kind": "bus_cut", "node": 2},
    "stall": {"kind": "stall", "client": 3, "duration": 0.7},
    "partition": {"kind": "partition", "node": 2, "duration": 0.7},
    "delay": {"kind": "delay", "node": 2, "delay": 0.1, "duration": 0.7},
    "bus_down": {"kind": "bus_down", "duration": 0.5},
}
every_fault = pytest.mark.parametrize("name", [*FAULTS, "bus_down_persist"])


def of(broadcast: Callable[..., Record], bus: str, name: str) -> Record:
    if name == "bus_down_persist":
        return broadcast(bus, FAULTS["bus_down"], bus={"persist": True})
    return broadcast(bus, FAULTS[name] or None)


@every_fault
def test_over_a_stream_no_invariant_is_broken_and_the_fault_is_seen(
    name: str, broadcast: Callable[..., Record]
) -> None:
    one = audit(of(broadcast, "stream", name))
    assert [violation.text for violation in one.violations] == []
    assert one.reasons == []
    assert "reached" not in one.as_dict()["skipped"]


@every_fault
def test_over_a_stream_only_a_bus_that_lost_its_data_loses_messages(
    name: str, broadcast: Callable[..., Record]
) -> None:
    lost = measure_record(of(broadcast, "stream", name))["lost_share"]
    assert lost > 0 if name == "bus_down" else lost == 0


@every_fault
def test_over_pubsub_no_invariant_is_broken_and_clients_recover_what_the_bus_lost(
    name: str, broadcast: Callable[..., Record]
) -> None:
    record = of(broadcast, "pubsub", name)
    one = audit(record)
    assert [violation.text for violation in one.violations] == []
    assert one.reasons == []
    lost = measure_record(record)["lost_share"]
    assert lost > 0 if name == "bus_down" else lost == 0, "what a bus that forgot had stamped nobody can recover"


def test_without_a_fault_clients_apply_each_message_once_and_nodes_acknowledge_it(
    broadcast: Callable[..., Record],
) -> None:
    record = of(broadcast, "stream", "none")
    messages = Messages(record)
    published = len(messages["published"].t)
    assert published == round(RATE * DURATION)
    assert set(messages["published"].registered) == {3}
    late = messages["published"].t > DURATION - 0.3
    assert len(messages["delivered"].t) >= COUNT * (published - late.sum())
    assert len(messages["acked"].t) >= 3 * (published - late.sum())
    assert len(messages["consistent"].t) >= published - late.sum()
    assert not len(messages["gap"].t)
    assert not len(record.select("bus_lost", "bus_joined"))
    latency = measure_record(record)["latency_p50"]
    assert 0 < latency < 0.25


def test_a_new_epoch_is_larger_and_its_versions_begin_at_one(broadcast: Callable[..., Record]) -> None:
    published = Messages(of(broadcast, "stream", "bus_down"))["published"]
    stamped = published.where(published.version > 0)
    epochs = sorted(set(stamped.epoch.tolist()))
    assert len(epochs) == 2
    assert stamped.version[stamped.epoch == epochs[1]].min() == 1
    assert stamped.t[stamped.epoch == epochs[1]].min() > stamped.t[stamped.epoch == epochs[0]].max()
    assert 0 < epochs[1] - epochs[0] < 60_000_000, "epochs are microseconds"


def test_a_bus_with_its_data_goes_on_in_the_same_epoch(broadcast: Callable[..., Record]) -> None:
    record = of(broadcast, "stream", "bus_down_persist")
    published = Messages(record)["published"]
    assert len(set(published.epoch[published.version > 0].tolist())) == 1
    assert set(record.select("bus_lost")["node"]) == set(record.select("bus_joined")["node"]) == {1, 2, 3}
    down, up = (float(record.select(name)["t"].iloc[0]) for name in ("fault", "healed"))
    assert record.select("bus_joined")["t"].min() > down
    assert up - down >= 0.5
    assert published.attempt.max() > 1


def test_the_publisher_resends_what_a_partitioned_node_does_not_acknowledge(
    broadcast: Callable[..., Record],
) -> None:
    messages = Messages(of(broadcast, "stream", "partition"))
    assert len(messages["resent"].t) > 0
    received = messages["received"]
    twice = received.where((received.how == "duplicate") & (received.client < 0))
    assert set(twice.node) >= {1}


def test_clients_of_a_killed_node_come_back_elsewhere_and_resume(broadcast: Callable[..., Record]) -> None:
    record = of(broadcast, "stream", "kill")
    lost = set(record.select("disconnected")["client"])
    assert len(lost) == COUNT // 3
    recovered = record.select("recovered")
    assert set(recovered["client"]) >= lost
    assert set(recovered["how"]) == {"replayed"}


def test_scope_client_is_consistent_only_after_every_client_has_applied_it(small: Callable[..., Scenario]) -> None:
    scenario = small(
        duration=1.5,
        clients={"count": 10},
        bus={"kind": "pubsub"},
        publisher={"rate": 10.0, "scope": "client", "messages": 5},
    )
    record = run(scenario)
    assert audit(record).verdict == "pass"
    messages = Messages(record)
    consistent = messages["consistent"]
    assert len(consistent.t) == 5
    for key, t in zip(consistent.key, consistent.t, strict=True):
        assert t >= messages["delivered"].t[messages["delivered"].key == key].max()


@pytest.mark.parametrize("policy", ["drop", "coalesce", "close"])
def test_a_client_that_does_not_read_meets_the_policy_and_ends_at_the_head(
    policy: str, small: Callable[..., Scenario]
) -> None:
    scenario = small(
        duration=4.5,
        clients={"count": 4, "recovery": {"timeout": 0.3}},
        nodes={"count": 1},
        bus={"kind": "stream", "max_length": 10},
        publisher={"rate": 25.0, "payload_bytes": 500_000, "stop": 3.9},
        slow_consumer={"policy": policy, "limit_bytes": 2_000_000},
        faults=[{"at": 0.2, "kind": "stall", "client": 2, "duration": 2.3}],
    )
    record = run(scenario)
    one = audit(record)
    assert [violation.text for violation in one.violations] == []
    assert one.reasons == []
    mine = record.events[record.events["client"] == 2]
    answers = record.select("recovered")
    assert "snapshot" in set(answers[answers["client"] == 2]["how"])
    assert ("disconnected" in set(mine["event"])) == (policy == "close")
    others = record.select("disconnected")
    assert set(others["client"]) <= {2}
    applied = record.select("delivered").groupby("client")["version"].max()
    assert applied[2] == applied.max()


def test_a_bus_that_is_not_ours_is_not_killed_and_nothing_is_started(
    small: Callable[..., Scenario], nothing_starts: type[Exception]
) -> None:
    fault = {"at": 0.5, "kind": "bus_down", "duration": 0.2}
    scenario = small(bus={"kind": "stream"}, publisher={}, faults=[fault])
    with pytest.raises(ScenarioError, match="the lab kills only its own bus"):
        run(scenario, redis_url="redis://127.0.0.1:1/0")
    with pytest.raises(HostError, match="no Redis or Valkey answers there"):
        run(scenario.vary(faults=[]), redis_url="redis://127.0.0.1:1/0")


def test_more_deliveries_than_a_run_can_note_are_refused(
    small: Callable[..., Scenario], nothing_starts: type[Exception]
) -> None:
    scenario = small(clients={"count": 2000}, bus={"kind": "stream"}, publisher={"rate": 1000.0})
    with pytest.raises(ScenarioError, match=r"^publisher\.rate gives 2000 messages for 2000 clients"):
        run(scenario)
