"""A drain of real nodes: readiness, pace, close code, and the order of it all."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from types import SimpleNamespace

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from live import measure
from twin.measures import measure_record
from twin.scenario import Scenario

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
        one.nodes[0].tell(drain=1.0, pace=10.0)
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
        assert began + 1.0 < float(one.nodes[0].hear()["drained"]) < time.monotonic()
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
