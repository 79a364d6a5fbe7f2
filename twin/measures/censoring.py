"""Times that a run was too short to see end.

Such a time is censored: it is known to be longer than it was watched. As a number it is infinite, and beside it stands
for how long it was watched, the bound: "not within 8 s". A measure is handed on as one flat dict, in which the bound of
`time_to_99` is called `time_to_99.not_within`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf

import numpy as np

from twin.measures.base import Array

NOT_WITHIN = ".not_within"
"""Ends the name of a bound."""


def not_within(name: str, bound: float) -> dict[str, float]:
    """Return a measure that was not reached within `bound` seconds."""
    return {name: inf, name + NOT_WITHIN: float(bound)}


def split(flat: Mapping[str, float]) -> tuple[dict[str, float], dict[str, float]]:
    """Return the measures, infinite where they were not reached, and the bounds in seconds of those that were not."""
    values = {name: value for name, value in flat.items() if not name.endswith(NOT_WITHIN)}
    bounds = {name.removesuffix(NOT_WITHIN): flat[name] for name in flat.keys() - values.keys()}
    return values, bounds


@dataclass(frozen=True)
class Waits:
    """Times of one kind, some of which may not have ended.

    Attributes:
        seconds: how long each took, or was watched; shape (waits,).
        ended: whether it did end within the run.
    """

    seconds: Array
    ended: Array

    @classmethod
    def of(cls, seconds: Array, watched: Array) -> "Waits":
        """Return waits of which those that are NaN did not end in the seconds that each was `watched`."""
        ended = ~np.isnan(seconds)
        return cls(np.where(ended, seconds, watched), ended)

    def __len__(self) -> int:
        return len(self.seconds)

    def percentiles(self, which: Mapping[str, float]) -> dict[str, float]:
        """Return percentiles by their measures' names; a flat dict without any if there are no waits.

        Without a censored wait they are those of `numpy.percentile`. A censored one counts for all that it was watched,
        and for nothing afterwards (Kaplan & Meier 1958, "Nonparametric estimation from incomplete observations");
        between two order statistics the interpolation is linear, as without. A percentile that lies beyond the last
        wait that ended is not reached within the longest time that one was watched.
        """
        if not len(self):
            return {}
        found: dict[str, float] = {}
        for name, value in zip(which, self._quantiles([share / 100.0 for share in which.values()]), strict=True):
            found |= {name: value} if np.isfinite(value) else not_within(name, float(self.seconds.max()))
        return found

    def _quantiles(self, shares: Sequence[float]) -> list[float]:
        if self.ended.all():
            return [float(value) for value in np.quantile(self.seconds, shares)]
        count = len(self)
        order = np.lexsort((~self.ended, self.seconds))  # of equal times, what ended comes first
        ended = self.ended[order]
        at_risk = count - np.arange(count)
        left = np.cumprod(np.where(ended, 1.0 - 1.0 / at_risk, 1.0))  # Kaplan-Meier: the share that is not over yet
        before = np.concatenate([[1.0], left[:-1]])[ended]
        known = self.seconds[order][ended]
        if not len(known):
            return [inf] * len(shares)
        places = (1.0 - before) / (1.0 - 1.0 / count)  # without a censored wait 0, 1/(n-1), 2/(n-1), ... 1
        end = places[-1] + 1e-9 if left[-1] > 0 else 1.0
        return [float(np.interp(share, places, known)) if share <= end else inf for share in shares]
