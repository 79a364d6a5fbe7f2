"""Memory at an address as an array, for rules that take sequences."""

from typing import Any

import numpy as np
from numba import carray

from sim.compiled.memory.layout import PLACE
from sim.compiled.toolchain.jit import jit, pointer
from sim.compiled.toolchain.meaning import note_meaning

note_meaning(PLACE, str(PLACE.fields))


@jit
def numbers(address: int, n: int) -> Any:
    """Return numbers that stand at an address."""
    return carray(pointer(address), n, np.float64)


@jit
def integers(address: int, n: int) -> Any:
    """Return whole numbers that stand at an address."""
    return carray(pointer(address), n, np.int64)


@jit
def flags(address: int, n: int) -> Any:
    """Return flags that stand at an address."""
    return carray(pointer(address), n, np.bool_)


@jit
def places(address: int, n: int) -> Any:
    """Return the servers' places of a rotation that stand at an address."""
    return carray(pointer(address), n, PLACE)


@jit
def first_not_below(ordered: Any, value: int) -> int:
    """Return the first place in an array in order whose number is not below a value, as `bisect_left` does."""
    low, high = 0, len(ordered)
    while low < high:
        middle = (low + high) // 2
        if ordered[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low
