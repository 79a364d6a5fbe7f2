"""The zoo: the reconnect policies of client libraries on one outage, side by side."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from twin.analysis.bands import Band
from twin.analysis.sweeps import BAND, Sweep, Variant, band_of
from twin.errors import ScenarioError
from twin.figures.comparison import BLUE, GREY, VERMILION, blank, draw_band
from twin.measures import MEASURES, PEAK_WINDOW
from twin.measures.base import Array
from twin.record.record import Record
from twin.rules.presets import CLIENTS
from twin.scenario.scenario import Scenario

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LIBRARY = "library"
OWN = "the scenario's own"
"""Name of the policy that the scenario itself has."""
RANKED = ("peak_attempts", "time_to_99", "attempts_per_client")
"""Measures by which the libraries are ranked; of each less is better."""
SHOWN = {"peak_attempts": ("peak attempts a second", "in the busiest 100 ms", 1 / PEAK_WINDOW)}
"""Measures that are shown in another unit: name, what it is, and the factor."""
BIN = 0.5
"""Seconds over which attempts are averaged in the picture."""


def zoo_variants(scenario: Scenario, keep_heartbeat: bool = False) -> list[Variant]:
    """Return the scenario as it is and with each client library's preset.

    Args:
        scenario: an outage.
        keep_heartbeat: keep the scenario's heartbeat and exchange the reconnect policy only.

    Raises:
        ScenarioError: the scenario has no fault, so nobody would have to reconnect.
    """
    if not scenario.faults:
        raise ScenarioError(
            f"zoo: {scenario.name} has no faults, so nobody reconnects; give a scenario with an outage."
        )
    parts = ("reconnect",) if keep_heartbeat else ("reconnect", "heartbeat")
    found = [Variant({LIBRARY: OWN}, scenario)]
    for name in CLIENTS:
        found.append(Variant({LIBRARY: name}, scenario.vary(clients=dict.fromkeys(parts, name))))
    return found


def check_by(measure: str) -> None:
    """Make sure that one can rank by a measure.

    Raises:
        ScenarioError: one cannot.
    """
    if measure not in RANKED:
        raise ScenarioError(f"--by is '{measure}'; allowed is one of {', '.join(RANKED)}.")


def ranking(sweep: Sweep, by: str = RANKED[0]) -> pd.DataFrame:
    """Return one row a library, the best first: medians and bands of the `RANKED` measures, and the rank in each.

    Args:
        sweep: the results of `zoo_variants`.
        by: the measure that orders the rows; of equals the one that comes first in the sweep.

    Raises:
        ScenarioError: there is no such measure, or no client was affected.
    """
    check_by(by)
    if RANKED[0] not in sweep.measures:
        raise ScenarioError(f"zoo: no client of {sweep.scenario.name} loses its connection; give a larger outage.")
    table = pd.DataFrame({LIBRARY: sweep.vary[LIBRARY]})
    for name in [*RANKED, "gave_up_share"]:
        bands = sweep.bands(name)
        for column in BAND:
            table[f"{name}.{column}"] = bands[column]
        if name in RANKED:
            # to three digits, as it is shown: smaller differences are none
            shown = [float(f"{value:.3g}") for value in bands["median"]]
            table[f"{name}.rank"] = pd.Series(shown).rank(method="min").astype(int)
    order = [f"{by}.rank", *(f"{name}.rank" for name in RANKED)]
    return table.sort_values(order, kind="stable").reset_index(drop=True)


def attempt_rates(record: Record) -> Array:
    """Return attempts to connect a second in each `BIN` of the run, shape (bins,); the warm-up is left out."""
    t = record.select("attempt_connect")["t"].to_numpy()
    edges = np.arange(0.0, record.scenario.duration + BIN, BIN)
    return np.histogram(t, edges)[0] / BIN


def zoo_figure(table: pd.DataFrame, rates: Mapping[str, Array], scenario: Scenario) -> "Figure":
    """Return a row for each library: its attempts over time in one run, and the bands of the ranked measures.

    Args:
        table: from `ranking`.
        rates: for each library its `attempt_rates`.
        scenario: the outage.
    """
    count = len(table)
    figure = blank(figsize=(12.5, 1.6 + 0.62 * count))
    halves = figure.subfigures(1, 2, squeeze=False, width_ratios=[1.25, 1])
    left, right = halves[0]
    rows = left.subplots(count, 1, sharex=True, sharey=True)
    top = max(float(one.max()) for one in rates.values())
    last = max(float(np.flatnonzero(one).max(initial=0)) for one in rates.values())
    end = min(scenario.duration, 1.1 * BIN * (last + 1))
    for axes, name in zip(rows, table[LIBRARY], strict=True):
        _storm(axes, rates[name], name, scenario, top)
        axes.set_xlim(0, end)
    rows[0].legend(loc="upper right", frameon=False, fontsize=8, ncols=2)
    rows[-1].set_xlabel("time since the start of the run (s)")
    rows[0].set_title(f"attempts a second, one run, in bins of {BIN:g} s (log scale)", fontsize=10)
    columns = right.subplots(1, len(RANKED), sharey=True)
    for axes, name in zip(columns, RANKED, strict=True):
        _bands(axes, table, name)
    first = heading(_first(table))[0].replace("_", " ")
    figure.suptitle(f"{scenario.name}: {scenario.clients.count} clients, client libraries by {first}", fontsize=12)
    return figure


def _first(table: pd.DataFrame) -> str:
    """Return the measure that the rows are sorted by."""
    return next((name for name in RANKED if table[f"{name}.rank"].is_monotonic_increasing), RANKED[0])


def heading(name: str) -> tuple[str, str, float]:
    """Return how a ranked measure is shown: its name, its unit, and the factor from the measure's own unit."""
    return SHOWN.get(name, (name, MEASURES[name].unit, 1.0))


