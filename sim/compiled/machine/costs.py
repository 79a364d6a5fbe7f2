"""What parts cost, laid out in memory for the kernel."""

from functools import lru_cache
from typing import Any

import numpy as np

from twin.costs.curve import Curve

Array = np.ndarray[Any, Any]


@lru_cache(maxsize=8)
def tables_of(known: tuple[tuple[Curve, ...], ...], levels: int) -> tuple[list[tuple[int, int]], Array, Array, Array]:
    """Return where each part's tables of seconds lie, those tables, and what lone items and wake-ups cost in seconds.

    Replications differ in none of it, and share what was laid out for the first: the kernel only reads it.

    Args:
        known: for each part one curve a speed level, the last for those that are missing.
        levels: how many speed levels there are.

    Returns:
        For each part its offset and the length of one table; the tables, one after the other; two arrays of shape
        (parts, levels).
    """
    curves = [[of_part[min(level, len(of_part) - 1)] for level in range(levels)] for of_part in known]
    places, seconds, offset = list[tuple[int, int]](), list[Array](), 0
    for of_part in curves:
        tables = np.array([curve.packed for curve in of_part])
        places.append((offset, tables.shape[1]))
        seconds.append(tables.ravel())
        offset += tables.size
    lones = np.array([[curve.lone for curve in of_part] for of_part in curves])
    wakes = np.array([[curve.wake for curve in of_part] for of_part in curves])
    return places, np.concatenate(seconds), lones, wakes
