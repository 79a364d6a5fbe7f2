"""What `./lab campaign --disturb` does; `stormlab.commands.campaign` has its options."""

import warnings
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from stormlab.steps import err, out, say_json
from twin.errors import LabError
from twin.missing import Missing

if TYPE_CHECKING:
    from live.disturbances.verdicts import ObservedRun, Verdict

RUNS = 100
"""Runs of a campaign that disturbs, unless told: all kinds come up once, and a quarter is not disturbed."""


def disturb(runs: int, seed: int, first: int, as_json: bool) -> bool:
    """Disturb runs, print what came of them, and tell whether anything was wrong.

    Args:
        runs: how many.
        seed: of all random numbers.
        first: number of the first run.
        as_json: print one JSON object instead of a table.
    """
    from live.disturbances.campaign import disturbed, say
    from live.disturbances.verdicts import totals
    from live.machine.placement import BusyHostWarning

    found: list[tuple[ObservedRun, Verdict]] = []
    missing = Missing(LabError, KeyboardInterrupt)
    columns = (TextColumn("{task.description:<44}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with (
        Progress(*columns, TimeElapsedColumn(), console=err, transient=True, disable=not err.is_terminal) as bar,
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", category=BusyHostWarning)
        task = bar.add_task("", total=1.0)
        try:
            for seen, verdict in disturbed(
                runs, seed, first, lambda share, text: bar.update(task, description=text, completed=share)
            ):
                found.append((seen, verdict))
                if verdict.wrong:
                    one = seen.disturbance
                    text = f"Run {one.number} of seed {seed} ({one.cluster}: {one.kind})"
                    for name, why in zip(verdict.verdicts, verdict.why, strict=True):
                        err.print(f"{text}: {name}: {why}", highlight=False, soft_wrap=True)
        except (LabError, KeyboardInterrupt) as error:
            if not found:
                raise
            missing.add(f"run {first + len(found)} of seed {seed} and what comes after it", error)
    verdicts = [verdict for _, verdict in found]
    if as_json:
        data: dict[str, Any] = {"seed": seed, **totals(verdicts), "runs": [say(*one) for one in found]}
        say_json(data | ({"missing": missing.said} if missing.said else {}))
    else:
        print_table(found)
        wrong = sum(verdict.wrong for verdict in verdicts)
        out.print(f"{len(found)} runs of seed {seed}, {wrong} with something wrong", highlight=False, soft_wrap=True)
    missing.end()
    return any(verdict.wrong for verdict in verdicts)


def print_table(found: "list[tuple[ObservedRun, Verdict]]") -> None:
    """Print a line for each kind of disturbance, and one for all; the heads are short, so that it fits 80 columns."""
    from live.disturbances.verdicts import WRONG, ReportRow, table

    rows, total = table(found), ReportRow("all")
    for row in rows:
        total.runs, total.hit, total.starved = total.runs + row.runs, total.hit + row.hit, total.starved + row.starved
        total.verdicts.update(row.verdicts)
    columns = ("counted rightly", "voided rightly", *WRONG)
    heads = ("right\ncount", "right\nvoid", "wrong\ncount", "wrong\nvoid", "left", "no\ncause", "hung")
    shown = Table(box=SIMPLE_HEAD, padding=0)
    shown.add_column("disturbance", no_wrap=True)
    for name in ("runs", "hit", *heads, "busy\nhost"):
        shown.add_column(name, justify="right", no_wrap=True)
    for row in [*rows, total]:
        cells = [row.runs, row.hit, *(row.verdicts[name] for name in columns), row.starved]
        shown.add_row(row.kind, *(str(cell or "-") for cell in cells), end_section=row is rows[-1])
    out.print(shown)