def _label(name: str) -> str:
    if name in SHOWN:
        return "\n".join(SHOWN[name][:2])
    unit = MEASURES[name].unit
    return name.replace("_99", "_99 %").replace("_", " ") + ("" if unit == "1" else f" ({unit})")


def _storm(axes: "Axes", rates: Sequence[float] | Array, name: str, scenario: Scenario, top: float) -> None:
    edges = np.arange(len(rates) + 1) * BIN
    axes.stairs(np.maximum(rates, 0.5), edges, fill=True, color=BLUE, alpha=0.75, baseline=0.5, lw=0)
    for at in sorted({fault.at for fault in scenario.faults}):
        axes.axvline(at, color=VERMILION, lw=1.1, label="a fault begins")
    for over in sorted({fault.at + fault.duration for fault in scenario.faults if fault.duration is not None}):
        axes.axvline(over, color=VERMILION, lw=1.1, ls=":", label="it is over")
    axes.set_yscale("log")
    axes.set_ylim(0.5, 1.6 * top)
    axes.set_ylabel(name.replace(" ", "\n", 1), rotation=0, ha="right", va="center", fontsize=9)
    axes.tick_params(labelsize=7)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _bands(axes: "Axes", table: pd.DataFrame, name: str) -> None:
    places = np.arange(len(table))[::-1]
    factor = heading(name)[2]
    for place, (_, row) in zip(places, table.iterrows(), strict=True):
        band = row_band(row, name)
        draw_band(axes, band, place, factor)
        if row["gave_up_share.median"] > 0 and name == "time_to_99":
            where = band.at_least(band.median), place
            axes.annotate(f"{100 * row['gave_up_share.median']:.0f} % gave up", where, (-4, 7),
                          textcoords="offset points", ha="right", fontsize=8, color=GREY)  # fmt: skip
    axes.set_yticks(places, ["" for _ in places])
    axes.set_ylim(-0.5, len(table) - 0.5)
    axes.set_xlim(left=0)
    axes.set_title(_label(name), fontsize=10)
    if table[f"{name}.not_reached"].any():
        axes.set_xlabel("triangle: not within the\nrun, in some or all runs", fontsize=8)
    axes.grid(axis="x", alpha=0.25)
    axes.tick_params(labelsize=8)


def row_band(row: "pd.Series[Any]", measure: str) -> Band:
    """Return the band of a measure in a row of `ranking`."""
    return band_of(pd.Series({column: row[f"{measure}.{column}"] for column in BAND}))


def zoo_dict(table: pd.DataFrame, scenario: Scenario, replications: int) -> dict[str, Any]:
    """Return the ranking as one JSON object."""

    def entry(row: "pd.Series[Any]") -> dict[str, Any]:
        name = str(row[LIBRARY])
        one: dict[str, Any] = {LIBRARY: name, "source": CLIENTS[name].source if name in CLIENTS else "the scenario"}
        for measure in [*RANKED, "gave_up_share"]:
            band = row_band(row, measure)
            rank = {"rank": int(row[f"{measure}.rank"])} if measure in RANKED else {}
            one[measure] = {"unit": MEASURES[measure].unit, **band.as_dict(), **rank}
        peak = {column: row[f"{RANKED[0]}.{column}"] / PEAK_WINDOW for column in ("median", "low", "high")}
        one["peak_rate"] = {"unit": "1/s", **peak}
        return one

    return {
        "scenario": scenario.name,
        "replications": replications,
        "peak_window": PEAK_WINDOW,
        "libraries": [entry(row) for _, row in table.iterrows()],
    }
