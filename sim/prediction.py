"""Many replications of a scenario, which make a prediction."""

import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from sim import workers
from sim.engines import Engine, pick
from sim.estimate import announcement
from sim.run import simulate
from sim.world import MarkDowns
from twin.advice import warn_of
from twin.costs.lacking import warn_of_lacks
from twin.costs.profile import HostProfile
from twin.errors import EngineWarning, ScenarioError
from twin.measures import (
    Messages,
    attempt_counts,
    connected_curve,
    course,
    curve_times,
    latency_quantiles,
    measure_connections,
    measure_with_bounds,
    split,
)
from twin.measures import marks as marks_of
from twin.measures.broadcast import SHARES
from twin.measures.planned import is_planned
from twin.record.record import Record
from twin.scenario.scenario import Scenario

WORTH_A_WORKER = 3.0
"""Seconds of work for which it pays to start worker processes."""
SHORT = 0.1
"""Seconds of work after which a thread is given no more calls at a time than before."""


@dataclass(frozen=True)
class Prediction:
    """What many replications say about one run.

    Attributes:
        scenario: what was simulated.
        measures: one row a replication, one column a measure; infinite is a time that was not reached within the run.
        bounds: within how many seconds such a time was not reached, NaN elsewhere; only columns that hold one.
        curve_times: seconds after the start of the run, shape (points,).
        curves: connected clients, shape (replications, points).
        reconnects: for each replication the client's first reconnect time in seconds, by client number.
        latencies: seconds of delivery at each of `twin.measures.broadcast.SHARES` of the deliveries, shape
            (replications, 99); NaN where nothing was delivered.
        engine: which engine was used, `simpy` or `compiled`.
        engine_reason: why `auto` did not get the compiled engine, as a sentence, or an empty text.
        attempts: attempts to connect in each `twin.measures.PEAK_WINDOW` of the run, shape (replications, windows).
    """

    scenario: Scenario
    measures: pd.DataFrame
    curve_times: np.ndarray[Any, np.dtype[np.float64]]
    curves: np.ndarray[Any, np.dtype[np.float64]]
    reconnects: list[Mapping[int, float]]
    latencies: np.ndarray[Any, np.dtype[np.float64]]
    engine: str = "simpy"
    attempts: np.ndarray[Any, np.dtype[np.int64]] = field(default_factory=lambda: np.zeros((0, 0), np.int64))
    engine_reason: str = ""
    bounds: pd.DataFrame = field(default_factory=pd.DataFrame)


Array = np.ndarray[Any, Any]
Replicated = tuple[dict[str, float], Array, Mapping[int, float], Array, Array]
"""What is kept of a replication: measures with bounds, connected clients, reconnect times, latencies, attempts."""


def predict(
    scenario: Scenario,
    replications: int = 200,
    profile: HostProfile | None = None,
    marks: MarkDowns | None = None,
    paired: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    jobs: int = -1,
    engine: Engine = "auto",
) -> Prediction:
    """Simulate many replications and return their measures.

    Args:
        scenario: what to predict.
        replications: how many; 200 or more for a 95 % interval.
        profile: costs of the host; the scenario's `host.profile` by default.
        marks: observed mark-downs, for the prediction given them.
        paired: use the random numbers of this replication throughout, and vary only the speed of the host.
        progress: receives (done, replications).
        jobs: processes to use; -1 is one a core. What takes a few seconds is done in this one, by the compiled engine
            in as many threads.
        engine: see `sim.engines`; all give the same prediction. An `EngineWarning` says why `auto` takes SimPy, and
            another one how long that will take if it is long.

    What the scenario's settings will do that a run may not show is told in `ScenarioWarning`s (`twin.advice`).

    Raises:
        ScenarioError: `replications` is not from 1 to 100,000, there is no such profile, or the engine does not know
            the scenario.
    """
    if profile is None:
        pick(scenario, engine)  # what there is not is refused before a profile is looked for
        profile = HostProfile.for_scenario(scenario)
    engine, why = pick(scenario, engine, profile)
    if why:
        warnings.warn(why, EngineWarning, stacklevel=2)
    warn_of([scenario])
    warn_of_lacks(profile, [scenario])
    return _predict(scenario, replications, profile, marks, paired, progress, jobs, engine, why)


