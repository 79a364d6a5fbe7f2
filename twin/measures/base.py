"""What a measure is."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Measure:
    """A measure: its unit, what drives it (timers and rules, or CPU time), and its definition."""

    unit: str
    driver: Literal["timer", "cpu", "count"]
    meaning: str


def percentiles(values: Array, *which: float) -> list[float]:
    """Return percentiles by linear interpolation between order statistics."""
    return [float(value) for value in np.percentile(values, which)]
