"""Pictures of clusters that change their size."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from twin.course.registry import load_steps
from twin.figures.style import COLOURS, DASHES, VERMILION, is_void
from twin.record.record import Record

ACROSS = 2
"""Panels in a row: with more of them a line of the page has no room for the numbers."""


def loads_figure(records: Mapping[str, Record]) -> Figure:
    """Draw the connections of each node over time, one panel a record, with what the autoscaler decided and the faults.

    Panels stand two in a row at most, and the time has the same scale in all of them.
    """
    across = min(ACROSS, len(records))
    down = -(-len(records) // across)
    figure = Figure(figsize=(1.3 + 4.2 * across, 3.1 * down + 0.3), layout="constrained")
    grid = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False)
    axes = list(grid.flat)[: len(records)]
    for axis in list(grid.flat)[len(records) :]:
        axis.set_axis_off()
    for axis, (title, record) in zip(axes, records.items(), strict=True):
        axis.set_title(title, fontsize=10)
        if is_void(axis, record):
            continue
        table = load_steps(record)
        for i, node in enumerate(table.columns):
            if table[node].isna().all():
                continue
            look = {"color": COLOURS[i % len(COLOURS)], "linestyle": DASHES[i % len(DASHES)]}
            axis.step(table.index, table[node], where="post", label=f"node {node}", linewidth=1.5, **look)
        for t in record.select("scaled")["t"]:
            axis.axvline(t, color="0.6", linestyle=":", linewidth=1, label="autoscaler")
        for t in record.select("fault")["t"]:
            axis.axvline(t, color=VERMILION, linestyle="-.", linewidth=1, alpha=0.7, label="fault")
        axis.grid(alpha=0.3)
        axis.xaxis.set_tick_params(labelbottom=True)
    for axis in axes[-across:]:
        axis.set_xlabel("time since the start of the run (s)")
    for row in grid:
        row[0].set_ylabel("connections")
    known = [axis.get_legend_handles_labels() for axis in axes]
    legend = {label: handle for handles, labels in known for handle, label in zip(handles, labels, strict=True)}
    if legend:
        order = sorted(legend, key=lambda label: (not label.startswith("node"), label))
        handles = [legend[label] for label in order]
        figure.legend(handles, order, loc="outside right center", frameon=False, fontsize=8)
    return figure
