"""Pictures of the lab notebook on broadcasts: two buses side by side, on the same axes."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from twin.analysis.comparison import Predicted
from twin.course.broadcast import missing_steps
from twin.figures.broadcast import draw_latencies
from twin.figures.style import COLOURS, GREY, is_void
from twin.measures import measure_record
from twin.record.record import Record


def latencies_figure(measured: Mapping[str, Sequence[Record]], predictions: Mapping[str, Predicted]) -> Figure:
    """Return the distribution of delivery latencies of each bus, one panel a bus, all on the same axes.

    The time is logarithmic; a panel says which share of the deliveries never happened, as it has no latency.

    Args:
        measured: runs by bus.
        predictions: by bus.
    """
    figure, axes = _panels(len(measured), 4.2)
    for axis, (name, records) in zip(axes, measured.items(), strict=True):
        draw_latencies(axis, records, predictions[name].latencies)
        lost = [measure_record(record)["lost_share"] for record in records if record.counts]
        axis.set_title(_title(name, lost), fontsize=10)
    for axis in axes[1:]:
        axis.set_ylabel("")
        if legend := axis.get_legend():
            legend.remove()
    return figure


def missing_figure(records: Mapping[str, Record]) -> Figure:
    """Return how many messages a client of each node has not applied over time, one panel a run, on the same axes."""
    figure, axes = _panels(len(records), 3.8)
    for axis, (name, record) in zip(axes, records.items(), strict=True):
        axis.set_title(name, fontsize=10)
        if is_void(axis, record):
            continue
        for i, (node, missing) in enumerate(missing_steps(record).items()):
            color = COLOURS[i % len(COLOURS)]
            axis.step(missing.index, missing, where="post", color=color, lw=0.9, label=f"clients of node {node}")
        for fault in record.scenario.faults:
            axis.axvline(fault.at, color=GREY, lw=0.9, ls=":", label=fault.kind)
        axis.set_xlabel("time since the start of the run (s)")
        axis.grid(alpha=0.25)
        axis.set_xlim(0, record.scenario.duration)
    axes[0].set_ylabel("published and not applied,\nmean over the clients of a node")
    axes[0].set_ylim(bottom=0)
    if axes[-1].get_legend_handles_labels()[0]:
        axes[-1].legend(loc="upper right", frameon=False, fontsize=8.5)
    return figure


def _title(name: str, lost: Sequence[float]) -> str:
    """Return a panel's title, which says what share of the deliveries cannot be in its curves."""
    if not lost:
        return name
    if not any(lost):
        return f"{name}: nothing lost"
    return f"{name}: {100 * float(np.median(lost)):.1f} % lost, which have no latency"


def _panels(count: int, height: float) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(1.2 + 4.6 * count, height), layout="constrained")
    return figure, list(figure.subplots(1, count, sharex=True, sharey=True, squeeze=False)[0])
