"""The command `./lab validate`; registered in `stormlab.app`."""

import textwrap
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from stormlab.reading import ClusterFiles, read_cluster
from stormlab.steps import out, progress, say_json
from twin.errors import check_output
from twin.files.writing import write_text

if TYPE_CHECKING:
    from twin.analysis.levers import LeverEffect
    from twin.analysis.verdicts import ObjectiveVerdict, Validation

SHOWN, SHOWN_WORST, SHOWN_LINES = 8, 3, 10
"""Settings that help and that harm, and lines of configurations, that are shown; JSON has all."""


def validate(
    files: Annotated[list[str], typer.Argument(help="A scenario, or files that ./lab import understands.")],
    objective: Annotated[
        list[str] | None,
        typer.Option(
            "--objective", metavar="BOUND", help="As in time_to_99<=30@0.95, in place of the scenario's; repeat it."
        ),
    ] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="Override a setting of the scenario.")
    ] = None,
    runs: Annotated[
        int, typer.Option(help="Runs at most; it stops as soon as it can tell.", min=1, max=100_000)
    ] = 1000,
    levers: Annotated[bool, typer.Option(help="Try each setting one step either way.")] = True,
    junit: Annotated[Path | None, typer.Option(help="JUnit file (XML) to write, one test case an objective.")] = None,
    github: Annotated[bool, typer.Option("--github", help="Print annotations for GitHub Actions, too.")] = False,
    backend: Annotated[str, typer.Option(help="Backend or upstream of a configuration, if there are several.")] = "",
    engine: Annotated[str, typer.Option(help="auto, simpy (to read and change) or compiled (for scale).")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
) -> None:
    """Judge whether a cluster holds its objectives: pass, fail or unknown, with the reason and what would help.

    It simulates until it can tell, which takes 2 runs of what never holds and about 70 of what always does, and starts
    nothing. A scenario may say its objectives; without one it is asked whether 99 % of the clients are
    back 30 s after the loss of a node. Exit status: 0 pass, 1 fail or unknown, 2 bad input. docs/operators.md has more.
    """
    began = time.monotonic()
    check_output("--junit", junit)
    read = read_cluster(files, overrides or [], backend)
    import sim
    from stormlab.annotations import Judged
    from stormlab.annotations import github as commands
    from stormlab.annotations import junit as junit_file

    with progress() as show:
        found = sim.validate(
            read.scenario,
            objective or (),
            runs,
            engine=engine,  # type: ignore[arg-type]  # what there is not is refused
            levers=levers,
            progress=lambda text, done, total: show(text, done / max(1, total)),
        )
    judged = Judged(files[0], found, read.places, time.monotonic() - began)
    if junit is not None:
        write_text(junit, junit_file(judged))
    if as_json:
        report = [one.as_dict() for one in read.lines if one.verdict == "not modelled"]
        say_json({**found.as_dict(), "assumed": [*read.assumed, *found.assumed], "not_modelled": report})
    else:
        _say(found, read)
    if github:
        for line in commands(judged):
            typer.echo(line)
    raise typer.Exit(int(found.verdict != "pass"))


def _say(found: "Validation", read: ClusterFiles) -> None:
    out.print(f"{found.scenario.name}: {found.verdict}", highlight=False, style="bold")
    for one in found.objectives:
        _lines(_of_objective(one))
    if read.assumed or found.assumed:
        out.print("\nAssumed", highlight=False)
        for text in (*read.assumed, *found.assumed):
            _lines(text)
    _say_lines(read)
    _say_ways(found)
    if found.levered:
        _say_levers(found)
    _say_findings(found)


def _lines(text: str, indent: str = "  ") -> None:
    """Print a text in lines; no line begins with a unit."""
    whole = text.replace(" %", "\N{NO-BREAK SPACE}%").replace(" s ", "\N{NO-BREAK SPACE}s ")
    filled = textwrap.fill(whole, out.width, initial_indent=indent, subsequent_indent="  " + indent)
    out.print(filled.replace("\N{NO-BREAK SPACE}", " "), highlight=False, soft_wrap=True)


