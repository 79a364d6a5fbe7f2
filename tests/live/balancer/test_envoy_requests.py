"""Envoy: what happens to requests and to the ends of connections: ejections, retries, circuit breakers."""

import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from live.runs import run
from tests.dials import NEVER, TICK, Dials, marks
from twin.invariants import audit
from twin.scenario.scenario import Scenario

pytestmark = pytest.mark.live


def test_a_server_that_fails_is_ejected_and_each_time_for_longer(dials: Callable[..., Dials]) -> None:
    ejecting = {"consecutive_5xx": 3, "max_ejection_percent": 50, "base_ejection_time": 0.4, "interval": 0.4}
    one = dials(2, check=NEVER, outlier_detection=ejecting, update_merge_window=0.0)
    one.farm.nodes[1].process.kill()
    one.farm.nodes[1].wait(10)
    deadline, failed = time.monotonic() + 15, []
    while len(one.farm.notes) < 4 and time.monotonic() < deadline:
        if one.reached() < 0:
            failed.append(time.monotonic())
        time.sleep(0.01)
    assert marks(one) == [("marked_down", 2), ("marked_up", 2)] * 2
    times = [t for t, _, _, _ in one.farm.notes]
    assert [note[3] for note in one.farm.notes] == ["outlier"] * 4
    assert 0.4 - TICK <= times[1] - times[0] < 0.4 + 0.4 + 0.3
    assert 0.8 - TICK <= times[3] - times[2] < 0.8 + 0.4 + 0.3
    assert sum(at < times[3] for at in failed) == 6
    assert one.farm.balancer.counters()["outlier_detection.ejections_enforced_total"] == 2


def test_a_websocket_that_a_node_ends_counts_as_a_failure_of_it(
    dials: Callable[..., Dials], until: Callable[..., None]
) -> None:
    one = dials(1, check=NEVER, outlier_detection={"consecutive_5xx": 2, "max_ejection_percent": 100})
    for _ in range(2):  # a close handshake is the client's wish, but the node closes first
        one.open().close()
        assert one.farm.notes == [], "a 101 between them"
    first, second = one.open(), one.open()
    first.close()
    second.close()
    until(lambda: marks(one) == [("marked_down", 1)], 5, "it is not ejected")


def test_a_whole_run_has_envoys_marks_and_counters(envoy: None, small: Callable[..., Scenario]) -> None:
    faults = [{"at": 0.3, "kind": "kill", "node": 1}]
    record = run(small(duration=1.2, balancer={"kind": "envoy"}, faults=faults), 0)
    counted = record.select("balancer_counted").set_index("counter")["count"]
    assert counted["upstream_rq_total"] >= 20 + (record.select("connected")["t"] > 0.3).sum() > 20
    assert record.select("marked_down")["node"].tolist() == [1]
    assert audit(record).violations == []


def test_by_default_one_of_two_is_never_ejected(dials: Callable[..., Dials]) -> None:
    one = dials(2, check=NEVER, outlier_detection={"consecutive_5xx": 2})
    one.farm.nodes[1].process.kill()
    one.farm.nodes[1].wait(10)
    assert [one.reached() for _ in range(8)].count(-1) == 4
    assert one.farm.balancer.counters()["outlier_detection.ejections_overflow"] == 2
    assert one.farm.notes == []


def test_tries_at_a_hung_node_end_in_turn_and_no_more_than_allowed_at_a_time(
    dials: Callable[..., Dials],
) -> None:
    policy = {"num_retries": 2, "retry_on": ["gateway-error"], "per_try_timeout": 0.3}
    one = dials(1, check=NEVER, retry_policy=policy, circuit_breakers={"max_retries": 1})
    one.farm.nodes[0].signal(signal.SIGSTOP)
    with ThreadPoolExecutor(2) as both:
        found = sorted(both.map(lambda _: one.refused(), range(2)), key=lambda answer: answer[1])
    assert [status for status, _ in found] == [504, 504]
    assert 0.3 - TICK <= found[0][1] < 0.6, "there is no room for a second retry"
    assert 0.9 - TICK <= found[1][1] < 1.2
    assert one.farm.balancer.counters() == {
        "upstream_rq_total": 4,
        "upstream_rq_per_try_timeout": 4,
        "upstream_rq_retry": 2,
        "upstream_rq_retry_overflow": 1,
        "upstream_rq_retry_limit_exceeded": 1,
    }


def test_a_retry_that_avoids_hosts_it_has_tried_finds_the_one_that_is_left(dials: Callable[..., Dials]) -> None:
    policy = {"num_retries": 1, "previous_hosts": True, "host_selection_retry_max_attempts": 3}
    one = dials(2, check=NEVER, retry_policy=policy)
    one.farm.nodes[0].process.kill()
    one.farm.nodes[0].wait(10)
    assert [one.reached() for _ in range(8)] == [1] * 8
    counted = one.farm.balancer.counters()
    assert counted["upstream_rq_retry"] == counted["upstream_cx_connect_fail"] >= 3


def test_who_finds_no_room_waits_in_silence_and_more_of_them_get_a_503(
    dials: Callable[..., Dials], until: Callable[..., None]
) -> None:
    one = dials(1, circuit_breakers={"max_connections": 2, "max_pending_requests": 1})
    first, _ = one.open(), one.open()
    with ThreadPoolExecutor(1) as waiting:
        third = waiting.submit(one.open)
        until(lambda: "upstream_cx_overflow" in one.farm.balancer.counters(), 5, "nobody waits")
        assert one.refused()[0] == 503
        assert not third.done()
        first.close()
        assert third.result(5).ping().wait(5)
    counted = one.farm.balancer.counters()
    assert (counted["upstream_rq_pending_overflow"], counted["upstream_rq_total"]) == (1, 3)
