"""Parquet files of strangers: what the footer says is looked at first, so that a small file cannot fill the memory.

A value that is repeated takes next to nothing in a file, and its full size in a table. So the rows of a file are
bounded by its bytes, what it says it holds uncompressed, too, and texts are read as a dictionary with places in it,
which stays small until it is known how long the texts are.

A footer may lie about that, and its own structures take many times its bytes. So it may not be long, and what the pages
say, which a reader goes by, is looked at as well before they are unpacked (`twin.files.pages`).
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from twin.errors import ScenarioError
from twin.files import pages
from twin.files.reading import Kind, check_file

FREE_ROWS, LEAST_ROW_BYTES = 100_000, 2
"""Rows that any file may have, and least bytes of a file for each row more. Those of the lab have seven or more: times
hardly compress."""
FREE_BYTES, MOST_SWELLING = 2**24, 16
"""Bytes that any file may hold uncompressed, and how many for each of its own bytes. Those of the lab have 1.3."""
MOST_TEXT, MEAN_TEXT = 1000, 64
"""Characters of a text at most, and bytes of a row's text on average, where there are more than `FREE_ROWS` rows."""
MOST_GROUPS, MOST_COLUMNS = 100_000, 1000
MOST_FOOTER = 2**20
"""Bytes of a footer, with its metadata. Those of the lab have some kB, and 1 kB more for each million of rows."""
MOST_PAGES = 100_000
"""Pages of a file. Those that the lab writes have 20,000 rows or 1 MB."""

Sort = Literal["number", "text", "flag"]


class Read(NamedTuple):
    """A table, and the metadata of its file."""

    table: pa.Table
    metadata: dict[bytes, bytes]


class UnreadableError(ValueError):
    """Why a file is not read; the rest of the sentence that begins with its path."""


def read(
    path: str | Path,
    kind: Kind,
    columns: Mapping[str, Sort] | None = None,
    most_rows: int = 2**31,
    optional: Mapping[str, Sort] | None = None,
) -> Read:
    """Read some columns of a file, or all, which are numbers then; others are not looked at.

    Texts come as a dictionary with places in it.

    Args:
        path: the file.
        kind: what it should be.
        columns: the columns that it must have; all that it has if not given.
        most_rows: rows that it may have at most.
        optional: columns that are read, too, if it has them.

    Raises:
        ScenarioError: it is missing or not such a file, or it is too large or becomes too large.
        ValueError: it is not Parquet, or columns are missing or are of another sort.
    """
    check_file(path, kind)
    sorts = {**(optional or {}), **(columns or {})}
    texts = [name for name, sort in sorts.items() if sort == "text"]
    try:
        with open(path, "rb") as data:
            size = os.fstat(data.fileno()).st_size
            _check_length(data.fileno(), size, kind)
            limits = {"thrift_string_size_limit": MOST_FOOTER, "thrift_container_size_limit": MOST_GROUPS}
            file = pq.ParquetFile(data, **limits)
            _check_footer(file.metadata, size, kind, most_rows)
            there = file.schema_arrow.names
            names = there if columns is None else [*columns, *(name for name in optional or {} if name in there)]
            for name in names:
                _check_type(name, file.schema_arrow, sorts.get(name, "number"), file.metadata.num_rows)
            _check_pages(data.fileno(), file.metadata, names, size, kind)
            texts = [name for name in texts if name in names]
            file = pq.ParquetFile(data, metadata=file.metadata, read_dictionary=texts, **limits)
            table = file.read(columns=names).select(names)
            for name in texts:
                _check_texts(table[name], name)
            return Read(table.replace_schema_metadata(None), file.schema_arrow.metadata or {})
    except UnreadableError as refused:
        raise ScenarioError(f"{path}: {refused}.") from None
    except (KeyError, OSError, OverflowError, RecursionError, pa.ArrowException) as error:
        raise ValueError(str(error)) from None


def _check_length(file: int, size: int, kind: Kind) -> None:
    """Refuse a file by the length of its footer: it stands in the last bytes, before `PAR1`."""
    length = int.from_bytes(os.pread(file, 4, max(0, size - 8)), "little")
    if MOST_FOOTER < length <= size:
        raise UnreadableError(
            f"has a footer of {length:,} bytes; that of a {kind.name} has at most {MOST_FOOTER:,} bytes"
        )


