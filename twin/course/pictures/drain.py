"""Pictures of the lab notebook on drains; the colours are those of `twin.figures.style`."""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.figure import Figure

from twin.course.drain import RATE_LIMIT, TIME_LIMIT, away, reconnect_rate
from twin.figures.style import BLUE, GREY, VERMILION
from twin.record.record import Record


def ways_figure(simulated: Mapping[str, Record], measured: Mapping[str, Sequence[Record]]) -> Figure:
    """Return a column for each way to end the nodes: attempts in the last second above, clients that are away below.

    Lines change at each event; a thin line lies on a thick one where both worlds agree.

    Args:
        simulated: one replication of each way.
        measured: runs of each way that count, drawn over it; a way may have none.
    """
    figure = Figure(figsize=(3.7 * len(simulated), 5.0), layout="constrained")
    grid = figure.subplots(2, len(simulated), sharex=True, sharey="row", squeeze=False)
    for column, (way, record) in enumerate(simulated.items()):
        upper, lower = grid[0][column], grid[1][column]
        runs = [(record, BLUE, 3.2, f"simulated, replication {record.replication}")]
        runs += [(run, VERMILION, 1.1, f"measured, run {run.replication}") for run in measured.get(way, [])]
        for run, colour, width, label in runs:
            for axes, (times, values) in ((upper, reconnect_rate(run)), (lower, away(run))):
                axes.step(times, values, where="post", color=colour, lw=width, label=label)
        for fault in record.scenario.faults:
            for axes in (upper, lower):
                axes.axvline(fault.at, color=GREY, lw=0.8, ls=":")
        upper.set_title(way, fontsize=11)
        upper.grid(alpha=0.2)
        lower.grid(alpha=0.2)
        lower.set_xlim(0, record.scenario.duration)
        lower.set_xlabel("time (s); dotted: a fault begins")
    grid[0][0].set_ylim(bottom=0)
    grid[1][0].set_ylim(bottom=0)
    grid[0][0].set_ylabel("attempts in the last second")
    grid[1][0].set_ylabel("clients without a connection")
    grid[0][0].legend(loc="upper left", frameon=False, fontsize=8)
    return figure


def paces_figure(table: pd.DataFrame) -> Figure:
    """Return what a slower pace brings and what it costs: the peak rate against the time a drain takes."""
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.subplots()
    right = 1.12 * max(TIME_LIMIT, float(table["drain_time"].max()))
    top = 1.15 * max(RATE_LIMIT, float(table["peak_reconnect_rate"].max()))
    axes.axhline(RATE_LIMIT, color=GREY, lw=1.0, ls=":")
    axes.axvline(TIME_LIMIT, color=GREY, lw=1.0, ls=":")
    axes.text(
        0.02 * right, RATE_LIMIT, f"limit of step 7: {RATE_LIMIT:g} a second", va="bottom", fontsize=8, color=GREY
    )
    axes.text(TIME_LIMIT, 0.98 * top, f" limit of step 7:\n {TIME_LIMIT:g} s", va="top", fontsize=8, color=GREY)
    axes.plot(table["drain_time"], table["peak_reconnect_rate"], "o--", color=BLUE, lw=0.8)
    for pace, row in table.iterrows():
        axes.annotate(f"pace {pace:g}", (row["drain_time"], row["peak_reconnect_rate"]), (8, 0), va="center",
                      textcoords="offset points", fontsize=9)  # fmt: skip
    axes.set_xlim(0, right)
    axes.set_ylim(0, top)
    axes.set_xlabel("time until the node is empty (s)")
    axes.set_ylabel("most attempts in any second")
    axes.grid(alpha=0.2)
    return figure
