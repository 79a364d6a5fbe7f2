"""Some cores, and processes on them whose items cost the same whatever the load."""

import simpy

from sim.cores import Cores
from sim.host import Cost
from twin.cost import Curve

SLICE = 0.003


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
