"""Who has the interpreter lock, step by step, as CPython's `take_gil` and `drop_gil` have it."""

import sys

import pytest

from twin.rules.gil import SWITCH_INTERVAL, InterpreterLock


def test_the_interval_is_that_of_this_python():
    assert sys.getswitchinterval() == SWITCH_INTERVAL


def test_who_finds_the_lock_free_gets_it_and_others_wait_in_order():
    lock = InterpreterLock()
    assert lock.want("a", 0.0)
    assert not lock.want("b", 0.001)
    assert not lock.want("c", 0.002)
    assert (lock.release(0.003), lock.release(0.003), lock.release(0.003)) == ("b", "c", None)
    assert lock.want("a", 1.0)


def test_a_thread_that_waited_for_an_interval_asks_and_the_holder_is_to_give_way():
    lock = InterpreterLock()
    lock.want("a", 0.0)
    assert lock.due is None
    lock.want("b", 0.001)
    assert lock.due == pytest.approx(0.006)
    assert not lock.look(0.0059)
    assert lock.look(0.006)
    assert lock.due is None
    assert lock.release(0.006) == "b"
    assert not lock.asked


def test_a_thread_waits_for_as_long_again_if_another_one_got_the_lock_meanwhile():
    lock = InterpreterLock()
    lock.want("a", 0.0)
    lock.want("b", 0.0)
    lock.want("c", 0.002)
    assert lock.look(0.005)
    lock.release(0.005)
    lock.want("a", 0.005)
    assert lock.due == pytest.approx(0.007)
    assert not lock.look(0.007)
    assert lock.due == pytest.approx(0.010)  # a, which began to wait when b got the lock
    assert lock.look(0.010)
    assert lock.release(0.010) == "c"


def test_on_the_only_core_who_was_woken_just_now_is_ahead_of_who_was_displaced():
    for unseen, expected in ((0.003, "woken"), (0.0, "displaced")):
        lock = InterpreterLock()
        lock.want("holder", 0.0)
        lock.want("displaced", 0.0, displaced=True)
        lock.want("woken", 0.001)
        assert lock.release(0.002, unseen) == expected
    lock.want("late", 1.0)
    assert lock.release(1.5, 0.003) == "woken"  # who has waited for so long has run, and was woken first


def test_who_takes_the_lock_again_has_not_switched_it():
    lock = InterpreterLock()
    lock.want("a", 0.0)
    lock.release(0.001)
    lock.want("a", 0.001)
    assert lock.switches == 1


@pytest.mark.parametrize("who", ["a", "b"])
def test_a_thread_that_is_gone_neither_has_the_lock_nor_waits_for_it(who):
    lock = InterpreterLock()
    lock.want("a", 0.0)
    lock.want("b", 0.0)
    lock.look(0.005)
    lock.leave(who)
    assert lock.holder == ("a" if who == "b" else None)
    assert lock.asked == (who == "b")
    assert [one.thread for one in lock.waiting] == (["b"] if who == "a" else [])
