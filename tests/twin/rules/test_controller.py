"""The control loop around the autoscaler's rule."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.rules.autoscaling import Tolerance
from twin.rules.controller import Controller, Replica, forgets, to_end, to_start
from twin.rules.registry import Registration
from twin.rules.scaling import Behavior, DesiredReplicas, Policy, Rules

NOW = 1000.0


def controller(metric="connections", target=50, least=1, most=10, window=0.0, initialization=300.0):
    anything = (Policy("percent", 10_000, 15.0),)
    down = (Policy("percent", 100, 15.0),)
    behavior = Behavior(Rules(0.0, anything), Rules(window, down))
    return Controller(metric, target, DesiredReplicas(least, most, behavior), Tolerance(), 0.5, initialization, 30.0)


def old(count):
    return {slot: Replica(-inf) for slot in range(1, count + 1)}


def members(*connections, cpu=0, at=NOW - 0.2, since=0.0):
    return {slot: Registration(1, "a:1", "v1", n, cpu, at, since) for slot, n in enumerate(connections, 1)}


def test_twice_the_target_is_twice_the_nodes():
    assert controller().decide(2, old(2), members(100, 100), NOW).replicas == 4


def test_only_the_mean_counts_however_uneven_the_nodes_are():
    assert controller().decide(4, old(4), members(100, 100, 0, 0), NOW).replicas == 4


def test_within_the_tolerance_nothing_is_done():
    assert controller().decide(2, old(2), members(54, 54), NOW).replicas == 2
    assert controller().decide(2, old(2), members(56, 56), NOW).replicas == 3


def test_a_node_that_is_not_in_the_registry_yet_counts_as_idle_on_the_way_up():
    replicas = old(2) | {3: Replica(NOW - 1.0)}
    assert controller().decide(3, replicas, members(100, 100), NOW).replicas == 4  # 200 / 3 of 50, times 3


def test_a_node_that_drains_counts_no_more():
    replicas = old(2) | {3: Replica(-inf, deleting=True)}
    assert controller().decide(2, replicas, members(50, 50, 900), NOW).replicas == 2


def test_without_any_member_nothing_is_done():
    assert controller().decide(2, old(2), {}, NOW).replicas == 2


def test_without_an_answer_of_the_registry_nothing_is_done():
    assert controller().decide(2, old(2), None, NOW).replicas == 2


def test_a_node_without_a_sign_is_idle_on_the_way_up_and_busy_down():
    there = members(100, 100)
    assert (
        controller().decide(3, old(3), there, NOW).replicas == 4
    )  # 200 / 3 of 50, times 3: not 200 / 2 of 50, times 3
    assert controller().decide(4, old(4), members(10, 10), NOW).replicas == 3  # (10 + 10 + 50 + 50) / 4 of 50, times 4


def test_what_the_process_before_a_new_node_has_said_does_not_count():
    replaced = old(2) | {2: Replica(NOW - 0.1)}
    busy = members(100, 900)
    assert controller().decide(2, replaced, busy, NOW) == controller().decide(2, replaced, members(100), NOW)
    assert controller().decide(2, old(2), busy, NOW).replicas == 10


@given(
    wanted=st.integers(1, 9),
    ends=st.lists(st.tuples(st.integers(1, 9), st.booleans()), max_size=20),
    scaled=st.lists(st.integers(1, 9), max_size=5),
)
def test_whatever_ends_there_are_as_many_nodes_as_are_wanted(wanted, ends, scaled):
    replicas: dict[int, Replica] = {}

    def reconcile():
        replicas.update({slot: Replica(0.0) for slot in to_start(wanted, replicas)})
        for slot in to_end(wanted, replicas):
            replicas[slot].deleting = True

    reconcile()
    for slot, returns in ends:
        if scaled:
            wanted = scaled.pop()
            reconcile()
        if slot in replicas:
            stays = not forgets(replicas[slot], returns)
            if not stays:
                del replicas[slot]
            reconcile()
            assert stays or slot > wanted or not replicas[slot].deleting
        assert set(range(1, wanted + 1)) <= set(replicas)


def test_cpu_is_percent_of_a_core_and_a_starting_node_does_not_count():
    rule = controller("cpu", target=40)
    assert rule.decide(2, old(2), members(1, 1, cpu=800), NOW).replicas == 4
    young = {1: Replica(-inf), 2: Replica(NOW - 2.0)}
    busy = members(1, 1, cpu=800)
    busy[2] = Registration(1, "a:1", "v1", 1, 1000, NOW - 0.2, NOW - 0.4)  # its sample is from before it was ready
    assert rule.decide(2, young, busy, NOW).replicas == 2  # node 2 counts as idle: 80 % of one in two


def test_a_window_holds_a_scale_down_back():
    rule = controller(window=10.0)
    decided = [rule.decide(4, old(4), members(25, 25, 25, 25, at=t), t).replicas for t in (0.0, 5.0, 10.0, 15.0)]
    assert decided[0] == 4
    assert decided[-1] == 2


def test_the_lowest_free_slot_starts_and_the_highest_ends_first():
    replicas = {1: Replica(0.0), 3: Replica(0.0, deleting=True), 4: Replica(0.0)}
    assert to_start(3, replicas) == [2]
    assert to_end(1, replicas) == [4]
    assert to_end(0, replicas) == [4, 1]


@given(wanted=st.integers(0, 9), slots=st.sets(st.integers(1, 9)), deleting=st.sets(st.integers(1, 9)))
def test_what_is_started_and_ended_leads_to_what_is_wanted(wanted, slots, deleting):
    replicas = {slot: Replica(0.0, slot in deleting) for slot in slots}
    start, end = to_start(wanted, replicas), to_end(wanted, replicas)
    assert not set(start) & set(replicas)
    left = (set(replicas) | set(start)) - set(end)
    assert {slot for slot in left if slot not in slots & deleting} <= set(range(1, wanted + 1))
    assert set(range(1, wanted + 1)) <= left


@pytest.mark.parametrize(("most", "expected"), [(3, 3), (10, 4)])
def test_the_maximum_has_the_last_word(most, expected):
    assert controller(most=most).decide(2, old(2), members(100, 100), NOW).replicas == expected
