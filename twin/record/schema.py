"""Versions of the form of a record's file, and how a file of an older form is read.

A file names its version beside its provenance (`schema`); those of before there was one have none, which is 1. Whoever
changes what is stored adds a version here, and what turns the one before into it: records of users stay readable.

The events of a file stand in columns of their own from version 3 on (`twin.record.stored`); before, what an event has
of its own stood as words in a column `detail`, as it still does in a compact row.
"""

from collections.abc import Callable
from typing import Any

from twin.scenario.fields import show

Provenance = dict[str, Any]


def _reasons_of_all_kinds(provenance: Provenance) -> Provenance:
    """2: a run that was made anew says why, whatever the reason; before, only a starved host was one."""
    if "starved_before" not in provenance:
        return provenance
    rest = {name: value for name, value in provenance.items() if name != "starved_before"}
    return rest | {"void_before": provenance["starved_before"]}


def _same(provenance: Provenance) -> Provenance:
    """3: events have columns of their own in place of `detail`; their provenance is as it was."""
    return provenance


MIGRATIONS: list[Callable[[Provenance], Provenance]] = [_reasons_of_all_kinds, _same]
"""What turns version 1 into 2, 2 into 3, and so on."""
VERSION = 1 + len(MIGRATIONS)
"""Version that is written."""
TYPED = 3
"""The first version whose events have columns of their own."""


def stored(provenance: Provenance) -> Provenance:
    """Return what is written into a file."""
    return provenance | {"schema": VERSION}


def version_of(provenance: Provenance) -> int:
    """Return the version of a file by what it says of itself.

    Raises:
        ValueError: it is none that this lab knows; the text says so.
    """
    version = provenance.get("schema", 1)
    if isinstance(version, bool) or not isinstance(version, int) or not 1 <= version <= VERSION:
        raise ValueError(f"schema is {show(version)}; this lab reads the versions 1 to {VERSION}")
    return version


def migrated(provenance: Provenance) -> Provenance:
    """Return the provenance of a file in the form of today.

    Raises:
        ValueError: its version is none that this lab knows; the text says so.
    """
    version = version_of(provenance)
    found = {name: value for name, value in provenance.items() if name != "schema"}
    for migrate in MIGRATIONS[version - 1 :]:
        found = migrate(found)
    return found
