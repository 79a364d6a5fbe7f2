"""A broadcast over a NATS server in both worlds: the faults, what comes twice, and what the invariants say."""

from collections.abc import Callable
from typing import Any

import pytest

import sim
from live.runs import run
from twin.costs.profile import HostProfile
from twin.invariants import audit
from twin.measures import measure_record
from twin.record.record import Record
from twin.scenario.scenario import Scenario

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("nats")]

RATE, COUNT, NODES = 20.0, 12, 3
STARTS_WITHIN = 1.5
"""Seconds from the kill of a node until its new process is on the bus again."""


def scenario(small: Callable[..., Scenario], faults: list[dict[str, Any]], **bus: Any) -> Scenario:
    return small(
        duration=4.0,
        nodes={"count": NODES},
        clients={"count": COUNT, "connect_rate": 200.0, "recovery": {"timeout": 0.3}},
        bus={"kind": "jetstream", "persist": True, "lease": 0.6, "retry": {"cap": 0.2}, **bus},
        publisher={"rate": RATE, "stop": 3.0, "ack_timeout": 5.0},
        faults=faults,
    )


def both(asked: Scenario) -> tuple[Record, Record]:
    """Return the record of a live run, and that of the model."""
    return run(asked), sim.simulate(asked, 0, HostProfile.load("reference"))


def received(record: Record, node: int, after: float = -1.0) -> list[int]:
    """Return the versions that a node has received, in order."""
    events = record.events
    mine = events[(events.event == "received") & (events.client < 0) & (events.node == node) & (events.t > after)]
    return [int(version) for version in mine.version]


def test_over_a_killed_server_with_its_data_nothing_is_lost_and_little_comes_twice(
    small: Callable[..., Scenario],
) -> None:
    asked = scenario(small, [{"at": 1.03, "kind": "bus_down", "duration": 0.5}])
    for record in both(asked):
        found = audit(record)
        assert [one.text for one in found.violations] == []
        assert "reached" not in found.as_dict()["skipped"]
        measured = measure_record(record)
        assert measured["lost_share"] == measured["undelivered_share"] == 0
        assert measured["latency_p99"] > 0.4  # some waited for the server
        for node in range(1, NODES + 1):
            versions = received(record, node)
            assert sorted(set(versions)) == list(range(1, 61))
            assert len(versions) - 60 <= 3  # what its consumer's file did not have: 0.1 s at 20 messages/s, and one


def test_what_a_killed_node_had_not_acknowledged_comes_again_to_its_next_process(
    small: Callable[..., Scenario],
) -> None:
    faults = [{"at": 1.83, "kind": "kill", "node": 1, "duration": 0.2}]
    stream = {"ack_policy": "all", "ack_wait": 1.5}
    for record in both(scenario(small, faults, commit_interval=0.79, jetstream=stream)):
        assert [one.text for one in audit(record).violations] == []
        assert measure_record(record)["lost_share"] == 0
        versions = received(record, 1, after=1.84)
        again = [version for version in versions if version <= 37]
        assert again == sorted(again)
        assert (
            4 <= len(again) < RATE * 2 * 0.79
        )  # four since 1.6 s; where the node waits for its core, an interval more
        assert sorted(set(versions)) == list(range(again[0], 61))


def test_a_server_that_stands_still_delays_everything_and_breaks_no_connection(small: Callable[..., Scenario]) -> None:
    for record in both(scenario(small, [{"at": 1.03, "kind": "bus_hang", "duration": 0.6}])):
        found = audit(record)
        assert [one.text for one in found.violations] == []
        assert found.reasons == []
        assert not len(record.select("bus_lost"))
        assert measure_record(record)["lost_share"] == 0
        times = record.select("delivered")["t"]
        assert not times.between(1.1, 1.6).any()  # what was on its way has come
        assert times.between(1.63, 1.9).any()


def test_nobody_publishes_until_three_servers_have_another_leader(small: Callable[..., Scenario]) -> None:
    fault = {"at": 1.03, "kind": "bus_down", "duration": 9.5}
    asked = scenario(small, [fault], retry={"cap": 0.2, "retries": 300, "timeout": 1.0}, jetstream={"replicas": 3})
    for record in both(asked.vary(duration=13.0)):
        assert [one.text for one in audit(record).violations] == []
        measured = measure_record(record)
        assert measured["lost_share"] == measured["undelivered_share"] == 0
        times = record.select("delivered")["t"]
        assert not times.between(1.1, 1.03 + 3.9).any()  # the least election timeout is 4 s
        assert times.between(1.03 + 4.0, 1.03 + 10.5).any()  # the longest is 9 s, and the publisher asks again
