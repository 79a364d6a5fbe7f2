"""Events as columns: a few arrays in place of a row of Python's objects for each event."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from twin.record.events import SORT_OF, TYPES
from twin.record.typed import EMPTY, Event, Row, Sort

__all__ = ["COLUMNS", "SCHEMA", "Array", "Events", "Own", "Row", "Words", "distinct", "words_of"]

Array = np.ndarray[Any, Any]

COLUMNS = ["t", "event", "client", "node", "attempt", "version", "detail"]
_TYPES = {"t": pa.float64(), "event": pa.large_string(), "detail": pa.large_string()}
_WITH = {
    column: {name for name, one in TYPES.items() if any(column == own.name for own in one.columns)}
    for column in SORT_OF
}
SCHEMA = pa.schema([pa.field(name, _TYPES.get(name, pa.int64()), nullable=False) for name in COLUMNS])


def distinct(numbers: Array, bound: int) -> tuple[Array, Array]:
    """Return the numbers that are there, in order, and for each one which of these it is.

    Args:
        numbers: whole numbers from 0 and below `bound`, which is not far above how many there are.
        bound: what is looked through, in place of sorting the numbers.
    """
    seen = np.zeros(bound, bool)
    seen[numbers] = True
    return np.flatnonzero(seen), (np.cumsum(seen) - 1)[numbers]


@dataclass(frozen=True)
class Words:
    """A column of texts: for each row its place among few texts.

    Attributes:
        places: whole numbers from 0, shape (rows,).
        texts: the texts; one may be there more than once, or in no row.
    """

    places: Array
    texts: Sequence[str]

    @classmethod
    def of(cls, column: Sequence[str]) -> "Words":
        """Return a column of such texts, one a row."""
        known = {text: place for place, text in enumerate(dict.fromkeys(column))}
        return cls(np.array([known[text] for text in column], np.int32), list(known))

    def isin(self, *texts: str) -> Array:
        """Tell which rows hold one of some texts, shape (rows,)."""
        return self.say([text in texts for text in self.texts], bool)

    def say(self, of_texts: Sequence[Any] | Array, dtype: Any = None) -> Array:
        """Return for each row what is given for its text: one value for each of `texts`."""
        found: Array = np.asarray(of_texts, dtype)[self.places]
        return found

    def spelled(self) -> Array:
        """Return the text of each row, an array of objects."""
        return self.say(self.texts, object)

    def used(self) -> Array:
        """Return the places of the texts that are in a row, in order."""
        return distinct(self.places, len(self.texts))[0]

    def counts(self) -> dict[str, int]:
        """Return in how many rows each text is, those that are in none left out."""
        found: dict[str, int] = {}
        for place, count in enumerate(np.bincount(self.places).tolist()):
            if count:
                found[self.texts[place]] = found.get(self.texts[place], 0) + count
        return found

    def at(self, rows: Array) -> "Words":
        """Return some rows, by their numbers or by a mask."""
        return Words(self.places[rows], self.texts)

    def arrow(self) -> pa.Array:
        """Return the text of each row for a table of Arrow."""
        texts = pa.array(self.texts, pa.large_string())
        return pa.DictionaryArray.from_arrays(pa.array(self.places), texts).cast(pa.large_string())


def words_of(column: pa.ChunkedArray) -> Words:
    """Return a column of texts of a table of Arrow."""
    if not pa.types.is_dictionary(column.type):
        column = pc.dictionary_encode(column.cast(pa.large_string()))
    column = column.unify_dictionaries().combine_chunks()
    column = column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
    return Words(column.indices.to_numpy(), column.dictionary.to_pylist())


@dataclass(frozen=True)
class Own:
    """The own columns of events of one type, read once for each text and not for each event.

    Attributes:
        of: the type.
        detail: the events' details.
    """

    of: type[Event]
    detail: Words

    @cached_property
    def _of_texts(self) -> dict[str, Array]:
        """For each own column its value of each of `detail.texts`, empty for one that is in no row."""
        used, columns = self.detail.used(), self.of.columns
        read = [self.of.unpack(self.detail.texts[place]) for place in used.tolist()]
        found = {one.name: np.full(len(self.detail.texts), one.empty, _DTYPES[one.sort]) for one in columns}
        for column, values in zip(columns, zip(*read, strict=True), strict=False):  # none without a row
            found[column.name][used] = values
        return found

    def of_texts(self, column: str) -> Array:
        """Return an own column's value for each of `detail.texts`, empty for one that is in no row; (texts,).

        Raises:
            KeyError: the type has no such column.
        """
        return self._of_texts[column]

    def values(self, column: str) -> Array:
        """Return an own column, shape (events,): numbers, booleans, or texts as objects."""
        return self.detail.say(self.of_texts(column))


_DTYPES: dict[Sort, Any] = {"number": np.int64, "text": object, "flag": np.bool_}


@dataclass(frozen=True)
class Events:
    """Events of a run, a column each, shape (rows,); -1 and "" stand for "does not apply".

    Attributes:
        t: seconds since the start of the run.
        event: their names.
        client, node, attempt, version: whole numbers; nodes count from 1.
        detail: what else there is to say.
    """

    t: Array
    event: Words
    client: Array
    node: Array
    attempt: Array
    version: Array
    detail: Words

    @classmethod
    def of_rows(cls, rows: Iterable[Row]) -> "Events":
        """Return the events of some rows, in their order."""
        t, event, client, node, attempt, version, detail = list(zip(*rows, strict=True)) or [()] * len(COLUMNS)
        who, where, tries, versions = (np.array(column, np.int64) for column in (client, node, attempt, version))
        return cls(np.array(t, np.float64), Words.of(event), who, where, tries, versions, Words.of(detail))

    @classmethod
    def of_table(cls, table: pa.Table) -> "Events":
        """Return the events of a table of Arrow with the columns of `SCHEMA`."""
        numbers = {name: table[name].to_numpy() for name in COLUMNS if name not in ("event", "detail")}
        return cls(event=words_of(table["event"]), detail=words_of(table["detail"]), **numbers)

    def __len__(self) -> int:
        return len(self.t)

    def names(self) -> set[str]:
        """Return the names of events that are there."""
        return {self.event.texts[place] for place in self.event.used()}

    def columns(self) -> list[Any]:
        """Return the columns in their order."""
        return [getattr(self, name) for name in COLUMNS]

    def each(self, change: Callable[..., Any], *others: "Events") -> "Events":
        """Return events whose columns are made of each of these, and of those of others."""
        columns = zip(COLUMNS, self.columns(), *(more.columns() for more in others), strict=True)
        return Events(**{name: change(*some) for name, *some in columns})

    def at(self, rows: Array) -> "Events":
        """Return some events, by their numbers or by a mask."""
        return self.each(lambda column: column.at(rows) if isinstance(column, Words) else column[rows])

    def among(self, more: "Events") -> "Events":
        """Return these events, which are in order of time, and some more at their times, behind those of equal time."""
        more = more.in_order()
        places = np.searchsorted(self.t, more.t, side="right")

        def joined(some: Any, others: Any) -> Any:
            if isinstance(some, Words):
                wide = some.places.astype(np.int32)  # together they may be more than small numbers tell apart
                return Words(joined(wide, others.places + len(some.texts)), [*some.texts, *others.texts])
            return np.insert(some, places, others)

        return self.each(joined, more)

    def in_order(self) -> "Events":
        """Return these events in order of time; of equal times, what was first stays first."""
        if np.all(self.t[1:] >= self.t[:-1]):
            return self
        return self.at(np.argsort(self.t, kind="stable"))

    @cached_property
    def _of_names(self) -> list[Array]:
        """The rows of each of `event.texts`: sorted once, so that whoever wants a few of them looks at no others."""
        places = self.event.places.astype(np.min_scalar_type(len(self.event.texts)))  # small numbers are sorted quickly
        ends = np.cumsum(np.bincount(places, minlength=len(self.event.texts))).tolist()
        rows = np.argsort(places, kind="stable")
        return [rows[start:end] for start, end in pairwise([0, *ends])]

    def where(self, *names: str) -> Array:
        """Return the numbers of the events of the given names, in order."""
        found = [rows for name, rows in zip(self.event.texts, self._of_names, strict=False) if name in names]
        # what is in order already in parts is merged, not sorted
        return found[0] if len(found) == 1 else np.sort(np.concatenate([np.zeros(0, np.int64), *found]), kind="stable")

    def of(self, *names: str) -> "Events":
        """Return the events of the given names."""
        return self.at(self.where(*names))

    def own(self, name: str) -> Own:
        """Return the own columns of the events of one name, in their order.

        Raises:
            KeyError: there is no such event.
        """
        return Own(TYPES[name], self.detail.at(self.where(name)))

    def numbers(self, column: str) -> Array:
        """Return an own column of whole numbers, -1 for events that do not have it, shape (rows,)."""
        return self._column(column, "number")

    def flags(self, column: str) -> Array:
        """Return an own column that is true or false, false for events that do not have it, shape (rows,)."""
        return self._column(column, "flag")

    def _column(self, column: str, sort: Sort) -> Array:
        found = np.full(len(self), EMPTY[sort], _DTYPES[sort])
        for rows, own in self._having(column, sort):
            found[rows] = own.values(column)
        return found

    def words(self, column: str) -> Words:
        """Return an own column of texts, empty for events that do not have it."""
        places, texts = np.zeros(len(self), np.int64), [""]
        for rows, own in self._having(column, "text"):
            places[rows] = own.detail.places + len(texts)
            texts += own.of_texts(column).tolist()
        return Words(places, texts)

    def _having(self, column: str, sort: Sort) -> Iterator[tuple[Array, Own]]:
        """Yield the rows and own columns of the events that have a column, of each name that is there.

        Raises:
            KeyError: no event has a column of this name and sort.
        """
        if SORT_OF.get(column) != sort:
            raise KeyError(f"no event has a column {column} that is a {sort}")
        for name in dict.fromkeys(self.event.texts[place] for place in self.event.used()):
            if name in _WITH[column]:
                rows = self.where(name)
                yield rows, Own(TYPES[name], self.detail.at(rows))

    def rows(self) -> list[Row]:
        """Return the events as rows of Python's objects."""
        columns = (column.spelled() if isinstance(column, Words) else column for column in self.columns())
        return list(zip(*(column.tolist() for column in columns), strict=True))

    def table(self) -> pa.Table:
        """Return the events as a table of Arrow, with the columns of `SCHEMA`."""
        columns = [column.arrow() if isinstance(column, Words) else pa.array(column) for column in self.columns()]
        return pa.Table.from_arrays(columns, schema=SCHEMA)

    def frame(self) -> pd.DataFrame:
        """Return the events as a table of pandas."""
        found: pd.DataFrame = self.table().to_pandas()
        return found
