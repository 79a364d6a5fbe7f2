"""What happened in one run of either world: a table of events, and where it came from."""

import hashlib
import json
import platform
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from twin.errors import ScenarioError
from twin.files import parquet
from twin.files.reading import RECORD
from twin.files.writing import replacing
from twin.record.columns import COLUMNS, SCHEMA, Events, Row
from twin.record.events import COUNTS, EVENTS, MESSAGE_EVENTS, OF_CLIENTS, TYPES
from twin.record.schema import migrated, stored, version_of
from twin.record.stored import OWN_SORTS, ROW_SORTS, events_of, odd_detail, plain, table_of
from twin.scenario.fields import show
from twin.scenario.renamed import with_new_names_of_a_record
from twin.scenario.scenario import Scenario

__all__ = [
    "COLUMNS",
    "COUNTS",
    "EVENTS",
    "LARGEST",
    "LONGEST",
    "MESSAGE_EVENTS",
    "MOST_EVENTS",
    "MOST_NODES",
    "MOST_REPLICATION",
    "OF_CLIENTS",
    "SCHEMA",
    "Record",
    "Row",
    "row",
    "versions",
]

MOST_EVENTS = 200_000_000
"""Events of a record: a run of ten million clients has some for each of them."""
MOST_REPLICATION = 2**31
MOST_NODES = 1000
LARGEST = 2**40 - 1
"""Number of an attempt or a version, at most."""
LONGEST = 1_000_000
"""Seconds from the start of a run to any of its events, at most: a run takes up to a day, its warm-up may be longer."""


def versions(*parts: str) -> dict[str, str]:
    """Return the versions of Python, of the lab and of some packages, for a provenance."""
    return {"python": platform.python_version(), **{name: _version(name) for name in ("stormlab", *parts)}}


@cache
def _version(package: str) -> str:
    return metadata.version(package)


def row(
    t: float, event: str, client: int = -1, node: int = -1, attempt: int = -1, version: int = -1, detail: str = ""
) -> Row:
    """Return one event: `t` in seconds since the start of the run; -1 and "" stand for "does not apply"."""
    return t, event, client, node, attempt, version, detail


