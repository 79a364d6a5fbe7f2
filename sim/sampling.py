"""Single runs of scenarios, asked for one after the other by who does not know beforehand how many he needs.

`sim.predict` makes a fixed number of replications and keeps what a band needs. Here runs are made a few at a time and
only the numbers are kept that an objective may be about (`twin.analysis.objectives`).
"""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from sim.engines import Engine, pick
from sim.prediction import needs_record
from sim.run import simulate
from sim.workers import side_by_side, started
from twin.analysis.objectives import numbers_of
from twin.costs.profile import HostProfile
from twin.draws import FIFTHS, FORTY
from twin.measures import Messages, attempt_counts, course, measure_connections, measure_with_bounds
from twin.scenario.scenario import Scenario

APART = FIFTHS * FORTY
"""Replications between two that are taken here: from one to the next the phases of checks and pings are drawn anew.
Successive ones share them out among themselves (`twin.draws.stratified`), which a sequential test does not expect."""

WORTH_WORKERS = 4.0
"""Seconds of work of the SimPy model that is left for which it pays to start worker processes."""

Numbers = dict[str, float]
Call = tuple[Scenario, int]
"""A scenario, and which run of it, from 0."""


def numbers(scenario: Scenario, run: int, profile: HostProfile, engine: Engine) -> Numbers:
    """Return what a run says to objectives.

    Args:
        scenario: what to run.
        run: which one, from 0; the same one of two scenarios has the same luck.
        profile: costs of the host.
        engine: `simpy` or `compiled`.
    """
    replication = run * APART
    if engine == "compiled" and not needs_record(scenario):
        from sim.compiled.engine import KernelRun

        done = KernelRun(scenario, replication, profile, None, -1, full=False).go()
        counted = done.course()
        return numbers_of(scenario, measure_connections(counted), counted, done.attempts())
    record = simulate(scenario, replication, profile, engine=engine)
    read, messages = course(record), Messages(record) if scenario.publisher is not None else None
    return numbers_of(scenario, measure_with_bounds(record, read, messages), read, attempt_counts(record), record)


class Sampler:
    """Makes runs, side by side, and gives their numbers in the order in which they were asked for.

    Args:
        profile: costs of the host, for all runs.
        engine: see `sim.engines`; `auto` chooses for each scenario.
        jobs: threads or processes to use; -1 is one a core.
    """

    def __init__(self, profile: HostProfile, engine: Engine = "auto", jobs: int = -1) -> None:
        self.profile = profile
        self.engine = engine
        self.jobs = jobs if jobs > 0 else os.cpu_count() or 1

    def engine_of(self, scenario: Scenario) -> Engine:
        """Return the engine that runs a scenario."""
        return pick(scenario, self.engine, self.profile)[0]

    def __call__(self, calls: Sequence[Call], done: Callable[[int], None] = lambda count: None) -> list[Numbers]:
        """Return the numbers of some runs; `done` gets how many there are as they come."""
        engines = [self.engine_of(scenario) for scenario, _ in calls]
        tasks = [(scenario, run, self.profile, engine) for (scenario, run), engine in zip(calls, engines, strict=True)]
        fast = [i for i, engine in enumerate(engines) if engine == "compiled"]
        slow = [i for i, engine in enumerate(engines) if engine != "compiled"]
        found: dict[int, Numbers] = {}
        with ThreadPoolExecutor(self.jobs) as threads:  # while the kernel runs, another one may
            for i, one in zip(fast, threads.map(lambda i: numbers(*tasks[i]), fast), strict=True):
                found[i] = one
                done(len(found))
        began = time.perf_counter()
        while slow and not self._worth(began, len(found) - len(fast), len(slow)):
            i = slow.pop(0)
            found[i] = numbers(*tasks[i])
            done(len(found))
        rest = side_by_side(numbers, [tasks[i] for i in slow], self.jobs) if slow else ()
        for i, one in zip(slow, rest, strict=True):
            found[i] = one
            done(len(found))
        return [found[i] for i in range(len(calls))]

    def _worth(self, began: float, made: int, left: int) -> bool:
        """Tell whether worker processes pay for what is left, by what this process has needed so far."""
        if self.jobs == 1:
            return False
        if started():
            return left > 1
        if not made:
            return False
        return (time.perf_counter() - began) / made * left > WORTH_WORKERS
