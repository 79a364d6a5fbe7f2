"""Run a scenario with real processes: once, or several times until each run counts."""

import time
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from live import faults
from live.cluster import Cluster
from live.control import interrupt
from live.control.address import Address
from live.control.messages import plain
from live.limits import check
from live.machine import placement
from live.node.kinds import RUNTIMES
from twin.advice import warn_of
from twin.costs.profile import HostProfile
from twin.errors import LabWarning, ScenarioError, VoidError
from twin.record.record import Record, versions
from twin.scenario.scenario import Scenario

LOOK = 0.05
"""Seconds between two looks at the processes, if none ends before."""
STARTS = 3
"""How often a run is begun that is void before it is over: its clients are late, or a part ends without an order."""
ONCE_MORE = 2
"""How often a run is repeated that was on a starved host, or whose schedule slipped."""

Progress = Callable[[float, str], None]
"""Receives the seconds of the run that have passed and what is going on."""


class VoidWarning(LabWarning):
    """A run does not count and is made anew; the text says why."""


def run(
    scenario: Scenario, replication: int = 0, redis_url: str | Address | None = None, progress: Progress | None = None
) -> Record:
    """Run the scenario once with real processes and return its record.

    A run that is void before it is over is begun anew, `STARTS` times in all, with a `VoidWarning`. Whether one that
    went to its end counts says `Record.void`.

    Args:
        scenario: what to run.
        replication: which random numbers to use; the same ones as the simulated replication of that number.
        redis_url: a Redis or Valkey to use instead of the embedded one; see `live.control.address`, also for its
            password.
        progress: told about once in 50 ms how far the run is.

    Raises:
        ScenarioError, HostError: nothing was started.
        ClusterError: a process failed; everything was stopped.
        VoidError: something outside the schedule disturbed each attempt; everything was stopped.
    """
    check(scenario, redis_url)
    placement.warn_if_busy()
    before: list[str] = []
    while True:
        try:
            record = _run(scenario, replication, redis_url, progress)
        except VoidError as error:
            before.append(str(error))
            if len(before) == STARTS:
                raise
            _warn(f"run {replication + 1} of {scenario.name} is void and is made anew: {error}")
        else:
            return _after(record, before)


def _after(record: Record, before: list[str]) -> Record:
    """Return a record that says why the attempts before it did not count."""
    if not before:
        return record
    return Record(record.columns, record.provenance | {"void_before": [*before, *record.void_before]})


AT_THE_END = {"server_connections", "balancer_counted"}
"""Events of what there is when the run is over, which are noted a moment later."""


def _warn(text: str) -> None:
    warnings.warn(text, VoidWarning, stacklevel=3)


def _run(scenario: Scenario, replication: int, redis_url: str | Address | None, progress: Progress | None) -> Record:
    """Run the scenario, as `run`, which has checked it; VoidError if the run is void before it is over."""
    with interrupt.remembered(), Cluster(scenario, replication, redis_url) as cluster:
        start = cluster.warm_up()
        began = _follow(cluster, start, progress)
        behaviour = cluster.watch.report()
        rows = cluster.finish(start)
        timers = {part.name: plain(part.timers) if part.timers else {} for part in cluster.timed}
        provenance = {
            "world": "live",
            "engine": "processes",
            "scenario": scenario.model_dump(exclude_none=True),
            "seed": scenario.seed,
            "replication": replication,
            "start": began.isoformat(),
            "start_up": cluster.start_up,
            "machine": placement.machine(),
            "host": behaviour,
            "timing": cluster.timing.as_dict(start) | {"timers": timers},
            "disturbed": "; ".join(cluster.disturbances(start)),
            "placement": {"cluster": cluster.place.cluster, "clients": cluster.place.clients},
            "kept_awake": cluster.place.all,
            "balancer": cluster.balancer.describe(),
            "bus": {},
            **cluster.describe(),
            "profile": _profile(scenario),
            "versions": RUNTIMES[scenario.nodes.runtime].versions() | versions("redis", "psutil", "pandas", "pyarrow"),
        }
    return Record.of((r for r in rows if r[0] <= scenario.duration or r[1] in AT_THE_END), provenance)


