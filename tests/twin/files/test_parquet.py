"""Small files that would become large tables are refused before they do."""

import json
import os
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.commands import ROOT
from tests.messages import good_end, good_rows, record
from twin.analysis.sweeps import Store
from twin.errors import ScenarioError
from twin.files.parquet import FREE_ROWS, MOST_FOOTER
from twin.record.record import COLUMNS, SCHEMA, Record

GOOD = record(good_rows() + good_end())


def rows_of(count, **changed):
    """Return a table of as many rows of a record that are all the same, with some columns changed."""
    columns = {"t": np.zeros(count), "event": same("fault", count), "detail": same("kill", count)}
    columns |= {name: np.full(count, -1) for name in COLUMNS if name not in columns}
    provenance = {b"stormlab": json.dumps(GOOD.provenance).encode()}
    columns |= {name: change(count) for name, change in changed.items()}
    table = pa.table({name: pa.array(columns[name]) if name in columns else None for name in COLUMNS})
    return table.replace_schema_metadata(provenance)


def same(text, count):
    return pa.DictionaryArray.from_arrays(np.zeros(count, dtype=np.int32), [text])


def many_rows(path):
    """As many rows as an array of 1.4 GB, in some kB."""
    table = rows_of(FREE_ROWS)
    with pq.ParquetWriter(path, table.schema, compression="zstd") as writer:
        for _ in range(100):
            writer.write_table(table)
    return "has 10,000,000 rows in ", "at most "


def long_text(path):
    """A text of 1 MB that would stand in 50 GB."""
    pq.write_table(rows_of(50_000, detail=lambda count: same("x" * 10**6, count)), path, store_schema=False)
    return ("detail has a text of 1,000,000 characters; allowed is at most 1,000",)


def much_text(path):
    pq.write_table(rows_of(FREE_ROWS, detail=lambda count: same("x" * 999, count)), path, store_schema=False)
    return ("detail has 99,900,000 bytes of text; allowed is at most 6,400,000 for 100,000 rows",)


def much_to_unpack(path):
    """A text of 100 kB two thousand times, each one of them in full, which zstd makes small."""
    table = rows_of(2000, detail=lambda count: ["x" * 100_000] * count)
    pq.write_table(table, path, compression="zstd", use_dictionary=False)
    return "bytes uncompressed; a record of ", "bytes holds at most"


def lists(path):
    """Lists in the place of times, each a million numbers."""
    one = pa.DictionaryArray.from_arrays(np.zeros(100, dtype=np.int32), pa.array([0.0]))
    times = pa.ListArray.from_arrays(np.arange(0, 101) * 1, one.dictionary_decode())
    pq.write_table(rows_of(100, t=lambda count: times), path)
    return ("is not a Parquet record of this lab",)


def numbers_as_texts(path):
    pq.write_table(rows_of(10, client=lambda count: same("x" * 10**6, count)), path)
    return ("is not a Parquet record of this lab",)


def varint(number, length=0):
    """Return a number as the footer has it: zigzag, 7 bits a byte; of more bytes than it needs, if `length` says so."""
    number, found = 2 * number, []
    while number or not found or len(found) < length:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found[:-1], found[-1] & 127])


def footer_says(path, *changes):
    """Put other numbers in the place of some in the footer of a file, wherever they stand."""
    data = path.read_bytes()
    start = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    footer = data[start:]
    for old, new in changes:
        assert varint(old) in footer
        footer = footer.replace(varint(old), varint(new, len(varint(old))))
    path.write_bytes(data[:start] + footer)


def footers_sizes(path):
    """Return the sizes in a footer that are larger than they may be."""
    with pq.ParquetFile(path) as file:
        groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
    columns = [group.column(j) for group in groups for j in range(group.num_columns)]
    found = [group.total_byte_size for group in groups] + [one.total_uncompressed_size for one in columns]
    return {size for size in found if size > 10**6}


def page_larger_than_the_footer_says(path):
    """One page of 300 MB, of which the footer says that it has 5 kB."""
    table = rows_of(3000, detail=lambda count: ["x" * 100_000] * count)
    pq.write_table(table, path, compression="zstd", use_dictionary=False, data_page_size=2**30, write_statistics=False)
    footer_says(path, *((size, 5000) for size in footers_sizes(path)))
    assert footers_sizes(path) == set()
    return "holds 300,", "bytes uncompressed; a record of "


