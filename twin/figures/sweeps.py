"""Pictures of sweeps: a measure against a setting, with bands; a pure function that returns a matplotlib figure."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from twin.analysis.bands import interval_name
from twin.analysis.sweeps import Sweep, band_of
from twin.errors import ScenarioError
from twin.figures.style import COLOURS, DASHES, GREY, MARKERS
from twin.measures import MEASURES


def sweep_figure(
    sweep: Sweep, measure: str, against: str | None, where: Mapping[str, Any], target: float | None
) -> Figure:
    """Return one line with a 95 % band for each combination of the settings that are not on the horizontal axis.

    Raises:
        ScenarioError: no such measure, setting or value, or more lines than can be told apart.
    """
    against = next(iter(sweep.vary)) if against is None else against
    for path in [against, *where]:
        if path not in sweep.vary:
            raise ScenarioError(f"sweep: {path} was not varied; allowed is one of {', '.join(sweep.vary)}.")
    bands = sweep.bands(measure)
    for path, value in where.items():
        if value not in sweep.vary[path]:
            raise ScenarioError(f"sweep: {path} is {value!r}; allowed is one of {sweep.vary[path]}.")
        bands = bands[bands[path] == value]
    others = [path for path in sweep.vary if path != against and path not in where]
    groups = list(bands.groupby(others, sort=False)) if others else [((), bands)]
    if len(groups) > len(COLOURS):
        raise ScenarioError(
            f"sweep: {len(groups)} lines cannot be told apart, at most {len(COLOURS)}; "
            f"fix one of {', '.join(others)} with --where PATH=VALUE."
        )
    figure = Figure(figsize=(7.5, 4.6), layout="constrained")
    axes = figure.subplots()
    places = _places(sweep.vary[against])
    for i, (values, group) in enumerate(groups):
        name = ", ".join(
            f"{'.'.join(path.split('.')[-2:])} {value}" for path, value in zip(others, values, strict=True)
        )
        _line(axes, i, [places[value] for value in group[against]], group, name)
    if target is not None:
        axes.axhline(target, color=GREY, lw=1.0, ls=":")
        axes.annotate(f"target {target:g}", (0.01, target), (0, 3), xycoords=("axes fraction", "data"),
                      textcoords="offset points", color=GREY, fontsize=9)  # fmt: skip
    if any(isinstance(value, str) for value in places):
        axes.set_xticks(list(places.values()), [str(value) for value in places])
        axes.tick_params(axis="x", rotation=20)
    elif len(places) <= 12:
        axes.set_xticks(list(places.values()))
    unit = MEASURES[measure].unit
    axes.set_xlabel(against + _note_not_reached(bands))
    axes.set_ylabel(measure if unit == "1" else f"{measure} ({unit})")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.25)
    fixed = "".join(f", {path} {value}" for path, value in where.items())
    interval = interval_name(int(bands["runs"].max()))
    axes.set_title(f"{sweep.scenario.name}: median and {interval}{fixed}", fontsize=11)
    if others:
        axes.legend(frameon=False, fontsize=9)
    return figure


def _places(values: list[Any]) -> dict[Any, float]:
    """Return where each value stands: numbers where they are, names side by side."""
    if any(isinstance(value, str) for value in values):
        return {value: float(i) for i, value in enumerate(values)}
    return {value: float(value) for value in values}


def _line(axes: Axes, i: int, places: list[float], group: pd.DataFrame, name: str) -> None:
    order = np.argsort(places)
    x = np.array(places)[order]
    bands = [band_of(row) for _, row in group.iterrows()]
    known = np.array([[band.at_least(value) for value in (band.low, band.median, band.high)] for band in bands])[order]
    low, median, high = known.T
    axes.fill_between(x, low, high, color=COLOURS[i], alpha=0.18, lw=0)
    axes.plot(x, median, color=COLOURS[i], marker=MARKERS[i], ms=5, ls=DASHES[i], lw=1.5, label=name)
    missed = np.array([band.not_reached > 0 for band in bands])[order]
    if missed.any():
        axes.plot(x[missed], high[missed], "^", color=COLOURS[i], mfc="white", ms=9)


def _note_not_reached(bands: pd.DataFrame) -> str:
    """Return what says what the open triangles are, if there are any."""
    missed = bands[bands["not_reached"] > 0]
    if not len(missed):
        return ""
    return f"\n(open triangle: in some runs not within {missed['bound'].min():.4g} s, all that was watched)"
