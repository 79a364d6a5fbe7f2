"""Run a replication of a scenario with either engine, and return its record."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from sim.engines import Engine, pick
from sim.world import MarkDowns, World
from twin.costs.profile import HostProfile
from twin.record.columns import Events
from twin.record.record import Record, Row, versions
from twin.scenario.scenario import Scenario

MANY_OBJECTS = 100_000
"""New objects after which Python looks for garbage while a model runs; by default these are 700."""


def simulate(
    scenario: Scenario,
    replication: int = 0,
    profile: HostProfile | None = None,
    marks: MarkDowns | None = None,
    host: int = -1,
    engine: Engine = "simpy",
) -> Record:
    """Run one replication and return its record.

    Args:
        scenario: what to run.
        replication: which random numbers to use.
        profile: costs of the host; the scenario's `host.profile` by default.
        marks: observed mark-downs and mark-ups, which then replace the model's health checks.
        host: which draw of the host's speed to use, if not that of the replication.
        engine: see `sim.engines`; all give the same record.

    Raises:
        ScenarioError: there is no such profile, or it does not know the balancer, or the engine not the scenario.
    """
    profile = profile or HostProfile.for_scenario(scenario)
    began = datetime.now(UTC)
    engine, why = pick(scenario, engine, profile)
    if engine == "compiled":
        from sim.compiled.engine import KernelRun

        events: Events | list[Row] = KernelRun(scenario, replication, profile, marks, host).go().events()
    else:
        with _few_looks_for_garbage():
            events = World(scenario, replication, profile, marks, host).run()
    provenance = {
        "world": "sim",
        "engine": engine,
        "scenario": scenario.model_dump(exclude_none=True),
        "seed": scenario.seed,
        "replication": replication,
        "given_marks": [list(mark) for mark in marks] if marks is not None else None,
        "engine_reason": why,
        "start": began.isoformat(),
        "profile": profile.named,
        "versions": versions("numba" if engine == "compiled" else "simpy", "numpy", "pandas", "pyarrow"),
    }
    return Record.of(events, provenance)


@contextmanager
def _few_looks_for_garbage() -> Iterator[None]:
    """Let Python's collector look at what a run makes, and at nothing older, and mostly once, after the run.

    A model makes ten thousands of objects that stay to its end, and hardly any garbage that needs the collector, which
    would look at them, and at all that was there before, over and over: a tenth of a run's time. Source: Python manual,
    module `gc` (`freeze`, `set_threshold`).
    """
    usual = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(MANY_OBJECTS, *usual[1:])
    try:
        yield
    finally:
        gc.collect()
        gc.set_threshold(*usual)
        gc.unfreeze()
