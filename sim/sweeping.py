"""Sweeps: simulate every variant of a scenario, on this machine's cores or on a Dask cluster.

What a replication gives depends on nothing but the scenario, the replication's number, the host profile and the code,
so it does not matter where it ran, in which order, or whether the sweep was interrupted.
"""

import os
import platform
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from functools import lru_cache
from hashlib import sha256
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pandas as pd

from sim.engines import Engine, pick
from sim.estimate import announcement
from sim.prediction import replicate
from sim.workers import side_by_side
from twin.advice import warn_of
from twin.analysis.sweeps import Store, Sweep, Variant, assemble, check_replications, key, parts_of, variants, write
from twin.costs.lacking import warn_of_lacks
from twin.costs.profile import HostProfile, Need, needs_of
from twin.errors import EngineWarning, HostError, ScenarioError
from twin.missing import UnsavedError
from twin.scenario.scenario import Scenario

MOST_JOBS = 1024
CONNECT_TIMEOUT = 10
"""Seconds to wait for a Dask scheduler."""

Task = tuple[int, Scenario, str, Engine, int, int]
"""Number of the variant, scenario, host profile as JSON, engine, first replication, how many."""
Done = tuple[int, int, list[dict[str, float]], str]
"""Number of the variant, first replication, measures of each replication, fingerprint of the code that ran."""


def sweep(
    scenario: Scenario,
    vary: Mapping[str, Sequence[Any]],
    replications: int = 50,
    profile: HostProfile | None = None,
    folder: str | Path | None = None,
    jobs: int = -1,
    scheduler: str | None = None,
    progress: Callable[[int, int], None] | None = None,
    engine: Engine = "auto",
) -> Sweep:
    """Simulate every combination of some settings, all with the same random numbers.

    Args:
        scenario: what is varied.
        vary: for each setting its values, as in `{"clients.reconnect.cap": [5, 10], "clients.reconnect": ["phoenix"]}`.
        replications: how many of each variant. Replication k has the same luck in all of them, so that differences
            between variants may be taken replication by replication.
        profile: costs of the host; each variant's `host.profile` by default, where a machine without a profile of its
            own takes the reference.
        folder: where finished parts are kept; a sweep that was interrupted goes on from there. None keeps nothing.
        jobs: processes to use on this machine; -1 is one a core.
        scheduler: address of a Dask scheduler whose workers do the work instead, as in `tcp://127.0.0.1:8786`.
        progress: receives (parts done, parts).
        engine: see `sim.engines`; `auto` chooses for each variant, and an `EngineWarning` says why it takes the
            SimPy model.

    `ScenarioWarning`s (`twin.advice`) say what the variants' settings will do that a run may not show, each one once.

    Raises:
        ScenarioError: a value is not allowed, or the folder cannot be used, or the engine does not know a variant.
        UnsavedError: all is simulated, and the table cannot be written.
        HostError: there is no such scheduler, its workers run other code, or Dask is not installed.
    """
    combinations = variants(scenario, vary)
    return simulate_variants(
        scenario, combinations, vary, replications, profile, folder, jobs, scheduler, progress, engine
    )


