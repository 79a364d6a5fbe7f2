"""What the headers of Parquet's pages say is read as Arrow reads it, and never further than it goes."""

import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.files.pages import LONGEST_HEADER, Sizes, sizes


def varint(number):
    found = []
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number])


def number(name, value):
    """Return a field with a number; each field of these headers comes behind one with the number before."""
    assert name == 1
    return b"\x15" + varint(2 * value)


def header(kind, held, packed, values, encoding=0):
    """Return the header of a page by the letter of parquet.thrift."""
    inside = {0: (5, 2), 2: (7, 2), 3: (8, 4)}.get(kind)
    found = number(1, kind) + number(1, held) + number(1, packed)
    if inside:
        place, of_encoding = inside
        found += bytes([(place - 3) << 4 | 12]) + number(1, values)
        found += bytes([(of_encoding - 1) << 4 | 5]) + varint(2 * encoding) + b"\x00"
    return found + b"\x00"


def read(data, length=None, most=1000):
    with open_data(data) as file:
        return sizes(file.fileno(), 0, len(data) if length is None else length, most)


def open_data(data):
    file = os.fdopen(os.memfd_create("pages"), "w+b")
    file.write(data)
    file.flush()
    return file


def test_sizes_and_values_of_all_pages_are_added_up_and_a_dictionary_has_no_values():
    data = header(2, 4000, 10, 1000) + bytes(10) + header(0, 500, 3, 70) + bytes(3) + header(3, 20, 0, 8, 8)
    assert read(data) == Sizes(3, 4520, 78)
    assert read(data, length=1) == Sizes(1, 4000, 0)


def test_a_page_of_another_type_counts_with_its_bytes():
    assert read(header(1, 77, 0, 0)) == Sizes(1, 77, 0)


def test_no_more_pages_are_read_than_are_asked_for_and_one():
    assert read(header(0, 5, 0, 1) * 20, most=4) == Sizes(5, 25, 5)


def test_a_header_with_long_statistics_is_read_and_one_that_is_too_long_refused():
    page = header(0, 5, 0, 1)[:-1]
    text = lambda size: page + b"\x38" + varint(size) + bytes(size) + b"\x00"  # noqa: E731
    assert read(text(5000)) == Sizes(1, 5, 1)
    with pytest.raises(ValueError, match="has no end"):
        read(text(LONGEST_HEADER))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (header(0, 5, 0, 1, encoding=7), "encoded in a way that no bound holds for"),
        (header(3, 5, 0, 1, encoding=7), "encoded in a way that no bound holds for"),
        (header(2, 399, 0, 100), "more entries than bytes"),
        (header(0, 2**31, 0, 1), "no number where one should be"),
        (header(0, 5, 0, 2**31), "no number where one should be"),
        (b"\x15\x00\x15\x01\x15\x02\x00", "no number where one should be"),  # minus one byte
        (b"\x15\x00\x15\x02\x15\x02\x00", "encoded in a way that no bound holds for"),  # says nothing about values
        (b"\x11\x11\x11\x00", "no number where one should be"),
        (b"\x1c" * 100, "nested too deeply"),
        (b"\x11" * 2000 + b"\x00", "too many fields"),
        (b"\x19\xf5" + bytes(20), "has a list"),
        (b"\x15" + b"\xff" * 20, "a number has no end"),
        (b"\x18\xff\xff\xff\xff\x0f", "has no end"),
        (b"\x15", "has no end"),
        (b"\x13", "has no end"),
        (b"\x17\x00", "has no end"),
    ],
)
def test_what_is_no_header_of_a_page_is_refused(data, said):
    with pytest.raises(ValueError, match=said):
        read(data)


@given(st.binary(max_size=400))
def test_any_bytes_have_sizes_or_are_refused(data):
    try:
        found = read(data)
    except ValueError:
        return
    assert found.pages <= len(data)
    assert min(found) >= 0


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("dictionary", [True, False])
@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_what_arrow_writes_is_read_to_its_last_byte(version, dictionary, compression, tmp_path):
    path = tmp_path / "table.parquet"
    table = pa.table({"a": np.arange(50_000), "b": [f"text {i % 700}" for i in range(50_000)]})
    options = {"data_page_version": version, "use_dictionary": dictionary, "compression": compression}
    pq.write_table(table, path, **options, data_page_size=10_000, row_group_size=20_000)
    with pq.ParquetFile(path) as parquet, path.open("rb") as file:
        for group in (parquet.metadata.row_group(i) for i in range(3)):
            for column in (group.column(j) for j in range(2)):
                start = column.dictionary_page_offset if column.has_dictionary_page else column.data_page_offset
                found = sizes(file.fileno(), start, column.total_compressed_size, 10**6)
                assert found.values == column.num_values == group.num_rows
                assert found.held <= column.total_uncompressed_size <= found.held + 100 * found.pages
                assert found.pages > 1
