"""The command `./lab zoo`; registered in `stormlab.app`."""

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from stormlab.steps import out, part_progress, say_json
from twin.errors import LabError, check_output
from twin.files.places import OUTPUT, SCENARIOS
from twin.missing import Missing
from twin.rules.presets import CLIENTS
from twin.scenario.scenario import Scenario

if TYPE_CHECKING:
    import pandas as pd


def zoo(
    scenario: Annotated[str, typer.Argument(help="Scenario file (TOML) with an outage.")] = str(
        SCENARIOS / "outage.toml"
    ),
    replications: Annotated[int, typer.Option(help="Simulated runs of each library.", min=1, max=100_000)] = 20,
    by: Annotated[
        str, typer.Option(help="Measure that orders the table: peak_attempts, time_to_99, attempts_per_client.")
    ] = "peak_attempts",
    keep_heartbeat: Annotated[
        bool, typer.Option("--keep-heartbeat", help="Exchange the reconnect policy only, not the heartbeat.")
    ] = False,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="Override a setting of the scenario.")
    ] = None,
    jobs: Annotated[int, typer.Option(help="Processes to use; -1 is one a core.")] = -1,
    figure: Annotated[Path, typer.Option(help="File of the figure.")] = OUTPUT / "zoo.png",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """Rank the reconnect policies of client libraries on an outage, and draw output/zoo.png.

    Each library's preset takes the place of the scenario's reconnect policy and heartbeat; all have the same luck. The
    figure in parentheses is the rank. For a library that is not among them, give its delays in the scenario
    (policy = "list"): it is ranked as the scenario's own.
    """
    rank(Scenario.load(scenario, overrides), replications, by, keep_heartbeat, jobs, figure, as_json)


def rank(
    spec: Scenario, replications: int, by: str, keep_heartbeat: bool, jobs: int, figure: Path, as_json: bool
) -> None:
    """Rank the presets on a scenario, print the table and draw the figure; the values are those of the options.

    Raises:
        ScenarioError: one of them is not allowed.
    """
    import sim
    from twin.analysis.zoo import LIBRARY, attempt_rates, check_by, ranking, zoo_dict, zoo_variants
    from twin.costs.profile import HostProfile
    from twin.figures.style import check_kind, save
    from twin.figures.zoo import zoo_figure

    variants = zoo_variants(spec, keep_heartbeat)
    names = [variant.labels[LIBRARY] for variant in variants]
    check_by(by)
    check_output("--figure", figure)
    check_kind(figure)
    profile, missing = HostProfile.for_scenario(spec), Missing(LabError)
    with part_progress(f"zoo on {spec.name}") as progress:
        simulate = partial(
            sim.simulate_variants,
            spec,
            variants,
            {LIBRARY: names},
            replications,
            profile,
            folder=Path("sweeps") / f"zoo-{spec.name}",
            jobs=jobs,
            progress=progress,
        )
        found = missing.made("the table", simulate)
        rates = {
            one.labels[LIBRARY]: attempt_rates(sim.simulate(one.scenario, 0, profile, engine="auto"))
            for one in variants
        }
    table = ranking(found, by)
    if not as_json:
        print_zoo(out, table, spec, replications)
    with missing.noted("the figure"):
        save(zoo_figure(table, rates, spec), figure)
        if not as_json:
            out.print(f"Figure: {os.path.relpath(figure)}", highlight=False, soft_wrap=True)
    if as_json:
        data = {**zoo_dict(table, spec, replications), "figure": str(figure)}
        say_json(data | ({"missing": missing.said} if missing.said else {}))
    missing.end()


def print_zoo(console: Console, table: "pd.DataFrame", scenario: Scenario, replications: int) -> None:
    """Print the ranking: medians, with the rank in each measure."""
    from stormlab.tables import broken, percent
    from twin.analysis.bands import number, words
    from twin.analysis.zoo import LIBRARY, RANKED, SHOWN, heading

    title = f"{scenario.name}: {scenario.clients.count} clients, medians of {replications} runs (rank)"
    shown = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    shown.add_column(LIBRARY, no_wrap=True)
    for name in RANKED:
        label, unit, _ = heading(name)
        label = broken(label.replace(" ", "_")).replace("_", " ") if name in SHOWN else broken(label)
        shown.add_column(label if unit == "1" else f"{label}\n({unit})", justify="right", no_wrap=True)
    shown.add_column("gave up", justify="right")
    for _, row in table.iterrows():
        medians = [number(heading(name)[2] * row[f"{name}.median"], row[f"{name}.bound"]) for name in RANKED]
        cells = [f"{median} ({row[f'{name}.rank']})" for median, name in zip(medians, RANKED, strict=True)]
        shown.add_row(row[LIBRARY], *cells, percent(row["gave_up_share.median"]))
    console.print(shown)
    for _, row in table.iterrows():
        for name in RANKED:
            if missed := int(row[f"{name}.not_reached"]):
                text = (
                    f"{row[LIBRARY]}: {name} {words(float('inf'), row[f'{name}.bound'])} in {missed} of {replications}"
                )
                console.print(f"{text} runs", highlight=False, soft_wrap=True)
    for name in table[LIBRARY]:
        if name in CLIENTS:
            console.print(f"{name}: {CLIENTS[name].source}", highlight=False, soft_wrap=True, style="dim")
