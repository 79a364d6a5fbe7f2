"""The command `./lab memory`; registered in `stormlab.app`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stormlab.steps import judge, prediction_of, progress
from twin.errors import LabError, check_output
from twin.files.places import SCENARIOS
from twin.missing import Missing
from twin.scenario.scenario import Scenario

if TYPE_CHECKING:
    from twin.record.record import Record


def memory(
    scenario: Annotated[str, typer.Argument(help="Scenario file (TOML) with one node and host.memory = true.")] = str(
        SCENARIOS / "idle-10000.toml"
    ),
    runs: Annotated[int, typer.Option(help="Measured runs.", min=1, max=1000)] = 3,
    replications: Annotated[int, typer.Option(help="Simulated runs.", min=1, max=100_000)] = 20,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="Override a setting of the scenario.")
    ] = None,
    save: Annotated[Path | None, typer.Option(help="Folder to write the records to, as Parquet.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """Hold a scenario's connections open on one node, idle, and compare its memory with the predicted one.

    They are opened straight on the node, without a balancer, which would need two open files for each of them.
    """
    import twin
    from live.memory.idle import check

    spec = Scenario.load(scenario, overrides)
    check(spec)
    check_output("--save", save, folder=True)
    missing = Missing(LabError)
    prediction = prediction_of(spec, replications)
    comparison = twin.compare(prediction, held(spec, runs))
    if save is not None:
        for record in comparison.records:
            with missing.noted("a record"):
                record.save(save / f"{spec.name}-{record.replication}.parquet")
    status = judge([comparison], as_json, {}, missing.said)
    missing.end()
    raise typer.Exit(status)


def held(scenario: Scenario, runs: int) -> "list[Record]":
    """Return the records of some runs, one after the other."""
    from live.memory.idle import hold

    count = scenario.clients.count
    with progress() as show:
        return [
            hold(scenario, k, lambda done, k=k: show(f"opening {count} connections", (k + done / count) / runs))  # type: ignore[misc]
            for k in range(runs)
        ]
