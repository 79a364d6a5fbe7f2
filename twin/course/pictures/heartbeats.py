"""Pictures of the lab notebook on heartbeats; the colours are those of `twin.figures.style`."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from twin.course.heartbeats import notice_times, spans
from twin.figures.style import BLUE, COLOURS, DASHES, GREY, MARKERS, VERMILION, is_void
from twin.record.record import Record
from twin.rules.heartbeat import detection_bounds


def notice_figure(simulated: Record, measured: Sequence[Record]) -> Figure:
    """Return which share of the affected clients has noticed, against the time since the fault: by hand (a straight
    line between the bounds), simulated, and measured, one line a run.
    """
    figure = Figure(figsize=(6.8, 4.0), layout="constrained")
    axes = figure.subplots()
    beat = simulated.scenario.clients.heartbeat
    bounds = detection_bounds(beat.interval, beat.timeout, beat.close_timeout)
    axes.plot(bounds, [0, 1], color=GREY, lw=2.5, ls=":", label="by hand: timeout + U(0, interval)")
    for i, record in enumerate(measured):
        times = notice_times(record)
        label = f"measured, {len(measured)} run{'s' if len(measured) > 1 else ''}" if i == 0 else None
        axes.step(times, np.arange(1, len(times) + 1) / len(times), where="post", color=VERMILION, lw=1.1, label=label)
    times = notice_times(simulated)
    axes.step(times, np.arange(1, len(times) + 1) / len(times), where="post", color=BLUE, lw=1.4, ls="--",
              label=f"simulated, replication {simulated.replication}")  # fmt: skip
    axes.set_xlim(0, 1.25 * bounds[1])
    axes.set_ylim(0, 1.03)
    axes.set_xlabel("time since the node fell silent (s)")
    axes.set_ylabel("share of its clients that have noticed")
    axes.grid(alpha=0.25)
    axes.legend(loc="upper left", frameon=False, fontsize=9)
    return figure


def trade_off_figure(table: pd.DataFrame) -> Figure:
    """Return what detection costs: the 99th percentile of the notice against the pings a second, one line a timeout."""
    figure = Figure(figsize=(6.8, 4.0), layout="constrained")
    axes = figure.subplots()
    for i, (timeout, rows) in enumerate(table.groupby("timeout")):
        axes.plot(rows["pings"], rows["notice_p99"], marker=MARKERS[i], color=COLOURS[i], ls=DASHES[i],
                  label=f"timeout {timeout:g} s")  # fmt: skip
    if len(table):
        top = table[table["timeout"] == table["timeout"].max()]
        for _, row in top.iterrows():
            axes.annotate(f"every {row['interval']:g} s", (row["pings"], row["notice_p99"]), (4, 6),
                          textcoords="offset points", fontsize=8, color=GREY)  # fmt: skip
    axes.set_xscale("log")
    ticks = sorted(set(table["pings"]))
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.margins(x=0.16)
    axes.set_ylim(0, 1.12 * float(table["notice_p99"].max()))
    axes.set_xlabel("pings a second, all clients together (logarithmic)")
    axes.set_ylabel("99 % have noticed after (s)")
    axes.grid(alpha=0.25)
    axes.legend(frameon=False)
    return figure


def spans_figure(records: Mapping[str, Record], clients: Sequence[int]) -> Figure:
    """Return when each of some clients was connected, one line a client, one panel a record; a cross is a loss."""
    figure = Figure(figsize=(min(11.0, 5.2 * len(records) + 0.6), 3.6), layout="constrained")
    panels = figure.subplots(1, len(records), sharey=True, squeeze=False)[0]
    for axes, (name, record) in zip(panels, records.items(), strict=True):
        axes.set_title(name, fontsize=11)
        if is_void(axes, record):
            continue
        end = record.scenario.duration
        for place, held in enumerate(spans(record, clients)):
            for begin, over in held:
                axes.plot([begin, over], [place, place], color=BLUE, lw=2.2, solid_capstyle="butt")
            losses = [over for _, over in held if over < end]
            axes.plot(losses, [place] * len(losses), "x", color=VERMILION, ms=6, mew=1.6, clip_on=False)
        axes.set_xlim(0, end)
        axes.set_xlabel("time (s)")
        axes.set_yticks(range(len(clients)), [str(client) for client in clients], fontsize=8)
    panels[0].set_ylabel("client (cross: connection lost)")
    return figure


def search_figure(table: pd.DataFrame, timeout: float) -> Figure:
    """Return the intervals that an adapting heartbeat tries, and the timeout of the balancer that it does not know."""
    figure = Figure(figsize=(6.8, 3.6), layout="constrained")
    axes = figure.subplots()
    axes.axhline(timeout, color=GREY, lw=1.2, ls=":", label="timeout of the balancer")
    kept, cut = table[~table["cut"]], table[table["cut"]]
    axes.plot(table["t"], table["interval"], color=BLUE, lw=0.8, alpha=0.5)
    axes.plot(kept["t"], kept["interval"], "o", color=BLUE, ms=5, label="answered")
    axes.plot(cut["t"], cut["interval"], "x", color=VERMILION, ms=8, mew=2, label="connection cut")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("time (s)")
    axes.set_ylabel("interval tried (s)")
    axes.grid(alpha=0.25)
    axes.legend(loc="lower right", frameon=False)
    return figure
