"""A list whose links lie in the records is one that a Python list agrees with."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sim.compiled.memory.chains import chained, forget_all
from sim.compiled.memory.layout import ATTEMPT, LINK, LIST, record
from sim.compiled.toolchain.jit import accessor, for_python, jit

RECORDS = 6
TWICE = record(("i8", "other"), (LINK, "one two"), ("i4", "more"))
(append_one, remove_one, behind_one), (append_two, remove_two, behind_two) = (
    chained(TWICE, field) for field in ("one", "two")
)
list_at = accessor(LIST)


@jit
def change(ends, data, which, i, puts):
    one = list_at(ends, which)
    if which == 0 and puts:
        append_one(one, data, i)
    elif which == 0:
        remove_one(one, data, i)
    elif puts:
        append_two(one, data, i)
    else:
        remove_two(one, data, i)


@jit
def walk(ends, data, which, found):
    n, i = 0, list_at(ends, which).first
    while i >= 0:
        found[n] = i
        n += 1
        i = behind_one(data, i) if which == 0 else behind_two(data, i)
    return n


@jit
def emptied(ends, which):
    return forget_all(list_at(ends, which))


CHANGE, WALK, EMPTIED = for_python(change), for_python(walk), for_python(emptied)


def walked(ends, records, which):
    found = np.zeros(RECORDS + 1, np.int64)
    return found[: WALK(ends.ctypes.data, records.ctypes.data, which, found)].tolist()


@given(steps=st.lists(st.tuples(st.integers(0, 1), st.integers(0, RECORDS - 1)), max_size=60))
def test_records_come_in_the_order_in_which_they_were_put_in_whatever_left_between(steps):
    """Two lists of the same records, linked by a field each: a step takes a record out of one or puts it at its end."""
    ends, records = np.full(2, -1, LIST), np.zeros(RECORDS, TWICE)
    lists = [[], []]
    for which, i in steps:
        puts = i not in lists[which]
        CHANGE(ends.ctypes.data, records.ctypes.data, which, i, puts)
        if puts:
            lists[which].append(i)
        else:
            lists[which].remove(i)
        for one in (0, 1):
            assert walked(ends, records, one) == lists[one]
            assert ends[one]["last"] == (lists[one] or [-1])[-1]
    assert not records["other"].any()
    assert not records["more"].any()
    first = EMPTIED(ends.ctypes.data, 0)
    assert first == (lists[0] or [-1])[0]
    assert walked(ends, records, 0) == []


def test_an_attempt_still_fits_in_a_line_of_memory():
    assert ATTEMPT.itemsize == 64
