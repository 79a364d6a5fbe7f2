from itertools import pairwise

import pytest
import simpy
from hypothesis import given
from hypothesis import strategies as st

from sim.machine.cores import IDLE_WEIGHT, CoreContention, Cores, contention_step
from sim.machine.process import Cost, Process
from tests.loops import SLICE, fixed, load, machine, note
from twin.costs.curve import COLD_AFTER, Curve
from twin.costs.profile import LEVELS_OF_PACE

AHEAD = 0.0015
"""Seconds that a process has had less than its share before, so that it does not give way to who wakes up half a
millisecond after it."""


def test_two_busy_processes_share_a_core_fairly():
    env, cores = machine()
    one, other = Process(cores), Process(cores)
    load(one, 1000, 0.001)
    load(other, 4000, 0.00025)
    for t in (0.1, 0.5, 1.0):
        env.run(until=t)
        assert abs(one.used - other.used) <= 2 * SLICE + 0.001
        assert one.used + other.used == pytest.approx(t, abs=0.0011)


def test_a_late_comer_gets_half_of_the_core_and_no_more():
    env, cores = machine()
    old, late = Process(cores), Process(cores)
    load(old, 3000, 0.001)
    env.run(until=1.0)
    load(late, 3000, 0.001)
    before, before_late = old.used, late.used
    env.run(until=2.0)
    assert old.used - before == pytest.approx(0.5, abs=0.01)
    assert late.used - before_late == pytest.approx(0.5, abs=0.01)


def test_a_lone_item_waits_no_longer_than_about_a_slice_for_a_busy_core():
    env, cores = machine()
    busy, light = Process(cores), Process(cores)
    load(busy, 5000, 0.0005)
    env.run(until=1.0)
    times = []
    load(light, 1, 0.0001, times)
    env.run(until=1.1)
    assert len(times) == 1
    assert times[0] - 1.0 <= SLICE + 0.0005 + 0.0001


@given(st.integers(1, 4), st.lists(st.integers(1, 20), min_size=1, max_size=6))
def test_no_core_idles_while_a_process_waits_and_no_work_is_lost(count, loads):
    env, cores = machine(count)
    times = []
    for items in loads:
        load(Process(cores), items, 0.001, times)
    env.run()
    assert len(times) == sum(loads)
    assert env.now >= max(max(loads), sum(loads) / count) * 0.001 - 1e-9
    assert env.now <= (sum(loads) / count + max(loads)) * 0.001 + 1e-9
    assert sorted(cores.idle) == list(range(count))
    assert not cores.waiting


def test_who_has_had_more_than_the_mean_gives_way_to_a_newcomer_that_has_had_less():
    env, cores = machine()
    greedy, modest, third, times = Process(cores), Process(cores), Process(cores), []
    load(modest, 1, 0.001)
    load(greedy, 8, 0.001)
    load(third, 8, 0.001)
    env.run(until=0.0015)  # the modest one has slept since 1 ms, with less than the mean of the three to come
    assert modest.lag >= 0.0
    env.run(until=0.0095)
    modest.lag = 0.003
    load(modest, 1, 0.001, times)
    env.run()
    assert times == pytest.approx([0.011])  # the step under way ends at 10 ms


@pytest.mark.parametrize(("lag", "done"), [(AHEAD, SLICE + 0.001), (0.0, 0.002)])
def test_who_had_no_more_than_the_mean_keeps_its_slice_when_another_wakes_up(lag, done):
    env, cores = machine()
    busy, newcomer, times = Process(cores), Process(cores), []
    busy.lag = lag  # without, it has had more as soon as it works: who keeps the core awake has had nothing meanwhile
    load(busy, 10, 0.001)
    env.run(until=0.0005)
    load(newcomer, 1, 0.001, times)
    env.run()
    assert times == pytest.approx([done])


def test_who_sleeps_with_more_than_the_mean_counts_until_the_others_have_caught_up():
    env, cores = machine()
    first, last, other = Process(cores), Process(cores), Process(cores)
    load(other, 1, 0.001)
    load(first, 1, 0.002)
    load(last, 1, 0.001)
    env.run(until=0.0035)
    assert first in cores.delayed
    env.run(until=0.0045)  # the last one sleeps since 4 ms, and was alone then: it has had less than the first
    assert last.lag == pytest.approx(0.0005, rel=0.01)
    assert first.lag == 0.0
    env.run(until=0.5)
    load(other, 1, 0.0001)
    assert first not in cores.delayed  # who keeps the core awake has had it long enough


def test_a_newcomer_has_what_a_process_with_waiting_threads_had_more_than_they():
    env, cores = machine()
    dying, newcomer, times = Process(cores), Process(cores), []
    load(dying, 1, 0.002)
    dying.threads, dying.threads_place = 4, dying.deadline - SLICE
    load(dying, 100, 0.0001)
    env.run(until=0.00195)
    load(newcomer, 20, 0.0001, times)
    env.run()
    assert times[0] == pytest.approx(0.0021)
    ahead = sum(t < 0.002 + 20 * 0.0001 + 1e-9 for t in times)
    assert ahead >= 16  # 4/5 of the 2 ms before it has to share


def test_a_process_stopped_while_it_waits_for_a_core_does_not_begin():
    env, cores = machine()
    busy, waiting, times = Process(cores), Process(cores), []
    load(busy, 1, 0.01)
    load(waiting, 1, 0.01, times)
    waiting.stop()
    env.run(until=1.0)
    assert times == []
    waiting.resume()
    env.run()
    assert times == pytest.approx([1.01])


