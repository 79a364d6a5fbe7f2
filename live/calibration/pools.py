"""What a pool of connections costs its node and the store: uses and connections, one by one and many at once.

The pool is that of a node, in a process of its own, and the store is the one of a run. Nothing takes any time here but
CPU time: the service time is 0. What a store takes to start is measured after it was killed, as in a run.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

from live.calibration.common import add
from live.calibration.messages import OpenPool, Spent, UsePool
from live.calibration.workbench import MeasuredCosts, pace_of
from live.control import extras
from live.control.messages import Ready
from live.control.process import ChildProcess, Stage
from live.control.supervisor import watched
from live.machine import placement
from live.pool.base import PoolSettings
from live.pool.store import EmbeddedStore
from live.pool.stores import start_store
from twin.rules.pool import Store
from twin.scenario.pool import Pool
from twin.scenario.scenario import Scenario

SIZES = (1, 16, 64)
"""How many uses there are at once, or connections to open."""
BATCHES = {1: 15, 16: 5, 64: 5}
"""How often; the median counts."""
OPENED = {1: 9, 16: 3, 64: 2}
"""The same for pools that are opened, which stay open."""
PAUSE = 0.02
"""Seconds between two batches, so that a lone use finds caches as cold as one of a run."""
CONNECTIONS = 400
"""That the store takes: all that were ever opened at the bench stay open."""
WARM = 3
"""Uses of each connection that are not measured: psycopg prepares a query that it has seen five times."""
STARTS = 3
"""How often a store is killed and started."""

Starts = dict[str, list[float]]
"""Seconds from the start of a killed store until it answers, by its kind."""


def stores() -> list[Store]:
    """Return the kinds of stores whose programs are installed; nothing is installed for a calibration."""
    return ["redis"] if extras.lacks("postgresql") else ["redis", "postgresql"]


def measure(scenario: Scenario, costs: MeasuredCosts, starts: Starts) -> None:
    """Measure everything once and append the figures.

    Args:
        scenario: says where processes run.
        costs: gets the parts.
        starts: gets how long stores take to start.
    """
    place = placement.placement(scenario)
    for kind in stores():
        with watched() as stage:
            store = start_store(kind, stage, place.cluster[:1], CONNECTIONS)
            store.wait_ready()
            with _bench(stage, store, Pool(store=kind), place) as bench:
                _uses(bench, store, kind, costs, place)
            if kind == "postgresql":
                with _bench(stage, store, Pool(store=kind, check=True), place) as bench:
                    _checks(bench, store, costs, place)
            for _ in range(STARTS):
                starts.setdefault(kind, []).append(_start(store))


@contextmanager
def _bench(stage: Stage, store: EmbeddedStore, pool: Pool, place: placement.Placement) -> Iterator[ChildProcess]:
    """Return a process with a pool, which ends when it is no longer needed."""
    own = pool.model_dump() | {"service": {"mean": 0.0, "distribution": "fixed"}, "timeout": 30.0}
    settings = PoolSettings(address=store.address, seed=0, replication=0, first=0, begin=None, **own)
    bench = stage.python("pool", "live.calibration.pool_bench", settings, place.cluster[:1])
    bench.hear(Ready)
    yield bench
    stage.end(bench)


def _uses(
    bench: ChildProcess, store: EmbeddedStore, kind: Store, costs: MeasuredCosts, place: placement.Placement
) -> None:
    for size in SIZES:
        costs.now = pace_of(place)
        node, served = _batches(bench, store, OpenPool(size), OPENED[size])
        add(costs, f"node_{kind}_connect", size, node / size)
        add(costs, f"store_{kind}_connect", size, served / size)
    for _ in range(WARM):
        _told(bench, UsePool(SIZES[-1]))
    for size in SIZES:
        costs.now = pace_of(place)
        node, served = _batches(bench, store, UsePool(size), BATCHES[size])
        add(costs, f"node_{kind}_use", size, node / size)
        add(costs, f"store_{kind}_use", size, served / size)


def _checks(bench: ChildProcess, store: EmbeddedStore, costs: MeasuredCosts, place: placement.Placement) -> None:
    """Measure what a check adds to a use."""
    _told(bench, OpenPool(SIZES[-1]))
    for _ in range(WARM):
        _told(bench, UsePool(SIZES[-1]))
    for size in SIZES:
        costs.now = pace_of(place)
        for whose, seconds in zip(("node", "store"), _batches(bench, store, UsePool(size), BATCHES[size]), strict=True):
            plain = costs[f"{whose}_postgresql_use"][size][-1]
            add(costs, f"{whose}_postgresql_check", size, seconds / size - plain)


def _told(bench: ChildProcess, order: OpenPool | UsePool) -> float:
    bench.tell(order)
    return bench.hear(Spent, 30.0).cpu


def _batches(bench: ChildProcess, store: EmbeddedStore, order: OpenPool | UsePool, count: int) -> tuple[float, float]:
    """Return the CPU seconds that an order takes the node, and the store, medians of so many."""
    nodes, stores = [], []
    for _ in range(count):
        time.sleep(PAUSE)
        before = store.cpu_ns()
        nodes.append(_told(bench, order))
        time.sleep(PAUSE)  # a process of PostgreSQL has more to do after its answer
        stores.append((store.cpu_ns() - before) / 1e9)
    return median(nodes), median(stores)


def _start(store: EmbeddedStore) -> float:
    """Kill a store, start it again, and return how long it takes until it answers, in seconds."""
    store.kill()
    began = time.monotonic()
    store.start_again()
    store.wait_ready()
    return time.monotonic() - began
