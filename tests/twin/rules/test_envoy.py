"""Envoy's choices and its counting of checks, by numbers from its sources."""

from types import SimpleNamespace

import pytest

from twin.rules.envoy import EnvoyRoundRobin, HealthCheck, Intervals, LeastRequest, MergeWindow, RingHash, panics

EVERY = Intervals(1.0, 2.0, 3.0, 4.0, 5.0, 6.0)


def drawn(*numbers):
    """Return what gives these numbers, one after the other."""
    left = list(numbers)
    return lambda: left.pop(0)


@pytest.mark.parametrize(
    ("healthy", "servers", "threshold", "panic"),
    [(1, 3, 50, True), (2, 4, 50, False), (1, 2, 50, False), (0, 3, 0, False), (0, 3, 0.1, True), (3, 3, 100, False)],
)
def test_envoy_panics_below_its_threshold(healthy, servers, threshold, panic):
    assert panics(healthy, servers, threshold) == panic


def test_round_robin_counts_healthy_servers_and_all_of_them_apart():
    rule, draw = EnvoyRoundRobin(3), drawn(5 / 2**32)
    assert [rule.pick([0, 1, 2], "", draw, 0, False) for _ in range(4)] == [2, 0, 1, 2]
    assert [rule.pick([0, 1, 2], "", draw, 0, True) for _ in range(2)] == [2, 0]
    assert [rule.pick([0, 2], "", draw, 0, False) for _ in range(3)] == [2, 0, 2]


def test_least_request_takes_the_first_of_the_least_loaded_that_it_draws():
    rule = LeastRequest(3)
    for server in (0, 0, 1):
        rule.take(server)
    assert rule.pick([0, 1, 2], "", drawn(0.0, 0.4), 0, False) == 1
    assert rule.pick([0, 1, 2], "", drawn(0.0, 0.0), 0, False) == 0
    rule.release(0)
    assert rule.pick([0, 1, 2], "", drawn(0.4, 0.0), 0, False) == 1, "of two equals the first"
    rule.choice_count = 3
    assert rule.pick([0, 1, 2], "", drawn(0.0, 0.4, 0.9), 0, False) == 2


def test_a_dead_node_draws_five_of_nine_of_the_choices_among_three():
    rule = LeastRequest(3)
    rule.take(1)
    rule.take(2)
    pairs = [(a / 3, b / 3) for a in range(3) for b in range(3)]
    assert sum(rule.pick([0, 1, 2], "", drawn(*pair), 0, False) == 0 for pair in pairs) == 5


def test_a_rule_that_hashes_builds_anew_when_its_servers_are_named():
    rule = RingHash(3)
    before = [rule.pick([0, 1, 2], f"127.0.{k}.1", drawn(), 0, False) for k in range(20)]
    rule.name_servers(["127.0.0.1:20001", "127.0.0.1:20002", "127.0.0.1:20003"])
    assert [rule.pick([0, 1, 2], f"127.0.{k}.1", drawn(), 0, False) for k in range(20)] != before
    assert set(before) == {0, 1, 2}


@pytest.mark.parametrize(
    ("passed", "pending", "traffic", "wait"),
    [
        *[(True, False, True, 1.0), (True, True, True, 2.0), (False, False, True, 3.0), (False, True, True, 4.0)],
        *[(True, False, False, 6.0), (True, True, False, 5.0), (False, False, False, 5.0), (False, True, False, 5.0)],
    ],
)
def test_the_next_check_comes_by_what_the_last_one_showed(passed, pending, traffic, wait):
    assert EVERY.after(passed, pending, traffic) == wait


def told(counter, results):
    """Return what each check changes; `-` a failed one, `+` a good one, `x` another status than 200."""
    return [counter.result(one == "+", network=one != "x") or counter.pending for one in results]


def test_thresholds_mark_a_server_and_count_in_a_row():
    counter = HealthCheck(3, 2)
    assert told(counter, "--+---") == [True, True, False, True, True, "down"]
    assert told(counter, "-+-++") == [False, True, False, True, "up"]


def test_another_status_than_200_marks_a_server_at_once():
    assert told(HealthCheck(3, 2), "x+x++") == ["down", True, False, True, "up"]


def test_changes_of_health_within_the_window_take_effect_together():
    one = MergeWindow(1.0)
    assert one.changed(5.0) == 5.0
    one.delivered(5.0)
    assert [one.changed(t) for t in (5.4, 5.9, 6.3)] == [6.4, 6.4, 6.4]
    one.delivered(6.4)
    assert one.changed(7.4) == 8.4, "one at the very end of the window still waits"
    one.delivered(8.4)
    assert one.changed(9.5) == 9.5
    none = MergeWindow(0.0)
    none.delivered(5.0)
    assert none.changed(5.0) == 5.0


def test_the_first_check_decides_alone():
    assert told(HealthCheck(3, 2, fresh=True), "-++") == ["down", True, "up"]
    assert told(HealthCheck(3, 2, fresh=True), "+--") == [False, True, True]


def test_where_weights_differ_the_fewest_requests_for_a_weight_come_first():
    rule = LeastRequest(2)
    rule.configure(SimpleNamespace(weights=[3], choice_count=2, active_request_bias=1.0))
    assert rule.shares == [3, 1]
    found = []
    for _ in range(8):
        found.append(rule.pick([0, 1], "", lambda: 0.0, 0, False))
        rule.take(found[-1])
    assert found.count(0) == 5, "with requests counted, less than the 6 of round robin"
    even = LeastRequest(2)
    even.configure(SimpleNamespace(weights=[3], choice_count=2, active_request_bias=0.0))
    assert [even.pick([0, 1], "", lambda: 0.0, 0, False) for _ in range(8)].count(0) == 6


def test_a_mark_begins_the_schedule_anew():
    rule = EnvoyRoundRobin(3)
    rule.configure(SimpleNamespace(weights=[1, 2, 3]))
    first = [rule.pick([0, 1, 2], "", lambda: 0.0, 0, False) for _ in range(4)]
    rule.mark(1, False)
    assert {rule.pick([0, 2], "", drawn(), 0, False) for _ in range(4)} == {0, 2}
    rule.mark(1, True)
    assert [rule.pick([0, 1, 2], "", drawn(), 0, False) for _ in range(4)] == first
