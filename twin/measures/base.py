"""What a measure is."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Measure:
    """A measure: its unit, what drives it (timers and rules, or CPU time), and its definition.

    A `rare` one is left out of tables and comparisons where it says everywhere that nothing of its kind happened: it is
    0, or was not reached. A `rescaled` one is another one in another unit: it is shown, and not compared, so that a
    comparison counts nothing twice.
    """

    unit: str
    driver: Literal["timer", "cpu", "count"]
    meaning: str
    rare: bool = False
    rescaled: bool = False


RATE_WINDOW = 1.0
"""Seconds of the window in which attempts are counted for a peak rate."""


def most_within(times: Array, window: float) -> int:
    """Return the largest number of `times` in a half-open window of `window` seconds that begins with one of them."""
    if not len(times):
        return 0
    ordered = np.sort(times)
    return int(np.max(np.searchsorted(ordered, ordered + window, side="left") - np.arange(len(ordered))))


def percentiles(values: Array, *which: float) -> list[float]:
    """Return percentiles by linear interpolation between order statistics."""
    return [float(value) for value in np.percentile(values, which)]
