"""The command `./lab campaign`; registered in `stormlab.app`."""

import warnings
from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from stormlab.commands.disturb import RUNS, disturb
from stormlab.steps import err, out, say_json
from twin.costs.profile import HostProfile, needs_of
from twin.errors import LabError, ScenarioError
from twin.missing import Missing

if TYPE_CHECKING:
    from live.campaign import Outcome
    from twin.analysis.bands import Band
    from twin.record.record import Record


def campaign(
    runs: Annotated[
        int | None,
        typer.Option(
            help="How many runs; each takes about six seconds. By default 200; 100 with --disturb.",
            min=1,
            max=10_000,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of all runs.", min=0)] = 1,
    first: Annotated[int, typer.Option(help="Number of the first run, to repeat a single one.", min=0, max=10**9)] = 0,
    bus: Annotated[
        str,
        typer.Option(help="Bus over which something is broadcast: stream or pubsub; any: one of them, or nothing is."),
    ] = "any",
    replications: Annotated[
        int,
        typer.Option(help="Simulate each run so often and compare what its clients lost; 0 does not.", min=0, max=1000),
    ] = 0,
    disturbed: Annotated[
        bool,
        typer.Option(
            "--disturb", help="Disturb runs from outside their schedule instead, and look whether they are void."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")] = False,
) -> None:
    """Run many short scenarios with random mechanisms and faults on real processes, and check the invariants on each
    record.

    Each run draws whether it has a broadcast, sessions, messages of the clients, a registry, rebalancing, autoscaling
    and lifetimes of connections, and up to three faults. Every violation is printed with the events that show it and
    the number of its run. Exit status 1 when one is found, or when no run could be judged because no fault had a
    witnessed effect. With --replications also the share of (client, message) that each run with a broadcast lost is
    held against its simulation with the same random numbers.

    With --disturb parts are killed and stopped, the lab is interrupted, the cores are taken or the disk is filled in
    three runs of four. A disturbed run must not count, another must not be void, nothing may stay behind, and every
    message must name the cause; else the exit status is 1.
    """
    if disturbed:
        for name, value, default in (("--bus", bus, "any"), ("--replications", replications, 0)):
            if value != default:
                raise ScenarioError(f"{name} is {value}; with --disturb it is not allowed.")
        raise typer.Exit(1 if disturb(runs or RUNS, seed, first, as_json) else 0)
    total = judged(runs or 200, seed, first, bus, replications, as_json)
    raise typer.Exit(1 if total["violations"] or not total["judged"] else 0)


def judged(runs: int, seed: int, first: int, bus: str, replications: int, as_json: bool) -> dict[str, Any]:
    """Run a campaign, print what it found, and return its counts (`summary`); the values are those of the options.

    Raises:
        LabError: one of them is not allowed, or something went wrong before the first run had ended, or is missing.
    """
    missing = Missing(LabError, KeyboardInterrupt)
    outcomes, bands = found_by(runs, seed, first, bus, replications, as_json, missing)
    total = summary(outcomes, bands)
    if as_json:
        runs_found = [outcome.as_dict() | losses(outcome, bands) for outcome in outcomes]
        data = {"seed": seed, "bus": bus, **total, "runs": runs_found}
        say_json(data | ({"missing": missing.said} if missing.said else {}))
    else:
        print_campaign(outcomes, bands, total)
    missing.end()
    return total


def found_by(
    runs: int, seed: int, first: int, bus: str, replications: int, as_json: bool, missing: Missing
) -> "tuple[list[Outcome], dict[int, Band]]":
    """Return the outcomes of a campaign's runs, and by number of the run the predicted bands of what it loses.

    A run that breaks an invariant is printed at once, unless `as_json`. After the first run an error or Ctrl-C ends the
    campaign, and the rest is `missing`.
    """
    from live.campaign import campaign as run_all
    from live.campaign import mechanisms
    from live.machine.placement import BusyHostWarning
    from stormlab.tables import print_audit

    outcomes: list[Outcome] = []
    bands: dict[int, Band] = {}
    columns = (TextColumn("{task.description:<44}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with (
        Progress(*columns, TimeElapsedColumn(), console=err, transient=True, disable=not err.is_terminal) as bar,
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", category=BusyHostWarning)  # a busy machine does not matter to an invariant
        task = bar.add_task("", total=1.0)
        try:
            for outcome in run_all(
                runs, seed, first, bus, lambda share, text: bar.update(task, description=text, completed=share)
            ):
                if replications and outcome.audit.record.scenario.publisher is not None:
                    bands[outcome.number] = predicted_loss(outcome.audit.record, replications)
                outcomes.append(outcome)
                if outcome.audit.verdict != "pass" and not as_json:
                    found = outcome.audit.record.scenario
                    what = ", ".join([*mechanisms(found), *(fault.kind for fault in found.faults)])
                    print_audit(bar.console, f"run {outcome.number} of seed {seed} ({what})", outcome.audit)
        except (LabError, KeyboardInterrupt) as error:
            if not outcomes:
                raise
            missing.add(f"run {first + len(outcomes)} of seed {seed} and what comes after it", error)
    return outcomes, bands


def print_campaign(outcomes: "list[Outcome]", bands: "Mapping[int, Band]", total: dict[str, Any]) -> None:
    """Print the counts of a campaign, and the runs whose losses lie outside their bands."""
    out.print(
        f"{total['judged']} of {len(outcomes)} runs judged, {total['violations']} violations in {total['failed']} "
        f"runs; deliveries {total['delivered']}, runs in which a client missed a message {total['with_loss']}",
        highlight=False,
        soft_wrap=True,
    )
    if bands:
        out.print(
            f"Losses: {total['losses_inside']} of {total['losses_compared']} runs inside their predicted band; "
            f"mean lost share {total['mean_lost_share']:.4f}, predicted {total['mean_predicted']:.4f}",
            highlight=False,
            soft_wrap=True,
        )
        for outcome in outcomes:
            found = losses(outcome, bands)
            if found and not found["inside"]:
                low, high = found["predicted_loss"]
                out.print(f"  run {outcome.number}: lost {outcome.lost_share:.4f}, predicted {low:.4f} to {high:.4f}")
    for name in ("mechanisms", "faults"):
        counts = ", ".join(f"{kind} {n}" for kind, n in total[name].items())
        out.print(f"{name.capitalize()}: {counts}", highlight=False, soft_wrap=True)


def predicted_loss(record: "Record", replications: int) -> "Band":
    """Return the 95 % band of `lost_share` for a run, simulated with its random numbers on hosts of various speeds."""
    import sim
    from twin.analysis.bands import Band

    profile = HostProfile.for_this_machine("broadcast", *needs_of(record.scenario))
    prediction = sim.predict(record.scenario, replications, profile, paired=record.replication, jobs=1)
    return Band.of(prediction.measures["lost_share"].fillna(0.0).to_numpy())


def losses(outcome: Any, bands: "Mapping[int, Band]") -> dict[str, Any]:
    """Return the band that was predicted for a run's lost share, and whether it holds what was found; empty without."""
    band = bands.get(outcome.number)
    return {} if band is None else {"predicted_loss": [band.low, band.high], "inside": band.holds(outcome.lost_share)}


def summary(outcomes: list[Any], bands: "Mapping[int, Band]" = MappingProxyType({})) -> dict[str, Any]:
    """Return the counts over all runs of a campaign: `judged` are those whose faults were all witnessed or that broke
    an invariant. The losses are those of the runs that have a band.
    """
    from live.campaign import mechanisms

    verdicts = Counter(outcome.audit.verdict for outcome in outcomes)
    there = Counter(name for outcome in outcomes for name in mechanisms(outcome.audit.record.scenario))
    kinds = Counter(fault.kind for outcome in outcomes for fault in outcome.audit.record.scenario.faults)
    total = {
        "judged": verdicts["pass"] + verdicts["fail"],
        "failed": verdicts["fail"],
        "violations": sum(finding.count for outcome in outcomes for finding in outcome.audit.findings.values()),
        "delivered": sum(int(outcome.audit.record.events["event"].eq("delivered").sum()) for outcome in outcomes),
        "with_loss": sum(outcome.lost_share > 0 for outcome in outcomes),
        "mechanisms": dict(sorted(there.items())),
        "faults": dict(sorted(kinds.items())),
    }
    compared = [one for one in outcomes if one.number in bands]
    if compared:
        total["losses_compared"] = len(compared)
        total["losses_inside"] = sum(losses(one, bands)["inside"] for one in compared)
        total["mean_lost_share"] = sum(one.lost_share for one in compared) / len(compared)
        total["mean_predicted"] = sum(bands[one.number].median for one in compared) / len(compared)
    return total