def _check_footer(footer: Any, size: int, kind: Kind, most_rows: int) -> None:
    """Refuse a file by what its footer says, before anything else of it is read."""
    most = min(most_rows, max(FREE_ROWS, size // LEAST_ROW_BYTES))
    groups = [footer.row_group(i) for i in range(footer.num_row_groups)]
    rows = max(footer.num_rows, sum(group.num_rows for group in groups))
    if rows > most:
        raise UnreadableError(f"has {rows:,} rows in {size:,} bytes; a {kind.name} of this size has at most {most:,}")
    _check_held(sum(group.total_byte_size for group in groups), size, kind)
    if footer.num_columns > MOST_COLUMNS:
        raise UnreadableError(f"has {footer.num_columns:,} columns; a {kind.name} has at most {MOST_COLUMNS:,}")


def _check_held(held: int, size: int, kind: Kind) -> None:
    room = FREE_BYTES + MOST_SWELLING * size
    if held > room:
        raise UnreadableError(
            f"holds {held:,} bytes uncompressed; a {kind.name} of {size:,} bytes holds at most {room:,} bytes"
        )


def _check_pages(file: int, footer: Any, names: Sequence[str], size: int, kind: Kind) -> None:
    """Refuse a file by what the pages of some columns say, before one of them is unpacked.

    Raises:
        ValueError: the footer counts other rows than the pages have values, or there are no such pages.
    """
    held = count = 0
    for i in range(footer.num_row_groups):
        group = footer.row_group(i)
        columns = [group.column(j) for j in range(group.num_columns)]
        for column in (one for one in columns if one.path_in_schema in names):
            if column.num_values == group.num_rows == 0:  # nothing is read, and the places of an empty one are wrong
                continue
            start = column.data_page_offset
            if column.has_dictionary_page and 0 < (column.dictionary_page_offset or 0) < start:
                start = column.dictionary_page_offset
            found = pages.sizes(file, start, column.total_compressed_size, MOST_PAGES - count)
            held, count = held + found.held, count + found.pages
            if count > MOST_PAGES:
                raise UnreadableError(f"has more than {MOST_PAGES:,} pages; a {kind.name} has fewer")
            _check_held(held, size, kind)
            if not found.values == column.num_values == group.num_rows:
                raise ValueError(f"column {column.path_in_schema} has {found.values:,} values, not {group.num_rows:,}")


def _check_type(name: str, schema: pa.Schema, sort: Sort, rows: int) -> None:
    """Refuse a column that is not there once, or is of another sort, before it is unpacked.

    Raises:
        ValueError: it is.
    """
    if schema.names.count(name) != 1:
        raise ValueError(f"there is no column {name}, or there are several")
    kind = schema.field(name).type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    right = {
        "text": pa.types.is_string(kind) or pa.types.is_large_string(kind) or (rows == 0 and pa.types.is_null(kind)),
        "number": pa.types.is_integer(kind) or pa.types.is_floating(kind),
        "flag": pa.types.is_boolean(kind),
    }
    if not right[sort]:
        raise ValueError(f"column {name} is no {sort}")


def _check_texts(column: pa.ChunkedArray, name: str) -> None:
    """Refuse a column of texts by how long they are, before they are spelled out."""
    if not pa.types.is_dictionary(column.type):
        return
    total = 0
    for chunk in column.chunks:
        lengths = pc.binary_length(chunk.dictionary)
        if (longest := pc.max(pc.utf8_length(chunk.dictionary)).as_py() or 0) > MOST_TEXT:
            raise UnreadableError(f"{name} has a text of {longest:,} characters; allowed is at most {MOST_TEXT:,}")
        total += pc.sum(lengths.take(chunk.indices)).as_py() or 0
    most = MEAN_TEXT * max(FREE_ROWS, len(column))
    if total > most:
        words = f"{total:,} bytes of text; allowed is at most {most:,} for {len(column):,} rows"
        raise UnreadableError(f"{name} has {words}")
