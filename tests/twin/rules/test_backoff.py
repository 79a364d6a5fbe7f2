import heapq
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import reconnects
from twin.draws import Purpose, uniform
from twin.rules.backoff import (
    Backoff,
    Reconnect,
    always_together,
    exponential_delay,
    jittered,
    listed_delay,
    longest_delay,
    patience,
    reconnect_delay,
    spread_after_loss,
    tells_apart,
)

units = st.floats(0, 1, exclude_max=True)
FULL = Reconnect("exponential", 0.1, 2.0, 1.0, "full", "backoff", 0, 5.0)


def rule(**changes):
    return Reconnect(**{**vars(FULL), **changes})


def test_the_bound_doubles_from_base_to_cap():
    bounds = [exponential_delay(n, 0.2, 2.0, 5.0) for n in range(7)]
    assert bounds == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0])


@given(st.integers(0, 10**7), st.floats(0, 100), st.floats(1, 100), st.floats(0, 100))
def test_the_bound_never_passes_the_cap_and_never_overflows(attempt, base, factor, more):
    cap = base + more
    assert base * 0.999 <= exponential_delay(attempt, base, factor, cap) <= cap


@given(reconnects(), st.lists(units, min_size=1, max_size=12))
def test_no_wait_is_negative_or_longer_than_the_longest(policy, draws):
    backoff = Backoff(policy.rule())
    waits = [backoff.after_loss(0.0, draws[0])] + [backoff.after_failure(u) for u in draws]
    longest = longest_delay(policy.rule())
    assert all(0 <= wait <= longest for wait in waits if wait is not None)
    if policy.policy != "list":
        assert longest <= max(policy.base, policy.cap)


def test_a_fixed_wait_is_the_longest_whatever_the_cap():
    assert longest_delay(rule(policy="fixed", base=10.0, cap=5.0, jitter="none")) == 10.0
    assert Backoff(rule(policy="fixed", base=10.0, cap=5.0, jitter="none")).after_loss(0.0, 0.5) == 10.0


@given(reconnects(), st.lists(st.tuples(units, units), min_size=1, max_size=12))
def test_clients_that_are_told_apart_never_wait_equally_long(policy, pairs):
    """Whatever numbers they draw, if no two of them drew the same."""
    one, other = Backoff(policy.rule()), Backoff(policy.rule())
    waits = [(one.after_loss(9.0, 0.25), other.after_loss(9.0, 0.75))]
    for u, v in pairs:
        waits.append((one.after_failure(u), other.after_failure(v if abs(u - v) > 1e-6 else (u + 0.5) % 1.0)))
    if tells_apart(policy.rule()):
        assert all(a is None or a != b for a, b in waits)


def test_many_clients_may_share_a_wait_that_is_given_left_out_or_cut_at_the_cap():
    assert all(tells_apart(rule(**changes)) for changes in ({}, {"jitter": "equal"}, {"first": "jittered"}))
    shared = [{"jitter": word} for word in ("none", "decorrelated", "offset", "around")]
    for changes in (*shared, {"first": "immediate"}, {"base": 0.0}, {"policy": "immediate"}, {"policy": "list"}):
        assert not tells_apart(rule(**changes))


@given(reconnects(), units, st.integers(0, 9))
def test_a_wait_depends_on_nothing_but_its_arguments(policy, u, n):
    rule = policy.rule()
    assert reconnect_delay(rule, n, rule.base, u) == reconnect_delay(rule, n, rule.base, u)


@given(st.floats(0.001, 10), units)
def test_the_jitters_stay_in_their_ranges(bound, u):
    base, cap = 0.001, 10.0
    assert jittered(bound, "none", base, cap, base, u) == bound
    assert 0 <= jittered(bound, "full", base, cap, base, u) <= bound
    assert bound / 2 <= jittered(bound, "equal", base, cap, base, u) <= bound
    assert base <= jittered(bound, "decorrelated", base, cap, bound, u) <= min(cap, 3 * bound) + 1e-12
    assert base <= jittered(bound, "offset", base, cap, base, u) <= min(cap, base + bound)
    assert bound * 0.6 - 1e-12 <= jittered(bound, "around", base, 100.0, base, u, 0.4) <= bound * 1.4 + 1e-12


