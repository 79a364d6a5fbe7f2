"""What replications say about one run: a median and a 95 % prediction interval, also where a time was not reached."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isfinite, isinf, nan
from typing import Any, Protocol

import numpy as np
import pandas as pd

from twin.measures import NOT_WITHIN

ALPHA = 0.05
ENOUGH_RUNS = 39
"""Runs from which on there is a 95 % interval: the next run lies between the least and the largest of n with
probability (n - 1) / (n + 1). Source: David & Nagaraja, "Order Statistics", 2003, section 7.2 (a distribution-free
prediction interval)."""
ROUNDING = 1e-9

Array = np.ndarray[Any, Any]


def quantiles(values: Array, at: Sequence[float]) -> list[float]:
    """Return quantiles by linear interpolation between order statistics; one beside an infinite value is infinite."""
    ordered = np.sort(values)
    finite = int(np.isfinite(ordered).sum())
    if finite == len(ordered):
        return [float(value) for value in np.quantile(ordered, at)]
    places = [share * (len(ordered) - 1) for share in at]
    known = np.arange(finite)
    return [float(np.interp(place, known, ordered[:finite])) if place <= finite - 1 else inf for place in places]


def shares(runs: int) -> list[float]:
    """Return the quantiles that are low end, median and high end of the interval over some replications."""
    end = ALPHA / 2 if runs >= ENOUGH_RUNS else 0.0
    return [end, 0.5, 1 - end]


def interval_name(runs: int) -> str:
    """Return what an interval over some replications is: fewer than `ENOUGH_RUNS` have no 95 % interval."""
    return "95 % band" if runs >= ENOUGH_RUNS else f"range of {runs} run{'s' * (runs != 1)}"


class Replicated(Protocol):
    """What many replications say, as `sim.Prediction` has it."""

    @property
    def measures(self) -> pd.DataFrame:
        """One row a replication, one column a measure; infinite is a time that was not reached within the run."""

    @property
    def bounds(self) -> pd.DataFrame:
        """Within how many seconds such a time was not reached, NaN elsewhere; only columns that hold one."""


@dataclass(frozen=True)
class Band:
    """Median and 95 % prediction interval of one run's value; the range of the values where there are too few.

    Attributes:
        median, low, high: infinite where the value was not reached within the run.
        bound: the shortest time, in seconds, within which a run did not reach it; NaN where all did.
        not_reached: how many replications did not reach it.
        runs: how many replications there are.
    """

    median: float
    low: float
    high: float
    bound: float = nan
    not_reached: int = 0
    runs: int = 0

    @classmethod
    def of(cls, values: Array, bounds: Array | None = None) -> "Band":
        """Return the band of replications.

        Args:
            values: shape (replications,); infinite where the value was not reached.
            bounds: for each of these within how many seconds; NaN where it was reached.
        """
        low, median, high = quantiles(values, shares(len(values)))
        missed = int(np.isinf(values).sum())
        bound = float(np.nanmin(bounds)) if missed and bounds is not None else nan
        return cls(median, low, high, bound, missed, len(values))

    @classmethod
    def of_column(cls, table: pd.DataFrame, name: str, bounds: pd.DataFrame | None = None) -> "Band":
        """Return the band of a measure: a column of a table with one row a replication; NaN does not count.

        Args:
            table: of measures; the bounds may stand in it, too, as in a sweep's table.
            name: of the measure.
            bounds: a table of bounds by measure.
        """
        values = table[name]
        known = table.get(name + NOT_WITHIN) if bounds is None else bounds.get(name)
        there = values.notna()
        if not there.any():
            return cls(nan, nan, nan)
        return cls.of(values[there].to_numpy(float), None if known is None else known[there].to_numpy(float))

    @classmethod
    def predicted(cls, prediction: "Replicated", name: str) -> "Band":
        """Return the band of a measure of a prediction."""
        return cls.of_column(prediction.measures, name, prediction.bounds)

    def text(self, which: str) -> str:
        """Return `median`, `low` or `high` as a number with three significant digits; `>8` if not reached in 8 s."""
        return number(getattr(self, which), self.bound)

    @property
    def censored(self) -> bool:
        """Whether half of the replications or more did not reach the value."""
        return isinf(self.median)

    def at_least(self, value: float) -> float:
        """Return the least that one of the band's values can be: where it was not reached, what is known of it."""
        known = [one for one in (self.low, self.median, self.high, self.bound) if isfinite(one)]
        return max(known, default=0.0) if isinf(value) else value

    def holds(self, value: float) -> bool:
        """Tell whether the value lies in the interval; one that was not reached does if the interval has no end."""
        if isinf(value):
            return isinf(self.high)
        slack = ROUNDING * max(1.0, abs(value))
        return self.low - slack <= value <= self.high + slack

    def score(self, value: float, bound: float = nan) -> float:
        """Return the interval score: the width, plus 2/alpha times the miss. Source: Gneiting & Raftery
        2007, eq. 43. What was not reached counts as its bound, so that the score is then the least that it can be.

        Args:
            value: of a run, infinite where it was not reached.
            bound: within how many seconds it was not.
        """
        low, high = self.at_least(self.low), self.at_least(self.high)
        known = bound if isinf(value) else value
        miss = max(0.0, low - known) + (0.0 if isinf(self.high) else max(0.0, known - high))
        return high - low + 2 / ALPHA * miss

    @property
    def half_width(self) -> float:
        """Half the width relative to the median, as far as both are known; 0 for a band of no width."""
        low, median, high = (self.at_least(value) for value in (self.low, self.median, self.high))
        width = (high - low) / 2
        return width / abs(median) if median else (0.0 if width == 0 else 1.0)

    def as_dict(self) -> dict[str, Any]:
        """Return the band as it appears in JSON: null is a time that was not reached within `bound` seconds."""
        known = {name: _null(getattr(self, name)) for name in ("median", "low", "high")}
        return known | {"censored": self.censored, "bound": _null(self.bound), "not_reached": self.not_reached}


def _null(value: float) -> float | None:
    return float(value) if isfinite(value) else None


def number(value: float | None, bound: float = nan) -> str:
    """Return a number with three significant digits, or a dash; `>8` for what was not reached within 8 s."""
    if value is None or value != value:
        return "-"
    if isinf(value):
        return f">{bound:.4g}" if isfinite(bound) else "never"
    if value == 0:
        return "0"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def words(value: float, bound: float) -> str:
    """Return a time in words: a number with three significant digits, or "not within 8 s"."""
    return f"not within {bound:.4g} s" if isinf(value) else number(value)
