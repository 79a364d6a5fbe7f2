"""Pages of a Parquet file: how large they become, as their own headers say, before one of them is unpacked.

A page has its sizes in a header in front of it, and a reader takes as much memory as that says. The footer of the file
repeats their sums, and may lie. So the headers are read here, from where and for as long as a reader will.
Source: Apache Parquet, "File Format" and parquet.thrift; Apache Thrift, "Thrift Compact protocol encoding".
"""

import os
from typing import Any, NamedTuple

HEADER, LONGEST_HEADER = 256, 2**16
"""Bytes that are read for a header at first, and for one that is longer: a page's least and greatest text may stand in
it."""
MOST_DEPTH = 8
MOST_FIELDS = 1000
"""Structures in each other, and fields of one, in a header; there are three and nine."""
LEAST_ENTRY = 4
"""Bytes of an entry of a dictionary at least: a number, or the length of a text."""

DATA, DICTIONARY, DATA_2 = 0, 2, 3
_INSIDE = {DATA: 5, DICTIONARY: 7, DATA_2: 8}
"""Types of a page, and the field in which the header of each has more."""
_ENCODING = {DATA: 2, DICTIONARY: 2, DATA_2: 4}
PREFIXES = 7
"""DELTA_BYTE_ARRAY: a text may say only how much it repeats of the one before, which makes it long."""

Fields = dict[int, Any]


class Sizes(NamedTuple):
    """What the headers of some pages say: how many pages, their bytes when they are unpacked, values in them."""

    pages: int = 0
    held: int = 0
    values: int = 0


def sizes(file: int, start: int, length: int, most_pages: int) -> Sizes:
    """Return the sizes of the pages in some bytes of an open file; it is read no further than `most_pages` and one.

    Raises:
        ValueError: there are no such headers, or they say what no reader can use.
        OSError: the file cannot be read.
    """
    found, place = Sizes(), start
    while place < start + length and found.pages <= most_pages:
        fields, place = _header(file, place)
        kind, held, packed = (_number(fields, name) for name in (1, 2, 3))
        if kind in _INSIDE:
            inside = fields.get(_INSIDE[kind])
            if not isinstance(inside, dict) or _number(inside, _ENCODING[kind]) == PREFIXES:
                raise ValueError("a page is encoded in a way that no bound holds for")
            values = _number(inside, 1)
            if kind == DICTIONARY and values * LEAST_ENTRY > held:
                raise ValueError("a dictionary has more entries than bytes")
            found = found._replace(values=found.values + (values if kind != DICTIONARY else 0))
        found = found._replace(pages=found.pages + 1, held=found.held + held)
        place += packed
    return found


def _number(fields: Fields, name: int) -> int:
    """Return a field that is a whole number of 31 bits.

    Raises:
        ValueError: it is not.
    """
    value = fields.get(name)
    if not isinstance(value, int) or not 0 <= value < 2**31:
        raise ValueError("a page's header has no number where one should be")
    return value


def _header(file: int, place: int) -> tuple[Fields, int]:
    """Return the fields of the header at a place, and the place behind it."""
    for size in (HEADER, LONGEST_HEADER):
        data = os.pread(file, size, place)
        try:
            fields, end = _struct(data, 0, MOST_DEPTH)
        except IndexError:  # it goes on
            continue
        return fields, place + end
    raise ValueError("a page's header has no end")


def _struct(data: bytes, place: int, depth: int) -> tuple[Fields, int]:
    """Return the fields of a structure in Thrift's compact protocol, and the place behind it."""
    if depth == 0:
        raise ValueError("structures are nested too deeply")
    fields, name = Fields(), 0
    for _ in range(MOST_FIELDS):
        byte = data[place]
        if byte == 0:
            return fields, place + 1
        place += 1
        if byte >> 4:
            name += byte >> 4
        else:
            name, place = _signed(data, place)
        fields[name], place = _value(data, place, byte & 15, depth)
    raise ValueError("a structure has too many fields")


def _value(data: bytes, place: int, kind: int, depth: int) -> tuple[Any, int]:
    """Return a value of a type of the protocol, None for one that is not needed, and the place behind it."""
    if kind in (1, 2):  # true and false, which are all there is of them
        return None, place
    if kind == 3:
        return None, _within(data, place + 1)
    if kind in (4, 5, 6):
        return _signed(data, place)
    if kind == 7:
        return None, _within(data, place + 8)
    if kind == 8:
        size, place = _varint(data, place)
        return None, _within(data, place + size)
    if kind == 12:
        return _struct(data, place, depth - 1)
    raise ValueError("a page's header has a list")


def _within(data: bytes, place: int) -> int:
    """Return a place if it is not behind the end of the data; IndexError stands for one that is."""
    if place > len(data):
        raise IndexError
    return place


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 70:
        byte = data[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
        shift += 7
    raise ValueError("a number has no end")


def _signed(data: bytes, place: int) -> tuple[int, int]:
    """Return a number in zigzag encoding."""
    value, place = _varint(data, place)
    return (value >> 1) ^ -(value & 1), place