def dictionary_larger_than_the_footer_says(path):
    """Texts of 300 MB, each one another, in one dictionary."""
    texts = ["x" * 100_000 + str(i) for i in range(3000)]
    table = rows_of(3000, detail=lambda count: texts)
    pq.write_table(table, path, compression="zstd", dictionary_pagesize_limit=2**30, write_statistics=False)
    footer_says(path, *((size, 5000) for size in footers_sizes(path)))
    return "holds 30", "bytes uncompressed; a record of "


def rows_that_the_footer_does_not_count(path):
    many_rows(path)
    footer_says(path, (10_000_000, 1000), (FREE_ROWS, 10))
    return ("is not a Parquet record of this lab",)


def repeated_prefixes(path):
    """Texts that say only how much they repeat of the one before: 300 MB in a page of some kB."""
    table, other = rows_of(3000, detail=lambda count: ["x" * 100_000] * count), {"detail": "DELTA_BYTE_ARRAY"}
    pq.write_table(table, path, use_dictionary=False, column_encoding=other, write_statistics=False)
    with pq.ParquetFile(path) as file:
        assert file.metadata.row_group(0).total_byte_size < 300_000
    return ("is not a Parquet record of this lab",)


def long_footer(path):
    table = rows_of(10)
    pq.write_table(table.replace_schema_metadata({b"stormlab": b" " * 2 * MOST_FOOTER}), path)
    return "has a footer of ", "bytes; that of a record has at most 1,048,576 bytes"


BOMBS = [many_rows, long_text, much_text, much_to_unpack, lists, numbers_as_texts]
LIARS = [
    page_larger_than_the_footer_says,
    dictionary_larger_than_the_footer_says,
    rows_that_the_footer_does_not_count,
    repeated_prefixes,
    long_footer,
]

READS = """
import resource, sys
from twin.errors import ScenarioError
from twin.record.record import Record
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sys.argv[1:]:
    try:
        Record.load(path)
    except ScenarioError as error:
        print(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_a_small_file_that_would_fill_the_memory_is_refused_before_it_does(tmp_path):
    bombs = [*BOMBS, *LIARS]
    paths = [tmp_path / f"{make.__name__}.parquet" for make in bombs]
    said = [make(path) for make, path in zip(bombs, paths, strict=True)]
    assert max(path.stat().st_size for path in paths[: len(BOMBS)]) < 400_000
    done = subprocess.run(
        [sys.executable, "-c", READS, *paths], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True
    )
    *lines, megabytes = done.stdout.splitlines()
    assert len(lines) == len(bombs)
    for line, path, words in zip(lines, paths, said, strict=True):
        assert line.startswith(f"{path}: ")
        assert all(word in line for word in words), line
    assert int(megabytes) < 150


def test_what_the_columns_above_would_have_been_is_read(tmp_path):
    """The same tables with as many rows, texts and bytes as are allowed."""
    path = tmp_path / "good.parquet"
    for table in (rows_of(FREE_ROWS), rows_of(1000, detail=lambda count: same("x" * 1000, count)), rows_of(0)):
        pq.write_table(table, path)
        assert len(Record.load(path).events) == len(table)


def test_columns_that_are_none_of_a_records_are_not_looked_at(tmp_path):
    path = GOOD.save(tmp_path / "more.parquet")
    table = pq.read_table(path)
    more = table.append_column("more", pa.array([["list"]] * len(table)))
    pq.write_table(more, path)
    assert Record.load(path).digest() == GOOD.digest()


def test_two_columns_of_one_name_are_refused(tmp_path):
    path = tmp_path / "twice.parquet"
    table = rows_of(3)
    pq.write_table(table.append_column("t", table["t"]), path)
    with pytest.raises(ScenarioError, match="is not a Parquet record of this lab"):
        Record.load(path)


def test_a_part_of_a_sweep_that_would_fill_the_memory_is_refused(tmp_path):
    store = Store(tmp_path)
    path = store.path("a", 0, 5)
    path.parent.mkdir()
    for make in (many_rows, long_text):
        make(path)
        with pytest.raises(ScenarioError, match="is not a part of a sweep; remove it, and it is made again"):
            store.load("a", 0, 5)


def test_the_file_that_the_lab_writes_is_far_from_all_bounds(tmp_path):
    path = GOOD.save(tmp_path / "good.parquet")
    with pq.ParquetFile(path) as file:
        held = sum(file.metadata.row_group(i).total_byte_size for i in range(file.metadata.num_row_groups))
        own = ["count", "epoch", "how", "key", "outcome", "registered"]
        assert file.schema_arrow.names == [*(name for name in SCHEMA.names if name != "detail"), *own]
    assert held < 4 * os.path.getsize(path)
