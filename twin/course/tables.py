"""Tables of the lab notebooks: three digits, shares and errors in per cent, no powers of ten."""

from collections.abc import Sequence
from math import isinf, isnan

import pandas as pd

from twin.analysis.bands import Band
from twin.analysis.bands import number as three_digits
from twin.analysis.comparison import Comparison, Predicted
from twin.figures.comparison import table_rows
from twin.measures import MEASURES

DASH = "-"


def per_cent(value: float | None) -> str:
    """Return a share in per cent with two significant digits; a dash for what is not defined."""
    if value is None or isnan(value):
        return DASH
    if isinf(value):
        return "more"
    shown = 100 * value
    digits = 0 if abs(shown) >= 10 or shown == 0 else 1 if abs(shown) >= 1 else 2
    return f"{shown:.{digits}f} %"


def value_of(measure: str, value: float, bound: float = float("nan")) -> str:
    """Return the value of a measure: a share in per cent, else with three digits; `>8` was not reached within 8 s."""
    if _is_share(measure):
        return per_cent(value)
    return DASH if isnan(value) else three_digits(value, bound)


def unit_of(measure: str) -> str:
    """Return the unit of a measure as tables show it: empty for a number, and for a share, which is in per cent."""
    unit = MEASURES[measure].unit
    return "" if unit == "1" else unit


def compared(comparison: Comparison, names: Sequence[str] | None = None) -> pd.DataFrame:
    """Return prediction and measurement side by side, one row a measure.

    Args:
        comparison: of a prediction with measured runs.
        names: of the measures, in their order; all by default. One that the comparison has not is left out.

    Returns:
        Texts: unit, predicted median, ends of the band, measured median, runs inside, error, and the error of the
        prediction given the mark-downs where there is one.
    """
    rows = {row["measure"]: row for row in table_rows(comparison)}
    found = {}
    for name in rows if names is None else [one for one in names if one in rows]:
        row = rows[name]
        found[name] = {
            "unit": unit_of(name),
            "predicted": value_of(name, row["predicted"], row["bound"]),
            "low": value_of(name, row["low"], row["bound"]),
            "high": value_of(name, row["high"], row["bound"]),
            "measured": value_of(name, row["measured"], row["measured_bound"]),
            "inside": row["inside"],
            "error": per_cent(row["error"]),
        }
        if comparison.given:
            found[name]["given"] = per_cent(row["given"])
    return pd.DataFrame.from_dict(found, orient="index")


def foreseen(prediction: Predicted, names: Sequence[str] | None = None) -> pd.DataFrame:
    """Return unit, median and ends of the band of each measure of a prediction, as texts, one row a measure."""
    found = {}
    for name in map(str, prediction.measures) if names is None else names:
        band = Band.predicted(prediction, name)
        ends = {end: value_of(name, getattr(band, end), band.bound) for end in ("low", "median", "high")}
        found[name] = {"unit": unit_of(name), **ends}
    return pd.DataFrame.from_dict(found, orient="index")


def shown(table: pd.DataFrame, shares: Sequence[str] = ()) -> pd.DataFrame:
    """Return a table of numbers as texts with three digits, and some of its columns in per cent."""
    found = table.copy().astype(object)
    for name in table.columns:
        found[name] = [per_cent(one) if name in shares else _digits(one) for one in table[name]]
    return found


def _digits(value: float) -> str:
    return DASH if isnan(value) else three_digits(float(value))


def _is_share(measure: str) -> bool:
    return MEASURES[measure].unit == "1" and (measure.endswith("_share") or measure in SHARES)


SHARES = ("reached_nobody", "gaps_recovered")
"""Measures that are shares, and are not called so."""
