"""What several commands of ./lab do: show how far they are, know this machine, predict, measure, compare, judge."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from stormlab.terminal import Terminal
from twin.costs.memory import asks_memory
from twin.costs.profile import CALIBRATED, HostProfile
from twin.errors import HostError, LabError, ScenarioError
from twin.files.writing import alone
from twin.missing import Missing, UnsavedError
from twin.scenario.balancer.kinds import DEFAULT, KINDS
from twin.scenario.scenario import Scenario

if TYPE_CHECKING:
    from live.control.address import Address
    from twin.record.record import Record  # with its tables it takes a while to load: --help needs none

err = Terminal(stderr=True)
out = Terminal(least_width=80)  # all tables fit into that


@contextmanager
def progress() -> Iterator[Callable[[str, float], None]]:
    """Show one bar; the function it gives takes a text and the share that is done."""
    columns = (TextColumn("{task.description:<34}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, TimeElapsedColumn(), console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task("", total=1.0)

        def show(text: str, share: float) -> None:
            bar.update(task, description=text, completed=share)

        yield show


@contextmanager
def part_progress(text: str) -> Iterator[Callable[[int, int], None]]:
    """Show one bar of parts; the function it gives takes how many are done, and of how many."""
    columns = (TextColumn("{task.description:<34}"), BarColumn(), TextColumn("{task.completed}/{task.total} parts"))
    with Progress(*columns, TimeElapsedColumn(), console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task(text, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


FIRST_REPEATS = 2
"""Measurements of each part when somebody waits for a prediction; `./lab calibrate` makes more."""


def profile_of(scenario: Scenario) -> HostProfile:
    """Return the scenario's host profile; calibrate first what it is to be asked for and does not know yet."""
    kind, broadcast, sessions = (
        scenario.balancer.kind,
        scenario.publisher is not None,
        scenario.sessions.store != "none",
    )
    if scenario.host.profile == "calibrated":
        known = HostProfile.load() if CALIBRATED.exists() else None
        broadcast = scenario.sessions.store == "redis" or scenario.talks
        if known is None or not known.knows(kind) or (broadcast and not known.knows_broadcast(kind)):
            err.print(f"There is no profile of this machine with {kind}{' and a bus' * broadcast} yet: calibrating.")
            kinds = [kind] if known is not None else list(dict.fromkeys((DEFAULT, kind)))
            polls = scenario.clients.transport.polls
            calibrate_machine(kinds, broadcast, sessions, polls, repeats=FIRST_REPEATS)
        if sessions and not HostProfile.load().knows_sessions(kind):
            calibrate_sessions()
        if scenario.clients.transport.polls and not HostProfile.load().knows_polls(kind):
            calibrate_polls()
        if asks_memory(scenario) and not HostProfile.load().memory:
            calibrate_memory()
    return HostProfile.load(scenario.host.profile)


def calibrate_sessions() -> None:
    """Add what sessions cost to this machine's profile."""
    import live

    _calibrate_more("sessions", live.with_sessions, HostProfile.with_sessions_of)


def calibrate_polls() -> None:
    """Add what polls cost to this machine's profile."""
    import live

    _calibrate_more("polls", live.with_polls, HostProfile.with_polls_of)


def calibrate_memory() -> None:
    """Add what memory nodes take to this machine's profile."""
    import live

    _calibrate_more("the memory of nodes", live.with_memory, HostProfile.with_memory_of)


def _calibrate_more(
    what: str, measured_with: Callable[..., HostProfile], joined: Callable[[HostProfile, HostProfile], HostProfile]
) -> None:
    """Measure what this machine's profile does not know yet, and add it: `joined` takes it from what was measured."""
    err.print(f"There is no profile of this machine with {what} yet: calibrating.")
    with progress() as show:
        measured = measured_with(HostProfile.load(), progress=lambda share, part: show(f"calibrating {part}", share))
    with alone(CALIBRATED):  # another lab may have changed it meanwhile
        joined(HostProfile.load(), measured).save()


