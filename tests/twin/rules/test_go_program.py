"""Programs on Go's scheduler, by hand; `sysmon` looks as `test_go_sysmon` has it, each time 50 us late."""

import random

import pytest

from twin.rules.go_program import GoMachine, GoProgram, GoStep, GoTask, paced

LOOKS = [51 * 70e-6]
"""Times of the looks from the 51st on while no P is taken: the sleep doubles up to 10 ms."""
for doubled in range(20):
    LOOKS.append(LOOKS[-1] + min(40e-6 * 2**doubled, 10e-3) + 50e-6)
FIRST = LOOKS[8]
"""The first look 10 ms after the start or later, at 14.17 ms: it ends the slice in which the program began."""


def computing(seconds, at=0.0):
    return GoTask([GoStep("compute", seconds)], at=at)


def run(readable=(), asleep=(), until=1.0, machine=None, every=0.0):
    program = GoProgram(machine or GoMachine(start=0.0), every=every)
    program.run(readable, asleep, until)
    return program


def test_slices_of_who_computes_last_20_ms_after_the_first_one():
    waits, first = computing(0.1), computing(0.1)  # the timer that came last goes first
    program = run(asleep=[waits, first])
    assert program.looks[50:70] == pytest.approx(LOOKS[:20])
    assert waits.began == pytest.approx(LOOKS[10])  # at `FIRST` the P, in slice 0, takes from the global queue
    assert first.ended == pytest.approx(0.1 + 4 * 0.0201)
    assert waits.ended == pytest.approx(0.2)


def test_a_short_task_of_the_network_waits_for_the_end_of_the_slice():
    long = computing(0.1)
    during, later = computing(0.0002, at=0.005), computing(0.0002, at=0.020)
    run(readable=[during, later], asleep=[long])
    assert during.began == pytest.approx(FIRST)
    assert later.began == pytest.approx(LOOKS[10])  # two looks later
    assert LOOKS[10] - FIRST == pytest.approx(0.0201)


def test_the_network_is_not_looked_at_while_a_p_has_work_but_by_sysmon():
    """It is ready just after the look that found the network, and so waits in vain when the slice ends."""
    long = computing(0.1)
    unlucky = computing(0.0002, at=LOOKS[10] + 1e-5)
    run(readable=[unlucky], asleep=[long])
    assert unlucky.began == pytest.approx(LOOKS[12])


def test_who_is_started_by_a_goroutine_runs_when_that_one_is_done_and_in_its_slice():
    started = computing(0.001)
    first = GoTask([GoStep("go", task=started), GoStep("compute", 0.002)])
    other = computing(0.001)
    program = run(asleep=[other, first])
    assert (first.ended, started.began, other.began) == pytest.approx((0.002, 0.002, 0.003))
    assert program.scheduler.procs[0].slice == 1  # only `other` began a new one


def test_fifty_blocking_goroutines_need_52_threads():
    """The first call is taken at the first look, later ones at the second: sysmon's 20 us come 50 us late."""
    tasks = [GoTask([GoStep("block", 0.3)]) for _ in range(50)]
    program = run(asleep=tasks)
    assert program.scheduler.threads == 52
    assert max(task.ended for task in tasks) == pytest.approx(70e-6 + 48 * 140e-6 + 0.3)


def test_blocking_goroutines_wait_long_for_a_sysmon_that_has_nothing_to_take():
    """Seen on a machine: 50 sleeps in the kernel of 300 ms were over after 316 ms."""
    warm = computing(0.05)
    tasks = [GoTask([GoStep("block", 0.3)], at=0.05) for _ in range(50)]
    run(asleep=[warm, *tasks])
    assert 0.3 + 48 * 140e-6 < max(task.ended for task in tasks) - 0.05 < 0.3 + 0.0201 + 50 * 140e-6


def test_a_call_shorter_than_two_looks_keeps_its_p():
    task = GoTask([GoStep("block", 0.00005), GoStep("compute", 0.001)])
    program = run(asleep=[task])
    assert task.ended == pytest.approx(0.00105)
    assert program.scheduler.threads == 2


def test_a_task_for_the_network_runs_at_once_when_nobody_works():
    task = computing(0.001, at=0.1)
    run(readable=[task])
    assert task.began == pytest.approx(0.1)