def _follow(cluster: Cluster, start: float, progress: Progress | None) -> datetime:
    """Do every step of the schedule when it is due and attend to the cluster until its time is over.

    Returns:
        When the run began, in UTC.
    """
    scenario, timing = cluster.scenario, cluster.timing
    steps = faults.schedule(cluster, list(scenario.faults))
    steps = sorted(steps + cluster.steps(), key=lambda step: step.at)
    cluster.about_to_run()
    began, now = datetime.now(UTC), time.monotonic() - start
    timing.timers.woke(start + min(now, 0.0), "look")
    while (now := time.monotonic() - start) < scenario.duration or (steps and steps[0].at < scenario.duration):
        interrupt.check()
        if steps and now >= steps[0].at:
            timing.take(steps.pop(0), start)
            continue
        cluster.attend()
        if progress is not None:
            progress(max(0.0, now), "measuring")
        until = min(steps[0].at if steps else scenario.duration, scenario.duration, now + LOOK)
        cluster.supervisor.wait(max(0.0, until - (time.monotonic() - start)))
        timing.timers.woke(start + until, "look")
    cluster.attend()
    return began


def _profile(scenario: Scenario) -> dict[str, Any] | None:
    """Return what names the host profile by which this run would be predicted just now, None if there is none."""
    try:
        return HostProfile.load(scenario.host.profile).named
    except ScenarioError:
        return None


def measure(
    scenario: Scenario,
    runs: int = 5,
    first: int = 0,
    redis_url: str | Address | None = None,
    progress: Progress | None = None,
) -> list[Record]:
    """Run the scenario `runs` times and return the last record of each; see `each`."""
    return list({record.replication: record for record in each(scenario, runs, first, redis_url, progress)}.values())


def each(
    scenario: Scenario,
    runs: int = 5,
    first: int = 0,
    redis_url: str | Address | None = None,
    progress: Progress | None = None,
) -> Iterator[Record]:
    """Run the scenario `runs` times, one after the other, as replications `first`, `first` + 1, ..., and yield each
    record as soon as its run has ended, so that it is not lost if a later one fails.

    A run that does not count (`Record.void`) says more about the machine than about the scenario: when all are done it
    is made anew with the same random numbers, `ONCE_MORE` times at most, whatever was measured in it. Its record is
    yielded again, has the same `replication`, takes the place of the one before, and says why that did not count
    (`Record.void_before`). What its settings will do that a run may not show is told in `ScenarioWarning`s.

    Raises:
        ScenarioError: `runs` is not from 1 to 1,000, or the scenario is too large.
        HostError, ClusterError: see `run`.
    """
    if not 1 <= runs <= 1000:
        raise ScenarioError(f"runs is {runs}; allowed is 1 to 1000.")
    warn_of([scenario])
    records = list[Record]()
    for i in range(runs):
        before = i * scenario.duration
        tell = (lambda t, what, before=before: progress(before + t, what)) if progress is not None else None
        records.append(run(scenario, first + i, redis_url, tell))
        yield records[-1]
    again = (lambda t, what: progress(runs * scenario.duration, "measuring once more")) if progress else None
    for record in records:
        yield from _repeats(record, redis_url, again)


def _repeats(record: Record, redis_url: str | Address | None, progress: Progress | None) -> Iterator[Record]:
    """Make a run anew until it counts, and yield the record of each attempt."""
    scenario = record.scenario
    for _ in range(ONCE_MORE):
        if not record.void:
            return
        before = [*record.void_before, record.void]
        _warn(f"run {record.replication + 1} of {scenario.name} does not count and is made anew: {record.void}")
        record = _after(run(scenario, record.replication, redis_url, progress), before)
        yield record
