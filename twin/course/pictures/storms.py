"""Pictures of the lab notebooks on storms and on sizing; the colours are those of `twin.figures.style`."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from twin.analysis.bands import ENOUGH_RUNS, interval_name, shares
from twin.course.sizing import handshakes
from twin.course.storms import BEGIN, Storm, end_of_outage
from twin.figures.style import BLUE, COLOURS, DASHES, GREY, MARKERS, VERMILION, blank
from twin.measures import PEAK_WINDOW
from twin.record.record import Record

ROOM = 1.08
"""Length of a time axis over the time until a storm is over."""


def storm_figure(storms: Mapping[str, Storm]) -> Figure:
    """Return a column for each storm: connected clients with their 95 % band where there are several runs, and the
    attempts in each 100 ms of the first run. The time ends soon after the last storm."""
    several = len(storms) > 1  # one column has its place without a search for it, which takes as long as to draw it
    figure = blank(figsize=(max(6.5, 3.6 * len(storms)), 5.0), layout="constrained" if several else "none")
    grid = figure.subplots(2, len(storms), sharex=True, sharey="row", squeeze=False)
    if not several:
        figure.subplots_adjust(left=0.18, right=0.98, top=0.93, hspace=0.1)
    for column, (name, storm) in enumerate(storms.items()):
        upper, lower = grid[0][column], grid[1][column]
        _connected(upper, storm)
        _attempts(lower, storm)
        upper.set_title(name, fontsize=11)
        lower.set_xlabel("time (s)")
    longest = max(storm.scenario.duration for storm in storms.values())
    grid[0][0].set_xlim(0, min(longest, ROOM * max(storm.quiet_after() for storm in storms.values())))
    for axes in (grid[0][0], grid[1][0]):
        axes.yaxis.set_major_formatter("{x:,.0f}")
    grid[0][0].set_ylabel("connected clients")
    grid[1][0].set_ylabel("attempts in 100 ms, one run")
    grid[0][0].legend(frameon=False, fontsize=8)
    return figure


def _connected(axes: Axes, storm: Storm) -> None:
    runs = len(storm.curves)
    low, median, high = np.quantile(storm.curves, shares(runs), axis=0)
    if runs > 1:
        label = f"95 % of {runs} runs" if runs >= ENOUGH_RUNS else interval_name(runs)
        axes.fill_between(storm.times, low, high, color=BLUE, alpha=0.22, lw=0, label=label)
    axes.plot(storm.times, median, color=BLUE, lw=1.6, label="median" if runs > 1 else "one run")
    _shade(axes, storm, "outage")
    axes.set_ylim(0, 1.05 * storm.scenario.clients.count)


def _attempts(axes: Axes, storm: Storm) -> None:
    one = storm.counts[0]
    edges = np.arange(len(one) + 1) * PEAK_WINDOW
    axes.stairs(one, edges, fill=True, color=VERMILION, alpha=0.8, lw=0)
    _shade(axes, storm)


def _shade(axes: Axes, storm: Storm, label: str | None = None) -> None:
    axes.axvspan(BEGIN, end_of_outage(storm.scenario), color=GREY, alpha=0.15, lw=0, label=label)


def spread_figure(spreads: Mapping[str, pd.Series], measured: Mapping[str, pd.Series] | None = None) -> Figure:
    """Return how wide the herd is at its first, second, ... attempt.

    Args:
        spreads: one line each, from `twin.course.storms.spread_of_attempts`.
        measured: of runs, by the names of their lines: open markers, so that what lies below them is seen.
    """
    figure = blank(figsize=(6.8, 4.0))
    axes = figure.subplots()
    for i, (name, spread) in enumerate(spreads.items()):
        axes.plot(spread.index, spread.to_numpy(), marker=MARKERS[i], color=COLOURS[i], ls=DASHES[i], ms=5, label=name)
    for i, name in enumerate(spreads):
        run = (measured or {}).get(name)
        if run is not None:
            axes.plot(run.index, run.to_numpy(), MARKERS[i], ms=12, color=GREY, mfc="none", label=f"{name}, measured")
    axes.set_xticks(range(1, 1 + max(int(spread.index.max()) for spread in spreads.values())))
    axes.set_xlabel("attempt after the loss (of those who are not back yet)")
    axes.set_ylabel("middle 90 % of the clients within (s)")
    top = max(float(spread.max()) for spread in spreads.values())
    axes.set_ylim(-0.06 * top, 1.1 * top)
    axes.grid(alpha=0.25)
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(handles, labels, frameon=False, loc="upper left")
    return figure


def sizing_figure(table: pd.DataFrame, column: str, what: str, target: float | None = None) -> Figure:
    """Return what a number of nodes and a cap bring or cost: one line a number of nodes.

    Args:
        table: from `twin.course.sizing.sizing_table`.
        column: what is drawn; `back` has the range of its runs around it.
        what: name of the vertical axis.
        target: a level to compare with, on the same axis.
    """
    figure = blank(figsize=(7.0, 4.2))
    axes = figure.subplots()
    for i, (nodes, rows) in enumerate(table.groupby("nodes")):
        if column == "back":
            axes.fill_between(rows["cap"], rows["low"], rows["high"], color=COLOURS[i], alpha=0.2, lw=0)
        axes.plot(rows["cap"], rows[column], marker=MARKERS[i], color=COLOURS[i], ls=DASHES[i], label=f"{nodes} nodes")
    if target is not None:
        axes.axhline(target, color=GREY, lw=1.2, ls=":", label=f"target, {target:g} s")
    axes.set_xticks(sorted(set(table["cap"])))
    axes.set_xlabel("cap of the clients' backoff (s)")
    axes.set_ylabel(what)
    axes.set_ylim(0, 1.1 * float(table["high" if column == "back" else column].max()))
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def handshakes_figure(records: Mapping[str, Record], capacity: float, scale: float = 1.0) -> Figure:
    """Return how many clients are connected again in each second after the outage, and how many could be.

    Args:
        records: one line each.
        capacity: handshakes a second of all nodes together.
        scale: how many clients a simulated one stands for.
    """
    figure = blank(figsize=(7.0, 4.0))
    axes = figure.subplots()
    axes.axhline(capacity, color=GREY, lw=1.2, ls=":", label="what the nodes can do")
    last = 0
    for i, (name, record) in enumerate(records.items()):
        done = scale * handshakes(record)
        last = max(last, int(np.flatnonzero(done)[-1]) + 1)
        axes.stairs(done, np.arange(len(done) + 1), color=COLOURS[i], lw=1.4, ls=DASHES[i], label=name)
    axes.set_xlim(0, ROOM * last)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel("time since the end of the outage (s)")
    axes.set_ylabel("handshakes a second")
    axes.grid(alpha=0.25)
    axes.legend(frameon=False)
    return figure