def _predict(
    scenario: Scenario,
    replications: int,
    profile: HostProfile | None,
    marks: MarkDowns | None,
    paired: int | None,
    progress: Callable[[int, int], None] | None,
    jobs: int,
    engine: Engine,
    why: str,
) -> Prediction:
    """Predict without a warning; `engine` is one that knows the scenario, and `why` why it is not another one."""
    if not 1 <= replications <= 100_000:
        raise ScenarioError(f"replications is {replications}; allowed is 1 to 100000.")
    profile = profile or HostProfile.for_scenario(scenario)
    profile.must_know(scenario)
    if engine == "simpy" and paired is None:
        long = announcement([(scenario, replications)], profile, jobs if jobs > 0 else os.cpu_count() or 1)
        if long:
            warnings.warn(long, EngineWarning, stacklevel=2)
    calls = [(i, -1) if paired is None else (paired, i) for i in range(replications)]
    found: list[Replicated] = []
    for one in _at_once(scenario, profile, marks, calls, engine, jobs):
        found.append(one)
        if progress is not None:
            progress(len(found), replications)
    for part in _side_by_side(scenario, profile, marks, calls, engine, max(1, min(16, replications // 8)), jobs):
        found += part
        if progress is not None:
            progress(len(found), replications)
    times = curve_times(scenario.duration)
    measures, bounds = tables([measures for measures, *_ in found])
    return Prediction(
        scenario,
        measures,
        times,
        np.array([curve for _, curve, *_ in found]),
        [reconnects for _, _, reconnects, *_ in found],
        np.array([latencies for *_, latencies, _ in found]),
        engine,
        np.array([attempts for *_, attempts in found]),
        why,
        bounds,
    )


def tables(found: Sequence[dict[str, float]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the measures and the bounds of some replications, one row each."""
    parts = [split(one) for one in found]
    return pd.DataFrame([values for values, _ in parts]), pd.DataFrame([bounds for _, bounds in parts])


def _at_once(
    scenario: Scenario,
    profile: HostProfile,
    marks: MarkDowns | None,
    calls: list[tuple[int, int]],
    engine: Engine,
    jobs: int,
) -> Iterator[Replicated]:
    """Take calls and replicate them in this process.

    The compiled engine does so in threads, which start at once and share the profile (while the kernel runs, another
    one may), for `WORTH_A_WORKER` seconds; SimPy as long as what is left would take it less than that, and only until
    there are workers.
    """
    if engine == "simpy" and workers.started():
        return
    most = (jobs if jobs > 0 else os.cpu_count() or 1) if engine == "compiled" else 1
    began, done = time.perf_counter(), 0
    with ThreadPoolExecutor(most) as threads:
        at_once = most
        while calls:
            passed = time.perf_counter() - began
            if (passed if engine == "compiled" else passed * len(calls) / max(1, done)) >= WORTH_A_WORKER:
                return
            if passed < SHORT:
                at_once = most * (1 + done // most)  # ever more, so that threads seldom wait for each other
            some, calls[:at_once] = calls[:at_once], []
            for part in threads.map(lambda call: replicate(scenario, profile, marks, [call], engine), some):
                yield from part
            done += len(some)


def _side_by_side(
    scenario: Scenario,
    profile: HostProfile,
    marks: MarkDowns | None,
    calls: list[tuple[int, int]],
    engine: Engine,
    chunk: int,
    jobs: int,
) -> Iterator[list[Replicated]]:
    """Replicate in as many processes as `jobs` says, so many calls at a time."""
    if not calls:
        return
    chunks = [calls[i : i + chunk] for i in range(0, len(calls), chunk)]
    tasks = [(scenario, profile, marks, some, engine) for some in chunks]
    yield from workers.side_by_side(replicate, tasks, jobs if len(chunks) > 1 else 1)


def predict_given(
    records: Sequence[Record],
    replications: int = 40,
    profile: HostProfile | None = None,
    progress: Callable[[int, int], None] | None = None,
    jobs: int = -1,
    engine: Engine = "auto",
) -> list[Prediction]:
    """Predict each measured run given what its balancer marked down and up, and when.

    The random numbers are those of the run's replication; only the speed of the host varies. What is left between
    prediction and measurement is then the model's fault and the host's noise, not the luck of a phase.

    Args:
        records: measured runs.
        replications: how many a run.
        profile, progress, jobs, engine: as for `predict`.
    """
    found = []
    told: set[str] = set()
    for i, record in enumerate(records):
        chosen, why = pick(record.scenario, engine, profile)
        if why and why not in told:
            warnings.warn(why, EngineWarning, stacklevel=2)
            told.add(why)
        active = record.scenario.balancer.check_interval is not None
        seen = marks_of(record) if active else None
        found.append(
            _predict(record.scenario, replications, profile, seen, record.replication, None, jobs, chosen, why)
        )
        if progress is not None:
            progress(i + 1, len(records))
    return found


def needs_record(scenario: Scenario) -> bool:
    """Tell whether the measures of a scenario are taken from the whole record: of messages, and of planned faults."""
    return scenario.publisher is not None or is_planned(scenario)


def replicate(
    scenario: Scenario, profile: HostProfile, marks: MarkDowns | None, calls: Sequence[tuple[int, int]], engine: Engine
) -> list[Replicated]:
    """Return what is kept of some replications.

    Args:
        scenario, profile, marks: as for `predict`.
        calls: for each replication its number and that of the host's draw, -1 for its own.
        engine: `simpy` or `compiled`.
    """
    found = []
    for replication, host in calls:
        if engine == "compiled" and not needs_record(scenario):
            from sim.compiled.engine import KernelRun

            done = KernelRun(scenario, replication, profile, marks, host, full=False).go()
            counted = done.course()
            nothing = np.full(len(SHARES), np.nan)
            found.append(
                (measure_connections(counted), done.curve(), counted.reconnect_times(), nothing, done.attempts())
            )
            continue
        record = simulate(scenario, replication, profile, marks, host, engine)
        messages = Messages(record) if scenario.publisher is not None else None
        latencies = latency_quantiles(record, messages) if messages is not None else np.full(len(SHARES), np.nan)
        curve, attempts, read = connected_curve(record), attempt_counts(record), course(record)
        found.append((measure_with_bounds(record, read, messages), curve, read.reconnect_times(), latencies, attempts))
    return found
