"""Polls over real processes: every message comes once, in order, whatever happens, and costs what the rules say."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from live.runs import run
from twin.invariants import audit
from twin.measures import measure_record
from twin.record.record import Record
from twin.rules.poll_wire import exchange_bytes
from twin.scenario.overrides import merge
from twin.scenario.scenario import Scenario

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

COUNT, RATE = 12, 10.0


@pytest.fixture
def polling(small: Callable[..., Scenario]) -> Callable[..., Record]:
    def make(kind: str, faults: list[dict[str, Any]] | None = None, **changes: Any) -> Record:
        nginx = changes.get("balancer", {}).get("kind") == "nginx"
        settings: dict[str, Any] = {
            "duration": 3.4,
            "clients": {
                "count": COUNT,
                "connect_rate": 200.0,
                "open_timeout": 2.0,
                "transport": {"kind": kind, "interval": 0.2, "hold": 0.8},
            },
            "bus": {"kind": "stream", "lease": 0.6, "retry": {"cap": 0.2}},
            "publisher": {"rate": RATE, "ack_timeout": 0.3},
            "faults": faults or [],
            "balancer": {} if nginx else {"retries": 3, "redispatch": 1},
        }
        record = run(small(**merge(settings, changes)))
        assert audit(record).as_dict()["broken"] == {}
        return record

    return make


def reasons(record: Record) -> Counter[str]:
    return Counter(record.select("disconnected")["reason"])


@pytest.mark.parametrize("kind", ["poll", "long_poll"])
@pytest.mark.parametrize("balancer", ["haproxy", "nginx"])
def test_each_client_gets_each_message_once_in_as_many_bytes_as_the_rules_say(
    kind: str, balancer: str, polling: Callable[..., Record], balancer_installed: Callable[[str], None]
) -> None:
    balancer_installed(balancer)
    record = polling(kind, **({"balancer": {"kind": balancer}} if balancer == "nginx" else {}))
    measures, polled = measure_record(record), record.select("polled")
    assert measures["lost_share"] == 0.0
    assert not reasons(record)
    sizes = {(int(row.messages), int(row.size)) for row in polled.itertuples()}
    more = {size - exchange_bytes(True, [64] * messages) for messages, size in sizes}
    assert len(more) == 1, "nginx says its own name and that the connection stays, always in as many bytes"
    assert more == {0} or balancer == "nginx"
    assert set(record.select("cpu_used")["part"]) == {"node", "balancer", "clients"}
    assert all(measures[f"{part}_cpu_per_delivery"] > 1.0 for part in ("node", "balancer", "client"))
    if kind == "poll":
        assert measures["requests_per_second"] == pytest.approx(COUNT / 0.2, rel=0.1)
        assert measures["messages_per_answer"] == pytest.approx(0.2 * RATE, rel=0.1)
    else:
        assert measures["requests_per_second"] == pytest.approx(COUNT * RATE, rel=0.15)
        assert measures["empty_share"] == 0.0 or not record.counts


@pytest.mark.parametrize("kind", ["poll", "long_poll"])
def test_who_polls_rides_over_the_end_of_a_node(kind: str, polling: Callable[..., Record]) -> None:
    record = polling(kind, [{"at": 0.65, "kind": "kill", "node": 1}])
    assert measure_record(record)["lost_share"] == 0.0
    assert set(record.select("polled").query("t > 1")["node"]) == {2}
    # one that its node has from the kernel and not read yet is answered with 502 when the node dies
    assert set(reasons(record)) <= {"502"}
    assert reasons(record)["502"] <= 2


def test_a_request_to_a_node_that_hangs_is_given_up_and_made_anew(polling: Callable[..., Record]) -> None:
    hang = [{"at": 0.65, "kind": "hang", "node": 1, "duration": 2.0}]
    record = polling("long_poll", hang, duration=5.0, clients={"open_timeout": 0.5})
    assert set(reasons(record)) == {"timeout"}
    assert measure_record(record)["lost_share"] == 0.0


def test_a_balancer_cuts_what_is_held_for_too_long(polling: Callable[..., Record]) -> None:
    record = polling("long_poll", publisher={"rate": 0.5, "start": 1.5}, balancer={"server_timeout": 0.5})
    assert set(reasons(record)) == {"504"}
    assert reasons(record)["504"] >= COUNT
    assert measure_record(record)["lost_share"] == 0.0


@pytest.mark.parametrize("persist", [True, False])
def test_a_bus_that_comes_back_loses_nothing_or_begins_an_epoch(persist: bool, polling: Callable[..., Record]) -> None:
    fault = [{"at": 0.65, "kind": "bus_down", "duration": 0.5}]
    record = polling("poll", fault, bus={"persist": persist}, duration=5.0)
    epochs = set(record.select("delivered")["epoch"])
    assert len(epochs) == (1 if persist else 2)


def test_without_a_cursor_what_comes_between_two_polls_is_lost(polling: Callable[..., Record]) -> None:
    measures = measure_record(polling("poll", clients={"transport": {"cursor": False, "interval": 0.5}}))
    assert measures["lost_share"] == pytest.approx(0.8, abs=0.1)  # five come, and the newest is told