def test_the_jitter_around_takes_away_or_adds_by_the_first_decimal():
    waits = [jittered(2.0, "around", 1.0, 99.0, 1.0, u) for u in (0.0, 0.05, 0.15, 0.8, 0.95)]
    assert waits == pytest.approx([2.0, 1.95, 2.15, 1.2, 2.95])


def test_a_cap_after_the_jitter_makes_the_jitter_collapse_at_the_cap():
    policy = rule(jitter="around", base=1.0, cap=5.0)
    draws = [uniform(3, 0, 0, Purpose.RECONNECT, n) for n in range(1000)]
    distinct = [len({reconnect_delay(policy, n, 1.0, u) for u in draws}) for n in range(6)]
    assert distinct[:2] == [1000, 1000]  # 1 s and 2 s, half around
    assert distinct[2] < 800  # of 4 s +- half what exceeds 5 s is 5 s
    assert distinct[4:] == [1, 1]  # 16 s and more: always 5 s


@given(st.floats(0.01, 10), st.floats(0, 10), st.floats(0, 0.99), st.integers(0, 60), units)
def test_the_bound_before_the_cap_is_high_enough_for_the_jitter_around(base, more, spread, n, u):
    policy = rule(jitter="around", base=base, cap=base + more, spread=spread)
    endless = rule(jitter="around", base=base, cap=1e300, spread=spread)
    assert reconnect_delay(policy, n, base, u) == min(policy.cap, reconnect_delay(endless, n, base, u))


def test_a_list_of_waits_is_followed_and_its_last_one_repeated():
    backoff = Backoff(rule(policy="list", jitter="none", delays=[0.0, [1.0, 3.0], 5]))
    waits = [backoff.after_loss(0.0, 0.5)] + [backoff.after_failure(0.5) for _ in range(3)]
    assert waits == [0.0, 2.0, 5, 5]
    assert [listed_delay([1.0], [3.0], False, 0, u) for u in (0.0, 0.25)] == [1.0, 1.5]


def test_a_list_that_stops_gives_up_after_as_many_attempts_as_it_has_waits():
    backoff = Backoff(rule(policy="list", delays=[0.0, 2.0], then="stop", stable_time=9.0))
    assert [backoff.after_loss(0.0, 0.5), backoff.after_failure(0.5), backoff.after_failure(0.5)] == [0.0, 2.0, None]
    assert backoff.after_loss(8.0, 0.5) is None  # not stable, so the list stays used up
    assert backoff.after_loss(9.0, 0.5) == 0.0


def test_decorrelated_jitter_grows_with_the_wait_before_it():
    backoff = Backoff(rule(jitter="decorrelated", cap=100.0))
    waits = [backoff.after_loss(0.0, 0.5)] + [backoff.after_failure(0.5) for _ in range(3)]
    assert waits == pytest.approx([0.2, 0.35, 0.575, 0.9125])  # (0.1 + 3 * previous) / 2


@given(reconnects(), st.integers(0, 5), units)
def test_the_backoff_starts_anew_after_stable_time_and_not_before(policy, failures, u):
    backoff, fresh = Backoff(policy.rule()), Backoff(policy.rule())
    backoff.after_loss(0.0, u)
    for _ in range(failures):
        backoff.after_failure(u)
    waited = backoff.waits
    if policy.stable_time > 0:
        backoff.after_loss(policy.stable_time * 0.99, u)
        assert backoff.waits >= waited
    assert backoff.after_loss(policy.stable_time, u) == fresh.after_loss(policy.stable_time, u)
    assert backoff.waits == fresh.waits <= 1


