"""Pictures of the lab notebook on sessions and the offline queue; the colours are those of `twin.figures.style`."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from twin.figures.style import COLOURS, DASHES, GREY, run_time
from twin.measures.sending import FLUSH_WINDOW, held_bytes, read_times
from twin.record.record import Record


def queue_figure(records: Mapping[str, Record]) -> Figure:
    """Return what an offline queue does over time, one line a record.

    Left the payload bytes that all clients together keep, right the messages that the nodes which never stopped read in
    each 100 ms. The first fault is a dotted line.
    """
    figure = Figure(figsize=(10.4, 3.6), layout="constrained")
    kept, read = figure.subplots(1, 2)
    for i, (name, record) in enumerate(records.items()):
        if record.void:
            read.plot([], [], " ", label=f"{name}: does not count")
            continue
        look = {"color": COLOURS[i % len(COLOURS)], "ls": DASHES[i % len(DASHES)], "lw": 1.4}
        end = record.scenario.duration
        times, held = held_bytes(record)
        last = held[-1] if len(held) else 0.0
        kept.step([0.0, *times, end], np.array([0.0, *held, last]) / 1000, where="post", **look)
        counts, edges = np.histogram(read_times(record), np.arange(0.0, end + FLUSH_WINDOW / 2, FLUSH_WINDOW))
        read.step(edges[:-1], counts, where="post", label=name, **look)
        for axes in (kept, read):
            axes.axvline(float(record.select("fault")["t"].iloc[0]), color=GREY, lw=1.2, ls=":")
            run_time(axes, end)
    kept.set_ylabel("payload kept by all clients (kB)")
    read.set_ylabel("messages read in 100 ms")
    read.legend(loc="best", frameon=False, fontsize=9)
    for axes in (kept, read):
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.25)
    return figure