def test_cleared_work_is_never_done_and_the_core_goes_to_the_next():
    env, cores = machine()
    busy, cleared, other = Process(cores), Process(cores), Process(cores)
    lost, done = [], []
    load(busy, 1, 0.01)
    load(cleared, 5, 0.01, lost)
    load(other, 1, 0.01, done)
    cleared.clear()
    env.run()
    assert lost == []
    assert done == pytest.approx([0.02])
    load(cleared, 1, 0.01, lost)
    env.run()
    assert lost == pytest.approx([0.03])


def test_a_core_works_at_the_pace_of_the_moment():
    env, cores = machine(pace=[lambda now: int(now >= 1.0)])
    process, times = Process(cores), []
    cost = Cost([Curve([16], [0.01]), Curve([16], [0.03])])
    process.work(cost, note(times, env))
    env.run(until=1.0)
    process.work(cost, note(times, env))
    env.run()
    assert times == pytest.approx([0.01, 1.03])


@given(st.integers(2, 64), st.integers(0, 5), st.data())
def test_steps_go_up_with_the_cores_at_work_from_the_first_to_the_last(cores, steps, data):
    others = data.draw(st.integers(0, cores - 2))
    assert contention_step(0, cores, steps) == 0
    assert contention_step(cores - 1, cores, steps) == steps
    assert contention_step(others, cores, steps) <= contention_step(others + 1, cores, steps)


def test_a_core_is_slower_while_another_one_of_its_machine_works():
    env, contention = simpy.Environment(), CoreContention(2, 1)
    one, other = (Process(Cores(env, 1, SLICE, contention=contention)) for _ in range(2))
    cost = Cost([Curve([16], [0.01])] * LEVELS_OF_PACE + [Curve([16], [0.02])] * LEVELS_OF_PACE)
    times, others = [], []
    one.work(cost, note(times, env))
    env.run(until=0.005)
    other.work(cost, note(others, env))
    env.run(until=0.02)
    one.work(cost, note(times, env))
    env.run()
    assert times == pytest.approx([0.01, 0.04])
    assert others == pytest.approx([0.025])
    assert contention.at_work == 0


def test_who_lost_its_core_finds_its_caches_the_colder_the_longer_others_had_it():
    env, cores = machine()
    cost, times = Cost([Curve([1, 16], [0.003, 0.001])]), []
    busy, other = Process(cores), Process(cores)
    for _ in range(8):
        busy.work(cost, note(times, env))
    env.run(until=0.0001)
    load(other, 1, 0.002)
    env.run()
    steps = [later - sooner for sooner, later in pairwise(times)]
    after = max(range(len(steps)), key=steps.__getitem__)
    assert steps[after] == pytest.approx(0.002 + 0.001 + 0.002 * 0.002 / COLD_AFTER)
    assert steps[:after] + steps[after + 1 :] == pytest.approx([0.001] * (len(steps) - 1))


@pytest.mark.parametrize(("wakes", "lag", "done"), [(0.0005, AHEAD, 0.011), (0.0045, 0.0, 0.006)])
def test_only_who_woke_within_the_slice_waits_for_the_tick(wakes, lag, done):
    env, cores = machine(tick=0.01)
    busy, waiting, times = Process(cores), Process(cores), []
    busy.lag = lag
    load(busy, 100, 0.001)
    env.run(until=wakes)
    load(waiting, 1, 0.001, times)
    env.run()
    assert times == pytest.approx([done])


def test_what_a_process_had_too_much_is_forgotten_when_all_have_rested():
    env, cores = machine()
    heavy, busy = Process(cores), Process(cores)
    load(busy, 1, 0.001)
    load(heavy, 20, 0.001)
    env.run(until=1.0)
    load(busy, 50, 0.001)
    load(heavy, 1, 0.001)
    assert heavy.place == pytest.approx(busy.place, rel=2 * IDLE_WEIGHT)


def test_who_had_too_much_waits_until_the_others_have_caught_up():
    env, cores = machine()
    glutton, busy, times = Process(cores), Process(cores), []
    load(busy, 100, 0.001)
    load(glutton, 1, 0.006)  # one item that lasts two slices
    while glutton.busy or glutton.ready:
        env.step()
    at = env.now
    load(glutton, 1, 0.0001, times)  # wakes up again at once
    env.run()
    assert times[0] - at >= SLICE
    assert glutton.used == pytest.approx(0.0061)


def test_who_had_less_than_its_share_comes_in_ahead_of_the_others_by_that():
    env, cores = machine()
    busy, shy, late = Process(cores), Process(cores), Process(cores)
    busy.lag = AHEAD
    load(busy, 1000, 0.001)
    load(shy, 1, 0.0001)
    env.run(until=0.5)
    assert 0.0 < shy.lag <= 2 * SLICE
    first, second = [], []
    load(late, 1, 0.0001, second)
    load(shy, 1, 0.0001, first)  # woken after the other one, served before it
    env.run(until=0.6)
    assert first[0] < second[0]


def test_among_equals_who_woke_first_is_served_first():
    env, cores = machine()
    others, order = [Process(cores) for _ in range(4)], []
    load(Process(cores), 1, 0.001)
    for i, process in enumerate(others):
        process.work(fixed(0.0005), lambda _, i=i: order.append(i))
    env.run()
    assert order == [0, 1, 2, 3]
