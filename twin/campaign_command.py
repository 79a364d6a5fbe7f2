"""The command `./lab campaign`; registered in `twin.cli`."""

import json
import sys
import warnings
from collections import Counter
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from twin.report import print_audit


def campaign(
    runs: Annotated[int, typer.Option(help="How many runs; each takes about six seconds.", min=1, max=10_000)] = 200,
    seed: Annotated[int, typer.Option(help="Seed of all runs.", min=0)] = 1,
    first: Annotated[int, typer.Option(help="Number of the first run, to repeat a single one.", min=0)] = 0,
    bus: Annotated[str, typer.Option(help="Kind of the bus: stream or pubsub.")] = "stream",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")] = False,
) -> None:
    """Run many short broadcasts with random faults on real processes, and check the invariants on each record.

    Every violation is printed with the events that show it and the number of its run. Exit status 1 when one is found,
    or when no run could be judged because no fault had a witnessed effect.
    """
    from live.campaign import Outcome
    from live.campaign import campaign as run_all

    out, err = Console(), Console(stderr=True)
    outcomes: list[Outcome] = []
    columns = (TextColumn("{task.description:<44}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, TimeElapsedColumn(), console=err, transient=True) as bar, warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning)  # a busy machine does not matter to an invariant
        task = bar.add_task("", total=1.0)
        for outcome in run_all(
            runs, seed, first, bus, lambda share, text: bar.update(task, description=text, completed=share)
        ):
            outcomes.append(outcome)
            if outcome.audit.verdict != "pass" and not as_json:
                kinds = ", ".join(fault.kind for fault in outcome.audit.record.scenario.faults)
                print_audit(bar.console, f"run {outcome.number} of seed {seed} ({kinds})", outcome.audit)
    total = summary(outcomes)
    if as_json:
        data = {"seed": seed, "bus": bus, **total, "runs": [outcome.as_dict() for outcome in outcomes]}
        sys.stdout.write(json.dumps(data) + "\n")
    else:
        out.print(
            f"{total['judged']} of {len(outcomes)} runs judged, {total['violations']} violations in {total['failed']} "
            f"runs; deliveries {total['delivered']}, runs in which a client missed a message {total['with_loss']}",
            highlight=False,
            soft_wrap=True,
        )
        out.print("Faults: " + ", ".join(f"{kind} {n}" for kind, n in total["faults"].items()), highlight=False)
    raise typer.Exit(1 if total["violations"] or not total["judged"] else 0)


def summary(outcomes: list[Any]) -> dict[str, Any]:
    """Return the counts over all runs of a campaign: `judged` are those whose faults were all witnessed or that broke
    an invariant.
    """
    verdicts = Counter(outcome.audit.verdict for outcome in outcomes)
    kinds = Counter(fault.kind for outcome in outcomes for fault in outcome.audit.record.scenario.faults)
    return {
        "judged": verdicts["pass"] + verdicts["fail"],
        "failed": verdicts["fail"],
        "violations": sum(finding.count for outcome in outcomes for finding in outcome.audit.findings.values()),
        "delivered": sum(int(outcome.audit.record.events["event"].eq("delivered").sum()) for outcome in outcomes),
        "with_loss": sum(outcome.lost_share > 0 for outcome in outcomes),
        "faults": dict(sorted(kinds.items())),
    }
