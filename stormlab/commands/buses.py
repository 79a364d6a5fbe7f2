"""The command `./lab buses`; registered in `stormlab.app`."""

import os
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from stormlab.steps import out, part_progress, runs_of, say_json
from twin.analysis.buses import (
    ALONE,
    BUSES,
    HEADINGS,
    BusFigures,
    BusRow,
    cells,
    check,
    faults_of,
    figures_of,
    of_bus,
    of_protocol,
    over,
)
from twin.analysis.documents import with_table
from twin.costs.profile import HostProfile
from twin.errors import LabError, ScenarioError, check_output
from twin.files.places import SCENARIOS
from twin.files.reading import DOCUMENT, read_text
from twin.files.writing import write_text
from twin.missing import Missing
from twin.scenario.scenario import Scenario

if TYPE_CHECKING:
    from twin.record.record import Record

COMMAND = "buses"
MEASURED = "  measured"
"""How a row begins that says what was measured of the bus above it."""


def buses(
    scenario: Annotated[str, typer.Argument(help="Scenario file (TOML) with a publisher.")] = str(
        SCENARIOS / "broadcast-buses.toml"
    ),
    replications: Annotated[int, typer.Option(help="Simulated runs of each row.", min=1, max=100_000)] = 10,
    runs: Annotated[int, typer.Option(help="Measured runs of each row; 0 measures none.", min=0, max=1000)] = 0,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="NAME", help="A bus of the table; repeatable.")
    ] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="Override a setting of the scenario.")
    ] = None,
    write: Annotated[
        Path | None, typer.Option(help="Markdown file in which the table is put in place of its earlier one.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """Compare kinds of bus under the same faults: what is lost, what comes twice, how late, and when all is well again.

    The faults are those of the scenario; if it has none, a node or the server is killed, cut off or stands still. Each
    row is two scenarios: one in which no client asks and nothing is sent again, for what the bus does by itself, and
    the whole protocol. Kafka is in the model only.
    """
    spec = Scenario.load(scenario, overrides)
    check(spec)
    chosen = _chosen(only)
    text = read_text(write, DOCUMENT) if write is not None else ""
    if write is not None:
        check_output("--write", write)
        with_table(text, str(write), COMMAND, "")
    missing = Missing(LabError)
    found = _rows(spec, chosen, replications, runs, missing)
    if write is not None:
        write_text(write, with_table(text, str(write), COMMAND, markdown(found)))
    if as_json:
        said = {"scenario": spec.name, "replications": replications, "rows": [one.as_dict() for one in found]}
        say_json(said | ({"missing": missing.said} if missing.said else {}))
    else:
        _print(found)
        if write is not None:
            out.print(f"Table: {os.path.relpath(write)}")
    missing.end()


def _chosen(only: Sequence[str] | None) -> list[str]:
    for name in only or ():
        if name not in BUSES:
            raise ScenarioError(f"--only is '{name}'; allowed is one of {'; '.join(BUSES)}.")
    return [name for name in BUSES if not only or name in only]


def _rows(spec: Scenario, chosen: Sequence[str], replications: int, runs: int, missing: Missing) -> list[BusRow]:
    """Return a row for each fault and bus; none where the bus does not have the fault.

    Raises:
        ScenarioError: there is none.
    """
    asked = {
        (fault, bus): varied
        for fault, faults in faults_of(spec).items()
        for bus in chosen
        if (varied := over(spec, bus, faults)) is not None
    }
    if not asked:
        raise ScenarioError(f"faults of {spec.name}: none of the chosen buses has them.")
    found = []
    with part_progress(f"buses on {spec.name}") as progress:
        for i, ((fault, bus), varied) in enumerate(asked.items()):
            progress(i, len(asked))
            predicted = _both(varied, lambda one: _simulated(one, replications))
            measured = None
            if runs and varied.bus.traits.live:
                with missing.noted(f"{fault}, {bus}: the measured runs"):
                    measured = _both(varied, lambda one: runs_of(one, runs, None, None, missing))
            found.append(BusRow(fault, bus, predicted, measured))
        progress(len(asked), len(asked))
    return found


def _both(scenario: Scenario, records_of: "Callable[[Scenario], Sequence[Record]]") -> BusFigures:
    """Return the figures of a row: of the bus alone, and of the whole protocol, in runs that count."""
    alone, whole = (
        [say(one) for one in records_of(varied) if one.counts]
        for varied, say in ((scenario.vary(**ALONE), of_bus), (scenario, of_protocol))
    )
    return figures_of(alone, whole)


def _simulated(scenario: Scenario, replications: int) -> "list[Record]":
    import sim

    profile = HostProfile.for_scenario(scenario)
    return [sim.simulate(scenario, k, profile, engine="auto") for k in range(replications)]


def _lines(found: Sequence[BusRow]) -> list[list[str]]:
    """Return the lines of a table, without the names of faults."""
    lines = []
    for one in found:
        lines.append([one.bus, *cells(one.predicted)])
        if one.measured is not None:
            lines.append([MEASURED, *cells(one.measured)])
    return lines


def markdown(found: Sequence[BusRow]) -> str:
    """Return the table in Markdown: a table for each fault."""
    names = ["bus", *(" ".join(heading.replace("-\n", "").split()) for heading, _ in HEADINGS.values())]
    head = ["| " + " | ".join(names) + " |", "|---" + "|---:" * len(HEADINGS) + "|"]
    parts = []
    for fault, rows in groupby(found, lambda one: one.fault):
        lines = ["| " + " | ".join(line) + " |" for line in _lines(list(rows))]
        parts.append("\n".join([f"{fault[0].upper()}{fault[1:]}:", "", *head, *lines]) + "\n")
    return "\n".join(parts)


def _print(found: Sequence[BusRow]) -> None:
    for fault, rows in groupby(found, lambda one: one.fault):
        table = Table(title=fault, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
        table.add_column("bus", no_wrap=True)
        for heading, _ in HEADINGS.values():
            table.add_column(heading, justify="right", no_wrap=True)
        for line in _lines(list(rows)):
            table.add_row(*line)
        out.print(table)