def simulate_variants(
    scenario: Scenario,
    combinations: Sequence[Variant],
    vary: Mapping[str, Sequence[Any]],
    replications: int,
    profile: HostProfile | None = None,
    folder: str | Path | None = None,
    jobs: int = -1,
    scheduler: str | None = None,
    progress: Callable[[int, int], None] | None = None,
    engine: Engine = "auto",
) -> Sweep:
    """Simulate given variants of a scenario; `vary` says what their labels may be. Otherwise as `sweep`."""
    check_replications(replications)
    if jobs != -1 and not 1 <= jobs <= MOST_JOBS:
        raise ScenarioError(f"jobs is {jobs}; allowed is -1 (one a core) or 1 to {MOST_JOBS}.")
    profiles = [_profile(one.scenario, profile) for one in combinations]
    code = fingerprint()
    hosts = [_from_json(text) for text in profiles]
    picked = [pick(one.scenario, engine, host) for one, host in zip(combinations, hosts, strict=True)]
    engines = [one for one, _ in picked]
    for why in dict.fromkeys(why for _, why in picked if why):
        warnings.warn(why, EngineWarning, stacklevel=3)
    warn_of((one.scenario for one in combinations), stacklevel=3)
    if hosts:
        warn_of_lacks(hosts[0], (one.scenario for one in combinations), stacklevel=3)
    names = [
        key(one.scenario.model_dump_json(), text, code, which)
        for one, text, which in zip(combinations, profiles, engines, strict=True)
    ]
    store = Store(folder) if folder is not None else None
    ranges = list(parts_of(replications))
    tasks: list[Task] = [
        (i, variant.scenario, text, engines[i], first, count)
        for i, (variant, text) in enumerate(zip(combinations, profiles, strict=True))
        for first, count in ranges
    ]
    found, left = _split(tasks, names, store)
    if scheduler is None:
        _announce(left, jobs)
    reused, total = len(found), len(tasks)
    if progress is not None:
        progress(reused, total)
    with _workers(left, jobs, scheduler) as results:
        for i, first, rows, ran in results:
            if ran != code:
                raise HostError(f"scheduler {scheduler}: its workers run another version of the lab than this one.")
            found[i, first] = _part(first, rows)
            if store is not None:
                _save(store, names[i], first, found[i, first], f"{len(found) - 1} of {total}")
            if progress is not None:
                progress(len(found), total)
    parts = [(one, [found[i, first] for first, _ in ranges]) for i, one in enumerate(combinations)]
    done = assemble(scenario, vary, parts, reused=reused, made=len(left))
    if store is not None:
        try:
            write(done.table, store.folder / "table.parquet")
        except ScenarioError as error:
            raise UnsavedError(str(error), done) from None
    return done


def _split(
    tasks: Sequence[Task], names: Sequence[str], store: Store | None
) -> tuple[dict[tuple[int, int], pd.DataFrame], list[Task]]:
    """Return what an earlier sweep has kept, by variant and first replication, and the tasks that are left."""
    found, left = dict[tuple[int, int], pd.DataFrame](), list[Task]()
    for task in tasks:
        i, *_, first, count = task
        if store is not None and store.has(names[i], first, count):
            found[i, first] = store.load(names[i], first, count)
        else:
            left.append(task)
    return found, left


def _announce(tasks: Sequence[Task], jobs: int) -> None:
    """Warn if the SimPy model will take long on this machine."""
    slow = [(one, count) for _, one, _, which, _, count in tasks if which == "simpy"]
    if slow:
        text = next(text for _, _, text, which, _, _ in tasks if which == "simpy")
        long = announcement(slow, _from_json(text), jobs if jobs > 0 else os.cpu_count() or 1)
        if long:
            warnings.warn(long, EngineWarning, stacklevel=4)


def _save(store: Store, name: str, first: int, part: pd.DataFrame, kept: str) -> None:
    """Keep a part; `kept` says how many of how many are kept already.

    Raises:
        ScenarioError: it cannot be written; the sentence says what is kept.
    """
    try:
        store.save(name, first, part)
    except ScenarioError as error:
        left = f"{kept} parts are kept, and the same command goes on from there"
        raise ScenarioError(f"{str(error).removesuffix('.')}; {left}.") from None


def _part(first: int, rows: list[dict[str, float]]) -> pd.DataFrame:
    table = pd.DataFrame(rows).astype("float64")
    table.insert(0, "replication", range(first, first + len(rows)))
    return table


def _profile(scenario: Scenario, profile: HostProfile | None) -> str:
    """Return the host profile of a scenario as JSON, and make sure that it knows what the scenario needs."""
    if profile is None:
        profile = named_profile(scenario.host.profile, needs_of(scenario))
    profile.must_know(scenario)
    return _as_json(profile)


