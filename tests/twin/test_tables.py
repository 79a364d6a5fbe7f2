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
from twin.errors import ScenarioError
from twin.record import COLUMNS, SCHEMA, Record
from twin.sweeps import Store
from twin.tables import FREE_ROWS

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


BOMBS = [many_rows, long_text, much_text, much_to_unpack, lists, numbers_as_texts]

READS = """
import resource, sys
from twin.errors import ScenarioError
from twin.record import Record
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sys.argv[1:]:
    try:
        Record.load(path)
    except ScenarioError as error:
        print(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_a_small_file_that_would_fill_the_memory_is_refused_before_it_does(tmp_path):
    paths = [tmp_path / f"{make.__name__}.parquet" for make in BOMBS]
    said = [make(path) for make, path in zip(BOMBS, paths, strict=True)]
    assert max(path.stat().st_size for path in paths) < 400_000
    done = subprocess.run(
        [sys.executable, "-c", READS, *paths], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True
    )
    *lines, megabytes = done.stdout.splitlines()
    assert len(lines) == len(BOMBS)
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
        assert file.schema_arrow.names == SCHEMA.names
    assert held < 4 * os.path.getsize(path)
