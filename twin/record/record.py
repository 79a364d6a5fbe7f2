"""What happened in one run of either world: a table of events, and where it came from."""

import hashlib
import json
import platform
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from twin.errors import ScenarioError
from twin.files import parquet
from twin.files.reading import RECORD
from twin.files.writing import replacing
from twin.record.columns import COLUMNS, SCHEMA, Events, Row
from twin.record.schema import migrated, stored
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

MESSAGE_EVENTS = frozenset({"published", "received", "delivered", "gap", "recovered", "acked", "resent", "consistent"})
"""Events of the broadcast; all others are of connections and the cluster."""
EVENTS = MESSAGE_EVENTS | frozenset(
    {
        *("attempt_connect", "connected", "connect_failed", "disconnected", "heartbeat_missed", "gave_up"),
        *("session_started", "session_resumed", "session_lost", "marked_down", "marked_up", "server_connections"),
        *("sent", "kept", "discarded", "arrived", "node_starting", "registered", "fenced", "scaled"),
        *("node_started", "node_stopped", "drained", "bus_lost", "bus_joined", "fault", "no_effect", "healed"),
        *("node_buffer", "bus_buffer"),
    }
)

OF_CLIENTS = frozenset(
    {
        *("attempt_connect", "connected", "connect_failed", "disconnected", "heartbeat_missed", "gave_up"),
        *("session_started", "session_resumed", "session_lost", "sent", "kept", "discarded", "arrived"),
        *("delivered", "gap", "recovered"),
    }
)
"""Events that say which client they are of."""
COUNTS = frozenset({"server_connections", "node_buffer", "bus_buffer"})
"""Events whose detail is a whole number."""

_SORTS: dict[str, parquet.Sort] = {name: "text" if name in ("event", "detail") else "number" for name in COLUMNS}
MOST_EVENTS = 200_000_000
"""Events of a record: a run of ten million clients has some for each of them."""
MOST_REPLICATION = 2**31
MOST_NODES = 1000
LARGEST = 2**40 - 1
"""Number of an attempt or a version, at most."""
LONGEST = 1_000_000
"""Seconds from the start of a run to any of its events, at most: a run takes an hour, its warm-up may take longer."""


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
        """Return the events of the given names."""
        return self.events[self.events["event"].isin(names)]

    def digest(self) -> str:
        """Return a SHA-256 over the events, the same for the same events to the last bit."""
        text = self.events.to_csv(index=False, float_format="%.17g", lineterminator="\n")
        return hashlib.sha256(text.encode()).hexdigest()

    def save(self, path: str | Path) -> Path:
        """Write the record as Parquet, provenance in the file's metadata.

        Raises:
            ScenarioError: the file cannot be written.
        """
        table = self.columns.table().replace_schema_metadata(
            {b"stormlab": json.dumps(stored(self.provenance), sort_keys=True).encode()}
        )
        with replacing(path) as file:
            pq.write_table(table, file, compression="zstd")
        return Path(path)

    @classmethod
    def load(cls, path: str | Path) -> "Record":
        """Read a record.

        Raises:
            ScenarioError: the file is missing or is not a record.
        """
        try:
            found = parquet.read(path, RECORD, _SORTS, MOST_EVENTS)
            table = found.table.cast(SCHEMA)
            provenance = json.loads(found.metadata[b"stormlab"])
        except (KeyError, ValueError, RecursionError, pa.ArrowException):
            raise ScenarioError(f"{path}: is not a Parquet record of this lab.") from None
        if not isinstance(provenance, dict):
            raise ScenarioError(f"{path}: is no record of this lab: its provenance is no table.")
        try:
            record = cls(Events.of_table(table), migrated(provenance))
        except ValueError as error:
            raise ScenarioError(f"{path}: is no record that can be read: {error}.") from None
        if problem := record.problem():
            raise ScenarioError(f"{path}: is no record of this lab: {problem}.")
        return record

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
        return self._odd_names() or self._odd_numbers(clients) or self._odd_details()

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

    def _odd_details(self) -> str:
        """Numbers in details that are none, or do not fit in an array."""
        for names, check, allowed in (
            (COUNTS, re.compile(r"\d{1,18}", re.ASCII).fullmatch, "a whole number"),
            (MESSAGE_EVENTS, _fits, "words, the numbers among them of 18 digits at most"),
        ):
            of_these = self.columns.of(*names)
            odd = of_these.at(of_these.detail.say([not check(text) for text in of_these.detail.texts], bool))
            if len(odd):
                _, event, *_, detail = odd.at(np.arange(1)).rows()[0]
                return f"detail is {show(detail)} of the event {event}; allowed is {allowed}"
        return ""


def _fits(detail: str) -> bool:
    """Tell whether every word of digits is a number that an array can hold."""
    return all(word.isascii() and len(word) <= 18 for word in detail.split() if word.isdigit())