@dataclass(frozen=True)
class Record:
    """The events of one run in order of time, and their provenance.

    Attributes:
        columns: the events as arrays.
        provenance: scenario, seed, replication, world, engine, versions, configurations, profile, machine, start time
            and, for a measured run, how the host behaved.
    """

    columns: Events
    provenance: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Iterable[Row] | Events, provenance: dict[str, Any]) -> "Record":
        """Sort events by time; those of equal time keep their order.

        Raises:
            ValueError: an event has a name that is not in the vocabulary.
        """
        events = rows if isinstance(rows, Events) else Events.of_rows(rows)
        unknown = events.names() - EVENTS
        if unknown:
            raise ValueError(f"unknown events {sorted(unknown)}")
        return cls(events.in_order(), provenance)

    @classmethod
    def of_frame(cls, events: pd.DataFrame, provenance: dict[str, Any]) -> "Record":
        """Return a record of the events in a table like `events`, which are in order of time already."""
        return cls(Events.of_table(pa.Table.from_pandas(events, SCHEMA, preserve_index=False)), provenance)

    @cached_property
    def events(self) -> pd.DataFrame:
        """The events as a table: t (s since the start of the run), event, client, node (from 1), attempt, version,
        detail.
        """
        return self.columns.frame()

    @cached_property
    def scenario(self) -> Scenario:
        """The scenario of the run."""
        return Scenario.parse(with_new_names_of_a_record(self.provenance["scenario"]), "record")

    @property
    def replication(self) -> int:
        """Which replication of the scenario's random numbers the run used."""
        return int(self.provenance.get("replication", 0))

    @property
    def starved(self) -> str:
        """Why the host was too busy for this run to count, or an empty text."""
        return str(self.provenance.get("host", {}).get("starved", ""))

    @property
    def disturbed(self) -> str:
        """Which step, timer or surrounding was not as it should be, so that the run is void, or an empty text."""
        return str(self.provenance.get("disturbed", ""))

    @property
    def void(self) -> str:
        """Why this run does not count, or an empty text: it was disturbed, or on a starved host."""
        starved = f"it was on a starved host ({self.starved})" if self.starved else ""
        return "; ".join(one for one in (self.disturbed, starved) if one)

    @property
    def counts(self) -> bool:
        """Whether what was measured may enter an average, a picture or a verdict."""
        return not self.void

    @property
    def void_before(self) -> list[str]:
        """Why the attempts at this run did not count which were made before it."""
        return list(self.provenance.get("void_before", []))

    def select(self, *names: str) -> pd.DataFrame:
        """Return the events of the given names: the columns of `events`, and the own ones of these events behind them.

        Own columns that an event of another name has do not apply to it: -1, "" or false.

        Raises:
            KeyError: there is no event of such a name.
        """
        found = self.columns.at(at := self.columns.where(*names))
        table = self.events.iloc[at].copy()
        for name, sort in {one.name: one.sort for event in names for one in TYPES[event].columns}.items():
            if sort == "text":
                table[name] = found.words(name).spelled()
            else:
                table[name] = found.numbers(name) if sort == "number" else found.flags(name)
        return table

    def digest(self) -> str:
        """Return a SHA-256 over the events, the same for the same events to the last bit."""
        text = self.events.to_csv(index=False, float_format="%.17g", lineterminator="\n")
        return hashlib.sha256(text.encode()).hexdigest()

    def save(self, path: str | Path) -> Path:
        """Write the record as Parquet, provenance in the file's metadata.

        Raises:
            ScenarioError: the file cannot be written.
            ValueError: a detail is none of its event.
        """
        table = table_of(self.columns)
        said = json.dumps(stored(self.provenance), sort_keys=True)
        # Arrow's own schema, which would say the same again, is left out
        with (
            replacing(path) as file,
            pq.ParquetWriter(file, table.schema, compression="zstd", store_schema=False) as to,
        ):
            to.write_table(table)
            to.add_key_value_metadata({"stormlab": said})
        return Path(path)

    @classmethod
    def load(cls, path: str | Path) -> "Record":
        """Read a record.

        Raises:
            ScenarioError: the file is missing or is not a record.
        """
        return cls.load_with_version(path)[0]

    @classmethod
    def load_with_version(cls, path: str | Path) -> tuple["Record", int]:
        """Read a record and the version of its file's form; see `load`."""
        try:
            found = parquet.read(path, RECORD, ROW_SORTS, MOST_EVENTS, OWN_SORTS)
            provenance = json.loads(found.metadata[b"stormlab"])
        except (KeyError, ValueError, RecursionError, pa.ArrowException):
            raise ScenarioError(f"{path}: is not a Parquet record of this lab.") from None
        if not isinstance(provenance, dict):
            raise ScenarioError(f"{path}: is no record of this lab: its provenance is no table.")
        try:
            version, provenance = version_of(provenance), migrated(provenance)
        except ValueError as error:
            raise ScenarioError(f"{path}: is no record that can be read: {error}.") from None
        try:
            table = plain(found.table, version)
        except (KeyError, ValueError, pa.ArrowException):
            raise ScenarioError(f"{path}: is not a Parquet record of this lab.") from None
        try:
            record = cls(events_of(table, version), provenance)
        except ValueError as error:
            raise ScenarioError(f"{path}: is no record of this lab: {error}.") from None
        if problem := record.problem():
            raise ScenarioError(f"{path}: is no record of this lab: {problem}.")
        return record, version

    def problem(self) -> str:
        """Return what makes this no record that can be examined, or an empty text."""
        if not isinstance(self.provenance, dict):
            return "its provenance is no table"
        replication, host = self.provenance.get("replication", 0), self.provenance.get("host", {})
        if not isinstance(replication, int) or not 0 <= replication < MOST_REPLICATION:
            return f"replication is {show(replication)}; allowed is a whole number from 0"
        if not isinstance(host, dict):
            return f"host is {show(host)}; allowed is a table"
        try:
            scenario = with_new_names_of_a_record(self.provenance.get("scenario", {}))
            clients = Scenario.parse(scenario, "scenario").clients.count
        except ScenarioError as error:
            return str(error).removesuffix(".")
        return self._odd_names() or self._odd_numbers(clients) or odd_detail(self.columns)

    def _odd_names(self) -> str:
        unknown = sorted(self.columns.names() - EVENTS)
        if unknown:
            return f"event is {show(unknown[0])}; allowed is one of the vocabulary in docs/measures.md"
        return ""

    def _odd_numbers(self, clients: int) -> str:
        bounds = {"t": (-LONGEST, LONGEST), "client": (-1, clients - 1), "node": (-1, MOST_NODES)}
        bounds |= {"attempt": (-1, LARGEST), "version": (-1, LARGEST)}
        for name, (low, high) in bounds.items():
            values = getattr(self.columns, name)
            outside = values[~((values >= low) & (values <= high))]
            if len(outside):
                return f"{name} is {outside[0]}; allowed is from {low:,} to {high:,}"
        nobody = self.columns.event.at((self.columns.client < 0) & self.columns.event.isin(*OF_CLIENTS)).spelled()
        return f"client is -1 of the event {nobody[0]}; allowed is a client's number" if len(nobody) else ""
