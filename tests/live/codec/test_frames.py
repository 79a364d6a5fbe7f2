"""Codecs, compression and batches over real processes: both worlds count the same bytes and messages."""

from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from live.codec.frames import Frames, attach
from live.runs import run
from sim import simulate
from tests.strategies import small_profile
from twin.invariants import audit
from twin.measures import measure_record
from twin.record.record import Record
from twin.scenario.scenario import Scenario

pytestmark = pytest.mark.live

TALK: dict[str, Any] = {
    "duration": 2.6,
    "codec": "msgpack",
    "clients": {"sends": {"rate": 10.0, "payload_bytes": 40, "batch": {"count": 4, "window": 0.35}}},
    "nodes": {"compression": {}, "batch": {"count": 2, "window": 0.3}},
    "bus": {"kind": "pubsub"},
    "publisher": {"rate": 20.0, "stop": 1.6, "payload_bytes": 100, "batch": {"count": 3, "window": 0.5}},
}


@pytest.fixture(scope="module")
def both(small: Callable[..., Scenario]) -> Callable[[], tuple[Record, Record]]:
    """The record of one live run with all of it at once, and of its replication in the model."""

    @cache
    def make() -> tuple[Record, Record]:
        scenario = small(**TALK)
        return run(scenario), simulate(scenario, 0, small_profile())

    return make


def test_every_message_comes_once_and_both_worlds_write_as_many_bytes(
    both: Callable[[], tuple[Record, Record]],
) -> None:
    live, predicted = both()
    for record in (live, predicted):
        assert audit(record).as_dict()["broken"] == {}
        assert Counter(record.select("delivered")["client"]) == dict.fromkeys(range(20), 11)  # 32 messages in threes
        written = record.select("node_written")
        assert written["frames"].sum() == 20 * 11
    found, expected = measure_record(live), measure_record(predicted)
    # a real epoch has other digits than the one that stands for it
    assert found["wire_bytes"] == pytest.approx(expected["wire_bytes"], rel=0.02)
    plain = sum(len(live.scenario.contents.content(n)) for n in range(1, 12)) / 32
    assert found["wire_bytes"] < 0.8 * plain


def test_messages_of_clients_arrive_in_batches_as_late_as_in_the_model(
    both: Callable[[], tuple[Record, Record]],
) -> None:
    live, predicted = both()
    arrived = live.select("arrived")
    for client in range(20):
        mine = arrived[arrived["client"] == client]["version"].tolist()
        assert mine == list(range(len(mine)))
        assert len(mine) >= 20
    sent = live.select("sent")
    assert sent.groupby(["client", "t"]).size().max() == 4
    assert measure_record(live)["age_p50"] == pytest.approx(measure_record(predicted)["age_p50"], abs=0.03)


def test_cpu_time_is_noted_of_each_node_and_of_the_clients(both: Callable[[], tuple[Record, Record]]) -> None:
    for record in both():
        used = record.select("cpu_used")
        assert sorted(used["node"]) == [-1, -1, *range(1, record.scenario.nodes.count + 1)]
        assert (used["microseconds"] > 0).all()
        found = measure_record(record)
        assert 1e-6 < found["node_cpu"] < 0.02
        assert 1e-6 < found["client_cpu"] < 0.02
    memory = both()[0].select("node_memory")
    assert memory["connections"].tolist() == [10, 10]
    assert (memory["after"] > memory["before"]).all()
    assert both()[0].provenance["codec"]["kind"] == "msgpack"
    assert both()[0].provenance["codec"]["versions"]["msgpack"]


def test_a_scenario_without_any_of_it_has_no_part_of_it(small: Callable[..., Scenario]) -> None:
    class Cluster:
        scenario = small(bus={"kind": "pubsub"}, publisher={"rate": 1.0})

        def add(self, part: object) -> None:
            raise AssertionError(part)

    attach(Cluster())  # type: ignore[arg-type]
    cluster: Any = type("Some", (), {"scenario": small(codec="json"), "nodes": [], "swarm": []})()
    part = Frames(cluster)
    assert (part.of_node(1), part.of_clients()) == ({}, {})
