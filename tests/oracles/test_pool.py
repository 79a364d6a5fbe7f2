"""The rules of the two pools against queueing theory: Erlang B and C, M/M/c/K."""

from heapq import heappop, heappush
from math import inf

import numpy as np
import pytest

from tests.oracles.intervals import interval
from twin.rules.pool import Give, HandOverPool, Refuse, SlotPool
from twin.rules.queues import erlang_b, erlang_c, mean_wait, refused_bounded

RUNS = 10
SERVICE = 0.05
SIZE = 10


def pool_of(kind, size, max_waiting=0):
    """Return a pool with all its connections open."""
    if kind == "redis":
        return SlotPool(size, max_waiting)
    pool = HandOverPool(size, max_waiting, min_size=size)
    for step in pool.start():
        pool.opened(step.connection, 0.0, 0.5)
    return pool


def served(pool, load, count, run, patience=inf):
    """Let uses come at a `load` (share of the pool), hold a connection for an exponential time, and give it back.

    Returns:
        The wait of each use in seconds, -1 for one that was refused or lost its patience; the first tenth is left out.
    """
    random = np.random.Generator(np.random.Philox(key=[11, run]))
    arrivals = np.cumsum(random.exponential(SERVICE / (load * pool.size), count)).tolist()
    services = random.exponential(SERVICE, count).tolist()
    waits = np.full(count, -1.0)
    ends: list[tuple[float, int]] = []

    def take(steps, now):
        for step in steps:
            if isinstance(step, Give):
                waits[step.use] = now - arrivals[step.use]
                heappush(ends, (now + services[step.use], step.connection))

    def give_back(until):
        while ends and ends[0][0] <= until:
            now, connection = heappop(ends)
            take(pool.give_back(connection, now) if isinstance(pool, HandOverPool) else pool.give_back(connection), now)

    for use, t in enumerate(arrivals):
        give_back(t)
        steps = pool.borrow(use)
        take(steps, t)
        if not steps and patience == 0:
            assert pool.timed_out(use)
        assert not any(isinstance(step, Refuse) for step in steps) or pool.max_waiting
    give_back(inf)
    return waits[count // 10 :]


@pytest.mark.parametrize(("load", "count"), [(0.5, 5_000), (0.8, 10_000), (0.95, 40_000)])
@pytest.mark.parametrize("kind", ["redis", "postgresql"])
def test_a_pool_waits_as_erlang_says(kind, load, count):
    """M/M/10: share of the uses that wait, and mean wait, at three loads; 99 % interval of 10 runs."""
    runs = [served(pool_of(kind, SIZE), load, count, run) for run in range(RUNS)]
    expected = erlang_c(SIZE, load * SIZE)
    mean, half = interval([(run > 1e-9).mean() for run in runs])
    assert half < 0.06
    assert abs(mean - expected) <= half
    mean, half = interval([run.mean() for run in runs])
    expected = mean_wait(SIZE, load * SIZE, SERVICE)
    assert half < 0.35 * expected
    assert abs(mean - expected) <= half


@pytest.mark.parametrize("load", [0.5, 0.8, 0.95])
@pytest.mark.parametrize("kind", ["redis", "postgresql"])
def test_who_does_not_wait_is_lost_as_erlang_says(kind, load):
    """M/M/10/10, each use gives up at once where none is free: share lost; 99 % interval of 10 runs."""
    runs = [served(pool_of(kind, SIZE), load, 5_000, run, patience=0) for run in range(RUNS)]
    mean, half = interval([(run < 0).mean() for run in runs])
    assert half < 0.02
    assert abs(mean - erlang_b(SIZE, load * SIZE)) <= half


@pytest.mark.parametrize(("load", "queue"), [(0.8, 5), (0.95, 5), (0.95, 20)])
@pytest.mark.parametrize("kind", ["redis", "postgresql"])
def test_a_bounded_queue_refuses_as_theory_says(kind, load, queue):
    """M/M/10/K with `max_waiting`: share refused; 99 % interval of 10 runs."""
    runs = [served(pool_of(kind, SIZE, queue), load, 10_000, run) for run in range(RUNS)]
    mean, half = interval([(run < 0).mean() for run in runs])
    assert half < 0.02
    assert abs(mean - refused_bounded(SIZE, SIZE + queue, load * SIZE)) <= half


@pytest.mark.parametrize("share", [0.05, 0.2])
def test_a_leak_empties_a_pool_after_so_many_uses_as_it_says(share):
    """Each use leaks with a probability: the pool is empty after size / share uses on average (negative binomial)."""
    random = np.random.Generator(np.random.Philox(key=[12, 0]))
    empties = []
    for _ in range(10 * RUNS):
        pool, uses = pool_of("postgresql", SIZE), 0
        while steps := pool.borrow(uses):
            uses += 1
            if random.random() >= share:
                pool.give_back(steps[0].connection, 0.0)
        empties.append(uses)
    mean, half = interval([np.mean(empties[i::RUNS]) for i in range(RUNS)])
    assert half < 0.15 * SIZE / share
    assert abs(mean - SIZE / share) <= half
