"""Arrays for the kernel."""

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

LINE = 64
"""Bytes that come from memory at once; a record that does not straddle two lines costs one."""
LEAST_KEPT, MOST_KEPT = 1 << 16, 1 << 26
"""Bytes of memory from which on it is kept for the next run, and most bytes that are kept."""


class _Store:
    """Memory of runs that are over, by its size.

    A run that gets memory from the system pays for each of its pages as it first touches it.
    """

    def __init__(self) -> None:
        self.kept: dict[int, list[Array]] = {}
        self.total = 0

    def take(self, size: int) -> Array:
        """Return so many bytes, whatever is in them."""
        found = self.kept.get(size)
        if not found:
            return np.empty(size, np.uint8)
        self.total -= size
        return found.pop()

    def keep(self, memory: Array) -> None:
        """Take memory back that nobody looks at any more, and keep it unless that is too much."""
        size = len(memory)
        if LEAST_KEPT <= size <= MOST_KEPT - self.total:
            self.total += size
            self.kept.setdefault(size, []).append(memory)


_store = _Store()


class _Loan:
    """Memory that arrays look at; when the last of them is gone, it goes back to the store."""

    def __init__(self, size: int) -> None:
        self.memory = _store.take(size)
        self.__array_interface__ = self.memory.__array_interface__

    def __del__(self) -> None:
        _store.keep(self.memory)


def lines(n: int, dtype: Any) -> Array:
    """Return an array, whatever is in it, that begins where a line of memory does."""
    size = n * np.dtype(dtype).itemsize
    raw = np.asarray(_Loan(size + LINE))
    skip = -raw.ctypes.data % LINE
    return raw[skip : skip + size].view(dtype)


def longer(array: Array, used: int, room: int) -> Array:
    """Return a longer array with the first places of another one."""
    found = lines(room, array.dtype)
    found[:used] = array[:used]
    return found
