"""A prediction held against measured runs: bands, errors, verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, isfinite, isinf, isnan, nan
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from twin.advice import findings
from twin.analysis.bands import ROUNDING, Band, Replicated, quantiles
from twin.analysis.pictures import draw
from twin.errors import ScenarioError
from twin.invariants import LIVENESS, Audit, audit
from twin.measures import MEASURES, NOT_WITHIN, measure_with_bounds, reconnect_times
from twin.record.record import Record
from twin.scenario.scenario import Scenario

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Verdict = Literal["pass", "fail", "unknown"]
Array = np.ndarray[Any, Any]

LEAST_COVERAGE = 0.8
"""Share inside that one scenario needs. Its runs share few phases, so its measures leave the band together."""
LARGEST_ERROR = 0.2
FLEET_COVERAGE = 0.9
FLEET_ERROR = 0.08


class Predicted(Replicated, Protocol):
    """What a comparison needs of a prediction (`sim.Prediction`)."""

    @property
    def scenario(self) -> Scenario:
        """What was simulated."""

    @property
    def engine(self) -> str:
        """What simulated it."""

    @property
    def curve_times(self) -> Array:
        """Seconds, shape (points,)."""

    @property
    def curves(self) -> Array:
        """Connected clients, shape (replications, points)."""

    @property
    def reconnects(self) -> Sequence[Mapping[int, float]]:
        """For each replication the clients' reconnect times in seconds."""

    @property
    def latencies(self) -> Array:
        """Seconds of delivery at each of `measures.broadcast.SHARES` of the deliveries, shape (replications, 99)."""

    @property
    def attempts(self) -> Array:
        """Attempts to connect in each `measures.PEAK_WINDOW`, shape (replications, windows)."""


@dataclass(frozen=True)
class Row:
    """One measure: a band for each run (the same one unless given the run's mark-downs) and the measured values.

    Attributes:
        name: of the measure.
        bands: one a run.
        measured: one value a run; infinite is a time that was not reached within the run.
        bounds: within how many seconds it was not, NaN where it was.
    """

    name: str
    bands: list[Band]
    measured: list[float]
    bounds: list[float] = field(default_factory=list)

    @property
    def predicted(self) -> Band:
        """The band; given mark-downs, the median over the runs' bands."""
        if all(band == self.bands[0] for band in self.bands):
            return self.bands[0]
        parts = {
            name: quantiles(np.array([getattr(band, name) for band in self.bands]), [0.5])[0]
            for name in ("median", "low", "high")
        }
        bound = min((band.bound for band in self.bands if isfinite(band.bound)), default=nan)
        missed, runs = (sum(getattr(band, name) for band in self.bands) for name in ("not_reached", "runs"))
        return Band(**parts, bound=bound, not_reached=missed, runs=runs)

    @property
    def median(self) -> float:
        """The median of the measured values, infinite where half of the runs or more did not reach it."""
        return quantiles(np.array(self.measured, dtype=float), [0.5])[0]

    @property
    def bound(self) -> float:
        """The shortest time in seconds within which a run did not reach it; NaN where all did."""
        return min((bound for bound in self.bounds if isfinite(bound)), default=nan)

    @property
    def not_reached(self) -> int:
        """How many of the runs did not reach it."""
        return sum(isinf(value) for value in self.measured)

    @property
    def inside(self) -> list[bool]:
        """For each run whether its value lies in its band; not reached is inside where the prediction says so, too."""
        return [band.holds(value) for band, value in zip(self.bands, self.measured, strict=True)]

    @property
    def error(self) -> float:
        """Relative error of the medians; the least that it can be where one of the two was not reached."""
        band = self.predicted
        predicted, measured = band.median, self.median
        if isinf(predicted) and isinf(measured):
            return 0.0
        if isinf(predicted):
            return relative_error(max(measured, band.at_least(predicted)), measured)
        if isinf(measured):
            return relative_error(predicted, max(predicted, self.bound if isfinite(self.bound) else predicted))
        return relative_error(predicted, measured)

    @property
    def interval_score(self) -> float:
        """Mean interval score of the runs, in the unit of the measure."""
        bounds = self.bounds or [nan] * len(self.measured)
        runs = zip(self.bands, self.measured, bounds, strict=True)
        return float(np.mean([band.score(value, bound) for band, value, bound in runs]))

    @property
    def says_nothing(self) -> bool:
        """Whether nothing of a rare kind happened, in no replication and in no run."""
        values = [*self.measured, *(getattr(band, name) for band in self.bands for name in ("low", "median", "high"))]
        return MEASURES[self.name].rare and all(value in (0.0, inf) for value in values)

    def as_dict(self) -> dict[str, Any]:
        """Return the row as it appears in JSON; null is a time that was not reached within its `bound`."""
        return {
            "unit": MEASURES[self.name].unit,
            "driver": MEASURES[self.name].driver,
            "predicted": self.predicted.as_dict(),
            "measured": [float(value) if isfinite(value) else None for value in self.measured],
            "censored": [isinf(value) for value in self.measured],
            "bounds": [float(bound) if isfinite(bound) else None for bound in self.bounds],
            "inside": [bool(hit) for hit in self.inside],
            "error": float(self.error),
            "interval_score": float(self.interval_score),
            "half_width": float(np.median([b.half_width for b in self.bands])),
        }


