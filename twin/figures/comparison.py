"""Pictures of records and comparisons: pure functions that return matplotlib figures."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from twin.analysis.bands import Band, interval_name, shares
from twin.analysis.comparison import Comparison, Predicted, Row, in_words
from twin.figures.style import BLUE, GREY, VERMILION, blank, draw_band, run_time
from twin.measures import MEASURES, connected_curve, curve_times

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from twin.scenario.scenario import Scenario


LINE = 0.19
"""Inches of height that the name of a measure takes."""


def comparison_figure(comparison: Comparison) -> "Figure":
    """Return two panels: connected clients over time, or the latencies of a broadcast, with the predicted band, and
    each measure in its band.
    """
    figure = blank(figsize=(11, max(4.8, 1.0 + LINE * len(_shown(comparison)))))
    left, right = figure.subplots(1, 2, width_ratios=[1.25, 1])
    if comparison.scenario.publisher is None:
        _curve(left, comparison)
    else:
        from twin.figures.broadcast import draw_latencies

        draw_latencies(left, comparison.records, comparison.prediction.latencies)
    _measures(right, comparison)
    scenario = comparison.scenario
    figure.suptitle(
        f"{scenario.name}: {scenario.clients.count} clients, {scenario.nodes.count} nodes, {_balancer(scenario)}",
        fontsize=12,
    )
    return figure


def _balancer(scenario: "Scenario") -> str:
    return f"{scenario.balancer.program} {scenario.balancer.algorithm}"


def _curve(axes: "Axes", comparison: Comparison) -> None:
    prediction = comparison.prediction
    runs = len(prediction.curves)
    low, median, high = np.quantile(prediction.curves, shares(runs), axis=0)
    times = prediction.curve_times
    axes.fill_between(times, low, high, color=BLUE, alpha=0.22, lw=0, label=f"predicted, {interval_name(runs)}")
    axes.plot(times, median, color=BLUE, lw=1.6, label="predicted, median")
    for i, record in enumerate(comparison.counted):
        curve = connected_curve(record)
        label = f"measured, {in_words(comparison.records)}" if i == 0 else None
        axes.plot(curve_times(record.scenario.duration), curve, color=VERMILION, lw=1.0, alpha=0.85, label=label)
    count = comparison.scenario.clients.count
    bottom = min(float(low.min()), count * 0.5)
    for fault in comparison.scenario.faults:
        what = fault.kind if fault.node is None else f"{fault.kind} node {fault.node}"
        axes.axvline(fault.at, color=GREY, lw=0.8, ls=":")
        axes.annotate(what, (fault.at, 1.0), (3, -3), xycoords=("data", "axes fraction"), textcoords="offset points",
                      rotation=90, va="top", fontsize=8, color=GREY)  # fmt: skip
    run_time(axes, comparison.scenario.duration)
    axes.set_ylim(max(0.0, bottom - 0.08 * count), 1.06 * count)
    axes.set_ylabel("connected clients")
    axes.legend(loc="lower right", frameon=False, fontsize=9)


def _shown(comparison: Comparison) -> list[Row]:
    """Return the measures that can be drawn in shares of their predicted median."""
    return [row for row in comparison.rows if row.predicted.median > 0]


def _measures(axes: "Axes", comparison: Comparison) -> None:
    rows = _shown(comparison)
    if not rows:
        axes.text(0.5, 0.5, "no run counts", transform=axes.transAxes, ha="center", color=GREY, fontsize=9)
        axes.set_axis_off()
        return
    places = np.arange(len(rows))[::-1]
    for place, row in zip(places, rows, strict=True):
        band = row.predicted
        scale = band.at_least(band.median)
        draw_band(axes, band, place, 1 / scale, 11)
        offsets = np.linspace(-0.16, 0.16, len(row.measured)) if len(row.measured) > 1 else [0.0]
        for value, inside, offset in zip(row.measured, row.inside, offsets, strict=True):
            reached = np.isfinite(value)
            axes.plot([(value if reached else row.bound) / scale], [place + offset], "o" if reached else ">", ms=5,
                      color=VERMILION, mfc=VERMILION if inside else "white")  # fmt: skip
    values = [f"{row.predicted.text('median')} {_unit(row.name)}".strip() for row in rows]
    labels = [f"{row.name}  ({value})" for row, value in zip(rows, values, strict=True)]
    axes.set_yticks(places, labels, fontsize=8.5)
    missed = any(row.not_reached or row.predicted.not_reached for row in rows)
    note = ";\ntriangle: not reached within the run" * missed
    axes.set_xlabel(f"value / predicted median\n(open: outside the band{note})")
    axes.axvline(1, color=GREY, lw=0.6)
    axes.grid(axis="x", alpha=0.25)


def _unit(name: str) -> str:
    unit = MEASURES[name].unit
    return "" if unit == "1" else unit


def scatter_figure(comparison: Comparison) -> "Figure":
    """Return predicted against measured reconnect time of each client, given the run's own mark-downs."""
    figure = blank(figsize=(5.6, 5.4))
    axes = figure.subplots()
    pairs = comparison.pairs()
    if len(pairs):
        top = 1.05 * float(max(pairs[:, 2].max(), pairs[:, 3].max()))
        axes.plot([0, top], [0, top], color=GREY, lw=0.8, label="equal")
        axes.plot(
            pairs[:, 2], pairs[:, 3], "o", ms=4, color=VERMILION, alpha=0.45, mew=0, label="one client in one run"
        )
        close = float(np.mean(np.abs(pairs[:, 2] - pairs[:, 3]) <= 0.05 * pairs[:, 3] + 0.01))
        axes.set_title(f"{len(pairs)} reconnects, {100 * close:.0f} % within 5 % + 10 ms", fontsize=11)
        axes.set_xlim(0, top)
        axes.set_ylim(0, top)
        axes.legend(loc="upper left", frameon=False)
    else:
        axes.text(0.5, 0.5, "no client was affected in both worlds", ha="center", transform=axes.transAxes)
    axes.set_aspect("equal")
    axes.set_xlabel("predicted reconnect time, given the mark-down (s)")
    axes.set_ylabel("measured reconnect time (s)")
    return figure


