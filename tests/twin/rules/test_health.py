from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.rules.health import (
    ActiveCheck,
    PassiveCheck,
    Retry,
    counted_fails,
    detection_bounds,
    first_check,
    haproxy_retry,
)


def test_fall_failures_in_a_row_mark_a_server_down_and_rise_good_checks_up_again():
    check = ActiveCheck(fall=3, rise=2)
    assert [check.result(False) for _ in range(4)] == ["", "", "down", ""]
    assert [check.result(True) for _ in range(3)] == ["", "up", ""]


def test_one_good_check_forgives_the_failures_before_it():
    check = ActiveCheck(fall=2, rise=2)
    assert [check.result(passed) for passed in (False, True, False, True, False)] == [""] * 5
    assert check.result(False) == "down"
    assert [check.result(passed) for passed in (True, False, True)] == [""] * 3
    assert check.result(True) == "up"


@given(st.integers(1, 5), st.integers(1, 5), st.lists(st.booleans(), max_size=60))
def test_every_change_follows_just_so_many_equal_checks(fall, rise, results):
    check, up = ActiveCheck(fall, rise), True
    for i, passed in enumerate(results):
        change = check.result(passed)
        if change:
            need = fall if up else rise
            assert passed != up
            assert results[i + 1 - need : i + 1] == [passed] * need
            up = passed
        assert check.up == up


@pytest.mark.parametrize("servers", [1, 3, 7])
def test_the_first_checks_are_spread_evenly_over_one_interval(servers):
    times = [first_check(server, servers, 2.0) for server in range(servers)]
    assert times[0] == 0.0
    assert all(later - earlier == pytest.approx(2.0 / servers) for earlier, later in pairwise(times))
    assert times[-1] < 2.0


@given(st.floats(0.05, 5), st.integers(1, 5), st.floats(0, 2), st.floats(0, 0.999))
def test_a_refusing_server_is_marked_down_within_the_bounds(inter, fall, wait, phase):
    check, now, died = ActiveCheck(fall, 1), phase * (inter + wait), 0.0
    while check.result(False) != "down":
        now += inter + wait
    low, high = detection_bounds(inter, fall, wait)
    assert low - 1e-9 <= now - died <= high + 1e-9


def retry(tried, redispatch=0, retries=3, up=True, hashed=False, usable=3, timeout=5.0):
    return haproxy_retry(tried, retries, redispatch, timeout, up, hashed, usable)


@pytest.mark.parametrize("tried", [1, 2, 3])
@pytest.mark.parametrize("up", [True, False])
def test_without_redispatch_the_same_server_is_tried_again_after_a_turnaround(tried, up):
    assert retry(tried, up=up) == Retry(again=True, redispatch=False, wait=1.0)
    assert retry(tried, up=up, timeout=0.3) == Retry(again=True, redispatch=False, wait=0.3)


@pytest.mark.parametrize("redispatch", [-1, 1, 2, 3])
@pytest.mark.parametrize("tried", [1, 2, 3])
def test_with_redispatch_a_rule_that_does_not_hash_goes_to_another_server_at_once(redispatch, tried):
    assert retry(tried, redispatch) == Retry(again=True, redispatch=True, wait=0.0)


@pytest.mark.parametrize(
    ("redispatch", "moves"),
    [
        (1, [True, True, True, True]),
        (2, [False, True, False, True]),
        (3, [False, False, True, False]),
        (-1, [False, False, False, True]),
    ],
)
def test_the_source_hash_moves_every_so_many_retries(redispatch, moves):
    found = [retry(tried, redispatch, retries=4, hashed=True) for tried in (1, 2, 3, 4)]
    assert [one.redispatch for one in found] == moves
    assert [one.wait for one in found] == [0.0 if move else 1.0 for move in moves]


def test_a_server_that_is_marked_down_is_left_whatever_the_rule():
    assert retry(1, redispatch=3, up=False, hashed=True) == Retry(again=True, redispatch=True, wait=0.0)


def test_a_redispatch_with_no_other_server_waits_the_turnaround():
    assert retry(1, redispatch=1, usable=1) == Retry(again=True, redispatch=True, wait=1.0)
    assert retry(1, redispatch=2, usable=1) == Retry(again=True, redispatch=False, wait=1.0)


@pytest.mark.parametrize("retries", [0, 1, 3])
@pytest.mark.parametrize("redispatch", [0, -1, 1])
def test_when_the_retries_are_used_up_the_answer_is_503(retries, redispatch):
    assert [retry(tried, redispatch, retries).again for tried in range(1, retries + 3)] == [True] * retries + [
        False
    ] * 2


def test_max_fails_takes_a_peer_out_for_fail_timeout_and_then_it_gets_one_trial():
    peer = PassiveCheck(max_fails=2, fail_timeout=10)
    assert not peer.failed(100.2)
    assert peer.usable(100.3)
    assert peer.failed(100.9)
    assert not peer.usable(101.0)
    assert not peer.usable(110.99)  # whole seconds: 110 - 100 is not more than 10
    assert peer.usable(111.0)
    peer.chosen(111.0)
    assert not peer.usable(111.0)  # the trial is under way
    assert not peer.usable(121.9)
    assert peer.usable(122.0)


def test_a_success_after_the_trial_clears_the_failures():
    peer = PassiveCheck(max_fails=1, fail_timeout=10)
    peer.failed(100.0)
    peer.succeeded()  # an old connection ends: no proof that the peer is back
    assert not peer.usable(105.0)
    peer.chosen(111.0)
    peer.succeeded()
    assert peer.fails == 0
    assert peer.usable(111.0)


def test_a_trial_that_fails_takes_the_peer_out_again():
    peer = PassiveCheck(max_fails=1, fail_timeout=10)
    peer.failed(100.0)
    peer.chosen(111.0)
    assert peer.failed(111.5)
    assert not peer.usable(121.9)
    assert peer.usable(122.0)


def test_max_fails_zero_never_takes_a_peer_out():
    peer = PassiveCheck(max_fails=0, fail_timeout=10)
    assert not any(peer.failed(100.0) for _ in range(50))
    assert peer.usable(100.0)


def test_a_fresh_server_falls_at_its_first_failed_check_and_only_then():
    fresh = ActiveCheck(fall=3, rise=2, fresh=True)
    assert fresh.result(False) == "down"
    passed = ActiveCheck(fall=3, rise=2, fresh=True)
    assert [passed.result(ok) for ok in (True, False, False, False)] == ["", "", "", "down"]


def test_the_only_peer_is_never_taken_out():
    assert [counted_fails(3, peers) for peers in (1, 2, 10)] == [0, 3, 3]
    peer = PassiveCheck(counted_fails(1, 1), fail_timeout=10)
    assert not any(peer.failed(t) for t in range(5))
    assert peer.usable(5.0)
