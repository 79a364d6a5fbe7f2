"""Threads under an interpreter lock, against times by hand."""

import pytest

from sim.machine.computing import compute
from sim.machine.process import PIECE
from sim.machine.threads import Gil, Thread
from tests.loops import fixed, machine, note
from twin.rules.gil import SWITCH_INTERVAL


def threads(count, cores=1):
    env, some = machine(cores)
    gil = Gil(some)
    return env, [Thread(gil) for _ in range(count)]


def at(env, when, act):
    env.timeout(when).callbacks.append(lambda _: act())


def test_a_thread_that_wakes_beside_one_that_computes_waits_for_the_switch_interval():
    env, (loop, worker) = threads(2)
    ends, woken = [], []
    compute(worker, 0.1, lambda: ends.append(env.now))
    at(env, 0.02, lambda: loop.work(fixed(0.001), note(woken, env)))
    env.run()
    assert woken == pytest.approx([0.02 + SWITCH_INTERVAL + 0.001])
    assert ends == pytest.approx([0.101])


def test_each_wake_up_waits_anew():
    env, (loop, worker) = threads(2)
    woken = []
    compute(worker, 0.1, lambda: None)
    for when in (0.02, 0.04):
        at(env, when, lambda: loop.work(fixed(0.0005), note(woken, env)))
    env.run()
    assert woken == pytest.approx([0.02 + SWITCH_INTERVAL + 0.0005, 0.04 + SWITCH_INTERVAL + 0.0005])


def test_who_gets_the_lock_keeps_it_for_all_that_it_has_to_do():
    env, (loop, worker) = threads(2)
    woken = []
    compute(worker, 0.1, lambda: None)
    at(env, 0.02, lambda: [loop.work(fixed(0.0005), note(woken, env)) for _ in range(3)])
    env.run()
    assert woken == pytest.approx([0.02 + SWITCH_INTERVAL + 0.0005 * n for n in (1, 2, 3)])


@pytest.mark.parametrize("cores", [1, 2])
def test_several_that_compute_take_turns_of_an_interval_on_any_number_of_cores(cores):
    env, several = threads(2, cores)
    ends = []
    for thread in several:
        compute(thread, 0.02, lambda: ends.append(env.now))
    env.run()
    assert ends == pytest.approx([0.035, 0.04], abs=PIECE)


def test_a_blocking_call_gives_the_lock_up():
    env, (first, second) = threads(2)
    ends = []
    first.block(0.05, lambda: ends.append(("blocked", env.now)))
    compute(second, 0.01, lambda: ends.append(("computed", env.now)))
    env.run()
    assert ends == [("computed", pytest.approx(0.01)), ("blocked", pytest.approx(0.05))]


@pytest.mark.parametrize("stops_at", [0.0021, 0.0151])
def test_a_process_that_is_stopped_goes_on_with_all_its_threads(stops_at):
    env, (loop, worker) = threads(2)
    ends, woken = [], []
    compute(worker, 0.02, lambda: ends.append(env.now))
    at(env, 0.012, lambda: loop.work(fixed(0.001), note(woken, env)))
    at(env, stops_at, loop.stop)
    at(env, 1.0, loop.resume)
    env.run()
    assert len(ends) == len(woken) == 1
    assert 1.0 < ends[0] < 1.025
    assert 1.0 <= woken[0] < 1.01


def test_a_process_that_is_gone_forgets_its_threads_and_a_new_one_works():
    env, (loop, worker) = threads(2)
    ends, woken = [], []
    compute(worker, 0.1, lambda: ends.append(env.now))
    at(env, 0.02, lambda: loop.work(fixed(0.001), note(woken, env)))

    def end():
        worker.clear()
        loop.clear()
        loop.work(fixed(0.002), note(woken, env))

    at(env, 0.0215, end)
    env.run()
    assert ends == []
    assert len(woken) == 1
    assert woken[0] < 0.0215 + 0.002 + 2 * PIECE
