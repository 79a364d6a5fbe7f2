"""Executors of a handler against queues whose answers are known.

A server that takes one after the other has exactly the waits of Lindley's recursion, and a pool those of Kiefer's and
Wolfowitz's, customer by customer; what these say on average with the draws of the rules is compared with the formulas.
"""

from heapq import heappop, heappush
from itertools import islice
from math import factorial

import numpy as np
import pytest
import simpy

from sim.handler.loop import InLoop
from sim.handler.process_pool import ProcessPool
from sim.handler.thread_pool import ThreadPool
from sim.machine.cores import Cores
from sim.machine.process import Cost, Process
from sim.machine.threads import Gil, Thread
from tests.oracles.intervals import interval
from twin.draws import OF_TASKS, uniform
from twin.rules.handler import Demand, TaskRule

RUNS = 10


def stream(distribution, load, servers, count, run, where="cpu"):
    """Return when some requests come and what each takes, on average one second, as the rules draw them."""
    times = dict.fromkeys(("cpu", "blocking", "awaiting"), ("fixed", 0.0)) | {where: (distribution, 1.0)}
    rule = TaskRule(load * servers, "poisson", times["cpu"], times["blocking"], times["awaiting"])
    n = np.arange(count, dtype=np.uint64)
    drawn = {what: uniform(7, run, 0, purpose, n).tolist() for what, purpose in OF_TASKS.items()}
    return list(islice(rule.requests(1, 0, 0.0, lambda what, n: drawn[what][n]), count))


def recursion(requests, servers):
    """Return how long each request waits for one of some servers, first come, first served."""
    free, waits = [0.0] * servers, []
    for due, demand in requests:
        begins = max(due, heappop(free))
        waits.append(begins - due)
        heappush(free, begins + demand.cpu + demand.blocking)
    return np.array(waits)


def stays(requests, env, executor):
    """Return how long each request stays with an executor."""
    found = np.full(len(requests), np.nan)

    def come():
        for i, (due, demand) in enumerate(requests):
            yield env.timeout(due - env.now)
            executor.begin(None, demand, lambda i=i, due=due: found.__setitem__(i, env.now - due))

    env.process(come())
    env.run()
    return found


def free(name):
    """Return what a hand-over costs here."""
    return Cost.constant(0.0)


@pytest.mark.parametrize("where", ["cpu", "blocking"])
@pytest.mark.parametrize("distribution", ["exponential", "uniform"])
def test_a_loop_takes_one_after_the_other(distribution, where, monkeypatch):
    monkeypatch.setattr("sim.machine.process.PIECE", 0.5)
    requests = stream(distribution, 0.8, 1, 400, 0, where)
    env = simpy.Environment()
    executor = InLoop(Process(Cores(env, 1, 0.003)), 1, free)
    taken = np.array([demand.cpu + demand.blocking for _, demand in requests])
    assert stays(requests, env, executor) == pytest.approx(recursion(requests, 1) + taken)


@pytest.mark.parametrize("servers", [2, 10])
def test_a_pool_takes_the_longest_waiting_request_when_one_of_it_is_free(servers):
    requests = stream("exponential", 0.8, servers, 400, 0, "blocking")
    env = simpy.Environment()
    executor = ProcessPool(Process(Cores(env, 1, 0.003)), servers, free)
    taken = np.array([demand.blocking for _, demand in requests])
    assert stays(requests, env, executor) == pytest.approx(recursion(requests, servers) + taken)


@pytest.mark.parametrize("load", [0.5, 0.8, 0.95])
@pytest.mark.parametrize(("distribution", "second_moment"), [("exponential", 2.0), ("uniform", 4 / 3), ("fixed", 1.0)])
def test_waits_before_one_server_are_pollaczeks_and_khinchines(distribution, second_moment, load):
    """M/G/1: mean wait of load * E[S^2] / 2 (1 - load) for E[S] = 1; 99 % interval of 10 runs."""
    expected = load * second_moment / (2 * (1 - load))
    count = 3_000 if load < 0.9 else 20_000
    runs = [recursion(stream(distribution, load, 1, count, run), 1)[count // 10 :].mean() for run in range(RUNS)]
    mean, half = interval(runs)
    assert half < 0.5 * expected
    assert abs(mean - expected) <= half


def erlang_c(servers, load):
    """Return the probability that a customer of M/M/c waits."""
    offered = servers * load
    last = offered**servers / factorial(servers) / (1 - load)
    return last / (sum(offered**k / factorial(k) for k in range(servers)) + last)


@pytest.mark.parametrize(("load", "table"), [(0.5, 0.0361), (0.8, 0.4092), (0.95, 0.8256)])
def test_waits_before_a_pool_of_ten_are_erlangs(load, table):
    """M/M/10: probability of a wait and mean wait of C / (c - offered load); 99 % interval of 10 runs."""
    expected = erlang_c(10, load)
    assert expected == pytest.approx(table, abs=5e-5)
    count = 5_000 if load < 0.9 else 20_000
    waits = [recursion(stream("exponential", load, 10, count, run), 10)[count // 10 :] for run in range(RUNS)]
    mean, half = interval([(one > 1e-9).mean() for one in waits])
    assert half < 0.1
    assert abs(mean - expected) <= half
    mean, half = interval([one.mean() for one in waits])
    assert abs(mean - expected / (10 - 10 * load)) <= half


@pytest.mark.parametrize("distribution", ["fixed", "exponential"])
def test_threads_under_a_lock_share_the_processor(distribution, monkeypatch):
    """M/G/1 processor sharing: a mean stay of E[S] / (1 - load), whatever the distribution of S; 99 % interval of 10
    runs, and 4 % for a lock that changes hands 20 times a second of work instead of infinitely often.
    """
    monkeypatch.setattr("sim.machine.threads.PIECE", 0.05)
    found = []
    for run in range(RUNS):
        env = simpy.Environment()
        executor = ThreadPool(Thread(Gil(Cores(env, 1, 0.003), interval=0.05)), 100, free)
        found.append(stays(stream(distribution, 0.6, 1, 400, run), env, executor)[40:].mean())
    mean, half = interval(found)
    assert half < 0.3 * 2.5
    assert abs(mean - 2.5) <= half + 0.04 * 2.5


def test_a_short_request_does_not_wait_for_a_long_one_that_awaits():
    env = simpy.Environment()
    executor = InLoop(Process(Cores(env, 1, 0.003)), 1, free)
    found = stays([(0.0, Demand(0.0, 0.0, 10.0)), (1.0, Demand(0.001, 0.0, 0.0))], env, executor)
    assert found == pytest.approx([10.0, 0.001], abs=0.02)
