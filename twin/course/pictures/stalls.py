"""Pictures of the lab notebook on what stalls a node; the colours are those of `twin.figures.style`."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from twin.course.stalls import long_begins, short_answers, tails_by_hand
from twin.figures.style import BLUE, COLOURS, DASHES, GREY, VERMILION, blank, is_void
from twin.record.record import Record

COLUMNS = 3
LEAST_SHARE = 2e-3
"""Of the requests, at the foot of a picture of tails."""


def answers_figure(records: Mapping[str, Record], begin: float = 4.0, end: float = 5.0) -> Figure:
    """Return how long each short request took that was made between two times of the run in seconds, one panel a
    record; dotted lines are where a long one was made.
    """
    rows = -(-len(records) // COLUMNS)
    columns = min(COLUMNS, len(records))
    figure = blank(figsize=(3.6 * columns, 2.5 * rows + 0.4))
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    panels = list(grid.flat)
    for axes, (name, record) in zip(panels, records.items(), strict=False):
        axes.set_title(name, fontsize=10)
        if is_void(axes, record):
            continue
        asked, took = short_answers(record)
        shown = (asked >= begin) & (asked < end)
        axes.plot(asked[shown], 1000 * took[shown], "o", ms=3, color=BLUE)
        for at in long_begins(record):
            if begin <= at < end:
                axes.axvline(at, color=VERMILION, lw=0.9, ls=":")
        axes.grid(alpha=0.2)
    for axes in panels[len(records) :]:
        axes.set_visible(False)
    panels[0].set_yscale("log")
    panels[0].yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    panels[0].set_xlim(begin, end)
    for place, axes in enumerate(panels[: len(records)]):
        if place + columns >= len(records):
            axes.set_xlabel("request made at (s)")
            axes.tick_params(labelbottom=True)
        if place % columns == 0:
            axes.set_ylabel("answer after (ms, log.)")
    return figure


def tails_figure(simulated: Mapping[str, Record], measured: Mapping[str, Record]) -> Figure:
    """Return which share of the short requests took longer than so many milliseconds: simulated and measured."""
    figure = blank(figsize=(7.6, 4.4))
    axes = figure.subplots()
    valid = {name: record for name, record in measured.items() if record.counts}
    for i, name in enumerate(simulated):
        for records, dashes, width in ((simulated, "--", 1.2), (valid, "-", 2.0)):
            if name in records:
                took = np.sort(short_answers(records[name])[1])
                longer = 1.0 - np.arange(1, len(took) + 1) / len(took)
                label = name if records is valid or name not in valid else None
                axes.step(1000 * took, longer, where="post", color=COLOURS[i], ls=dashes, lw=width, label=label)
    for share in (0.1, 0.01):
        axes.axhline(share, color=GREY, lw=0.7, ls=":")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(LEAST_SHARE, 1.05)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))
    axes.set_xlabel("time from a short request to its answer (ms, logarithmic)")
    axes.set_ylabel("share that takes longer (logarithmic)")
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, fontsize=8, loc="lower left", title="solid: measured, dashed: simulated")
    return figure


def loads_figure(table: pd.DataFrame, service: float) -> Figure:
    """Return the mean time to an answer against the load: by the formula as a line, and the simulated means.

    Args:
        table: from `stalls.loads_table`.
        service: mean work of a request in seconds.
    """
    figure = blank(figsize=(6.6, 3.8))
    axes = figure.subplots()
    loads = np.linspace(0.0, 0.95, 200)
    axes.plot(loads, 1000 * service / (1.0 - loads), color=GREY, ls=":", lw=2.2, label="M/M/1: work / (1 - load)")
    middle = table["simulated (ms)"]
    spread = [middle - table["least (ms)"], table["largest (ms)"] - middle]
    axes.errorbar(table.index, middle, yerr=spread, fmt="o", color=BLUE, capsize=3,
                  label="simulated: mean, least and largest of the replications")  # fmt: skip
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1000 * service * 21)
    axes.set_xlabel("load: share of the time in which the node works")
    axes.set_ylabel("mean time to the answer (ms)")
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, fontsize=9, loc="upper left")
    return figure


def tails_by_hand_figure(long_ms: float = 100.0, longs_a_second: float = 4.0, processes: int = 4) -> Figure:
    """Return which share of the short requests waits for longer than so many milliseconds, by hand.

    Args:
        long_ms: milliseconds of a long request.
        longs_a_second: how many of them come.
        processes: how many there are where there are several.
    """
    figure = blank(figsize=(7.0, 4.0), layout="none")
    figure.subplots_adjust(left=0.12, right=0.98, bottom=0.14, top=0.9)
    axes = figure.subplots()
    table = tails_by_hand(long_ms / 1000, longs_a_second, processes)
    for i, name in enumerate(table.columns):
        axes.plot(1000 * table.index, 100 * table[name], color=COLOURS[i], ls=DASHES[i], lw=1.9, label=name)
    busy = long_ms / 1000 * longs_a_second
    axes.set_title(f"the core is busy with long requests for {100 * min(1.0, busy):.0f} % of the time"
                   + (": more than it can do" if busy >= 1.0 else ""), fontsize=10)  # fmt: skip
    axes.set_xlim(0, long_ms)
    axes.set_ylim(0, 100)
    axes.set_xlabel("wait (ms)")
    axes.set_ylabel("short requests that wait longer (%)")
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, fontsize=9)
    return figure
