"""Pictures of comparisons that fail: how far a model is beside the measured runs, measure by measure."""

from collections.abc import Mapping

from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from twin.analysis.comparison import Comparison
from twin.course.planted import residuals
from twin.figures.style import BLUE, GREY, VERMILION

WIDEST = 8.0
"""Ratio at which the axis ends at the latest; what lies beyond is drawn at its end."""


def residuals_figure(comparisons: Mapping[str, Comparison]) -> Figure:
    """Draw predicted / measured on a logarithmic axis, one panel a model and one line a measure.

    A disc is the plain prediction, full where at least half of the runs lie in its band; a square is the prediction
    given the mark-downs of the runs.
    """
    tables = {name: residuals(one) for name, one in comparisons.items()}
    names = list(dict.fromkeys(name for table in tables.values() for name in table.index))[::-1]
    ratios = [one for table in tables.values() for one in table["predicted / measured"]]
    reach = min(WIDEST, max([2.2, *(max(one, 1 / one) * 1.2 for one in ratios)]))
    figure = Figure(figsize=(1.8 + 3.9 * len(tables), 1.3 + 0.23 * len(names)), layout="constrained")
    axes = figure.subplots(1, len(tables), sharey=True, squeeze=False)[0]
    for axis, (title, table) in zip(axes, tables.items(), strict=True):
        axis.set_title(title, fontsize=10)
        axis.axvline(1.0, color=GREY, lw=0.8)
        for place, name in enumerate(names):
            if name in table.index:
                _draw(axis, table.loc[name], place, reach)
        axis.set_xscale("log")
        axis.set_xlim(1 / reach, reach)
        axis.xaxis.set_major_locator(FixedLocator([1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8]))
        axis.xaxis.set_minor_locator(NullLocator())
        axis.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}" if x >= 1 else f"1/{1 / x:g}"))
        axis.set_xlabel("predicted / measured (logarithmic)")
        axis.grid(axis="x", alpha=0.25)
    axes[0].set_yticks(range(len(names)), names, fontsize=8.5)
    handles = [
        axes[0].plot([], [], "o", color=BLUE, label="inside in at least half of the runs")[0],
        axes[0].plot([], [], "o", color=BLUE, mfc="white", label="outside in most runs")[0],
        axes[0].plot([], [], "s", color=VERMILION, mfc="none", ms=8, label="given the mark-downs")[0],
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False, fontsize=8.5)
    return figure


def _draw(axis, row, place: int, reach: float) -> None:  # type: ignore[no-untyped-def] # matplotlib's and pandas'
    inside, runs = (int(one) for one in row["inside"].split(" of "))

    def at(ratio: float) -> float:
        return min(max(ratio, 1 / reach), reach)

    if row["given the mark-down"] == row["given the mark-down"]:
        axis.plot([at(row["given the mark-down"])], [place], "s", color=VERMILION, mfc="none", ms=8)
    full = 2 * inside >= runs
    axis.plot([at(row["predicted / measured"])], [place], "o", color=BLUE, mfc=BLUE if full else "white", ms=5)
