"""Queues whose answers are known, built from the processes and cores of the model and the balancer's choice rule."""

import numpy as np
import pytest
import simpy

from sim.machine.cores import Cores
from sim.machine.process import Cost, Process
from tests.oracles.intervals import interval
from twin.rules.balancing import RULES

RUNS = 10


class Service(Cost):
    """The cost of one item: a number of seconds, whatever the load."""

    def __init__(self, seconds):
        super().__init__([])
        self.taken = seconds

    def seconds(self, waiting, asleep, level):
        return self.taken


def stream(rate, count, run):
    """Return times of Poisson arrivals and exponential services of mean 1."""
    random = np.random.Generator(np.random.Philox(key=[7, run]))
    return np.cumsum(random.exponential(1 / rate, count)).tolist(), random.exponential(1.0, count).tolist()


def waits_of_customers(servers, load, count, run):
    """Return the wait of each customer of M/M/c: every customer is a process of its own, the cores serve them."""
    env = simpy.Environment()
    cores = Cores(env, servers, 0.003)
    arrivals, services = stream(load * servers, count, run)
    waits = np.empty(count)

    def customers():
        for i, (t, seconds) in enumerate(zip(arrivals, services, strict=True)):
            yield env.timeout(t - env.now)

            def served(_, i=i, t=t, seconds=seconds):
                waits[i] = env.now - t - seconds

            Process(cores).work(Service(seconds), served)

    env.process(customers())
    env.run()
    return waits[count // 10 :]  # the queue begins empty


@pytest.mark.parametrize(
    ("servers", "load", "count", "probability", "wait"),
    [(1, 0.9, 25_000, 0.9, 9.0), (2, 0.8, 20_000, 0.71111, 1.77778), (4, 0.8, 20_000, 0.59643, 0.74554)],
)
def test_cores_serve_as_erlang_says(servers, load, count, probability, wait):
    """M/M/c with mean service 1: probability of waiting and mean wait (Erlang C); 99 % interval of 10 runs."""
    runs = [waits_of_customers(servers, load, count, run) for run in range(RUNS)]
    mean, half = interval([run.mean() for run in runs])
    assert half < 0.15 * wait
    assert abs(mean - wait) <= half
    mean, half = interval([(run > 1e-9).mean() for run in runs])
    assert half < 0.02
    assert abs(mean - probability) <= half


def stays_of_customers(servers, load, count, run):
    """Return how long each customer stays who joins the less loaded of two event loops drawn by nginx's random two."""
    env = simpy.Environment()
    loops = [Process(Cores(env, 1, 0.003)) for _ in range(servers)]
    rule = RULES["nginx", "random_two"](servers)  # HAProxy draws from a ring of unequal shares
    draw = np.random.Generator(np.random.Philox(key=[8, run])).random
    usable = [True] * servers
    arrivals, services = stream(load * servers, count, run)
    stays = np.empty(count)

    def customers():
        for i, (t, seconds) in enumerate(zip(arrivals, services, strict=True)):
            yield env.timeout(t - env.now)
            server = rule.choose(usable, -1, "127.0.0.1", draw)
            rule.take(server)

            def served(_, i=i, t=t, server=server):
                stays[i] = env.now - t
                rule.release(server)

            loops[server].work(Service(seconds), served)

    env.process(customers())
    env.run()
    return stays[count // 5 :]


@pytest.mark.parametrize(
    ("load", "count", "expected"), [(0.5, 20_000, 1.2657), (0.7, 20_000, 1.6145), (0.9, 40_000, 2.6141)]
)
def test_the_power_of_two_choices_is_mitzenmachers(load, count, expected):
    """Mean stay with two choices in the limit of many servers (Mitzenmacher, "The power of two choices in randomized
    load balancing", IEEE TPDS 12, 2001); 99 % interval of 10 runs, and 2/n for n servers instead of infinitely many
    (his own simulations of 100 servers lie up to 1.2 % above the limit).
    """
    servers = 100
    mean, half = interval([stays_of_customers(servers, load, count, run).mean() for run in range(RUNS)])
    assert half < 0.04 * expected
    assert abs(mean - expected) <= half + 2 / servers * expected
    one_choice = 1 / (1 - load)
    assert mean < 0.7 * one_choice