@given(reconnects(), st.integers(1, 8))
def test_a_client_gives_up_after_max_attempts_failures_in_a_row(policy, failures):
    backoff = Backoff(policy.rule())
    backoff.after_loss(policy.stable_time, 0.5)
    waits = [backoff.after_failure(0.5) for _ in range(failures)]
    limit = policy.max_attempts or failures + 1
    if policy.then == "stop":
        limit = min(limit, len(policy.delays) + (policy.first != "backoff"))
    assert [wait is None for wait in waits] == [n >= limit for n in range(1, failures + 1)]


def test_a_connection_in_between_forgives_the_failures_before_it():
    backoff = Backoff(rule(max_attempts=2))
    assert backoff.after_failure(0.5) is not None
    backoff.after_loss(0.0, 0.5)
    assert backoff.after_failure(0.5) is not None
    assert backoff.after_failure(0.5) is None


def test_the_first_wait_is_immediate_jittered_or_the_backoff():
    assert Backoff(rule(first="immediate", jitter="none")).after_loss(5.0, 0.25) == 0.0
    assert Backoff(rule(first="jittered", jitter="none")).after_loss(5.0, 0.25) == 0.025
    assert Backoff(rule(first="backoff", jitter="none")).after_loss(5.0, 0.25) == 0.1


def test_the_loss_of_a_young_connection_is_like_a_failed_attempt():
    """As in reconnecting-websocket, whose `minUptime` is 5 s, too."""
    for first in ("immediate", "jittered", "backoff"):
        backoff = Backoff(rule(first=first, jitter="none"))
        assert backoff.after_loss(5.0, 0.0) == (0.1 if first == "backoff" else 0.0)
        waits = [backoff.after_loss(0.066, 0.0) for _ in range(5)]
        assert waits == pytest.approx([0.2, 0.4, 0.8, 1.0, 1.0] if first == "backoff" else [0.1, 0.2, 0.4, 0.8, 1.0])
        assert backoff.after_loss(5.0, 0.0) == (0.1 if first == "backoff" else 0.0)
    endless = Backoff(rule(first="immediate", stable_time=0.0))
    assert [endless.after_loss(0.066, 0.5) for _ in range(5)] == [0.0] * 5


@given(reconnects(), st.lists(st.tuples(st.booleans(), units), max_size=8), units)
def test_the_loss_of_a_young_connection_waits_as_after_a_failure(policy, past, u):
    endless = rule(**vars(policy.rule()) | {"max_attempts": 0})
    lost, failed = Backoff(endless), Backoff(endless)
    for loss, drawn in past:
        for one in (lost, failed):
            one.after_loss(policy.stable_time, drawn) if loss else one.after_failure(drawn)
    if policy.stable_time > 0:
        assert lost.after_loss(policy.stable_time - 1e-3, u) == failed.after_failure(u)
        assert (lost.waits, lost.previous) == (failed.waits, failed.previous)


def test_a_first_wait_out_of_the_order_does_not_count_as_a_backoff():
    backoff = Backoff(rule(first="immediate", jitter="none"))
    backoff.after_loss(9.0, 0.5)
    assert [backoff.after_failure(0.5) for _ in range(3)] == pytest.approx([0.1, 0.2, 0.4])


def test_the_fixed_policy_waits_base_and_the_immediate_one_not_at_all():
    fixed, immediate = Backoff(rule(policy="fixed", jitter="none")), Backoff(rule(policy="immediate", jitter="none"))
    assert [fixed.after_loss(0.0, 0.5), fixed.after_failure(0.5), fixed.after_failure(0.5)] == [0.1] * 3
    assert [immediate.after_loss(0.0, 0.5), immediate.after_failure(0.5)] == [0.0] * 2


