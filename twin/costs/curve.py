"""What one item costs a process: as it was measured, and as a function of the load and the speed of the core.

A cost depends on how many items the process has before it: a cold burst touches memory that a lone item finds in the
cache, and a full queue lets reads and writes be coalesced. All costs are CPU seconds of one process for one item.
"""

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from functools import cache, cached_property
from math import log, log2
from statistics import median
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from twin.scenario.fields import refused, show

LEVELS = (1, 16, 64, 256)
"""Numbers of items at once at which the costs are measured; 1 is a lone item after a pause of some milliseconds."""

BROADCAST_LEVELS = (*LEVELS, 1024)
"""The same for what is done for each of the connected clients."""

COLD_AFTER = 0.004
"""Seconds of sleep after which a process finds its caches as cold as the calibration's lone items did (the shortest
pause between two of them)."""

LARGE = 64
"""Items of a batch that takes long enough to be compared with the pace of its core."""

LEAST_SHARE = 0.2
"""An item of a batch costs at least this share of the batch's average, however dear the first of them was."""

MOST_REPEATS = 80
"""Repeats of a part that a profile keeps, the latest ones."""


MOST_LEVEL = 65_536 * 16
"""Highest level of a part; those of payloads are bytes."""

MOST_SECONDS = 3600.0
"""Seconds that a figure of a profile may be."""

LEAST_SECONDS = 1e-9
"""Seconds that a piece of work takes at least: paces are divided by each other."""

Cost = Annotated[float, Field(ge=0, le=MOST_SECONDS, allow_inf_nan=False)]
Pace = Annotated[float, Field(ge=LEAST_SECONDS, le=MOST_SECONDS, allow_inf_nan=False)]
Repeats = Annotated[list[Cost], Field(min_length=1, fail_fast=True)]
"""Measurements of one figure, in seconds."""


