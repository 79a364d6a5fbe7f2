"""Pictures of a broadcast: how late deliveries are, how far nodes' clients lag, how acknowledgements come in.

Pure functions of records and predicted arrays; the colours are those of `twin.figures.style`.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from twin.analysis.bands import interval_name, shares
from twin.analysis.comparison import Comparison, in_words
from twin.figures.style import BLUE, GREY, VERMILION, run_time
from twin.measures import curve_times, latency_quantiles, staleness_curves
from twin.measures.base import Array
from twin.measures.broadcast import SHARES, acknowledgement_curves, staleness_times
from twin.record.record import Record

NODE_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
"""Okabe & Ito; with more nodes they begin anew, with another line style."""
_STYLES = ("-", "--")


def latency_figure(records: Sequence[Record], predicted: Array | None = None) -> Figure:
    """Return the distribution of delivery latencies: one line a run over the predicted band.

    Args:
        records: measured (or simulated) runs of one scenario.
        predicted: latency in seconds at each of `SHARES` for each replication, shape (replications, 99), as
            `latency_quantiles` gives it; the band holds 95 % of the replications at each share.
    """
    figure = Figure(figsize=(6.4, 4.4), layout="constrained")
    draw_latencies(figure.subplots(), records, predicted)
    return figure


def draw_latencies(axes: Axes, records: Sequence[Record], predicted: Array | None = None) -> None:
    """Draw what `latency_figure` shows into one panel."""
    if predicted is not None and np.isfinite(predicted).any():
        low, median, high = np.nanquantile(predicted, shares(len(predicted)), axis=0) * 1000
        interval = f"predicted, {interval_name(len(predicted))}"
        axes.fill_betweenx(SHARES, low, high, color=BLUE, alpha=0.22, lw=0, label=interval)
        axes.plot(median, SHARES, color=BLUE, lw=1.6, label="predicted, median")
    for i, record in enumerate(one for one in records if one.counts):
        label = f"measured, {in_words(records)}" if i == 0 else None
        axes.plot(latency_quantiles(record) * 1000, SHARES, color=VERMILION, lw=1.0, label=label)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(FuncFormatter(lambda value, _: _between(value, *axes.get_xlim())))
    axes.set_ylim(0, 1)
    axes.set_xlabel("time from publication to application (ms, logarithmic)")
    axes.set_ylabel("share of deliveries")
    axes.grid(alpha=0.25)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="lower right", frameon=False, fontsize=9)


def _between(value: float, low: float, high: float) -> str:
    """Label a tick between two powers of ten as far as there is room for it."""
    decades = np.log10(high / low)
    first = int(f"{value:e}"[0])
    return f"{value:g}" if decades < 1.0 or (decades < 2.5 and first in (2, 5)) else ""


def pictures(comparison: Comparison) -> dict[str, Figure]:
    """Return the figures of a comparison, each with the ending of its file's name: for a broadcast how far the clients
    lag and how acknowledgements come in, else the reconnect times client by client.
    """
    found = {"": comparison.plot()}
    if comparison.scenario.publisher is None:
        return found | {"-clients": comparison.scatter()}
    if not comparison.counted:
        return found
    run = comparison.counted[0]
    return found | {"-staleness": staleness_figure(run), "-acknowledgements": acknowledgements_figure(run)}


def staleness_figure(record: Record) -> Figure:
    """Return how many messages the clients of each node lag behind the head on average, over time."""
    figure = Figure(figsize=(7.5, 3.6), layout="constrained")
    axes = figure.subplots()
    times = staleness_times(record)
    for i, (node, curve) in enumerate(staleness_curves(record, times).items()):
        axes.step(
            times,
            curve,
            _STYLES[i // len(NODE_COLOURS) % len(_STYLES)],
            where="post",
            color=NODE_COLOURS[i % len(NODE_COLOURS)],
            lw=1.3,
            label=f"clients of node {node}",
        )
    _faults(axes, record)
    axes.set_ylabel("messages behind the head, mean")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=9)
    return figure


def acknowledgements_figure(record: Record) -> Figure:
    """Return over time, as counts: acknowledgements expected (for each message one of each node that was registered
    then), counted, and those of the messages declared consistent; and resends.
    """
    figure = Figure(figsize=(7.5, 3.8), layout="constrained")
    axes = figure.subplots()
    curves = acknowledgement_curves(record)
    times = curve_times(record.scenario.duration)
    axes.plot(times, curves["expected"], color=GREY, lw=1.2, ls=":", label="expected, one a node")
    axes.plot(times, curves["acked"], color=BLUE, lw=1.5, label="acknowledged by a node")
    axes.plot(times, curves["whole"], color="#009E73", lw=1.2, label="those of consistent messages")
    axes.plot(times, curves["resent"], color=VERMILION, lw=1.2, label="sent again")
    _faults(axes, record)
    axes.set_ylabel("number so far")
    axes.set_ylim(bottom=0)
    axes.legend(loc="center right", bbox_to_anchor=(1.0, 0.37), frameon=False, fontsize=9)
    return figure


def _faults(axes: Axes, record: Record) -> None:
    """Mark the faults and how long they last."""
    for fault in record.scenario.faults:
        whom = f" node {fault.node}" if fault.node is not None else ""
        whom += f" client {fault.client}" if fault.client is not None else ""
        if fault.duration is not None:
            axes.axvspan(fault.at, fault.at + fault.duration, color=GREY, alpha=0.12, lw=0)
        axes.axvline(fault.at, color=GREY, lw=0.8, ls=":")
        axes.annotate(fault.kind + whom, (fault.at, 1.0), (3, -3), xycoords=("data", "axes fraction"),
                      textcoords="offset points", rotation=90, va="top", fontsize=8, color=GREY)  # fmt: skip
    run_time(axes, record.scenario.duration)
    axes.grid(alpha=0.25)