def calibrate_machine(
    kinds: Sequence[str] = tuple(KINDS),
    broadcast: bool = True,
    sessions: bool = True,
    polls: bool = True,
    output: Path = CALIBRATED,
    repeats: int | None = None,
) -> HostProfile:
    """Measure what the parts cost on this machine, add the repeats of earlier calibrations, and write the profile.

    Args:
        kinds: balancers to calibrate with.
        broadcast: whether to measure the parts of a broadcast, too.
        sessions: whether to measure the parts of sessions, too.
        polls: whether to measure the parts of polls, too.
        output: file to write; no other is changed.
        repeats: measurements of each part; as many as `live.calibrate` makes by default.

    Raises:
        UnsavedError: all is measured, and the profile cannot be written.
    """
    import live
    from live.calibration.calibration import REPEATS

    with progress() as show:
        profile = live.calibrate(
            lambda share, what: show(f"calibrating {what}", share),
            kinds=kinds,
            broadcast=broadcast,
            sessions=sessions,
            polls=polls,
            further=broadcast and sessions and polls,  # nodes of other runtimes take minutes: only if all is asked for
            repeats=repeats or REPEATS,
        )
    with alone(output):
        if CALIBRATED.exists():
            with suppress(ScenarioError):  # a profile of an older lab is replaced
                profile = profile.with_earlier(HostProfile.load())
        try:
            profile.save(output)
        except ScenarioError as error:
            raise UnsavedError(str(error), profile) from None
    return profile


def look_at_cores(scenario: Scenario) -> None:
    """Add a look at the speed of this machine's cores to its profile: a shared machine changes from hour to hour."""
    if scenario.host.profile != "calibrated":
        return
    import live

    with progress() as show:
        look = live.trace(scenario, lambda share: show("looking at the speed of the cores", share))
    profile_of(scenario)
    with alone(CALIBRATED):
        HostProfile.load().with_look(look).save()


def prediction_of(
    scenario: Scenario, replications: int, engine: str = "auto", profile: HostProfile | None = None
) -> Any:
    """Return the prediction (`sim.Prediction`) of a scenario; it warns if the compiled engine does not cover it.

    Args:
        scenario: what to predict.
        replications: simulated runs.
        engine: auto, simpy or compiled.
        profile: of the host; see `HostProfile.for_scenario` by default.
    """
    import sim
    from sim.engines import pick

    wanted: Any = engine
    pick(scenario, wanted)  # refuses what there is not before anything is read
    profile = profile or HostProfile.for_scenario(scenario)
    with progress() as show:
        text = f"predicting {scenario.name}"
        return sim.predict(
            scenario, replications, profile, progress=lambda done, total: show(text, done / total), engine=wanted
        )


def server_of(url: str | None, password_file: Path | None) -> "Address | None":
    """Return where the user's own Redis or Valkey is, with its password; None stands for the embedded one.

    Raises:
        HostError: the URL cannot be used as it is, or the file holds no password.
    """
    if url is None:
        if password_file is not None:
            raise HostError(f"--redis-password-file is {password_file}; it needs --redis-url.")
        return None
    from live.control.address import address_of

    return address_of(url, password_file)


def runs_of(
    scenario: Scenario,
    runs: int,
    server: "str | Address | None",
    folder: Path | None,
    missing: Missing | None = None,
    kept: "Mapping[int, Record] | None" = None,
) -> "list[Record]":
    """Run a scenario with real processes, keep each record as soon as its run has ended, and return those there are.

    Args:
        scenario: what to run.
        runs: how many runs, one after the other; those that do not count are made anew, see `live.each`.
        server: a Redis or Valkey to use instead of the embedded one.
        folder: where to keep the records as Parquet; None keeps none.
        missing: notes a run that failed after others had ended, and records that could not be written.
        kept: by replication the runs that there are already; only the others are made.

    Raises:
        LabError: no run has ended, or nobody notes what is missing.
    """
    import live

    missing, name = missing or Missing(), scenario.name
    records: dict[int, Record] = dict(kept or {})
    stretches = [(k, 1) for k in range(runs) if k not in records] if kept else [(0, runs)]
    with progress() as show:

        def tell(seconds: float, what: str) -> None:
            show(f"{what} {name}", min(1.0, seconds / (runs * scenario.duration)))

        try:
            each = (live.each(scenario, count, first, server, tell) for first, count in stretches)
            for record in chain.from_iterable(each):
                records[record.replication] = record
                if folder is not None:
                    with missing.noted(f"{name}: the record of run {record.replication + 1} of {runs}"):
                        record.save(folder / f"{name}-{record.replication}.parquet")
        except (LabError, KeyboardInterrupt) as error:
            if not records:
                raise
            ended = len(records)
            what = f"run {ended + 1} of {runs}" if ended < runs else "the repeat of a run that does not count"
            missing.add(f"{name}: {what}", error)
    return examined([records[k] for k in sorted(records)])


