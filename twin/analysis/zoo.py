"""The zoo: the reconnect policies of client libraries on one outage, side by side."""

from typing import Any

import numpy as np
import pandas as pd

from twin.analysis.bands import Band
from twin.analysis.sweeps import BAND, Sweep, Variant, band_of
from twin.errors import ScenarioError
from twin.measures import MEASURES, PEAK_WINDOW
from twin.measures.base import Array
from twin.record.record import Record
from twin.rules.presets import CLIENTS
from twin.scenario.scenario import Scenario

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


def heading(name: str) -> tuple[str, str, float]:
    """Return how a ranked measure is shown: its name, its unit, and the factor from the measure's own unit."""
    return SHOWN.get(name, (name, MEASURES[name].unit, 1.0))


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