def variants_figure(predictions: Mapping[str, Predicted], measure: str) -> "Figure":
    """Return one line a variant: the predicted median of a measure and the interval that holds 95 % of the runs."""
    figure = blank(figsize=(7.5, 0.9 + 0.45 * len(predictions)))
    axes = figure.subplots()
    places = np.arange(len(predictions))[::-1]
    for place, prediction in zip(places, predictions.values(), strict=True):
        band = Band.predicted(prediction, measure)
        draw_band(axes, band, place)
    axes.set_yticks(places, list(predictions))
    axes.set_ylim(-0.6, len(predictions) - 0.4)
    axes.set_xlim(left=0)
    missed = any(Band.predicted(one, measure).not_reached for one in predictions.values())
    note = "\n(triangle: not reached within the run)" * missed
    interval = interval_name(min(len(one.measures) for one in predictions.values()))
    axes.set_xlabel(f"{measure} ({MEASURES[measure].unit}): predicted median and {interval}{note}")
    axes.grid(axis="x", alpha=0.25)
    return figure


def table_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """Return what a table of the comparison shows, one dict a measure."""
    given = {row.name: row for row in comparison.given}
    rows = []
    for row in comparison.rows:
        band = row.predicted
        rows.append(
            {
                "measure": row.name,
                "unit": MEASURES[row.name].unit,
                "predicted": band.median,
                "low": band.low,
                "high": band.high,
                "bound": band.bound,
                "measured": row.median,
                "measured_bound": row.bound,
                "inside": f"{sum(row.inside)}/{len(row.inside)}",
                "error": row.error,
                "given": given[row.name].error if row.name in given else None,
            }
        )
    return rows
