import pytest
import simpy

from sim.machine.cold_start import ColdStart
from sim.machine.cores import Cores
from sim.machine.process import Cost, Process
from twin.costs.curve import COLD_AFTER, Curve

LONE, WARM = 0.0002, 0.00002


def cold(env):
    """Return a cost that is ten times as large for a process that comes to it cold."""
    return ColdStart(env, Cost([Curve([1, 16], [LONE, WARM])], first_part=0.5))


def test_what_has_not_been_done_for_a_while_is_cold_even_in_a_process_that_is_busy():
    env = simpy.Environment()
    process, cost, times = Process(Cores(env, 1, 1.0)), cold(env), []

    def done(_):
        times.append(env.now)

    process.work(cost, done)
    process.work(Cost.constant(2 * COLD_AFTER), done)
    process.work(cost, done)
    env.run()
    assert times == pytest.approx([LONE, LONE + 2 * COLD_AFTER, 2 * LONE + 2 * COLD_AFTER])


def test_what_is_done_again_at_once_is_warm_and_in_between_it_depends_on_the_pause():
    env = simpy.Environment()
    process, cost = Process(Cores(env, 1, 1.0)), cold(env)
    for _ in range(3):
        process.work(cost)
    env.run()
    first = LONE + (LONE - WARM) * LONE / COLD_AFTER + WARM  # the second began LONE after the first
    assert env.now == pytest.approx(first + WARM + (LONE - WARM) * (first - LONE) / COLD_AFTER, rel=1e-3)


def test_only_a_process_that_has_slept_pays_for_waking_up():
    env, wake = simpy.Environment(), (LONE - WARM) / 2
    process = Process(Cores(env, 1, 1.0))
    cost = ColdStart(env, Cost([Curve([1, 16], [LONE, WARM], wake=0.5)]))
    for _ in range(3):
        process.work(cost)
    env.run()
    assert env.now < LONE + 2 * WARM + wake
    pause = env.now
    process.work(cost)  # wakes up at once, so it is not cold, but it has slept
    env.run()
    assert WARM < env.now - pause <= WARM + wake
    slept = env.now
    env.timeout(COLD_AFTER / 100).callbacks.append(lambda _: process.work(cost))
    env.run()
    assert env.now - slept == pytest.approx(COLD_AFTER / 100 + WARM + wake)