def contend(jitter, clients=60):
    """Brooker's experiment: clients contend for one row, one of those that come within 10 ms wins; count the calls."""
    backoffs = [Backoff(rule(jitter=jitter, base=0.01, cap=2.0)) for _ in range(clients)]
    queue = [(0.0, client, 0) for client in range(clients)]
    free_at, calls = 0.0, 0
    while queue:
        t, client, n = heapq.heappop(queue)
        calls += 1
        if t >= free_at:
            free_at = t + 0.01
            continue
        wait = backoffs[client].after_failure(uniform(1, 0, client, Purpose.RECONNECT, n))
        heapq.heappush(queue, (t + wait, client, n + 1))
    return calls


def test_jitter_saves_most_calls_as_in_brookers_experiment():
    calls = {jitter: contend(jitter) for jitter in ("none", "equal", "full", "decorrelated")}
    assert all(calls[jitter] < calls["none"] / 2 for jitter in ("equal", "full", "decorrelated"))


def policy(**settings):
    plain = {"policy": "exponential", "base": 1.0, "factor": 2.0, "cap": 8.0, "jitter": "none", "first": "backoff"}
    return Reconnect(**plain | {"max_attempts": 0, "stable_time": 0.0} | settings)


@pytest.mark.parametrize(
    ("settings", "width"),
    [
        ({}, 0.0),
        ({"jitter": "full"}, 1.0),
        ({"jitter": "equal"}, 0.5),
        ({"jitter": "offset"}, 1.0),
        ({"jitter": "decorrelated"}, 2.0),
        ({"jitter": "around", "spread": 0.5}, 0.95),
        ({"jitter": "full", "first": "immediate"}, 0.0),
        ({"first": "jittered"}, 1.0),
        ({"policy": "immediate", "jitter": "full"}, 0.0),
        ({"policy": "list", "delays": [[1.0, 1.5], 9.0]}, 0.5),
    ],
)
def test_the_spread_after_a_loss_is_the_width_of_the_first_wait(settings, width):
    rule = policy(**settings)
    assert spread_after_loss(rule) == pytest.approx(width, abs=1e-6)
    drawn = []
    for i in range(2000):
        memory = Backoff(rule)
        drawn.append(memory.after_loss(1e9, i / 2000))
    assert max(drawn) - min(drawn) == pytest.approx(width, abs=0.01)


@pytest.mark.parametrize(
    ("settings", "together"),
    [
        ({}, True),
        ({"jitter": "full", "first": "immediate"}, False),
        ({"first": "jittered"}, False),
        ({"policy": "list", "delays": [1.0, [2.0, 2.0]]}, True),
        ({"policy": "list", "delays": [1.0, [2.0, 3.0]]}, False),
        ({"policy": "immediate", "jitter": "full"}, True),
    ],
)
def test_only_clients_without_any_draw_stay_together_for_ever(settings, together):
    assert always_together(policy(**settings)) == together


@pytest.mark.parametrize(
    ("settings", "seconds"),
    [
        ({}, inf),
        ({"max_attempts": 1}, 1.0),
        ({"max_attempts": 6}, 1 + 2 + 4 + 8 + 8 + 8),
        ({"max_attempts": 1_000_000, "policy": "fixed"}, 1_000_000.0),
        ({"max_attempts": 5, "policy": "immediate"}, 0.0),
        ({"policy": "list", "delays": [0.0, 2.0, [5.0, 10.0]], "then": "stop"}, 12.0),
        ({"policy": "list", "delays": [0.0, 2.0, 10.0], "then": "stop", "max_attempts": 2}, 2.0),
        ({"policy": "list", "delays": [1.0, 3.0]}, inf),
        ({"policy": "list", "delays": [1.0, 3.0], "max_attempts": 10}, 1 + 9 * 3.0),
    ],
)
def test_a_clients_patience_is_the_sum_of_its_longest_waits(settings, seconds):
    assert patience(policy(**settings)) == pytest.approx(seconds)
