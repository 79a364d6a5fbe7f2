"""Some cores, and processes on them whose items cost the same whatever the load; and when their timers fire."""

import simpy

from sim.machine.cores import Cores
from sim.machine.process import Cost
from sim.machine.timers import MILLISECOND, MOST_SLACK, TIMER_SLACK
from twin.costs.curve import Curve

SLICE = 0.003


def timer(seconds, times=1):
    """Return after how many seconds the last of some timers, one after the other, fires: at least, and at most.

    A loop counts whole milliseconds.
    """
    seconds = round(seconds / MILLISECOND) * MILLISECOND
    slack = min(MOST_SLACK, TIMER_SLACK * seconds)
    return times * (seconds - MILLISECOND), times * (seconds + MILLISECOND + slack)


def fixed(seconds, first_part=0.0):
    return Cost([Curve([16], [seconds])], first_part)


def machine(count=1, **settings):
    env = simpy.Environment()
    return env, Cores(env, count, SLICE, **settings)


def note(times, env):
    return lambda _: times.append(env.now)


def load(process, items, seconds, times=None, first_part=0.0):
    for _ in range(items):
        process.work(fixed(seconds, first_part), note(times if times is not None else [], process.cores.env))