def relative_error(predicted: float, measured: float) -> float:
    """Return |measured - predicted| / |measured|; where measured is 0, 0 if the prediction is too, else 1."""
    if abs(measured) < ROUNDING:
        return 0.0 if abs(predicted) < ROUNDING else 1.0
    return abs(measured - predicted) / abs(measured)


def coverage(rows: Sequence[Row]) -> float:
    """Return the share of all (measure, run) inside their band; NaN without any."""
    inside = [hit for row in rows for hit in row.inside]
    return float(np.mean(inside)) if inside else float("nan")


def median_error(rows: Sequence[Row]) -> float:
    """Return the median over the measures of the relative error; NaN without any."""
    return float(np.median([row.error for row in rows])) if rows else float("nan")


def times(count: int) -> str:
    """Return how often in words."""
    return "once" if count == 1 else f"{count} times"


def finite(data: Any) -> Any:
    """Return data for JSON, which has no NaN: None stands for each number that is not defined."""
    if isinstance(data, Mapping):
        return {name: finite(value) for name, value in data.items()}
    if isinstance(data, list | tuple):
        return [finite(value) for value in data]
    return None if isinstance(data, float) and not isfinite(data) else data


@dataclass(frozen=True)
class Comparison:
    """A prediction and the runs it is held against.

    Attributes:
        prediction: what was expected.
        records: the measured runs.
        rows: one for each measure.
        given: the same, given each run's mark-downs.
        givens: the predictions given each run's mark-downs.
        reasons: why the verdict is unknown, as sentences.
        audits: what the invariants say about each run.
    """

    prediction: Predicted
    records: list[Record]
    rows: list[Row]
    given: list[Row] = field(default_factory=list)
    givens: list[Predicted] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    audits: list[Audit] = field(default_factory=list)

    @property
    def scenario(self) -> Scenario:
        """The scenario."""
        return self.prediction.scenario

    @property
    def coverage(self) -> float:
        """Share of (measure, run) inside the band."""
        return coverage(self.rows)

    @property
    def median_error(self) -> float:
        """Median relative error over the measures."""
        return median_error(self.rows)

    @property
    def counted(self) -> list[Record]:
        """The measured runs that count."""
        return [record for record in self.records if record.counts]

    @property
    def broken(self) -> list[str]:
        """The invariants that a run broke, as sentences.

        A run that does not count may be late but cannot change what is promised: of it liveness does not count.
        """
        return [
            f"run {i}: {name} is broken {times(finding.count)}: {finding.violations[0].text}"
            for i, (record, one) in enumerate(zip(self.records, self.audits, strict=False), 1)
            for name, finding in one.findings.items()
            if finding.count and not (record.void and name in LIVENESS)
        ]

    @property
    def verdict(self) -> Verdict:
        """`fail` when an invariant is broken, else `unknown` when a fault left no trace or no run counts, else pass or
        fail by the numbers.
        """
        if self.broken:
            return "fail"
        if self.reasons or not self.rows:
            return "unknown"
        good = self.coverage >= LEAST_COVERAGE and self.median_error <= LARGEST_ERROR
        return "pass" if good else "fail"

    def as_dict(self) -> dict[str, Any]:
        """Return the comparison as one JSON object; what is not defined is None."""
        data = {
            "scenario": self.scenario.name,
            "verdict": self.verdict,
            "reasons": [*self.broken, *self.reasons],
            "runs": len(self.records),
            "void": [record.void for record in self.records],
            "violations": [[violation.as_dict() for violation in one.violations] for one in self.audits],
            "coverage": self.coverage,
            "median_error": self.median_error,
            "findings": [one.as_dict() for one in findings(self.scenario)],
            "measures": {row.name: row.as_dict() for row in self.rows},
            "given_mark_down": {
                "coverage": coverage(self.given),
                "median_error": median_error(self.given),
                "measures": {row.name: row.as_dict() for row in self.given},
            },
        }
        return dict(finite(data))

    def plot(self) -> "Figure":
        """Draw the connected clients, or the latencies of a broadcast, and the measures against their bands."""
        return draw("comparison", self)

    def scatter(self) -> "Figure":
        """Draw predicted against measured reconnect times, client by client, given the run's mark-downs."""
        return draw("scatter", self)

    def pairs(self) -> Array:
        """Return (run, client, predicted s, measured s), one row for each client affected in both worlds."""
        found = []
        for run, (record, given) in enumerate(zip(self.records, self.givens, strict=False)):
            predicted = given.reconnects[0]
            for client, measured in reconnect_times(record).items():
                if client in predicted:
                    found.append((run, client, predicted[client], measured))
        return np.array(found, dtype=float).reshape(-1, 4)