@lru_cache(maxsize=8)
def named_profile(name: str, needs: tuple[Need, ...]) -> HostProfile:
    """Return a host profile; `calibrated` is the reference's where this machine has none of its own that knows what is
    needed (with a warning).

    Raises:
        ScenarioError: there is no such profile.
    """
    return HostProfile.for_this_machine(*needs) if name == "calibrated" else HostProfile.load(name)


_texts: dict[int, tuple[HostProfile, str]] = {}


def _as_json(profile: HostProfile) -> str:
    """Return a profile as JSON, written once for all variants."""
    known = _texts.get(id(profile))
    if known is None or known[0] is not profile:
        _texts.clear()
        known = _texts[id(profile)] = (profile, profile.model_dump_json())
    return known[1]


@lru_cache(maxsize=4)
def _from_json(text: str) -> HostProfile:
    return HostProfile.model_validate_json(text)


def run(number: int, scenario: Scenario, text: str, engine: Engine, first: int, count: int) -> Done:
    """Simulate one part of a sweep; this is what a worker does. The arguments are those of a `Task`."""
    calls = [(n, -1) for n in range(first, first + count)]
    rows = [measures for measures, *_ in replicate(scenario, _from_json(text), None, calls, engine)]
    return number, first, rows, fingerprint()


@lru_cache(maxsize=1)
def fingerprint() -> str:
    """Return a short name of the code that simulates: results of other code are not reused."""
    digest = sha256(platform.python_version().encode())
    for package in ("sim", "twin"):
        folder = Path(import_module(package).__path__[0])
        for path in sorted(folder.rglob("*.py")):
            digest.update(path.relative_to(folder).as_posix().encode())
            digest.update(path.read_bytes())
    for name in ("numpy", "pandas", "simpy", "numba"):
        try:
            digest.update(version(name).encode())
        except PackageNotFoundError:
            digest.update(b"-")
    return digest.hexdigest()[:20]


@contextmanager
def _workers(tasks: list[Task], jobs: int, scheduler: str | None) -> Iterator[Iterable[Done]]:
    """Give the results of all tasks in the order in which they are finished."""
    if scheduler is not None:
        with _cluster(scheduler) as client:
            sent = {text: client.scatter(text, broadcast=True) for text in {text for _, _, text, *_ in tasks}}
            futures = [client.submit(run, i, one, sent[text], *rest, pure=False) for i, one, text, *rest in tasks]
            yield _gathered(client, futures, scheduler)
    else:
        yield side_by_side(run, tasks, jobs if len(tasks) > 1 else 1, in_order=False)


def _gathered(client: Any, futures: list[Any], address: str) -> Iterator[Done]:
    """Yield results of a cluster as they come.

    Raises:
        HostError: the workers cannot do the work, or are lost; what they have finished is kept.
    """
    from distributed import KilledWorker, as_completed
    from distributed.comm import CommClosedError

    try:
        for _, done in as_completed(futures, loop=client.loop, with_results=True):
            yield done
    except ImportError as error:
        raise HostError(f"--scheduler {address}: the lab is not installed on its workers ({error}).") from None
    except (CancelledError, CommClosedError, KilledWorker) as error:
        what = type(error).__name__
        raise HostError(f"--scheduler {address}: its workers are lost ({what}); the same command goes on.") from None


@contextmanager
def _cluster(address: str) -> Iterator[Any]:
    """Connect to a Dask scheduler.

    Raises:
        HostError: Dask is not installed, or nobody answers there.
    """
    try:
        from distributed import Client
    except ImportError:
        raise HostError("--scheduler needs Dask: pip install 'stormlab[dask]'.") from None
    try:
        client = Client(address, timeout=CONNECT_TIMEOUT, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise HostError(f"--scheduler {address}: no Dask scheduler answers there ({error}).") from None
    with client:
        if not client.scheduler_info()["workers"]:
            raise HostError(f"--scheduler {address}: it has no workers; see ./lab sweep --help.")
        yield client
