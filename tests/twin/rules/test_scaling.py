"""Stabilisation and scaling policies against upstream's published vectors.

Each vector names the test of Kubernetes' pkg/controller/podautoscaler/horizontal_test.go that it is taken from.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.rules.scaling import (
    SCALE_DOWN,
    SCALE_UP,
    Behavior,
    Change,
    DesiredReplicas,
    Policy,
    Rules,
    changed_within,
    down_limit,
    plain_limit,
    up_limit,
)

NOW = 1_000_000.0
MINUTE = 60.0


def rules(pods, pods_period, percent, percent_period, window):
    """As generateScalingRules."""
    policies = []
    if pods:
        policies.append(Policy("pods", pods, pods_period))
    if percent:
        policies.append(Policy("percent", percent, percent_period))
    return Rules(window, tuple(policies))


def spread(changes, period):
    """As generateEventsUniformDistribution: each change in the middle of its part of the last `period` seconds."""
    part = period / len(changes)
    return [Change(change, NOW - int(period - part * (i + 1) + part / 2)) for i, change in enumerate(changes)]


SCALING_WITH_RULES = [
    # TestScalingWithRules: name, current, wanted, min, max, expected, reason, up rules, down rules, ups, downs
    ("desired replicas within range", 5, 7, 3, 8, 7, "DesiredWithinRange", {}),
    ("desired replicas < minReplicas", 3, 1, 2, 8, 2, "TooFewReplicas", {}),
    ("within range when minReplicas is 0", 1, 0, 0, 10, 0, "DesiredWithinRange", {}),
    ("maxReplicas < scaleUpLimit", 20, 1000, 1, 10, 10, "TooManyReplicas", {}),
    ("more than the maximum replica count", 100, 1000, 100, 150, 150, "TooManyReplicas", {}),
    ("scaleUpLimit < maxReplicas", 3, 1000, 1, 2000, 4, "ScaleUpLimit", {"up": rules(0, 0, 1, 60, 0)}),
    ("scaleDownLimit > minReplicas", 1000, 3, 3, 2000, 980, "ScaleDownLimit", {"down": rules(20, 60, 0, 0, 0)}),
    ("scaleUp with default behavior", 10, 50, 1, 1000, 20, "ScaleUpLimit", {}),
    ("pods policy larger", 10, 500, 1, 1000, 110, "ScaleUpLimit", {"up": rules(100, 60, 100, 60, 0)}),
    ("percent policy larger", 10, 500, 1, 1000, 20, "ScaleUpLimit", {"up": rules(2, 60, 100, 60, 0)}),
    ("large pod policy", 10, 50, 1, 1000, 50, "DesiredWithinRange", {"up": rules(100, 60, 0, 0, 0)}),
    ("larger pod policy", 10, 50, 1, 1000, 50, "DesiredWithinRange", {"up": rules(10000, 60, 0, 0, 0)}),
    ("pod policy limitation", 10, 50, 1, 1000, 40, "ScaleUpLimit", {"up": rules(30, 60, 0, 0, 0)}),
    ("percent policy limitation", 10, 50, 1, 1000, 30, "ScaleUpLimit", {"up": rules(0, 0, 200, 60, 0)}),
    ("down, percent larger", 100, 2, 1, 1000, 80, "ScaleDownLimit", {"down": rules(20, 60, 1, 60, 300)}),
    ("down, pods larger", 100, 2, 1, 1000, 98, "ScaleDownLimit", {"down": rules(2, 60, 1, 60, 300)}),
    ("down, minimum, pods", 10, 0, 1, 1000, 1, "TooFewReplicas", {"down": rules(100, 60, 0, 0, 300)}),
    ("down, minimum, percent", 10, 2, 5, 1000, 5, "TooFewReplicas", {"down": rules(0, 0, 100, 60, 300)}),
    ("down, pod policy", 10, 2, 1, 1000, 5, "ScaleDownLimit", {"down": rules(5, 60, 0, 0, 300)}),
    ("down, percent policy", 10, 5, 1, 1000, 5, "DesiredWithinRange", {"down": rules(0, 0, 50, 60, 300)}),
    (
        "maximum, large pod policy and events",
        *(100, 500, 1, 200, 200, "TooManyReplicas"),
        {"up": rules(300, 60, 0, 0, 0), "ups": spread([1, 5, 9], 120)},
    ),
    (
        "maximum, large percent policy and events",
        *(100, 500, 1, 200, 200, "TooManyReplicas"),
        {"up": rules(0, 0, 10000, 60, 0), "ups": spread([1, 5, 9], 120)},
    ),
    (
        "a lot of recent scale up events",
        *(100, 500, 1, 1000, 100, "ScaleUpLimit"),
        {"up": rules(5, 120, 0, 0, 0), "ups": spread([1, 5, 9], 120)},
    ),
    (
        "pod policy and previous scale up events",
        *(100, 500, 1, 1000, 235, "ScaleUpLimit"),
        {"up": rules(150, 120, 0, 0, 0), "ups": spread([1, 5, 9], 120)},
    ),
    (
        "percent policy and previous scale up events",
        *(100, 500, 1, 1000, 255, "ScaleUpLimit"),
        {"up": rules(0, 0, 200, 120, 0), "ups": spread([1, 5, 9], 120)},
    ),
    (
        "percent policy and previous scale up and down events",
        *(6, 24, 1, 1000, 16, "ScaleUpLimit"),
        {"up": rules(0, 0, 300, 300, 0), "ups": spread([4], 120), "downs": spread([2], 120)},
    ),
    (
        "scaleDown with default policy and previous events",
        *(10, 5, 1, 1000, 5, "DesiredWithinRange"),
        {"downs": spread([1, 5, 9], 120)},
    ),
    (
        "scaleDown, minimum, large pod policy and previous events",
        *(100, 0, 1, 1000, 1, "TooFewReplicas"),
        {"down": rules(115, 120, 0, 0, 300), "downs": spread([1, 5, 9], 120)},
    ),
    (
        "scaleDown, minimum 5, large pod policy and previous events",
        *(100, 0, 5, 1000, 5, "TooFewReplicas"),
        {"down": rules(130, 120, 0, 0, 300), "downs": spread([1, 5, 9], 120)},
    ),
    (
        "scaleDown, minimum 5, large percent policy and previous events",
        *(100, 2, 5, 1000, 5, "TooFewReplicas"),
        {"down": rules(0, 0, 100, 120, 300), "downs": spread([1, 5, 9], 120)},
    ),
    (
        "scaleDown with pod policy limitation and previous events",
        *(100, 2, 1, 1000, 100, "ScaleDownLimit"),
        {"down": rules(5, 120, 0, 0, 300), "downs": spread([1, 5, 9], 120)},
    ),
    (
        "scaleDown with percent policy limitation and previous events",
        *(100, 0, 1, 1000, 56, "ScaleDownLimit"),
        {"down": rules(0, 0, 50, 120, 300), "downs": spread([2, 4, 6], 120)},
    ),
    (
        "scaleDown with percent policy and previous scale up and down events",
        *(10, 1, 1, 1000, 6, "ScaleDownLimit"),
        {"down": rules(0, 0, 50, 180, 0), "ups": spread([2], 120), "downs": spread([4], 120)},
    ),
    (
        "scaleDown with previous events preventing further scale down",
        *(100, 0, 1, 1000, 100, "ScaleDownLimit"),
        {"down": rules(0, 0, 10, 120, 300), "downs": spread([10, 10, 10], 120)},
    ),
    (
        "scaleDown with previous events still allowing more scale down",
        *(10, 5, 1, 1000, 5, "DesiredWithinRange"),
        {"down": rules(0, 0, 1000, 120, 300), "downs": spread([10, 10, 10], 120)},
    ),
    (
        "outdated events for one behavior for up",
        *(100, 200, 1, 1000, 200, "DesiredWithinRange"),
        {"up": rules(1000, 60, 0, 0, 0), "ups": spread([8, 12, 9, 11], 120)},
    ),
    (
        "events not outdated for two policies for up",
        *(100, 200, 1, 1000, 200, "DesiredWithinRange"),
        {"up": rules(1000, 120, 100, 60, 0), "ups": spread([8, 12, 9, 11], 120)},
    ),
    (
        "outdated events for two policies for down",
        *(100, 5, 1, 1000, 5, "DesiredWithinRange"),
        {"down": rules(1000, 30, 100, 60, 300), "downs": spread([8, 12, 9, 11], 120)},
    ),
]


@pytest.mark.parametrize(
    ("name", "current", "wanted", "least", "most", "expected", "reason", "more"), SCALING_WITH_RULES
)
def test_upstreams_vectors_of_policies(name, current, wanted, least, most, expected, reason, more):
    behavior = Behavior(more.get("up", SCALE_UP), more.get("down", SCALE_DOWN))
    one = DesiredReplicas(least, most, behavior, ups=more.get("ups", []), downs=more.get("downs", []))
    decision = one.limit(current, wanted, NOW)
    assert (decision.replicas, decision.reason) == (expected, reason), name


CONVERSION = [
    # TestConvertDesiredReplicasWithRules
    (5, 7, 3, 8, 7, "DesiredWithinRange"),
    (3, 1, 2, 8, 2, "TooFewReplicas"),
    (1, 0, 0, 10, 0, "DesiredWithinRange"),
    (20, 1000, 1, 10, 10, "TooManyReplicas"),
    (3, 1000, 1, 2000, 6, "ScaleUpLimit"),
    # edges, by hand: the maximum is what the limit allows; what is wanted is exactly what is allowed
    (3, 100, 1, 6, 6, "TooManyReplicas"),
    (3, 100, 1, 7, 6, "ScaleUpLimit"),
    (3, 100, 1, 5, 5, "TooManyReplicas"),
    (1, 100, 1, 4, 4, "TooManyReplicas"),
    (1, 100, 1, 5, 4, "ScaleUpLimit"),
    (2, 100, 1, 50, 4, "ScaleUpLimit"),
    (3, 6, 1, 10, 6, "DesiredWithinRange"),
    (3, 7, 1, 10, 6, "ScaleUpLimit"),
    (3, 5, 1, 5, 5, "DesiredWithinRange"),
    (3, 2, 2, 8, 2, "DesiredWithinRange"),
]


@pytest.mark.parametrize(("current", "wanted", "least", "most", "expected", "reason"), CONVERSION)
def test_upstreams_vectors_without_a_behavior(current, wanted, least, most, expected, reason):
    decision = plain_limit(current, wanted, least, most)
    assert (decision.replicas, decision.reason) == (expected, reason)


EDGES = [
    # by hand: the bound is what the policies allow, and what is wanted is exactly what is allowed
    (10, 50, 1, 20, 20, "TooManyReplicas", SCALE_UP),
    (10, 50, 1, 21, 20, "ScaleUpLimit", SCALE_UP),
    (10, 20, 1, 21, 20, "DesiredWithinRange", SCALE_UP),
    (10, 21, 1, 21, 20, "ScaleUpLimit", SCALE_UP),
    (100, 2, 80, 200, 80, "TooFewReplicas", rules(20, 60, 0, 0, 0)),
    (100, 2, 79, 200, 80, "ScaleDownLimit", rules(20, 60, 0, 0, 0)),
    (100, 80, 79, 200, 80, "DesiredWithinRange", rules(20, 60, 0, 0, 0)),
    (100, 79, 79, 200, 80, "ScaleDownLimit", rules(20, 60, 0, 0, 0)),
]


@pytest.mark.parametrize(("current", "wanted", "least", "most", "expected", "reason", "some"), EDGES)
def test_a_change_at_the_edge_of_what_the_policies_allow(current, wanted, least, most, expected, reason, some):
    one = DesiredReplicas(least, most, Behavior(some, some))
    decision = one.limit(current, wanted, NOW)
    assert (decision.replicas, decision.reason) == (expected, reason)


def test_what_is_exactly_as_old_as_a_period_or_a_window():
    """Upstream asks for after the begin of a period, and a plain window for not before its own."""
    assert changed_within(60.0, [Change(7, NOW - 60.0)], NOW) == 0
    assert changed_within(60.0, [Change(7, NOW - 59.999)], NOW) == 7
    for ago, plainly, by_behavior in ((299.0, 9, 9), (300.0, 9, 3), (301.0, 3, 3)):
        log = [(9, NOW - ago)]
        assert DesiredReplicas(1, 100, recommendations=list(log)).stabilize_plainly(3, NOW) == plainly
        assert DesiredReplicas(1, 100, Behavior(), recommendations=list(log)).stabilize(20, 3, NOW) == by_behavior
    up = Behavior(Rules(300.0, SCALE_UP.policies), Rules(0.0, SCALE_DOWN.policies))
    for ago, expected in ((299.0, 4), (300.0, 7)):
        assert DesiredReplicas(1, 100, up, recommendations=[(4, NOW - ago)]).stabilize(1, 7, NOW) == expected
    for ago, left in ((60.0, [7, 5]), (60.001, [5])):
        one = DesiredReplicas(1, 100, Behavior(rules(10, 60, 0, 0, 0)), ups=[Change(7, NOW - ago)])
        one.store(10, 15, NOW)
        assert [change.replicas for change in one.ups] == left
    for ago, left in ((300.0, 2), (300.001, 1)):
        one = DesiredReplicas(1, 100, Behavior(Rules(300.0, SCALE_UP.policies)), recommendations=[(4, NOW - ago)])
        one.stabilize(4, 4, NOW)
        assert len(one.recommendations) == left


def test_upstreams_vectors_of_the_smaller_of_two_policies():
    # TestCalculateScaleUpLimitWithScalingRules, TestCalculateScaleDownLimitWithBehaviors
    smaller = Rules(300.0, (Policy("pods", 2, 60.0), Policy("percent", 50, 60.0)), "min")
    assert up_limit(1, [], [], smaller, NOW) == 2
    assert down_limit(5, [], [], smaller, NOW) == 3


def test_a_direction_that_is_disabled_does_not_move():
    never = Rules(0.0, SCALE_UP.policies, "disabled")
    one = DesiredReplicas(1, 10, Behavior(never, never))
    assert one.decide(5, 8, NOW).replicas == 5
    assert one.decide(5, 2, NOW + 600).replicas == 5


PLAIN_WINDOW = [
    # TestNormalizeDesiredReplicas: name, recommendations (replicas, seconds ago), wanted, expected, length of the log
    ("empty log", [], 5, 5, 1),
    ("stabilize", [(4, 120), (5, 60)], 3, 5, 3),
    ("no stabilize", [(1, 120), (2, 60)], 3, 3, 3),
    ("no stabilize - old recommendations", [(10, 600), (9, 540)], 3, 3, 2),
    ("stabilize - old recommendations", [(10, 600), (4, 60), (5, 120), (9, 540)], 3, 5, 4),
]


@pytest.mark.parametrize(("name", "log", "wanted", "expected", "length"), PLAIN_WINDOW)
def test_upstreams_vectors_of_the_window_without_a_behavior(name, log, wanted, expected, length):
    one = DesiredReplicas(1, 100, window=300.0, recommendations=[(replicas, NOW - ago) for replicas, ago in log])
    assert one.stabilize_plainly(wanted, NOW) == expected, name
    assert len(one.recommendations) == length


WINDOWS = [
    # TestNormalizeDesiredReplicasWithBehavior: name, log, current, wanted, up window, down window, expected, log after
    ("empty for scaling down", [], 100, 5, 0, 0, 5, [5]),
    ("simple scale down", [(4, 120), (5, 60)], 100, 3, 0, 180, 5, [4, 5, 3]),
    ("simple scale up", [(4, 120), (5, 60)], 1, 7, 300, 0, 4, [4, 5, 7]),
    ("no scale down stabilization", [(1, 120), (2, 60)], 100, 3, 300, 0, 3, [1, 2, 3]),
    ("no scale up stabilization", [(4, 120), (5, 60)], 1, 3, 0, 300, 3, [4, 5, 3]),
    ("no scale down, reuse element", [(10, 600), (9, 540)], 100, 3, 0, 0, 3, [10, 3]),
    ("no scale up, reuse element", [(10, 600), (9, 540)], 1, 100, 0, 0, 100, [10, 100]),
    ("down, reuse an obsolete element", [(10, 600), (4, 60), (5, 120), (9, 540)], 100, 3, 0, 180, 5, [10, 4, 5, 3]),
    ("up, reuse an obsolete element", [(10, 6000), (6, 60), (5, 120), (9, 180)], 1, 100, 300, 0, 5, [100, 6, 5, 9]),
    ("do not scale up when it goes down", [(2, 6000), (3, 180)], 2, 1, 300, 300, 2, None),
    ("do not scale down when it goes up", [(2, 6000), (1, 180)], 2, 3, 300, 300, 2, None),
]


@pytest.mark.parametrize(("name", "log", "current", "wanted", "up", "down", "expected", "after"), WINDOWS)
def test_upstreams_vectors_of_the_windows(name, log, current, wanted, up, down, expected, after):
    behavior = Behavior(Rules(up, SCALE_UP.policies), Rules(down, SCALE_DOWN.policies))
    one = DesiredReplicas(0, 1000, behavior, recommendations=[(replicas, NOW - ago) for replicas, ago in log])
    assert one.stabilize(current, wanted, NOW) == expected, name
    if after is not None:
        assert [replicas for replicas, _ in one.recommendations] == after


STORE = [
    # TestStoreScaleEvents: name, before (replicas, seconds ago), after (replicas, outdated), rules, change in 60 s
    ("empty, default behavior", [], [], None, 0),
    ("empty, two policies", [], [(5, False)], rules(10, 60, 100, 60, 0), 0),
    ("outdated, kept without behavior", [(7, 61)], [(7, False)], None, 0),
    ("outdated, replaced with behavior", [(7, 61)], [(5, False)], rules(10, 60, 100, 60, 0), 0),
    ("actual, not touched", [(7, 58)], [(7, False), (5, False)], rules(10, 60, 100, 60, 0), 7),
    ("two, one replaced", [(7, 61), (6, 59)], [(5, False), (6, False)], rules(10, 60, 0, 0, 0), 6),
    (
        "replace one, policies with different periods",
        [(8, 29), (6, 59), (7, 61), (9, 61)],
        [(8, False), (6, False), (7, True), (5, False)],
        *(rules(10, 60, 100, 30, 0), 14),
    ),
    ("two, both actual", [(7, 58), (6, 59)], [(7, False), (6, False), (5, False)], rules(10, 120, 100, 30, 0), 13),
]


@pytest.mark.parametrize(("name", "before", "after", "some", "change"), STORE)
@pytest.mark.parametrize("up", [True, False])
def test_upstreams_vectors_of_the_memory_of_changes(name, before, after, some, change, up):
    changes = [Change(replicas, NOW - ago) for replicas, ago in before]
    assert changed_within(60.0, changes, NOW) == change, name
    one = DesiredReplicas(1, 100, None if some is None else Behavior(some, some))
    setattr(one, "ups" if up else "downs", changes)
    one.store(10, 15 if up else 5, NOW)
    assert [(found.replicas, found.outdated) for found in changes] == after


def test_upstreams_vectors_of_a_whole_decision():
    # TestStabilizeDownscale, TestScaleUpRCImmediately, TestScaleDownRCImmediately
    held = DesiredReplicas(1, 5, recommendations=[(10, NOW - 600), (4, NOW - 60)])
    assert held.decide(4, 2, NOW) == held.decide(4, 2, NOW)
    assert held.decide(4, 2, NOW).replicas == 4
    assert held.decide(4, 2, NOW).stabilized
    assert DesiredReplicas(2, 6).decide(1, None, NOW).replicas == 2
    assert DesiredReplicas(2, 5).decide(6, 2, NOW).replicas == 5


def test_a_cluster_that_was_scaled_to_nothing_by_hand_stays_there():
    assert DesiredReplicas(1, 5).decide(0, 3, NOW).reason == "ScalingDisabled"
    assert DesiredReplicas(0, 5).decide(0, 3, NOW).replicas == 3


def test_nothing_happens_while_the_metrics_are_unknown():
    one = DesiredReplicas(1, 5, Behavior())
    assert one.decide(3, None, NOW).replicas == 3


def test_a_scale_down_waits_for_the_whole_window_after_the_last_high_recommendation():
    one, replicas = DesiredReplicas(1, 10, Behavior()), 6
    one.decide(replicas, 6, NOW)
    for i in range(1, 20):
        replicas = one.decide(replicas, 2, NOW + 15 * i).replicas
        assert replicas == 6
    assert one.decide(replicas, 2, NOW + 300).replicas == 2


waits = st.sampled_from([0.0, 15.0, 30.0, 60.0, 300.0]) | st.floats(0, 200)
histories = st.lists(st.tuples(st.integers(0, 60), waits), min_size=1, max_size=30)


@given(histories, st.integers(0, 5), st.integers(0, 40), st.booleans())
def test_replicas_stay_in_bounds_and_move_towards_some_recommendation(steps, least, more, plain):
    most = least + more
    one = DesiredReplicas(least, most, None if plain else Behavior())
    replicas, now, seen = min(max(1, least), most), NOW, [min(max(1, least), most)]
    for wanted, wait in steps:
        now += wait
        seen.append(wanted)
        after = one.decide(replicas, wanted, now).replicas
        assert least <= after <= most
        assert min([replicas, *seen]) <= after or after == least
        assert after <= max([replicas, *seen])
        replicas = after


@given(histories)
def test_no_more_than_the_policy_allows_in_any_period(steps):
    period, value = 60.0, 3
    some = Rules(0.0, (Policy("pods", value, period),))
    one = DesiredReplicas(0, 1000, Behavior(some, some))
    replicas, now = 10, NOW
    added = []
    for wanted, wait in steps:
        now += wait
        after = one.decide(replicas, max(wanted, replicas), now).replicas
        added.append((now, after - replicas))
        assert sum(count for at, count in added if at > now - period) <= value
        replicas = after
