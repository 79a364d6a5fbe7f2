"""The command `./lab migrate`; registered in `stormlab.app`."""

import os
from typing import Annotated, Any

import typer

from stormlab.steps import out, say_json


def migrate(
    records: Annotated[
        list[str], typer.Argument(help="Records (Parquet), as an earlier version of the lab wrote them.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of lines.")] = False,
) -> None:
    """Write records anew in today's form, each in its place; the lab reads older ones without it, too.

    A file is replaced at once when the new one is on the disk. One that has today's form already is left alone.
    """
    done = []
    for path in records:
        done.append(one := _migrated(path))
        if not as_json:
            out.print(f"{path}: {_told(one)}.", highlight=False, soft_wrap=True)
    if as_json:
        say_json({"records": done})


def _migrated(path: str) -> dict[str, Any]:
    """Write a record anew if its form is an older one, and return what was done.

    Raises:
        ScenarioError: it is no record, or cannot be written.
    """
    from twin.record.record import Record
    from twin.record.schema import VERSION

    (record, before), size = Record.load_with_version(path), os.path.getsize(path)
    if before < VERSION:
        record.save(path)
    return {
        "record": path,
        "version": VERSION,
        "version_before": before,
        "bytes": os.path.getsize(path),
        "bytes_before": size,
        "events": len(record.columns),
    }


def _told(one: dict[str, Any]) -> str:
    if one["version"] == one["version_before"]:
        return f"has today's form, version {one['version']}, already"
    return (
        f"{one['events']:,} events, version {one['version_before']} -> {one['version']}, "
        f"{one['bytes_before']:,} -> {one['bytes']:,} bytes"
    )
