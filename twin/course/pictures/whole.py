"""Pictures of the lab notebook on the whole cluster; the colours are those of `twin.figures.style`."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from twin.course.whole import delays
from twin.figures.style import COLOURS, DASHES, GREY, MARKERS
from twin.record.record import Record

LOGIN_WINDOW = 0.1


def storm_figure(records: Mapping[str, Record]) -> Figure:
    """Return what logins do to messages: above the logins in each 100 ms, below how late each message is.

    Args:
        records: runs with the same drain, by what they are; its begin is a dotted line.
    """
    figure = Figure(figsize=(8.2, 5.2), layout="constrained")
    logins, late = figure.subplots(2, 1, sharex=True)
    for i, (name, record) in enumerate(records.items()):
        look = {"color": COLOURS[i % len(COLOURS)], "ls": DASHES[i % len(DASHES)], "lw": 1.3}
        end = record.scenario.duration
        times = record.select("session_lost")["t"].to_numpy()
        counts, edges = np.histogram(times, np.arange(0.0, end + LOGIN_WINDOW / 2, LOGIN_WINDOW))
        logins.step(edges[:-1], counts, where="post", label=name, **look)
        published, after = delays(record)
        late.plot(published, 1000 * after, marker=MARKERS[i % len(MARKERS)], ms=3.5, **look)
    for axes in (logins, late):
        for fault in record.scenario.faults:
            if fault.kind == "drain":
                axes.axvline(fault.at, color=GREY, lw=1.0, ls=":")
        axes.grid(alpha=0.25)
    late.set_xlim(0, end)
    late.set_yscale("log")
    late.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    logins.set_ylim(bottom=0)
    logins.set_ylabel("unknown sessions\nin 100 ms")
    late.set_ylabel("time until 99 % of its\nreceivers have a message\n(ms, logarithmic)")
    late.set_xlabel("time of publication since the start of the run (s); dotted: the drain begins")
    logins.legend(loc="upper right", frameon=False, fontsize=9)
    return figure
