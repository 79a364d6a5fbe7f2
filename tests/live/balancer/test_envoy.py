"""Envoy: its choices against the rules, connection by connection, and what the model takes from it."""

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from live.balancer.balancer import check_config
from live.balancer.envoy import ask
from live.balancer.envoy_members import EnvoyMembers
from live.control.messages import Listening
from tests.dials import ADDRESSES, NEVER, TICK, Dials, marks, over
from twin.config.envoy import ENVOY, endpoints
from twin.rules.balancing import RULES
from twin.rules.envoy import EnvoyRoundRobin, EnvoyRule
from twin.rules.registry import Changes, Registration
from twin.scenario.addresses import source_address
from twin.scenario.scenario import Scenario

pytestmark = pytest.mark.live

ALL = [0, 1, 2]


def no_draw() -> float:
    raise AssertionError("this rule must not draw")


def rule_of(one: Dials) -> EnvoyRule:
    """Return the rule of the running Envoy, told of its servers' names."""
    balancer = one.farm.balancer.scenario.balancer
    rule = RULES["envoy", balancer.algorithm](len(one.farm.node_ports))
    assert isinstance(rule, EnvoyRule)
    rule.name_servers([f"127.0.0.1:{port}" for port in one.farm.node_ports])
    rule.configure(balancer)
    return rule


@pytest.mark.parametrize(
    "settings",
    [
        {"algorithm": "ring_hash"},
        {"algorithm": "maglev", "weights": [3, 1, 2], "table_size": 251},
    ],
)
def test_tables_are_envoys_own_also_when_a_server_is_gone(
    settings: dict[str, Any], dials: Callable[..., Dials], until: Callable[..., None]
) -> None:
    one = dials(**settings)
    rule = rule_of(one)
    before = [one.reached(number) for number in range(ADDRESSES)]
    assert before == [rule.pick(ALL, source_address(n, ADDRESSES), no_draw, 0, False) for n in range(ADDRESSES)]
    assert set(before) == {0, 1, 2}
    one.farm.nodes[1].process.kill()
    until(lambda: marks(one) == [("marked_down", 2)], 10, "no mark-down")
    after = [one.reached(number) for number in range(ADDRESSES)]
    assert after == [rule.pick([0, 2], source_address(n, ADDRESSES), no_draw, 0, False) for n in range(ADDRESSES)]


def test_a_header_is_hashed_as_the_address_is(dials: Callable[..., Dials]) -> None:
    one = dials(2, algorithm="maglev", hash_policy="header", table_size=251)
    rule = rule_of(one)
    found = [one.reached(number) for number in range(20)]
    assert found == [rule.pick([0, 1], str(number), no_draw, 0, False) for number in range(20)]
    assert found != [rule.pick([0, 1], source_address(n, ADDRESSES), no_draw, 0, False) for n in range(20)]


def test_round_robin_goes_on_with_fewer_servers_and_apart_in_panic(
    dials: Callable[..., Dials], until: Callable[..., None]
) -> None:
    one = dials(algorithm="round_robin", update_merge_window=0.0)
    rule = rule_of(one)
    assert isinstance(rule, EnvoyRoundRobin)
    seed = one.reached() + 3 * 10**9
    rule.seed, rule.turns = seed, [1, 0]

    def agree(servers: list[int], count: int) -> None:
        named = [rule.pick(servers, "", no_draw, 0, False) for _ in range(count)]
        assert [one.reached() for _ in range(count)] == named

    agree(ALL, 7)
    one.farm.nodes[1].process.kill()
    until(lambda: ("marked_down", 2) in marks(one), 10, "no mark-down")
    parity = one.reached()  # how large the counter is modulo 2 cannot be known before
    rule.turns[0] += 1 + ((seed + rule.turns[0]) % 2 != [0, 2].index(parity)) * 3
    agree([0, 2], 5)
    one.farm.nodes[0].process.kill()
    until(lambda: ("marked_down", 1) in marks(one), 10, "no second mark-down")
    found = [one.reached() for _ in range(6)]
    assert found[:3] == found[3:], "all have their turns, the dead ones, too"
    assert sorted(found[:3]) == [-1, -1, 2]
    assert one.farm.balancer.counters()["lb_healthy_panic"] == 6
    one.farm.node(1).hear(Listening)
    until(lambda: ("marked_up", 1) in marks(one), 10, "no mark-up")
    parity = one.reached()
    assert [one.reached() for _ in range(3)] == [2 - parity, parity, 2 - parity]


def test_a_second_mark_within_a_second_takes_effect_a_second_later(
    dials: Callable[..., Dials], until: Callable[..., None]
) -> None:
    one = dials(panic_threshold=0.0)
    one.farm.nodes[0].process.kill()
    until(lambda: marks(one), 10, "no mark-down")
    one.farm.nodes[1].process.kill()
    until(lambda: len(marks(one)) == 2, 10, "no second mark-down")
    marked = one.farm.notes[1][0]
    assert marked - one.farm.notes[0][0] < 1.0
    assert {one.reached() for _ in range(4)} == {-1, 2}
    until(lambda: {one.reached() for _ in range(3)} == {2}, 5, "the second mark has no effect")
    assert 0.9 < time.monotonic() - marked < 1.9


