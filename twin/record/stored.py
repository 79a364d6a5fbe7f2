"""Events as a record's file has them: the columns of every row, and in place of `detail` the own ones of its events.

Own columns that none of the record's events has are left out; in rows of other events they do not apply (-1, "" or
false). What is written are the types of `twin.record.events`, so a reader of the file needs none of this lab.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from twin.files.parquet import Sort as FileSort
from twin.record.columns import COLUMNS, Array, Events, Words, distinct, words_of
from twin.record.events import SORT_OF, TYPES
from twin.record.schema import TYPED
from twin.record.typed import Event, Sort, Value
from twin.scenario.fields import show

IN_EVERY_ROW = tuple(name for name in COLUMNS if name != "detail")
ROW_SORTS: dict[str, FileSort] = {name: "text" if name == "event" else "number" for name in IN_EVERY_ROW}
"""Columns that the file of every record has."""
OWN_SORTS: dict[str, FileSort] = {"detail": "text", **SORT_OF}
"""Columns that it may have."""
_ARROW: dict[Sort, pa.DataType] = {"number": pa.int64(), "text": pa.large_string(), "flag": pa.bool_()}
CROWDED = 4
"""So many times as many values as rows may be possible for them to be told apart without sorting."""


def plain(table: pa.Table, version: int) -> pa.Table:
    """Return the columns of a file that a record of its version has, numbers as 64 bits.

    Raises:
        ValueError: a column or a value is missing, or a number is none of its kind.
    """
    names = COLUMNS if version < TYPED else [name for name in table.column_names if name != "detail"]
    table = table.select(names)
    for i, name in enumerate(names):
        column = table[name]
        if column.null_count:
            raise ValueError(f"column {name} lacks a value")
        if name == "t":
            table = table.set_column(i, name, column.cast(pa.float64()))
        elif (ROW_SORTS | OWN_SORTS)[name] == "number":
            table = table.set_column(i, name, column.cast(pa.int64()))
    return table


def table_of(events: Events) -> pa.Table:
    """Return events as a table for a file.

    Raises:
        ValueError: a detail is none of its event; the text says which.
    """
    if problem := odd_detail(events):
        raise ValueError(problem)
    table = events.table().drop_columns(["detail"])
    present = {column for name in events.names() for column in TYPES[name].columns}
    for name in sorted({column.name for column in present}):
        sort = SORT_OF[name]
        if sort == "text":
            values: Any = events.words(name).arrow()
        else:
            values = pa.array(events.numbers(name) if sort == "number" else events.flags(name))
        table = table.append_column(pa.field(name, _ARROW[sort], nullable=False), values)
    return table


def events_of(table: pa.Table, version: int) -> Events:
    """Return the events of a plain table of a file of some version.

    Raises:
        ValueError: an own column has a value that no such event can have; the text says which.
    """
    if version < TYPED:
        return Events.of_table(table)
    own: dict[str, Words | Array] = {}
    for name in table.column_names:
        if name in SORT_OF:
            own[name] = words_of(table[name]) if SORT_OF[name] == "text" else table[name].to_numpy()
    numbers = {name: table[name].to_numpy() for name in IN_EVERY_ROW if name != "event"}
    blank = Words(np.zeros(table.num_rows, np.int32), [""])
    events = Events(event=words_of(table["event"]), detail=blank, **numbers)
    places, texts = np.zeros(len(events), np.int32), [""]
    for name in dict.fromkeys(events.event.texts):
        if name in TYPES and TYPES[name].columns and len(rows := events.where(name)):
            packed = _packed(TYPES[name], own, rows)
            places[rows] = packed.places + len(texts)
            texts += packed.texts
    return replace(events, detail=Words(places, texts))


def _packed(of: type[Event], own: Mapping[str, Words | Array], rows: Array) -> Words:
    """Return the details of some rows, which are events of one type."""
    codes, count = np.zeros(len(rows), np.int64), 1
    columns: list[Words | Array | None] = []
    for column in of.columns:
        values = own.get(column.name)
        if isinstance(values, Words):
            values = values.at(rows)
            places, many = values.places.astype(np.int64), len(values.texts)
        elif values is not None:
            values = values[rows]
            places, many = _ranked(values)
        columns.append(values)
        if values is not None:
            codes, count = _merged(codes * many + places, count * many)
    first = np.zeros(count, np.int64)
    first[codes[::-1]] = np.arange(len(rows))[::-1]
    said = [_said(values, first, column.empty) for values, column in zip(columns, of.columns, strict=True)]
    texts = []
    for one in zip(*said, strict=True):
        text = of.pack(*one)
        if of.unpack(text) != one or not of.says(text):
            named = zip(of.columns, one, strict=True)
            raise ValueError(_odd(of, ", ".join(f"{column.name} is {show(value)}" for column, value in named)))
        texts.append(text)
    return Words(codes, texts)


def _said(values: Words | Array | None, rows: Array, empty: Value) -> Sequence[Value]:
    """Return a column's values in some rows as Python's objects; a file without it has it in no event."""
    if values is None:
        return [empty] * len(rows)
    found: list[Value] = (values.at(rows).spelled() if isinstance(values, Words) else values[rows]).tolist()
    return found


def _ranked(values: Array) -> tuple[Array, int]:
    """Return which of the different values each one is, and below what these numbers are."""
    if values.dtype == np.bool_:
        return values.astype(np.int64), 2
    low, high = int(values.min()), int(values.max())
    if high - low < CROWDED * len(values):
        return values - low, high - low + 1
    different, places = np.unique(values, return_inverse=True)
    return places, len(different)


def _merged(codes: Array, limit: int) -> tuple[Array, int]:
    """Return codes below `limit` as the ranks of those that are there, and how many these are."""
    if limit <= CROWDED * len(codes):
        there, ranks = distinct(codes, limit)
    else:
        there, ranks = np.unique(codes, return_inverse=True)
    return ranks, len(there)


def odd_detail(events: Events) -> str:
    """Return what is wrong with a detail that is none of its event, or an empty text."""
    for name in dict.fromkeys(events.event.texts):
        if name not in TYPES:
            continue
        own = events.own(name)
        for place in own.detail.used().tolist():
            if not own.of.says(own.detail.texts[place]):
                return _odd(own.of, f"detail is {show(own.detail.texts[place])}")
    return ""


def _odd(of: type[Event], what: str) -> str:
    return f"{what} of the event {of.name}; allowed is {of.form()}"
