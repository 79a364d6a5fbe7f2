"""Pictures of the lab notebook on sessions and the offline queue; the colours are those of `twin.figures.style`."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from twin.figures.style import COLOURS, DASHES, GREY, run_time
from twin.measures.sending import FLUSH_WINDOW, held_bytes, read_times
from twin.record.record import Record

WIDTHS = (3.4, 1.3)
"""Of the lines in points: where two records agree, the thick line shows beside the thin one."""


def queue_figure(records: Mapping[str, Record], full: float | None = None) -> Figure:
    """Return what an offline queue does over time, one line a record.

    Left the payload bytes that all clients together keep, right the messages that the nodes which never stopped read in
    each 100 ms. The first fault is a dotted line.

    Args:
        records: of scenarios whose clients send.
        full: payload bytes with which all queues are full, drawn as a line; None draws none.
    """
    figure = Figure(figsize=(10.4, 3.6), layout="constrained")
    kept, read = figure.subplots(1, 2)
    for i, (name, record) in enumerate(records.items()):
        if record.void:
            read.plot([], [], " ", label=f"{name}: does not count")
            continue
        look = {"color": COLOURS[i % len(COLOURS)], "ls": DASHES[i % len(DASHES)], "lw": WIDTHS[min(i, 1)]}
        end = record.scenario.duration
        times, held = held_bytes(record)
        last = held[-1] if len(held) else 0.0
        kept.step([0.0, *times, end], np.array([0.0, *held, last]) / 1000, where="post", **look)
        counts, edges = np.histogram(read_times(record), np.arange(0.0, end + FLUSH_WINDOW / 2, FLUSH_WINDOW))
        read.step(edges[:-1], counts, where="post", label=name, **look)
        for axes in (kept, read):
            fault = record.select("fault").iloc[0]
            axes.axvline(float(fault["t"]), color=GREY, lw=1.2, ls=":", zorder=0)
            if not i:
                axes.annotate(f"{fault['kind']} node {fault['node']}", (float(fault["t"]), 1.0), (-3, -3), rotation=90,
                              xycoords=("data", "axes fraction"), textcoords="offset points", va="top", ha="right",
                              fontsize=8, color=GREY)  # fmt: skip
            run_time(axes, end)
    if full is not None:
        kept.axhline(full / 1000, color=GREY, lw=1.0, ls="--")
        kept.annotate("all queues full", (1.0, full / 1000), (-3, -3), xycoords=("axes fraction", "data"),
                      textcoords="offset points", ha="right", va="top", fontsize=8, color=GREY)  # fmt: skip
    kept.set_ylabel("payload kept by all clients (kB)")
    read.set_ylabel("messages read in 100 ms")
    read.legend(loc="best", frameon=False, fontsize=9)
    for axes in (kept, read):
        axes.set_ylim(0, 1.05 * axes.get_ylim()[1])
        axes.grid(alpha=0.25)
    return figure
