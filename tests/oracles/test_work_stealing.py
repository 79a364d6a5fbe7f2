"""Go's scheduler as a queue: with stealing, many Ps are one central queue; without, each is one of its own."""

import numpy as np
import pytest

from tests.oracles.intervals import interval
from twin.rules.go_program import GoMachine, GoProgram, GoStep, GoTask
from twin.rules.go_queues import LocalQueue, steal_order

RUNS = 10
MEAN = 0.0005
"""Seconds of CPU time of a task: so short that hardly any is preempted."""


def stays_in_go(procs, load, count, run):
    """Return how long each task stays in a program of `procs` Ps, in means of its CPU time.

    A goroutine that comes from the network starts it, which wakes another P if one is idle: that P also sees to the
    network, which nobody does while a lone goroutine from there runs.
    """
    random = np.random.Generator(np.random.Philox(key=[9, run]))
    arrivals = np.cumsum(random.exponential(MEAN / (load * procs), count)).tolist()
    seconds = random.exponential(MEAN, count).tolist()
    tasks = [GoTask([GoStep("compute", s)]) for s in seconds]
    readers = [GoTask([GoStep("go", task=task)], at=t) for task, t in zip(tasks, arrivals, strict=True)]
    program = GoProgram(GoMachine(procs, start=0.0), lambda: int(random.integers(2**32)))
    program.run(readers, [], arrivals[-1] + 1.0)
    ends = np.array([task.ended for task in tasks])
    return (ends - arrivals)[count // 10 :] / MEAN


@pytest.mark.parametrize(("procs", "load", "wait"), [(1, 0.8, 4.0), (2, 0.8, 1.77778), (4, 0.8, 0.74554)])
def test_ps_that_steal_are_one_central_queue(procs, load, wait):
    """Mean wait of M/M/c (Erlang C): no P rests while a task waits, and in which order tasks go does not matter."""
    mean, half = interval([stays_in_go(procs, load, 4_000, run).mean() for run in range(RUNS)])
    assert half < 0.25 * (1 + wait)
    assert abs(mean - 1 - wait) <= half


def stays_with_one_try(load, count, run):
    """Return the mean stay at 64 servers with a queue each; who has nothing left tries one victim, once."""
    servers = 64
    random = np.random.Generator(np.random.Philox(key=[10, run]))
    queues = [LocalQueue() for _ in range(servers)]
    present, area, seen = 0, 0.0, 0
    busy = [False] * servers
    steps = zip(random.random(count), random.integers(2**32, size=count), random.exponential(size=count), strict=True)
    for n, (u, number, gap) in enumerate(steps):
        rate = servers * (1 + load)
        if n == count // 5:
            area, seen = 0.0, 0
        area += present * gap / rate
        server = int(number) % servers
        if u * (1 + load) < load:
            present, seen = present + 1, seen + 1
            if busy[server]:
                queues[server].put(n, before=False)
            busy[server] = True
        elif busy[server]:
            present -= 1
            if queues[server].take() is None:
                victim = steal_order(servers, int(number) // servers)[0]
                busy[server] = victim != server and queues[victim].take() is not None
    return area / seen


@pytest.mark.parametrize(("load", "expected"), [(0.5, 1.618), (0.9, 3.541)])
def test_a_thief_with_one_try_is_mitzenmachers(load, expected):
    """Mean stay where a server that becomes idle takes one task of one random victim, in the limit of many servers.

    Source: Mitzenmacher, "Analyses of Load Stealing Models Based on Families of Differential Equations", Theory of
    Computing Systems 34, 2001, the simplest model: s2 = (1 + l - sqrt(1 + 2l - 3l^2)) / 2, later ones times
    l / (1 + l - s2). It lies between the central queue and queues without stealing (1 / (1 - l)).
    """
    two = (1 + load - (1 + 2 * load - 3 * load**2) ** 0.5) / 2
    assert 1 + two / load / (1 - load / (1 + load - two)) == pytest.approx(expected, abs=0.001)
    mean, half = interval([stays_with_one_try(load, 40_000, run) for run in range(RUNS)])
    assert half < 0.08 * expected
    assert abs(mean - expected) <= half + 0.01 * expected  # 64 servers, not infinitely many
    assert mean < 1 / (1 - load)