class PartCosts(BaseModel):
    """The cost of one part: for each level of `LEVELS` the repeated measurements, in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    levels: Annotated[list[Annotated[int, Field(ge=1, le=MOST_LEVEL)]], Field(min_length=1, fail_fast=True)]
    values: Annotated[list[Repeats], Field(fail_fast=True)]
    paces: list[Annotated[list[Pace], Field(min_length=1, fail_fast=True)]] = Field(
        [],
        fail_fast=True,
        description="How long the fixed piece of work of `speed` took the core at each measurement, in seconds; "
        "without it a cost does not depend on the core's speed.",
    )

    @model_validator(mode="after")
    def _check(self) -> "PartCosts":
        if sorted(set(self.levels)) != self.levels or self.levels == [1]:
            raise refused("levels", show(self.levels), "numbers that grow, and not 1 alone")
        counts = [len(repeats) for repeats in self.values]
        if len(counts) != len(self.levels):
            raise refused("values", f"{len(counts)} lists", f"one for each of the {len(self.levels)} levels")
        paced = [len(repeats) for repeats in self.paces]
        if self.paces and paced != counts:
            raise refused("paces", f"{show(paced)} long", f"as many as values in each list, {show(counts)}")
        return self

    def at(self, pace: float, slowness: float = 1.0, wake: float = 0.0) -> "Curve":
        """Return the cost as a function of load on a core of this pace: the median of the measurements, each turned
        into what it would have been at this pace.

        A batch is measured after a rest, so it holds one lone item's cost; the others share what is left.

        Args:
            pace: seconds of the fixed piece of work.
            slowness: power of the pace to which the cost goes.
            wake: the least a process pays for waking up, as a share of what a lone item costs more than others.
        """
        costs = self.costs_at(pace, slowness)
        if self.levels[0] == 1:
            rest = [(n * cost - costs[0]) / (n - 1) for n, cost in zip(self.levels[1:], costs[1:], strict=True)]
            costs[1:] = [max(LEAST_SHARE * cost, one) for cost, one in zip(costs[1:], rest, strict=True)]
        return Curve(self.levels, costs, wake)

    def costs_at(self, pace: float, slowness: float = 1.0) -> list[float]:
        """Return the same as seconds at each of the levels, as it was measured."""
        paces = self.paces or [[pace] * len(repeats) for repeats in self.values]
        return [
            median([cost * (pace / then) ** slowness for cost, then in zip(repeats, at, strict=True)])
            for repeats, at in zip(self.values, paces, strict=True)
        ]

    def with_earlier(self, earlier: "PartCosts") -> "PartCosts":
        """Return this part with the measurements of an earlier one, at most `MOST_REPEATS` at each level.

        One that was measured in another way, at other levels or without a pace, is not kept: its figures of a level may
        mean something else.
        """

        def both(new: list[list[float]], old: list[list[float]]) -> list[list[float]]:
            before = dict(zip(earlier.levels, old, strict=True))
            return [(some + before.get(n, []))[:MOST_REPEATS] for n, some in zip(self.levels, new, strict=True)]

        if bool(self.paces) != bool(earlier.paces) or self.levels != earlier.levels:
            return self
        paces = both(self.paces, earlier.paces) if self.paces else []
        return PartCosts(levels=self.levels, values=both(self.values, earlier.values), paces=paces)

    def scatter(self) -> tuple[list[float], list[float]]:
        """Return the logarithms of pace and cost, each less the mean of its level, of the large batches."""
        paces, costs = list[float](), list[float]()
        for level, repeats, at in zip(self.levels, self.values, self.paces, strict=False):
            if level >= LARGE and min(repeats, default=0.0) > 0.0:
                paces += _centred([log(then) for then in at])
                costs += _centred([log(cost) for cost in repeats])
        return paces, costs


class Curve:
    """A cost that depends on load.

    One of n items that wait costs an amount that is linear in log(n) between the levels of the calibration. An item
    that finds the process asleep costs up to as much as a lone item, in proportion to the length of the sleep, and at
    least a share `wake` of what a lone one costs more than others; without a lone one that is nothing.

    Attributes:
        wake: the same in seconds.
    """

    def __init__(self, levels: Sequence[int], costs: Sequence[float], wake: float = 0.0) -> None:
        lone = levels[0] == 1
        self.lone = costs[0] if lone else max(costs)
        self.levels = list(levels[1:] if lone else levels)
        self.costs = list(costs[1:] if lone else costs)
        self.wake = wake * max(0.0, self.lone - self.costs[0]) if lone else 0.0
        at = self.costs
        self.table = [at[i] * (1 - share) + at[j] * share for i, j, share in _between(tuple(self.levels))]
        self._rests: dict[Curve, Curve] = {}

    @cached_property
    def packed(self) -> "array[float]":
        """The table as doubles that lie beside each other."""
        return array("d", self.table)

    def less(self, part: "Curve") -> "Curve":
        """Return what is left of this cost, at least 0, without a `part`; it goes on from it and wakes nobody.

        The answer is kept: each replication asks again, and a table takes a while to make.
        """
        if part not in self._rests:
            rest = [max(0.0, whole - some) for whole, some in zip(self.costs, part.costs, strict=True)]
            self._rests[part] = Curve(self.levels, rest)
        return self._rests[part]

    def plus(self, seconds: float) -> "Curve":
        """Return this cost and so many seconds more, whatever the load."""
        more = Curve(self.levels, [cost + seconds for cost in self.costs])
        more.lone, more.wake = self.lone + seconds, self.wake
        return more

    def beside(self, other: "Curve") -> "Curve":
        """Return this cost and another one, done for the same item."""
        levels = sorted({*self.levels, *other.levels})
        both = Curve(levels, [self(n) + other(n) for n in levels])
        both.lone, both.wake = self.lone + other.lone, self.wake + other.wake
        return both

    def halved(self) -> "Curve":
        """Return half of this cost, whatever the load."""
        half = Curve(self.levels, [cost / 2 for cost in self.costs])
        half.lone, half.wake = self.lone / 2, self.wake / 2
        return half

    def slowed(self, share: float) -> "Curve":
        """Return this cost where something else takes a share of the core all the time."""
        factor = 1.0 / (1.0 - share)
        slower = Curve(self.levels, [factor * cost for cost in self.costs])
        slower.lone, slower.wake = factor * self.lone, factor * self.wake
        return slower

    def __call__(self, waiting: int, asleep: float = 0.0) -> float:
        """Return the cost in seconds of one of `waiting` items for a process that slept `asleep` seconds before it."""
        table = self.table
        cost = table[waiting] if waiting < len(table) else table[-1]
        return after_sleep(cost, self.lone, self.wake, asleep) if asleep > 0.0 else cost


@cache
def _between(levels: tuple[int, ...]) -> list[tuple[int, int, float]]:
    """Return between which two levels each number of items up to the last level lies, and at which share of the way."""
    found = [(0, 0, 0.0)] * (levels[0] + 1)
    for n in range(levels[0] + 1, levels[-1] + 1):
        i = bisect_left(levels, n)
        low, high = levels[i - 1], levels[i]
        found.append((i - 1, i, log2(n / low) / log2(high / low)))
    return found


def after_sleep(cost: float, lone: float, wake: float, asleep: float) -> float:
    """Return what an item costs a process that slept `asleep` seconds before it.

    Args:
        cost: of an item of a process that is awake.
        lone: of an item of a cold process.
        wake: the least that waking up costs.
        asleep: seconds, more than 0.
    """
    return cost + max(wake, (lone - cost) * min(1.0, asleep / COLD_AFTER))


def _centred(values: Sequence[float]) -> list[float]:
    mean = sum(values) / len(values)
    return [value - mean for value in values]


def quantile(values: Sequence[float], u: float) -> float:
    """Return the quantile `u` (0 to 1) of sorted values, by linear interpolation between neighbours."""
    place = u * (len(values) - 1)
    low = int(place)
    high = min(low + 1, len(values) - 1)
    return values[low] + (place - low) * (values[high] - values[low])