def examined(records: "list[Record]") -> "list[Record]":
    """Check the invariants on measured records, say which are broken and show the events, and return the records."""
    from stormlab.tables import print_violations
    from twin.invariants import audit

    for i, record in enumerate(records, 1):
        found = audit(record)
        if found.violations:
            name = f"{record.scenario.name}, run {i} (replication {record.replication} of seed {record.scenario.seed})"
            err.print(f"{name} breaks what must always hold:", highlight=False, soft_wrap=True)
            print_violations(err, found)
    return records


def comparison_of(
    scenario: Scenario,
    replications: int,
    observe: "Callable[[], list[Record]]",
    engine: Literal["auto", "simpy"] = "auto",
    given: int = 40,
    here: bool = True,
    profile: HostProfile | None = None,
) -> Any:
    """Predict first, then observe, then predict given what the balancer marked down; return the `twin.Comparison`.

    Args:
        scenario: what to predict.
        replications: simulated runs.
        observe: gives the measured runs.
        engine: see `sim.engines`.
        given: simulated runs for each measured one, given its mark-downs.
        here: whether the runs are measured here: then this machine is calibrated first if it has to be.
        profile: of the host, where it is not the one that the scenario names as it is now.
    """
    import sim
    import twin

    profile = profile or (profile_of(scenario) if here else HostProfile.for_scenario(scenario))
    prediction = prediction_of(scenario, replications, engine, profile)
    records = observe()
    with progress() as show:
        text = "predicting given the mark-downs"
        after = sim.predict_given(records, given, profile, lambda i, n: show(text, i / n), engine=prediction.engine)
    return twin.compare(prediction, records, after)


def say_json(data: Any) -> None:
    """Write one JSON object to standard output; null stands for a number that is not defined."""
    from twin.analysis.comparison import finite

    sys.stdout.write(json.dumps(finite(data), allow_nan=False) + "\n")


def by_scenario(paths: list[str]) -> "list[list[Record]]":
    """Read records and return those of each scenario together."""
    from twin.record.record import Record

    groups: dict[str, list[Record]] = {}
    for path in paths:
        record = Record.load(path)
        groups.setdefault(record.scenario.to_toml(), []).append(record)
    return list(groups.values())


def judge(
    comparisons: list[Any], as_json: bool, failed: Mapping[str, str] | None = None, missing: Sequence[str] = ()
) -> int:
    """Print one comparison, or the totals of several, and return the exit status: 0 is a pass.

    Args:
        comparisons: what was compared.
        as_json: print one JSON object instead of tables.
        failed: scenarios whose runs did not come to an end, and why; with one of them nothing passes.
        missing: what else is missing, and why; JSON has it.
    """
    from stormlab.tables import print_comparison, print_fleet
    from twin.analysis.comparison import fleet

    if len(comparisons) == 1 and not failed:
        one = comparisons[0]
        if as_json:
            say_json(one.as_dict() | ({"missing": list(missing)} if missing else {}))
        else:
            print_comparison(out, one)
        return 0 if one.verdict == "pass" else 1
    total = fleet(comparisons)
    if failed:
        total |= {"verdict": "fail", "failed": dict(failed)}
    if missing:
        total |= {"missing": list(missing)}
    if as_json:
        say_json({"total": total, "scenarios": [one.as_dict() for one in comparisons]})
    else:
        print_fleet(out, comparisons, total)
    return 0 if total["verdict"] == "pass" else 1