def test_a_timer_of_an_idle_program_comes_up_to_a_millisecond_late():
    task = computing(0.001, at=0.0105)
    run(asleep=[task])
    assert task.began == pytest.approx(0.010 + 50e-6 + 0.001 + 50e-6)


def test_with_two_ps_a_short_task_does_not_wait():
    long, short = computing(0.1), computing(0.0002, at=0.02)
    run(readable=[short], asleep=[long], machine=GoMachine(procs=2, start=0.0))
    assert short.began == pytest.approx(0.02)


def test_beside_a_lone_one_from_the_network_others_wait_for_sysmon_on_an_idle_p():
    long, short = computing(0.05, at=0.1), computing(0.0002, at=0.105)
    run(readable=[long, short], machine=GoMachine(procs=2, start=0.0))
    assert short.began == pytest.approx(0.1 + FIRST - 70e-6)  # it was woken at 0.1, and looked at once


def test_beside_one_that_starts_another_the_idle_p_sees_to_the_network():
    starts = GoTask([GoStep("go", task=computing(0.05)), GoStep("compute", 0.05)], at=0.1)
    short = computing(0.0002, at=0.105)
    run(readable=[starts, short], machine=GoMachine(procs=3, start=0.0))
    assert short.began == pytest.approx(0.105)


def test_it_prints_what_schedtrace_prints():
    tasks = [computing(0.004) for _ in range(4)]
    program = run(asleep=tasks, every=0.005, until=0.021)
    found = [(trace.idleprocs, trace.threads, trace.runqueue, trace.local) for _, trace in program.traces[1:]]
    assert found == [(0, 2, 0, (2,)), (0, 2, 0, (1,)), (0, 2, 0, (0,)), (1, 2, 0, (0,))]


def test_a_program_that_rests_does_not_look():
    program = run(readable=[computing(0.001, at=0.5)], until=0.4)
    assert program.looks == []


def latencies(late, seconds=60.0):
    """Return the latencies of tasks of 0.2 ms at 100 a second beside one of 100 ms every 250, in ms, one P."""
    random_number = random.Random(1)
    shorts, short_steps, long_steps, t = [], [], [], 0.0
    while (t := t + random_number.expovariate(100.0)) < seconds:
        task = computing(0.0002)
        shorts.append((t, task))
        short_steps += [GoStep("sleep", t), GoStep("go", task=task)]
    for i in range(int(seconds / 0.25)):
        long_steps += [GoStep("sleep", 0.1 + 0.25 * i), GoStep("go", task=computing(0.1))]
    makers = [GoTask(steps[1:], at=steps[0].seconds) for steps in (short_steps, long_steps)]
    run(asleep=makers, machine=GoMachine(late=lambda: random_number.uniform(0.0, late)), until=seconds + 1)
    found = sorted(1000 * (task.ended - due) for due, task in shorts)
    return sum(found) / len(found), found[int(0.9 * len(found))], found[int(0.99 * len(found))]


def test_short_tasks_beside_long_ones_wait_for_slices_of_20_ms_and_not_of_10():
    """A quantum of 10 ms would give a p99 of 10 ms."""
    mean, p90, p99 = latencies(late=0.0)
    assert mean == pytest.approx(4.3, abs=0.4)
    assert p90 == pytest.approx(14.2, abs=1.0)
    assert p99 == pytest.approx(20.1, abs=0.5)


def test_sysmon_that_shares_the_core_makes_slices_longer_by_what_it_waits():
    """Seen on one core: 5.0, 15.8 and 22.9 ms. Who computes keeps the core up to a time slice of the kernel, 3 ms."""
    assert latencies(late=0.003) == pytest.approx((5.0, 15.8, 22.9), rel=0.1)


def test_a_maker_starts_each_task_when_it_is_due():
    maker, tasks = paced([(0.01, 0.001, 0.0), (0.01, 0.001, 0.0), (0.05, 0.0, 0.002)])
    run(asleep=[maker])
    assert [task.at for task in tasks] == pytest.approx([0.01, 0.01, 0.05], abs=0.0012)
    assert [round(task.ended - task.at, 4) for task in tasks] == [0.002, 0.001, 0.002]