def _of_objective(one: "ObjectiveVerdict") -> str:
    """Return the verdict about an objective, with the median of its measure."""
    from twin.analysis.bands import number

    if one.median != one.median:
        return str(one)
    unit = "" if one.unit == "1" else f" {one.unit}"
    median = "not reached" if one.median == float("inf") else f"{number(one.median)}{unit}"
    return f"{str(one).rstrip('.')}. Median: {median}."


def _say_lines(read: ClusterFiles) -> None:
    """Print what of the configuration the model does not have."""
    left = [one for one in read.lines if one.verdict == "not modelled"]
    if not left:
        return
    counts = Counter(one.verdict for one in read.lines)
    out.print(
        f"\nOf the configuration {counts['used']} lines are used and {counts['not modelled']} are not modelled",
        highlight=False,
    )
    for one in left[:SHOWN_LINES]:
        _lines(f"{one.place}  {one.text}: {one.words}")
    if len(left) > SHOWN_LINES:
        _lines(f"and {len(left) - SHOWN_LINES} more; ./lab import has all.")


def _say_ways(found: "Validation") -> None:
    """Print what took the time of the median client and of the one by whom 99 % are back."""
    if not found.ways:
        out.print("\nNo client lost its connection, so there is no way back to explain.", highlight=False)
        return
    out.print("\nWhat took the time of the median client, and of that by which 99 % are back", highlight=False)
    table = Table(box=SIMPLE_HEAD, padding=(0, 1))
    table.add_column("what happens", overflow="fold")
    table.add_column("setting", no_wrap=True)
    for name in ("median (s)", "99 % (s)"):
        table.add_column(name, justify="right")
    for means, setting, seconds in found.reason():
        table.add_row(means, setting, *(f"{one:.3f}" if one else "" for one in seconds))
    table.add_section()
    wholes = (f"{one.whole:.3f}" if one.returned else f">{one.whole:.3f}" for one in found.ways)
    table.add_row("the whole way back", "", *wholes)
    out.print(table)


def _say_levers(found: "Validation") -> None:
    """Print which settings help and which harm, one step each."""
    unit = "" if _unit(found) == "1" else f" in {_unit(found)}"
    about = f"one step each: median of {found.focus.measure}{unit}, runs in which it holds"
    for title, effects in (("What helps", found.best[:SHOWN]), ("What harms", found.worst[:SHOWN_WORST])):
        if not effects:
            out.print(f"{title}: no setting, one step either way.\n", highlight=False)
            continue
        out.print(f"{title}, {about}", highlight=False)
        table = Table(box=SIMPLE_HEAD, padding=(0, 1))
        table.add_column("setting", no_wrap=True)
        table.add_column("step", overflow="fold")
        for name in ("median", "holds", "before"):
            table.add_column(name, justify="right", no_wrap=True)
        for cells in _rows(effects):
            table.add_row(*cells)
        out.print(table)
    if found.untried:
        _lines(f"Not tried, as only the SimPy model has it: {', '.join(found.untried)}.")


def _unit(found: "Validation") -> str:
    from twin.analysis.objectives import OBJECTIVE_MEASURES

    return OBJECTIVE_MEASURES[found.focus.measure].unit


def _rows(effects: Sequence["LeverEffect"]) -> Iterator[tuple[str, ...]]:
    from twin.analysis.bands import number
    from twin.analysis.levers import spoken

    for one in effects:
        step = f"{spoken(one.step.before)} -> {spoken(one.step.after)}"
        after = "not reached" if one.median == float("inf") else number(one.median)
        yield one.step.setting, step, after, f"{one.held}/{one.runs}", f"{one.held_before}/{one.runs}"


def _say_findings(found: "Validation") -> None:
    """Print what is known to bite: warnings with their remedies, notes by their rules."""
    warnings = [one for one in found.findings if one.level == "warning"]
    notes = [one for one in found.findings if one.level == "note"]
    if not found.findings:
        out.print("\n./lab lint finds nothing.", highlight=False)
        return
    out.print("\nKnown to bite (./lab lint)", highlight=False)
    for one in warnings:
        _lines(f"warning {one.rule}: {one.text}")
    for one in notes:
        _lines(f"note {one.rule}: {one.happens}")
