"""Tables of the labs in the units that people read: shares and relative errors in per cent."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from twin.analysis.comparison import Comparison
from twin.figures.comparison import table_rows
from twin.measures import MEASURES

PER_CENT = 100.0
NUMBERS = ("predicted", "low", "high", "bound", "measured", "measured_bound")
"""Columns of a comparison that are in the measure's unit."""


def is_share(name: str) -> bool:
    """Tell whether a measure is a share, which is shown in per cent."""
    return name.endswith("_share") and name in MEASURES and MEASURES[name].unit == "1"


def shares_in_per_cent(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Return a table with one row a measure whose shares are in per cent, which the row's name says.

    Args:
        table: indexed by measure, or by measure last.
        columns: those in the measure's unit; the others stay as they are.
    """
    names = [name[-1] if isinstance(name, tuple) else name for name in table.index]
    found = table.copy()
    found.loc[[is_share(name) for name in names], list(columns)] *= PER_CENT
    said = [f"{name} (%)" if is_share(name) else name for name in names]
    if isinstance(table.index, pd.MultiIndex):
        heads = [name[:-1] for name in table.index]
        found.index = pd.MultiIndex.from_tuples([(*head, name) for head, name in zip(heads, said, strict=True)])
    else:
        found.index = pd.Index(said)
    return found


def comparison_table(comparison: Comparison, *names: str) -> pd.DataFrame:
    """Return a comparison as a table with one row a measure; shares and errors are in per cent.

    Args:
        comparison: of a prediction with runs.
        names: measures to show, in this order; all of them by default.

    Returns:
        Columns unit, predicted, low, high, measured, inside (how many runs of how many), `error (%)` of the medians,
        and `given (%)`, the error of the prediction that knows the mark-downs, where there is one.
    """
    rows = pd.DataFrame(table_rows(comparison)).set_index("measure").rename_axis(None)
    rows = rows.loc[list(names)] if names else rows
    shares = [is_share(name) for name in rows.index]
    columns = [name for name in NUMBERS if name in rows]
    rows.loc[shares, columns] = rows.loc[shares, columns].astype(float) * PER_CENT
    rows.loc[shares, "unit"] = "%"
    found = rows[["unit", "predicted", "low", "high", "measured", "inside"]].copy()
    found["error (%)"] = np.round(rows["error"].astype(float) * PER_CENT, 1)
    if rows["given"].notna().any():
        found["given (%)"] = np.round(rows["given"].astype(float) * PER_CENT, 1)
    return found
