"""The command `./lab sweep`; registered in `stormlab.app`."""

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from stormlab.command_line import finite
from stormlab.steps import out, part_progress, say_json
from twin.errors import LabError, ScenarioError, check_output
from twin.missing import Missing
from twin.scenario.fields import cut, show
from twin.scenario.scenario import Scenario

if TYPE_CHECKING:
    from twin.analysis.sweeps import Sweep

SHOWN = ("time_to_99", "peak_attempts", "attempts_per_client", "gave_up_share")
"""Measures of the table when none is asked for."""


def sweep(
    scenario: Annotated[str, typer.Argument(help="Scenario file (TOML).")],
    vary: Annotated[
        list[str],
        typer.Option(
            "--vary", metavar="PATH=VALUES", help="A setting and its values: cap=5,10,30, count=3:10, or a TOML list."
        ),
    ],
    replications: Annotated[int, typer.Option(help="Simulated runs of each variant.", min=1, max=100_000)] = 50,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="Override a setting in all variants.")
    ] = None,
    jobs: Annotated[int, typer.Option(help="Processes on this machine; -1 is one a core.")] = -1,
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Dask scheduler to use, as in tcp://127.0.0.1:8786.")
    ] = None,
    engine: Annotated[str, typer.Option(help="auto, simpy (to read and change) or compiled (for scale).")] = "auto",
    folder: Annotated[Path | None, typer.Option(help="Where results are kept; sweeps/NAME by default.")] = None,
    measure: Annotated[
        list[str] | None, typer.Option(help="Measure to show, the first one also in the figure; repeatable.")
    ] = None,
    against: Annotated[
        str | None, typer.Option(metavar="PATH", help="Setting on the figure's axis; the first --vary by default.")
    ] = None,
    where: Annotated[
        list[str] | None, typer.Option(metavar="PATH=VALUE", help="Restrict the figure to one value of a setting.")
    ] = None,
    target: Annotated[
        float | None, typer.Option(help="Draw a line at this value of the measure.", callback=finite)
    ] = None,
    figure: Annotated[Path | None, typer.Option(help="File of the figure; FOLDER/MEASURE.png by default.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """Simulate every combination of some settings, all with the same random numbers, and draw a measure against one.

    ./lab sweep scenarios/failover.toml --vary clients.reconnect.cap=1,5,30 --vary nodes.count=3:6

    Finished parts land in FOLDER as Parquet; the same command goes on where a killed one stopped, and one that is
    finished only draws. FOLDER/table.parquet has one row a variant and replication. Results are the same to the bit
    wherever they were computed. On a Dask cluster, with the lab installed where its workers are:

    .venv/bin/dask scheduler --host 127.0.0.1 --port 8786 \\
    --dashboard-address 127.0.0.1:0

    .venv/bin/dask worker tcp://127.0.0.1:8786 --host 127.0.0.1 \\
    --dashboard-address 127.0.0.1:0 --nworkers 2 --nthreads 1

    Whoever reaches the port of a Dask scheduler or worker runs code there, without a password: keep both on loopback,
    as here. For workers on other machines see docs/sweeps.md.
    """
    axes = axes_of(vary)
    wanted = Wanted(against, fixed_of(where or [], against, axes), names_of(measure or []), target, figure)
    work = SweepWork(replications, jobs, scheduler, engine, folder)
    run(Scenario.load(scenario, overrides), axes, wanted, work, as_json)


@dataclass(frozen=True)
class Wanted:
    """What is shown of a sweep: the figure's axis and its restrictions, the measures, the figure's target and file."""

    against: str | None
    fixed: dict[str, object]
    names: list[str]
    target: float | None
    figure: Path | None


@dataclass(frozen=True)
class SweepWork:
    """How a sweep is simulated; see `sim.sweep`."""

    replications: int
    jobs: int
    scheduler: str | None
    engine: str
    folder: Path | None


def run(spec: Scenario, axes: dict[str, list[Any]], wanted: Wanted, work: SweepWork, as_json: bool) -> None:
    """Simulate a sweep, print its table and draw its figure.

    Raises:
        ScenarioError: a value is not allowed, or a file cannot be written.
    """
    from twin.figures.style import check_kind, save

    folder = work.folder or Path("sweeps") / spec.name
    check_output("--folder", folder, folder=True)
    check_output("--figure", wanted.figure)
    if wanted.figure is not None:
        check_kind(wanted.figure)
    missing = Missing(LabError)
    found = simulated(spec, axes, work, folder, missing)
    names = wanted.names or [name for name in SHOWN if name in found.measures] or found.measures[:1]
    path = wanted.figure or folder / f"{names[0]}.png"
    picture = found.plot(names[0], wanted.against, wanted.fixed, wanted.target)
    if not as_json:
        print_sweep(out, found, names)
        parts = f"{found.made} parts simulated, {found.reused} found finished"
        out.print(f"{parts}; table: {os.path.relpath(folder / 'table.parquet')}", highlight=False, soft_wrap=True)
    with missing.noted("the figure"):
        save(picture, path)
        if not as_json:
            out.print(f"Figure: {os.path.relpath(path)}", highlight=False, soft_wrap=True)
    if as_json:
        data = {**found.as_dict(), "folder": str(folder), "figure": str(path)}
        say_json(data | ({"missing": missing.said} if missing.said else {}))
    missing.end()


def axes_of(vary: list[str]) -> dict[str, list[Any]]:
    """Return the values of each setting that is varied.

    Raises:
        ScenarioError: a setting is given twice, or what is given cannot be read.
    """
    from twin.analysis.sweeps import parse_vary

    axes: dict[str, list[Any]] = {}
    for text in vary:
        setting, values = parse_vary(text)
        if setting in axes:
            raise ScenarioError(f"--vary {text}: {setting} is varied already; give all its values at once.")
        axes[setting] = values
    return axes


def fixed_of(where: list[str], against: str | None, axes: dict[str, list[Any]]) -> dict[str, object]:
    """Return the settings to one value of which the figure is restricted.

    Raises:
        ScenarioError: one of them, or the figure's axis, is not varied, or has no such value.
    """
    from twin.analysis.sweeps import label

    fixed = dict(_fixed(text) for text in where)
    for setting in [*([against] if against else []), *fixed]:
        if setting not in axes:
            raise ScenarioError(f"sweep: {setting} is not varied; allowed is one of {', '.join(axes)}.")
    for setting, value in fixed.items():
        if label(value) not in (shown := [label(one) for one in axes[setting]]):
            raise ScenarioError(f"sweep: {setting} is {show(value)}; allowed is one of {cut(str(shown))}.")
    return fixed


def names_of(measures: list[str]) -> list[str]:
    """Return the names of the measures to show.

    Raises:
        ScenarioError: there is no such measure.
    """
    from twin.measures import MEASURES

    names = [name.strip() for text in measures for name in text.split(",")]
    for name in names:
        if name not in MEASURES:
            raise ScenarioError(f"measure is '{name}'; allowed is one of {', '.join(MEASURES)}.")
    return names


def simulated(spec: Scenario, axes: dict[str, list[Any]], work: SweepWork, folder: Path, missing: Missing) -> "Sweep":
    """Return the sweep; a table that cannot be written is `missing`."""
    import sim

    with part_progress(f"sweeping {spec.name}") as progress:
        simulate = partial(
            sim.sweep,
            spec,
            axes,
            work.replications,
            folder=folder,
            jobs=work.jobs,
            scheduler=work.scheduler,
            progress=progress,
            engine=cast("Any", work.engine),  # what is not allowed is refused there
        )
        return missing.made("the table", simulate)


def _fixed(text: str) -> tuple[str, object]:
    from twin.analysis.sweeps import parse_vary

    path, values = parse_vary(text)
    if len(values) != 1:
        raise ScenarioError(f"--where {text}: give one value.")
    return path, values[0]


def short_names(paths: list[str]) -> dict[str, str]:
    """Return for each setting the shortest end of its path that no other one of them has."""
    found = {}
    for path in paths:
        words = path.split(".")
        ends = [".".join(words[-count:]) for count in range(1, len(words) + 1)]
        alone = (end for end in ends if sum(f".{one}".endswith(f".{end}") for one in paths) == 1)
        found[path] = next(alone, path)
    return found


def print_sweep(console: Console, sweep: "Sweep", measures: list[str]) -> None:
    """Print one row a variant: median and 95 % band of some measures, the band below the median.

    Names of settings are shortened to their ends, and a legend has them in full; long names of measures are broken
    behind an underscore, so that six columns fit into 80 characters.
    """
    from stormlab.tables import broken
    from twin.analysis.bands import interval_name, number, words
    from twin.measures import MEASURES

    bands = {name: sweep.bands(name) for name in measures}
    replications = len(sweep.table) // max(1, len(bands[measures[0]]))
    interval = interval_name(replications)
    of = "" if interval.startswith("range") else f" of {replications} runs"
    title = f"{sweep.scenario.name}: median and {interval}{of} each"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    shown = short_names(list(sweep.vary))
    for path in sweep.vary:
        table.add_column(shown[path], justify="right", no_wrap=True)
    for name in measures:
        unit = MEASURES[name].unit
        table.add_column(broken(name) + (f"\n({unit})" if unit != "1" else ""), justify="right", no_wrap=True)
    missed = []
    for i in range(len(bands[measures[0]])):
        cells = [str(bands[measures[0]][path].iloc[i]) for path in sweep.vary]
        where = ", ".join(f"{shown[path]} {cell}" for path, cell in zip(sweep.vary, cells, strict=True))
        for name, band in bands.items():
            one = band.iloc[i]
            low, median, high = (number(one[part], one["bound"]) for part in ("low", "median", "high"))
            cells.append(f"{median}\n{low}..{high}")
            if one["not_reached"]:
                count = f"in {one['not_reached']:.0f} of {one['runs']:.0f} runs"
                text = f"{where}: {name} {words(float('inf'), one['bound'])} {count}"
                missed.append(text)
        table.add_row(*cells)
    console.print(table)
    for text in missed:
        console.print(text, highlight=False, markup=False, soft_wrap=True)
    for path, name in shown.items():
        if name != path:
            console.print(f"{name}: {path}", highlight=False, markup=False, soft_wrap=True)
