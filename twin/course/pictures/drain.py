"""Pictures of the lab notebook on drains; the colours are those of `twin.figures.style`."""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.figure import Figure

from twin.course.drain import RATE_LIMIT, TIME_LIMIT, reconnect_rate
from twin.figures.style import BLUE, GREY, VERMILION
from twin.measures import connected_curve, curve_times
from twin.record.record import Record


def ways_figure(simulated: Mapping[str, Record], measured: Mapping[str, Sequence[Record]]) -> Figure:
    """Return a column for each way to end the nodes: attempts in the last second above, clients that are away below.

    Args:
        simulated: one replication of each way.
        measured: runs of each way, drawn over it; a way may have none.
    """
    figure = Figure(figsize=(3.7 * len(simulated), 5.0), layout="constrained")
    grid = figure.subplots(2, len(simulated), sharex=True, sharey="row", squeeze=False)
    for column, (way, record) in enumerate(simulated.items()):
        upper, lower = grid[0][column], grid[1][column]
        runs = [(record, BLUE, "--", f"simulated, replication {record.replication}")]
        runs += [(run, VERMILION, "-", f"measured, run {run.replication}") for run in measured.get(way, [])]
        for run, colour, style, label in reversed(runs):
            times, rate = reconnect_rate(run)
            upper.plot(times, rate, style, color=colour, lw=1.3, label=label)
            away = run.scenario.clients.count - connected_curve(run)
            lower.plot(curve_times(run.scenario.duration), away, style, color=colour, lw=1.1)
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
    axes.axhline(RATE_LIMIT, color=GREY, lw=1.0, ls=":")
    axes.axvline(TIME_LIMIT, color=GREY, lw=1.0, ls=":")
    axes.plot(table["drain_time"], table["peak_reconnect_rate"], "o-", color=BLUE, lw=1.4)
    for pace, row in table.iterrows():
        axes.annotate(f"{pace:g} a second", (row["drain_time"], row["peak_reconnect_rate"]), (7, 3),
                      textcoords="offset points", fontsize=9)  # fmt: skip
    axes.set_xlim(0, 1.3 * max(TIME_LIMIT, float(table["drain_time"].max())))
    axes.set_ylim(0, 1.15 * max(RATE_LIMIT, float(table["peak_reconnect_rate"].max())))
    axes.set_xlabel("time until the node is empty (s)")
    axes.set_ylabel("most attempts in any second")
    axes.grid(alpha=0.2)
    return figure
