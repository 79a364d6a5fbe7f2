"""Goroutines on the model's cores, against times by hand."""

import pytest

from sim.machine.goroutines import PIECE, GoProcess, Goroutine
from sim.machine.process import Cost, Process
from tests.loops import fixed, machine, note
from twin.rules.go_program import TIMER_SLACK

SLICE = 2 * (0.010 + TIMER_SLACK)
"""A time slice between two that ended by preemption: two looks of `sysmon`."""


def process(procs=1, cores=1):
    env, found = machine(cores)
    return env, GoProcess(found, procs)


def computing(seconds, times, env):
    return Goroutine(None, seconds, then=lambda: times.append(env.now))


def test_what_comes_from_outside_is_done_when_it_comes():
    env, one = process()
    times = []
    env.timeout(0.5).callbacks.append(lambda _: one.work(fixed(0.001), note(times, env)))
    env.run(until=1.0)
    assert times == pytest.approx([0.501])


def test_of_what_is_ready_at_once_the_last_goes_first():
    """As `netpoll` hands it out: a stack."""
    env, one = process()
    order = []
    for name in "abc":
        one.work(fixed(0.001), lambda _, name=name: order.append(name))
    env.run(until=1.0)
    assert order == ["c", "b", "a"]


def test_a_goroutine_goes_on_with_what_it_sets_off_in_order_and_before_others():
    env, one = process()
    order = []

    def sets_off(_):
        one.work(fixed(0.001), lambda _: order.append("first"))
        one.work(fixed(0.001), lambda _: order.append("second"))

    one.work(fixed(0.001), lambda _: order.append("other"))
    one.work(fixed(0.001), sets_off)
    env.run(until=1.0)
    assert order == ["first", "second", "other"]


def test_a_goroutine_that_is_started_runs_next_and_before_others():
    env, one = process()
    order = []

    def starts(_):
        one.spawn(Goroutine(None, 0.001, then=lambda: order.append("started")))
        one.work(fixed(0.001), lambda _: order.append("goes on"))

    one.work(fixed(0.001), lambda _: order.append("other"))
    one.work(fixed(0.001), starts)
    env.run(until=1.0)
    assert order == ["goes on", "started", "other"]


def test_an_item_is_done_in_one_step_whatever_its_cost_says():
    env, one = process()
    times = []
    for _ in range(2):
        one.work(fixed(0.01, first_part=0.8), note(times, env))
    env.run(until=1.0)
    assert times == pytest.approx([0.01, 0.02])


def test_short_tasks_wait_for_the_end_of_a_slice():
    """On one core `sysmon` looks between two pieces of work only, so that the first slices end a little later."""
    env, one = process()
    long, waits = [], []
    one.spawn(computing(0.3, long, env))

    def comes(_):
        at = env.now
        one.work(fixed(0.0002), lambda _: waits.append(env.now - at))

    for at in range(1, 30):
        env.timeout(0.01 * at).callbacks.append(comes)
    env.run(until=1.0)
    assert len(waits) == 29
    assert 0.9 * SLICE < max(waits) < SLICE + 5 * PIECE
    assert long == pytest.approx([0.3 + 29 * 0.0002], abs=0.0003)


def test_a_blocking_call_gives_the_p_to_others_at_the_second_look():
    env, one = process()
    times = []
    for _ in range(3):
        one.spawn(Goroutine(None, blocking=0.3, then=lambda: times.append(env.now)))
    env.run(until=1.0)
    assert times[0] == pytest.approx(0.3)
    assert times[-1] == pytest.approx(0.3 + 3 * (20e-6 + TIMER_SLACK), abs=1e-4)
    assert one.go.threads == 5  # sysmon's, three in calls, and one that drives the P


def test_who_awaits_keeps_nobody_waiting():
    env, one = process()
    times = []
    one.spawn(Goroutine(None, 0.001, awaiting=0.2, then=lambda: times.append(env.now)))
    one.spawn(computing(0.001, times, env))
    env.run(until=1.0)
    assert times[0] == pytest.approx(0.001)
    assert 0.202 <= times[1] < 0.2035  # the poller counts milliseconds


def test_a_timer_is_a_goroutine_that_waits_for_the_p():
    env, one = process()
    fired = []
    one.sleep(0.05).callbacks.append(note(fired, env))
    one.spawn(Goroutine(None, 0.1))
    env.run(until=1.0)
    assert len(fired) == 1
    assert 0.05 < fired[0] < 0.05 + SLICE + PIECE


def test_with_two_ps_on_two_cores_a_short_task_does_not_wait():
    env, one = process(procs=2, cores=2)
    short = []
    one.spawn(Goroutine(None, 0.1))
    env.timeout(0.02).callbacks.append(lambda _: one.work(fixed(0.001), note(short, env)))
    env.run(until=1.0)
    assert short == pytest.approx([0.021])


def test_sysmon_has_to_get_a_core_before_it_can_preempt():
    """Another process wants the core, too: looks come late, and slices last longer."""
    env, cores = machine(1)
    one, rival, short = GoProcess(cores, 1), Process(cores), []
    one.spawn(Goroutine(None, 0.2))
    for _ in range(400):
        rival.work(Cost.constant(0.001))
    env.timeout(0.1).callbacks.append(lambda _: one.work(fixed(0.0002), note(short, env)))
    env.run(until=1.0)
    assert short[0] - 0.1 > 0.002


def test_a_stopped_process_goes_on_where_it_was():
    env, one = process()
    times = []
    one.spawn(computing(0.01, times, env))
    env.timeout(0.005).callbacks.append(lambda _: one.stop())
    env.timeout(0.105).callbacks.append(lambda _: one.resume())
    env.run(until=1.0)
    assert times == pytest.approx([0.11], abs=PIECE)


def test_a_killed_process_forgets_its_goroutines_until_a_new_one_is_there():
    env, one = process()
    times, order = [], []
    one.spawn(computing(0.01, times, env))
    one.sleep(0.05).callbacks.append(note(times, env))
    env.run(until=0.005)
    one.clear()
    for name in "ab":
        one.work(fixed(0.001), lambda _, name=name: order.append(name))
    env.run(until=0.1)
    assert (times, order) == ([], ["a", "b"])
    env.process(one.work_through(fixed(0.01)))
    env.run(until=0.2)
    for name in "cd":
        one.work(fixed(0.001), lambda _, name=name: order.append(name))
    env.run(until=0.3)
    assert order == ["a", "b", "d", "c"]


def test_a_process_that_rests_does_nothing():
    env, one = process()
    one.work(fixed(0.001))
    env.run()
    assert env.now < 0.0012


@pytest.mark.parametrize("count", [1, 5])
def test_the_cost_of_an_item_is_asked_with_all_that_wait(count):
    env, one = process()
    asked = []

    class Asked(Cost):
        def seconds(self, waiting, asleep, level):
            asked.append(waiting)
            return 0.001

    for _ in range(count):
        one.work(Asked([]))
    env.run(until=1.0)
    assert asked[0] == count