def in_words(records: Sequence[Record]) -> str:
    """Return how many measured runs count, and how many more do not."""
    void = sum(bool(record.void) for record in records)
    runs = len(records) - void
    return f"{runs} run{'' if runs == 1 else 's'}" + (f" ({void} more void)" if void else "")


def compare(
    prediction: Predicted, measured: Sequence[Record] | Record, given: Sequence[Predicted] | None = None
) -> Comparison:
    """Hold measured runs against a prediction.

    Runs that are void (`Record.void`) are kept in the records but do not count. The invariants are checked on every
    run.

    Args:
        prediction: from `sim.predict`.
        measured: records of `live.measure`.
        given: for each record the prediction given its mark-downs, from `sim.predict_given`.

    Raises:
        ScenarioError: no record, or one of another scenario.
    """
    records = [measured] if isinstance(measured, Record) else list(measured)
    if not records:
        raise ScenarioError("compare: there is no measured record.")
    for record in records:
        if record.scenario != prediction.scenario:
            raise ScenarioError(
                f"compare: the record is of scenario '{record.scenario.name}' with other settings than the prediction "
                f"of '{prediction.scenario.name}'; only the same scenario can be compared."
            )
    givens = list(given or [])
    if givens and len(givens) != len(records):
        raise ScenarioError(f"compare: {len(givens)} given predictions for {len(records)} records.")
    audits = [audit(record) for record in records]
    reasons = [f"run {i}: {why}" for i, one in enumerate(audits, 1) if records[i - 1].counts for why in one.reasons]
    counted = [i for i, record in enumerate(records) if not record.void]
    if not counted:
        reasons.append("no run counts")
    values = [measure_with_bounds(records[i]) for i in counted]
    rows, given_rows = [], []
    for name in MEASURES:
        have = [k for k, found in enumerate(values) if name in found]
        if not have or name not in prediction.measures or MEASURES[name].rescaled:
            continue
        seen = [values[k][name] for k in have]
        bounds = [values[k].get(name + NOT_WITHIN, nan) for k in have]
        row = Row(name, [Band.predicted(prediction, name)] * len(seen), seen, bounds)
        if row.says_nothing:
            continue
        rows.append(row)
        if givens and all(name in givens[counted[k]].measures for k in have):
            bands = [Band.predicted(givens[counted[k]], name) for k in have]
            given_rows.append(Row(name, bands, seen, bounds))
    return Comparison(prediction, records, rows, given_rows, givens, reasons, audits)


def fleet(comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """Return the totals over scenarios: what `./lab compare --all` is judged by; what is not defined is None."""
    rows = [row for one in comparisons for row in one.rows]
    given = [row for one in comparisons for row in one.given]
    timed = [row for row in rows if MEASURES[row.name].driver == "timer"]
    timed_given = [row for row in given if MEASURES[row.name].driver == "timer"]
    known = [(one.median_error, one.scenario.name) for one in comparisons if not isnan(one.median_error)]
    worst, worst_of = max(known, default=(nan, None))
    total, error = coverage(rows), median_error(rows)
    unknown = [one.scenario.name for one in comparisons if one.verdict == "unknown"]
    violated = [one.scenario.name for one in comparisons if one.broken]
    good = total >= FLEET_COVERAGE and error <= FLEET_ERROR and worst <= LARGEST_ERROR and not unknown and not violated
    data = {
        "verdict": "pass" if good else "fail",
        "scenarios": len(comparisons),
        "unknown": unknown,
        "violated": violated,
        "coverage": total,
        "median_error": error,
        "worst_scenario_error": worst,
        "worst_scenario": worst_of,
        "half_width": _half_width(timed),
        "given_mark_down": {
            "coverage": coverage(given),
            "median_error": median_error(given),
            "half_width": _half_width(timed_given),
        },
    }
    return dict(finite(data))


def _half_width(rows: Sequence[Row]) -> float:
    widths = [band.half_width for row in rows for band in row.bands]
    return float(np.median(widths)) if widths else float("nan")
