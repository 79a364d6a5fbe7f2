"""Pictures of clusters that change their size."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from twin.course.registry import loads
from twin.figures.style import COLOURS, DASHES, is_void
from twin.record.record import Record


def loads_figure(records: Mapping[str, Record]) -> Figure:
    """Draw the connections of each node over time, one panel a record, with what the autoscaler decided."""
    figure = Figure(figsize=(4.2 * len(records), 3.4), layout="constrained")
    axes = figure.subplots(1, len(records), sharey=True, squeeze=False)[0]
    for axis, (title, record) in zip(axes, records.items(), strict=True):
        axis.set_title(title, fontsize=10)
        if is_void(axis, record):
            continue
        table = loads(record)
        for i, node in enumerate(table.columns):
            color, dash = COLOURS[i % len(COLOURS)], DASHES[i % len(DASHES)]
            axis.plot(table.index, table[node], color=color, linestyle=dash, label=f"node {node}", linewidth=1.5)
        for i, t in enumerate(record.select("scaled")["t"]):
            axis.axvline(t, color="0.6", linestyle=":", linewidth=1, label=None if i else "autoscaler")
        axis.set_xlabel("time since the start of the run (s)")
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("connections")
    if axes[-1].get_legend_handles_labels()[0]:
        figure.legend(*axes[-1].get_legend_handles_labels(), loc="outside right center", frameon=False, fontsize=8)
    return figure
