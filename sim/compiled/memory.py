"""Arrays for the kernel."""

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

LINE = 64
"""Bytes that come from memory at once; a record that does not straddle two lines costs one."""


def lines(n: int, dtype: Any) -> Array:
    """Return an array that begins where a line of memory does."""
    size = n * np.dtype(dtype).itemsize
    raw = np.empty(size + LINE, np.uint8)
    skip = -raw.ctypes.data % LINE
    return raw[skip : skip + size].view(dtype)


def longer(array: Array, used: int, room: int) -> Array:
    """Return a longer array with the first places of another one."""
    found = lines(room, array.dtype)
    found[:used] = array[:used]
    return found