def test_servers_of_different_weights_have_their_turns(dials: Callable[..., Dials]) -> None:
    one = dials(algorithm="round_robin", weights=[1, 2, 3])
    found = [one.reached() for _ in range(18)]
    turns = []
    for seed in range(6, 12):  # where it begins cannot be known
        rule = rule_of(one)
        assert isinstance(rule, EnvoyRoundRobin)
        rule.seed = seed
        turns.append([rule.pick(ALL, "", no_draw, 0, False) for _ in range(18)])
    assert found in turns
    assert found.count(2) == 9


@pytest.mark.parametrize(("delay", "code"), [(0.3, None), (0.0, 1001)])
def test_a_client_learns_of_its_nodes_end_after_the_delayed_close(
    delay: float, code: int | None, dials: Callable[..., Dials]
) -> None:
    one = dials(1, delayed_close_timeout=delay)
    link, began = one.open(), time.monotonic()
    os.kill(one.farm.nodes[0].pid, signal.SIGKILL if code is None else signal.SIGTERM)
    took, told = over(link, began)
    assert told == code
    assert delay - TICK <= took < delay + 0.8


def test_a_silent_connection_is_cut_after_its_timeout_and_the_delayed_close(dials: Callable[..., Dials]) -> None:
    one, began = dials(1, stream_idle_timeout=0.7, delayed_close_timeout=0.2), time.monotonic()
    took, code = over(one.open(), began)
    assert code is None
    assert 0.9 - TICK <= took < 1.9


def test_a_stream_ends_with_its_duration_although_it_is_used(dials: Callable[..., Dials]) -> None:
    one, began = dials(1, max_stream_duration=0.5, delayed_close_timeout=0.2), time.monotonic()
    link = one.open()
    link.ping().wait(5)
    took, code = over(link, began)
    assert code is None
    assert 0.7 - TICK <= took < 1.7


def test_a_request_to_a_hung_node_ends_with_504_and_its_clients_are_forgotten(
    dials: Callable[..., Dials], until: Callable[..., None]
) -> None:
    one = dials(1, timeout=0.4, check=NEVER)
    link = one.open()
    one.farm.nodes[0].signal(signal.SIGSTOP)
    status, took = one.refused()
    assert status == 504
    assert 0.4 - TICK <= took < 1.4
    assert one.farm.balancer.connections() == [1]
    link.socket.close()
    until(lambda: one.farm.balancer.connections() == [0], 5, "the client is not forgotten")
    assert one.farm.balancer.counters() == {"upstream_rq_total": 2, "upstream_rq_timeout": 1}
    one.farm.nodes[0].process.kill()
    one.farm.nodes[0].wait(10)
    assert one.refused()[0] == 503
    assert one.farm.balancer.counters()["upstream_cx_connect_fail"] == 1


def test_without_traffic_a_server_is_checked_seldom(dials: Callable[..., Dials], until: Callable[..., None]) -> None:
    one = dials(1, check={"no_traffic_interval": 0.6})
    began = time.monotonic()
    one.farm.nodes[0].process.kill()
    until(lambda: marks(one), 10, "no mark-down")
    assert one.farm.notes[0][0] - began > 0.7  # the second check comes 0.6 s after the first, not 0.2 s
    assert one.farm.notes[0][3] == "NETWORK"


def test_a_hot_restart_keeps_old_tunnels_until_the_old_process_ends(dials: Callable[..., Dials]) -> None:
    one = dials(2, hard_stop_after=1)
    old, before, began = one.open(), one.farm.balancer.part.pid, time.monotonic()
    one.farm.balancer.reload()
    one.farm.balancer.wait_ready(10)
    assert one.farm.balancer.part.pid != before
    assert old.ping().wait(5)
    assert {one.reached() for _ in range(4)} == {0, 1}
    took, code = over(old, began)
    assert code is None
    assert 1.0 - TICK <= took < 3.0


def epoch(path: Path) -> int:
    """Return how many hot restarts the process behind an administration interface comes after, -1 if none answers."""
    try:
        return int(json.loads(ask(path, "/server_info"))["command_line_options"]["restart_epoch"])
    except OSError:
        return -1


def test_the_registrar_tells_envoy_its_servers(
    dials: Callable[..., Dials], small: Callable[..., Scenario], until: Callable[..., None]
) -> None:
    one = dials(2)
    scenario = small(nodes={"count": 2}, balancer={"kind": "envoy"}, registry={"ttl": 2.0, "heartbeat": 0.5})
    balancer = one.farm.balancer
    members = EnvoyMembers(**balancer.members(None))
    members.path.write_text(endpoints({}))
    text = ENVOY.of_run(scenario, one.farm.port, one.farm.node_ports, balancer.stage.folder)
    assert check_config("envoy", text) == ""
    balancer.path.write_text(text)
    balancer.scenario = scenario
    balancer.reload()
    there = Registration(1, f"127.0.0.1:{one.farm.node_ports[1]}", "v1")
    until(lambda: epoch(balancer.socket) == 1, 10, "the new process does not answer")
    members.apply(Changes((), ((1, there),)), {1: there})
    assert balancer.is_up(2)
    assert not balancer.is_up(1)
    assert {one.reached() for _ in range(3)} == {1}
    members.apply(Changes(((1, there),), ()), {})
    assert one.reached() == -1
