"""What each fault does to a node on which another acts, and who ends what."""

from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.rules.faults import Hold, Standing, acts, any_meet, meet
from twin.scenario.faults import Fault

KINDS = ("kill", "hang", "restart", "drain", "blackhole", "partition", "join")


def test_which_fault_does_something_in_which_state_of_a_node():
    """Rows are faults, columns: dead; starts; up; told to drain; told to restart."""
    states = [("dead", ""), ("starting", ""), ("up", ""), ("up", "drain"), ("up", "restart")]
    expected = {
        "kill": "-xxxx",
        "hang": "-xxxx",
        "restart": "xxxx-",
        "drain": "-xx--",
        "join": "x----",
        "bus_cut": "--xxx",
        "blackhole": "xxxxx",
        "partition": "xxxxx",
        "delay": "xxxxx",
    }
    found = {kind: "".join("x" if acts(kind, *state) else "-" for state in states) for kind in expected}
    assert found == expected


@pytest.mark.parametrize("kind", ["kill", "hang", "restart", "drain", "join"])
def test_without_power_no_process_is_there_and_none_is_started(kind):
    standing = Standing()
    standing.lose_power()
    assert standing.begin(kind) is None


@pytest.mark.parametrize("kind", [*KINDS, "delay", "bus_cut"])
def test_only_a_join_does_something_where_there_is_no_node(kind):
    standing = Standing("dead", absent=True)
    assert (standing.begin(kind) is not None) == (kind == "join")
    standing.listens(standing.boots())
    assert standing.begin("partition") is not None


@pytest.mark.parametrize("order", ["", "drain", "restart"])
def test_a_node_that_leaves_ends_once_and_is_absent_then(order):
    standing = Standing()
    if order:
        standing.begin(order)
    standing.leave()
    assert standing.order == (order or "drain")
    assert not standing.absent
    standing.ended(returns=True)
    assert standing.absent
    assert not standing.returns
    assert standing.begin("restart") is None


def test_a_kill_of_a_node_that_leaves_starts_no_process_after_its_duration():
    standing = Standing()
    standing.leave()
    life = standing.begin("kill", returns=True)
    assert standing.absent
    assert not standing.over("kill", life)


def test_a_node_that_is_dead_when_it_has_to_leave_is_absent_at_once():
    standing = Standing()
    life = standing.begin("kill", returns=True)
    assert standing.returns
    standing.leave()
    assert standing.absent
    assert not standing.over("kill", life)
    standing.boots()  # it is wanted again
    assert (standing.absent, standing.leaving, standing.returns) == (False, False, False)


@pytest.mark.parametrize("kind", ["hang", "blackhole", "partition"])
def test_what_two_faults_hold_is_over_with_the_later_end(kind):
    standing = Standing()
    lives = [standing.begin(kind), standing.begin(kind)]
    assert [standing.over(kind, life) for life in lives] == [False, True]


def test_a_hang_ends_with_its_process_and_does_not_stop_the_next_one():
    standing = Standing()
    hang = standing.begin("hang")
    kill = standing.begin("kill")
    assert not standing.hung.on
    assert standing.over("kill", kill)
    assert standing.listens(standing.boots())
    again = standing.begin("hang")
    assert not standing.over("hang", hang)  # that of the process that was killed
    assert standing.hung.on
    assert standing.over("hang", again)


def test_a_dead_link_stays_dead_whatever_becomes_of_the_process():
    standing = Standing()
    dark = standing.begin("blackhole")
    standing.begin("kill")
    standing.boots()
    assert standing.dark.on
    assert standing.over("blackhole", dark)


def test_a_killed_node_is_started_by_its_own_kill_only_and_only_once():
    standing = Standing()
    first = standing.begin("kill")
    assert standing.begin("kill") is None  # it is dead
    assert standing.over("kill", first)
    life = standing.boots()
    second = standing.begin("kill")  # while it starts
    assert not standing.listens(life)
    assert not standing.over("kill", first)
    assert standing.over("kill", second)


@pytest.mark.parametrize("other", ["restart", "join"])
def test_a_kill_starts_no_second_process_when_another_fault_has_started_one(other):
    standing = Standing()
    kill = standing.begin("kill")
    assert standing.begin(other) is not None
    assert standing.listens(standing.boots())
    assert not standing.over("kill", kill)


def test_what_a_process_was_told_goes_with_it():
    standing = Standing()
    standing.begin("drain")
    assert standing.order == "drain"
    standing.begin("kill")
    assert standing.order == ""
    assert standing.begin("drain") is None


def test_a_restart_takes_the_place_of_a_drain_and_not_the_other_way_round():
    standing = Standing()
    assert standing.begin("drain") is not None
    assert standing.begin("restart") is not None
    assert standing.begin("drain") is None
    assert standing.begin("restart") is None
    assert standing.order == "restart"


@given(st.lists(st.tuples(st.sampled_from(KINDS), st.booleans()), max_size=20))
def test_whatever_happens_nothing_is_over_twice_or_before_it_began(steps):
    standing, begun, lives = Standing(), [], []
    for kind, ends in steps:
        if ends and begun:
            kind, life = begun.pop(0)
            over = standing.over(kind, life)
            if kind == "kill" and over:
                lives.append(standing.boots())
                assert standing.listens(lives[-1])
                assert not standing.listens(lives[-1])
        else:
            life = standing.begin(kind)
            if life is not None:
                begun.append((kind, life))
            if kind == "join" and life is not None:
                begun.pop()
                standing.listens(standing.boots())
        assert min(standing.hung.count, standing.dark.count, standing.cut.count) >= 0
        assert standing.phase != "dead" or not standing.hung.on
    assert all(one < other for one, other in pairwise(lives))


def test_a_hold_tells_its_first_begin_and_its_last_end():
    hold = Hold()
    assert [hold.begin(), hold.begin(), hold.over(), hold.begin(), hold.over(), hold.over()] == [
        *(True, False, False, False, False, True)
    ]


def fault(kind, at, **more):
    return Fault(kind=kind, at=at, **({} if kind in ("bus_down", "outage") else {"node": 1}) | more)


@pytest.mark.parametrize(("first", "second"), [*product(["kill", "restart", "drain"], ["kill", "hang", "bus_cut"])])
def test_after_an_end_of_unknown_duration_faults_of_one_node_may_meet(first, second):
    assert meet(fault(first, 1.0), fault(second, 50.0))
    assert meet(fault(second, 50.0), fault(first, 1.0))
    assert not meet(fault(first, 1.0), fault(second, 50.0, node=2))


def test_faults_that_are_over_or_on_another_node_do_not_meet():
    hang = fault("hang", 1.0, duration=2.0)
    assert meet(hang, fault("kill", 2.9))
    assert not meet(hang, fault("kill", 3.1))
    assert not meet(hang, fault("partition", 2.0, duration=1.0))
    assert meet(fault("partition", 1.0, duration=2.0), fault("partition", 2.0, duration=0.5))
    assert meet(fault("bus_down", 1.0, duration=2.0), fault("bus_down", 2.0, duration=0.5))
    assert not meet(fault("bus_down", 1.0, duration=2.0), fault("bus_down", 3.5, duration=0.5))
    assert meet(fault("bus_down", 1.0, duration=0.1), fault("bus_cut", 9.0))
    assert meet(fault("outage", 5.0), fault("kill", 1.0, node=3))
    assert not any_meet([hang, fault("kill", 3.1), fault("kill", 2.0, node=2)])
    assert any_meet([hang, fault("kill", 2.0, node=2), fault("kill", 2.5)])
