"""The command `./lab runtimes`; registered in `stormlab.app`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from stormlab.steps import out, prediction_of, runs_of, say_json
from twin.analysis.runtimes import COLUMNS, NODES, RuntimeFigures, cells, figures_of, mixed, with_table
from twin.costs.profile import HostProfile
from twin.errors import LabError, ScenarioError, check_output
from twin.files.places import SCENARIOS
from twin.files.reading import DOCUMENT, read_text
from twin.files.writing import write_text
from twin.measures import measure_record
from twin.missing import Missing
from twin.scenario.scenario import Scenario

if TYPE_CHECKING:
    from collections.abc import Sequence


def runtimes(
    scenario: Annotated[
        str, typer.Argument(help="Scenario file (TOML) whose node has short tasks beside long ones.")
    ] = str(SCENARIOS / "handler-loop.toml"),
    replications: Annotated[int, typer.Option(help="Simulated runs of each runtime.", min=1, max=100_000)] = 20,
    runs: Annotated[int, typer.Option(help="Measured runs of each runtime; 0 measures none.", min=0, max=1000)] = 0,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="NAME", help="A row of the table; repeatable.")
    ] = None,
    write: Annotated[
        Path | None, typer.Option(help="Markdown file in which the table is put in place of its earlier one.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """Compare what nodes run on: CPU a recipient and a handshake, bytes a connection, short tasks beside long ones.

    CPU time and memory are those of the host profile, which `./lab calibrate` measures part by part; the times of the
    short tasks are predicted, and with --runs measured.
    """
    spec = Scenario.load(scenario)
    mixed(spec)
    text = read_text(write, DOCUMENT) if write is not None else ""
    if write is not None:
        check_output("--write", write)
        with_table(text, str(write), "")
    chosen = _chosen(only)
    profile, missing = HostProfile.for_scenario(spec), Missing(LabError)
    found = [_row(name, spec, profile, replications, runs, missing) for name in chosen]
    if write is not None:
        write_text(write, with_table(text, str(write), markdown(found)))
    if as_json:
        said = {"scenario": spec.name, "machine": profile.machine, "runtimes": [one.as_dict() for one in found]}
        say_json(said | ({"missing": missing.said} if missing.said else {}))
    else:
        _print(found)
        if write is not None:
            out.print(f"Table: {os.path.relpath(write)}")
    missing.end()


def _chosen(only: "Sequence[str] | None") -> list[str]:
    for name in only or ():
        if name not in NODES:
            raise ScenarioError(f"--only is '{name}'; allowed is {', '.join(NODES)}.")
    return [name for name in NODES if not only or name in only]


def _row(
    name: str, spec: Scenario, profile: HostProfile, replications: int, runs: int, missing: Missing
) -> RuntimeFigures:
    """Return the figures of one row; what the profile does not know, or cannot be measured here, is left out."""
    varied = spec.vary(nodes=NODES[name])
    measure = f"{mixed(varied)}_answer_p99"
    found = figures_of(name, varied, profile)
    if not found.known:
        return found
    predicted = prediction_of(varied, replications, profile=profile).measures[measure]
    found = found.predicting(predicted.to_numpy())
    if runs:
        with missing.noted(f"{name}: the measured runs"):
            records = [one for one in runs_of(varied, runs, None, None, missing) if one.counts]
            found = found.measuring([measure_record(one)[measure] for one in records])
    return found


def markdown(found: "Sequence[RuntimeFigures]") -> str:
    """Return the table in Markdown."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "|---" + "|---:" * (len(COLUMNS) - 1) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(cells(one)) + " |" for one in found)]) + "\n"


def _print(found: "Sequence[RuntimeFigures]") -> None:
    table = Table(box=SIMPLE_HEAD, padding=0)
    table.add_column(COLUMNS[0])
    for name in COLUMNS[1:]:
        table.add_column(name, justify="right")
    for one in found:
        table.add_row(*cells(one))
    out.print(table)
    lacking = [one.name for one in found if not one.known]
    if lacking:
        out.print(
            f"The host profile was calibrated without {', '.join(lacking)}: run ./lab calibrate.", highlight=False
        )
