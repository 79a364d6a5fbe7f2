"""Pictures of the lab notebook on transports; the colours are those of `twin.figures.style`."""

from collections.abc import Mapping
from typing import get_args

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from twin.course.transports import break_even, delivery_waits, traffic
from twin.figures.style import COLOURS, DASHES, GREY, blank
from twin.record.record import Record
from twin.rules.polling import Transport

LABELS: dict[Transport, str] = {"websocket": "WebSocket", "long_poll": "long poll", "poll": "poll"}
SLOWEST, FASTEST = 0.02, 20.0
"""Messages a second at the ends of the axis."""


def waits_figure(simulated: Mapping[str, Record], measured: Mapping[str, Record], interval: float) -> Figure:
    """Return which share of the messages was younger than so many seconds when it was applied, by transport: simulated,
    measured, and for polls by hand, a straight line up to the interval in seconds.
    """
    figure = blank(figsize=(7.4, 4.2))
    axes = figure.subplots()
    for i, name in enumerate(simulated):
        for records, dashes, width, world in ((simulated, "--", 1.3, "simulated"), (measured, "-", 2.0, "measured")):
            if name in records and records[name].counts:
                found = delivery_waits(records[name])
                shares = np.arange(1, len(found) + 1) / len(found)
                label = f"{name}, {world}"
                axes.plot(found, shares, color=COLOURS[i], ls=dashes, lw=width, label=label)
    line = np.geomspace(1e-3 * interval, interval, 100)
    axes.plot(line, line / interval, color=GREY, ls=":", lw=2.0, label="poll, by hand")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda t, _: f"{t:g}"))
    axes.set_xlim(1e-3, 1.3 * interval)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("age of a message when it is applied (s, logarithmic)")
    axes.set_ylabel("share of the messages that were younger")
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(0.61, 1.0))
    return figure


def traffic_figure(interval: float = 1.0, hold: float = 25.0, clients: int = 100, payload: int = 64) -> Figure:
    """Return requests a second and bytes a second against the messages a second, by transport, where nothing takes
    time; a dotted line is where long polls begin to be more requests than polls.

    Args:
        interval: seconds between two polls.
        hold: seconds for which a long poll waits.
        clients: how many.
        payload: bytes of a message.
    """
    figure = blank(figsize=(9.6, 3.9), layout="none")
    figure.subplots_adjust(left=0.08, right=0.99, bottom=0.15, top=0.9, wspace=0.22)
    rates = np.geomspace(SLOWEST, FASTEST, 160)
    for axes, which, title in zip(figure.subplots(1, 2), (0, 1), ("requests", "kB"), strict=True):
        kinds: tuple[Transport, ...] = get_args(Transport)
        for i, kind in enumerate(kinds):
            found = traffic(kind, rates, interval, hold, clients, payload)[which] / (1.0, 1000.0)[which]
            label = LABELS[kind] if found.any() else f"{LABELS[kind]}: none"
            axes.plot(rates, np.where(found > 0, found, np.nan), color=COLOURS[i], ls=DASHES[i], lw=1.8, label=label)
        axes.axvline(break_even(interval), color=GREY, lw=0.9, ls=":")
        axes.set_xscale("log")
        axes.set_yscale("log")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
        axes.set_xlim(SLOWEST, FASTEST)
        axes.set_xlabel("messages a second (logarithmic)")
        axes.set_title(f"{title} a second, {clients} clients (logarithmic)", fontsize=10)
        axes.grid(alpha=0.25)
        axes.legend(frameon=False, fontsize=9)
    return figure
