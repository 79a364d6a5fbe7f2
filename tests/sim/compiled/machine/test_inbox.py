"""The items of a process come as from a deque, however many there are."""

from collections import deque

import numba
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.compiled.engine import KernelRun
from sim.compiled.machine.inbox import append, empty, last_of, prepend, take_first
from sim.compiled.memory.layout import PER_BLOCK, item_at, process_at
from sim.compiled.toolchain.parts import WholeCompiler
from sim.compiled.vocabulary import Item
from tests.strategies import small, small_profile

APPEND, PREPEND, TAKE, LAST, EMPTY = range(5)


@numba.njit(error_model="numpy", pipeline_class=WholeCompiler)
def drive(w, number, whats, found):
    """Do what is asked for and note the items that are taken or looked at."""
    process = process_at(w.procs, number)
    n = 0
    for k, what in enumerate(whats):
        if what in (APPEND, PREPEND):
            item = item_at(append(w, process) if what == APPEND else prepend(w, process), 0)
            item.kind = Item.NOTHING
            item.a = -1
            item.b = k
        elif what == EMPTY:
            empty(w, process)
        elif process.load > 0:
            if what == TAKE:
                take_first(w, process)
                found[n] = process.item.b
            else:
                found[n] = item_at(last_of(w, process), 0).b
            n += 1
    return n, process.load


def expected(whats):
    items, found = deque(), []
    for number, what in enumerate(whats):
        if what == APPEND:
            items.append(number)
        elif what == PREPEND:
            items.appendleft(number)
        elif what == EMPTY:
            items.clear()
        elif items:
            found.append(items.popleft() if what == TAKE else items[-1])
    return found, len(items)


BURSTS = st.tuples(
    st.sampled_from([APPEND, APPEND, APPEND, PREPEND, TAKE, TAKE, TAKE, LAST, EMPTY]), st.integers(1, 3 * PER_BLOCK)
)


@settings(max_examples=150)
@given(bursts=st.lists(BURSTS, max_size=30))
def test_items_come_as_from_a_deque_and_blocks_are_given_back(bursts):
    whats = [what for what, times in bursts for _ in range(1 if what == EMPTY else times)]
    run = KernelRun(small(), 0, small_profile())
    w, processes = run.world[0], int(run.world[0]["n_procs"])
    found = np.zeros(len(whats) + 1, np.int64)
    n, left = drive(w, 1, np.array(whats, np.int64), found)
    assert (found[:n].tolist(), left) == expected(whats)
    drive(w, 1, np.array([EMPTY]), found)
    free, i = 0, int(w["blocks"]["free"])
    while i >= 0:
        free, i = free + 1, int(run.kept["blocks"].view(np.uint8).reshape(-1, 512)[i][:4].view(np.int32)[0])
    assert free == w["blocks"]["used"] - processes
