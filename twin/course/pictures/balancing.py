"""Pictures of the lab notebook on balancing; the colours are those of `twin.figures.style`."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from twin.analysis.bands import Band, interval_name
from twin.course.balancing import held_steps
from twin.figures.broadcast import NODE_COLOURS
from twin.figures.style import BLUE, GREY, VERMILION, is_void
from twin.record.record import Record

STYLES = ("-", "-", (0, (4, 2)), ":")
WIDTHS = (4.0, 2.4, 1.3, 1.3)
"""Of the lines in points, from the first node on: where two nodes hold the same, the thicker line still shows."""
COLUMNS = 3
"""Panels in a row."""


def held_figure(records: Mapping[str, Record]) -> Figure:
    """Return the connections of each node over time, one panel a record; dotted lines are faults.

    A line changes at each event, and has a gap while its node does not run.
    """
    rows = -(-len(records) // COLUMNS)
    columns = min(COLUMNS, len(records))
    figure = Figure(figsize=(max(4.6, 3.5 * columns), 2.7 * rows + 0.7), layout="constrained")
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    panels = list(grid.flat)
    top = 0.0
    for axes, (name, record) in zip(panels, records.items(), strict=False):
        axes.set_title(name, fontsize=10)
        if is_void(axes, record):
            continue
        counts = held_steps(record)
        top = max(top, float(np.nanmax(counts.to_numpy())))
        for i, node in enumerate(counts.columns):
            axes.step(counts.index, counts[node], where="post", color=NODE_COLOURS[i % len(NODE_COLOURS)],
                      ls=STYLES[i % len(STYLES)], lw=WIDTHS[i % len(WIDTHS)], label=node)  # fmt: skip
        _mark_faults(axes, record)
        axes.set_xlim(0, record.scenario.duration)
        axes.grid(alpha=0.2)
    for axes in panels[len(records) :]:
        axes.set_visible(False)
    for place, axes in enumerate(panels[: len(records)]):
        if place + columns >= len(records):
            axes.set_xlabel("time (s)")
            axes.tick_params(labelbottom=True)
        if place % columns == 0:
            axes.set_ylabel("connections")
    panels[0].set_ylim(-0.03 * max(1.0, top), 1.06 * max(1.0, top))
    handles, labels = max((axes.get_legend_handles_labels() for axes in panels), key=lambda one: len(one[1]))
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False, fontsize=9)
    return figure


def _mark_faults(axes: Axes, record: Record) -> None:
    """Draw a dotted line where each fault begins, and name it above the panel."""
    faults = record.scenario.faults
    for fault in faults:
        axes.axvline(fault.at, color=GREY, lw=0.8, ls=":")
    names = [fault.kind if fault.node is None else f"{fault.kind} node {fault.node}" for fault in faults]
    above = axes.secondary_xaxis("top")
    above.set_xticks([fault.at for fault in faults], names, fontsize=7, color=GREY)
    above.tick_params(length=0, pad=1)


def rules_figure(bands: Mapping[str, Band], measured: Mapping[str, Sequence[float]], what: str) -> Figure:
    """Return one line a rule: the band that holds 95 % of the simulated runs, and the measured runs as points.

    Args:
        bands: predicted, by rule.
        measured: values of the runs that count, by rule; one that has none is named so.
        what: label of the axis.
    """
    figure = Figure(figsize=(7.5, 0.9 + 0.36 * len(bands)), layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(bands))[::-1]
    named = False
    for place, (name, band) in zip(places, bands.items(), strict=True):
        axes.plot([band.low, band.high], [place, place], color=BLUE, lw=8, alpha=0.3, solid_capstyle="butt",
                  label=f"predicted, {interval_name(band.runs)}" if place == places[0] else None)  # fmt: skip
        axes.plot([band.median], [place], "|", color=BLUE, ms=13, mew=2,
                  label="predicted, median" if place == places[0] else None)  # fmt: skip
        values = list(measured.get(name, []))
        axes.plot(values, [place] * len(values), "o", color=VERMILION, ms=5,
                  label="measured" if values and not named else None)  # fmt: skip
        named = named or bool(values)
        if not values:
            axes.annotate("no run counts", (band.high, place), (8, 0), textcoords="offset points", va="center",
                          fontsize=8, color=GREY)  # fmt: skip
    axes.set_yticks(places, list(bands))
    axes.set_ylim(-0.6, len(bands) - 0.4)
    axes.margins(x=0.25)
    axes.set_xlabel(what)
    axes.grid(axis="x", alpha=0.25)
    figure.legend(loc="outside upper center", ncols=3, frameon=False, fontsize=9)
    return figure
