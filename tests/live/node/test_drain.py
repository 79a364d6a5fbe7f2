"""A drain of real nodes: readiness, pace, close code, and the order of it all."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from types import SimpleNamespace

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

import sim
from live import measure
from live.node.messages import Drained, StartDrain
from tests.strategies import small_profile
from twin.invariants import audit
from twin.measures import measure_record
from twin.scenario.scenario import Scenario

pytestmark = pytest.mark.live


def test_a_node_that_drains_fails_its_check_then_refuses_then_closes_at_its_pace(
    farm: Callable[..., SimpleNamespace], until: Callable[..., None]
) -> None:
    one = farm(2)
    with ExitStack() as links:
        held = []
        for _ in range(10):
            link = links.enter_context(connect(f"ws://127.0.0.1:{one.node_ports[0]}/", compression=None, proxy=None))
            held.append(link)
        began = time.monotonic()
        one.nodes[0].tell(StartDrain(1.0, 10.0))
        until(lambda: any(event == "marked_down" for _, event, _, _ in one.notes), 5, "no mark-down")
        down = next(t for t, event, _, _ in one.notes if event == "marked_down")
        assert down - began < 1.0  # before the first close
        ends = []
        for link in held:
            with pytest.raises(ConnectionClosed) as caught:
                link.recv(timeout=10)
            ends.append(time.monotonic() - began)
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1012
        assert ends == sorted(ends)
        assert ends[0] == pytest.approx(1.0, abs=0.3)
        assert ends[-1] - ends[0] == pytest.approx(0.9, abs=0.3)
        assert began + 1.0 < one.nodes[0].hear(Drained).at < time.monotonic()
        assert one.nodes[0].wait(10)
        with connect(f"ws://127.0.0.1:{one.port}/", compression=None, proxy=None) as link:
            assert link.response is not None
            assert link.response.headers["X-Node"] == "2"


def test_a_drain_under_a_broadcast_loses_nothing(small: Callable[..., Scenario]) -> None:
    scenario = small(
        duration=6.0,
        bus={"kind": "stream"},
        publisher={"rate": 20.0, "stop": 4.5},
        balancer={"retries": 3, "redispatch": 1},
        faults=[{"at": 1.0, "kind": "drain", "node": 1, "lead": 0.6, "pace": 10.0}],
    )
    record = measure(scenario, 1)[0]
    found = measure_record(record)
    assert found["lost_share"] == 0.0
    assert set(record.select("disconnected")["detail"]) == {"1012"}
    assert [event for event in record.events["event"] if event in ("drained", "node_stopped", "healed")] == [
        "drained",
        "node_stopped",
        "healed",
    ]
    assert found["drain_time"] == pytest.approx(0.6 + 0.9, abs=0.5)


def test_a_second_order_does_not_hurry_a_drain_that_has_begun(farm: Callable[..., SimpleNamespace]) -> None:
    one = farm(1)
    with ExitStack() as links:
        uri = f"ws://127.0.0.1:{one.node_ports[0]}/"
        held = [links.enter_context(connect(uri, compression=None, proxy=None)) for _ in range(4)]
        began = time.monotonic()
        one.nodes[0].tell(StartDrain(0.0, 4.0))
        with pytest.raises(ConnectionClosed):
            held[0].recv(timeout=10)
        one.nodes[0].tell(StartDrain(0.0, 0.0))
        with pytest.raises(ConnectionClosed):
            held[-1].recv(timeout=10)
        assert time.monotonic() - began >= 0.75 - 0.01
    assert one.nodes[0].wait(10)
    assert one.nodes[0].log.read_text() == ""


def test_a_kill_ends_a_drain_and_a_dead_node_does_not_drain(small: Callable[..., Scenario]) -> None:
    """As in the model: no new process takes the place of either node."""
    faults = [
        {"at": 0.5, "kind": "kill", "node": 1},
        {"at": 0.5, "kind": "drain", "node": 2, "pace": 2.0},
        {"at": 0.8, "kind": "drain", "node": 1},
        {"at": 0.9, "kind": "kill", "node": 2},
    ]
    scenario = small(duration=2.0, nodes={"count": 3}, faults=faults)
    for record in (measure(scenario, 1)[0], sim.simulate(scenario, 0, small_profile())):
        told = record.select("node_stopped", "node_started", "drained", "healed")
        assert told["event"].tolist() == ["node_stopped"] * 2
        assert told["node"].tolist() == [1, 2]
        assert audit(record).violations == []
