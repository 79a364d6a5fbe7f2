"""Pictures of the zoo: each library's storm, and the measures by which they are ranked."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from twin.figures.style import BLUE, GREY, VERMILION, blank, draw_band, run_time
from twin.measures import MEASURES
from twin.measures.base import Array
from twin.scenario.scenario import Scenario

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

from twin.analysis.zoo import BIN, LIBRARY, RANKED, SHOWN, heading, row_band


def zoo_figure(table: pd.DataFrame, rates: Mapping[str, Array], scenario: Scenario) -> "Figure":
    """Return a row for each library: its attempts over time in one run, and the bands of the ranked measures.

    Args:
        table: from `ranking`.
        rates: for each library its `attempt_rates`.
        scenario: the outage.
    """
    count = len(table)
    figure = blank(figsize=(12.5, 1.6 + 0.62 * count))
    halves = figure.subfigures(1, 2, squeeze=False, width_ratios=[1.25, 1])
    left, right = halves[0]
    rows = left.subplots(count, 1, sharex=True, sharey=True)
    top = max(float(one.max()) for one in rates.values())
    last = max(float(np.flatnonzero(one).max(initial=0)) for one in rates.values())
    end = min(scenario.duration, 1.1 * BIN * (last + 1))
    for axes, name in zip(rows, table[LIBRARY], strict=True):
        _storm(axes, rates[name], name, scenario, top)
        run_time(axes, end, label=axes is rows[-1])
    rows[0].legend(loc="upper right", frameon=False, fontsize=8, ncols=2)
    rows[0].set_title(f"attempts a second, one run, in bins of {BIN:g} s (log scale)", fontsize=10)
    columns = right.subplots(1, len(RANKED), sharey=True)
    for axes, name in zip(columns, RANKED, strict=True):
        _bands(axes, table, name)
    first = heading(_first(table))[0].replace("_", " ")
    figure.suptitle(f"{scenario.name}: {scenario.clients.count} clients, client libraries by {first}", fontsize=12)
    return figure


def _first(table: pd.DataFrame) -> str:
    """Return the measure that the rows are sorted by."""
    return next((name for name in RANKED if table[f"{name}.rank"].is_monotonic_increasing), RANKED[0])


def _label(name: str) -> str:
    if name in SHOWN:
        return "\n".join(SHOWN[name][:2])
    unit = MEASURES[name].unit
    return name.replace("_99", "_99 %").replace("_", " ") + ("" if unit == "1" else f" ({unit})")


def _storm(axes: "Axes", rates: Sequence[float] | Array, name: str, scenario: Scenario, top: float) -> None:
    edges = np.arange(len(rates) + 1) * BIN
    axes.stairs(np.maximum(rates, 0.5), edges, fill=True, color=BLUE, alpha=0.75, baseline=0.5, lw=0)
    for at in sorted({fault.at for fault in scenario.faults}):
        axes.axvline(at, color=VERMILION, lw=1.1, label="a fault begins")
    for over in sorted({fault.at + fault.duration for fault in scenario.faults if fault.duration is not None}):
        axes.axvline(over, color=VERMILION, lw=1.1, ls=":", label="it is over")
    axes.set_yscale("log")
    axes.set_ylim(0.5, 1.6 * top)
    axes.set_ylabel(name.replace(" ", "\n", 1), rotation=0, ha="right", va="center", fontsize=9)
    axes.tick_params(labelsize=7)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _bands(axes: "Axes", table: pd.DataFrame, name: str) -> None:
    places = np.arange(len(table))[::-1]
    factor = heading(name)[2]
    for place, (_, row) in zip(places, table.iterrows(), strict=True):
        band = row_band(row, name)
        draw_band(axes, band, place, factor)
        if row["gave_up_share.median"] > 0 and name == "time_to_99":
            where = band.at_least(band.median), place
            axes.annotate(f"{100 * row['gave_up_share.median']:.0f} % gave up", where, (-4, 7),
                          textcoords="offset points", ha="right", fontsize=8, color=GREY)  # fmt: skip
    axes.set_yticks(places, ["" for _ in places])
    axes.set_ylim(-0.5, len(table) - 0.5)
    axes.set_xlim(left=0)
    axes.set_title(_label(name), fontsize=10)
    if table[f"{name}.not_reached"].any():
        axes.set_xlabel("triangle: not within the\nrun, in some or all runs", fontsize=8)
    axes.grid(axis="x", alpha=0.25)
    axes.tick_params(labelsize=8)
