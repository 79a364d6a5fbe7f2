"""What the lab notebooks compute and check, so that they hold no logic themselves.

Nothing here knows a world: what has to be simulated is done by a function that the notebook passes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from twin.analysis.bands import Band
from twin.analysis.comparison import Predicted
from twin.course.answers import STEP, Answer, Predict, asked, cheapest, number, told_from, whole
from twin.course.extremes import Extreme
from twin.errors import ScenarioError
from twin.measures import MEASURES, measure_record
from twin.record.record import Record
from twin.rules.health import detection_bounds
from twin.scenario.scenario import Scenario

LEAST_INTER = 0.2
LEAST_FALL = 2
RECONNECT_LIMIT = 1.5
"""Seconds that the upper end of the 95 % interval of `reconnect_p50` must stay below."""
LATE_LIMIT = 1.0
"""Seconds that the upper end of the 95 % interval of `reconnect_p90` must stay below, with roundrobin."""


def check_answer(scenario: Scenario, inter: object, fall: object, predict: Predict, expected: object = None) -> Answer:
    """Judge HAProxy's check settings that shall make `reconnect_p50` small with as few checks as possible.

    Any settings are right that keep `inter` at `LEAST_INTER` or more and `fall` at `LEAST_FALL` or more, with which the
    upper end of the predicted 95 % interval of `reconnect_p50` lies below `RECONNECT_LIMIT`, and that have the longest
    such `inter`: with one `answers.STEP` times as long it does not.

    Args:
        scenario: the failover, with HAProxy; retries are switched off here.
        inter: seconds between two checks.
        fall: failed checks in a row that mark a node down.
        predict: predicts the varied scenario; it is not called when the settings are ruled out anyway.
        expected: the reader's own number for the upper end of that interval, in seconds; without it nothing is judged.
    """

    def judge() -> Answer:
        try:
            every, times = number("inter", inter), whole("fall", fall)
        except ScenarioError as error:
            return Answer(False, f"HAProxy does not take these settings. {error}")
        longer = STEP * every
        said = f"a check every {longer:.3g} s, which costs the nodes fewer requests,"
        return cheapest(
            _in_time(scenario, every, times, predict), [(said, lambda: _in_time(scenario, longer, times, predict))]
        )

    what = "the upper end of the 95 % interval of reconnect_p50 in s"
    return asked(expected, what, scenario.duration, judge)


def harder(lab: Scenario) -> Extreme:
    """Return the harder question: how gentle may the backoff be when the balancer does not look for the dead node?

    With roundrobin the check hardly matters any more, and the waits decide.

    Args:
        lab: the failover, with leastconn.
    """
    other = lab.vary(balancer={"algorithm": "roundrobin", "retries": 0, "redispatch": 0})
    return Extreme(
        scenario=other,
        setting="clients.reconnect.base in s",
        varied=lambda base: other.vary(clients={"reconnect": {"base": base}}),
        measure="reconnect_p90",
        bound=LATE_LIMIT,
        least=0.01,
        most_allowed=5.0,
        hint="Two of three attempts meet a healthy node. After how many attempts are nine of ten clients back?",
        lab=lab,
    )


def _in_time(scenario: Scenario, inter: float, fall: int, predict: Predict) -> Answer:
    """Tell whether half of the clients are back in time for sure."""
    try:
        varied = scenario.vary(balancer={"check": {"inter": inter, "fall": fall}, "retries": 0, "redispatch": 0})
    except (ScenarioError, TypeError, ValueError) as error:
        return Answer(False, f"HAProxy does not take these settings. {error}")
    if inter < LEAST_INTER:
        return Answer(
            False,
            f"inter is {inter:g} s and must not be below {LEAST_INTER:g} s: every check costs the nodes a request.",
        )
    if fall < LEAST_FALL:
        return Answer(
            False, f"fall is {fall} and must be {LEAST_FALL} or more: one lost check would take a healthy node out."
        )
    soonest, latest = detection_bounds(inter, fall)
    band = Band.predicted(predict(varied), "reconnect_p50")
    found = (
        f"the node is marked down {soonest:.2g} to {latest:.2g} s after its death, and the predicted interval of "
        f"reconnect_p50 is {band.text('low')} to {told_from(RECONNECT_LIMIT, band.high, band.text('high'))} s"
    )
    if band.high < RECONNECT_LIMIT:
        return Answer(True, f"{found}; its upper end is below {RECONNECT_LIMIT:g} s.", band.high)
    return Answer(
        False,
        f"{found}; its upper end is not below {RECONNECT_LIMIT:g} s. The latest mark-down is fall * inter = "
        f"{latest:.2g} s after the death, and the backoff that is under way then comes on top: make it smaller.",
        band.high,
    )


def blind_time(record: Record) -> dict[str, float]:
    """Return what happened between the first fault and the first mark-down after it.

    Returns:
        `mark_down` (s after the fault), `attempts` (started in between) and `connected` (of all clients, in between);
        `mark_down` is NaN and the rest counts to the end of the record if nothing was marked down.
    """
    fault = float(record.select("fault")["t"].iloc[0])
    downs = record.select("marked_down")["t"]
    downs = downs[downs >= fault]
    end = float(downs.iloc[0]) if len(downs) else float("inf")
    within = record.events[(record.events["t"] >= fault) & (record.events["t"] < end)]["event"]
    return {
        "mark_down": end - fault if len(downs) else float("nan"),
        "attempts": int((within == "attempt_connect").sum()),
        "connected": int((within == "connected").sum()),
    }


def three_numbers(mine: Mapping[str, float], prediction: Predicted, records: Sequence[Record]) -> pd.DataFrame:
    """Lay a reader's own numbers beside the medians of the prediction and of the runs that count.

    Args:
        mine: the reader's number for each measure.
        prediction: from `sim.predict`.
        records: measured runs; those that are void do not count.
    """
    counted = [measure_record(record) for record in records if record.counts]
    measured = pd.DataFrame(counted).reindex(columns=list(mine)).median()
    table = pd.DataFrame(
        {"by hand": pd.Series(mine, dtype=float), "simulated": prediction.measures.median(), "measured": measured}
    ).loc[list(mine)]
    table["by hand / measured"] = table["by hand"] / table["measured"]
    table["simulated / measured"] = table["simulated"] / table["measured"]
    return table


def paired_differences(base: Predicted, variants: Mapping[str, Predicted], measure: str) -> pd.DataFrame:
    """Compare variants of a scenario with it, replication by replication (common random numbers).

    Returns:
        One row a variant (the base first): median and 95 % interval of the measure, median of the difference to the
        base in the same replication, the standard deviation of that difference, and the one it would have if both had
        drawn their random numbers independently. What was not reached has no difference.
    """
    first = base.measures[measure].to_numpy()
    rows: dict[str, dict[str, Any]] = {}
    for name, prediction in {"as it is": base, **variants}.items():
        values = prediction.measures[measure].to_numpy()
        band = Band.of(values[~np.isnan(values)])
        row: dict[str, Any] = {"median": band.median, "low": band.low, "high": band.high}
        if prediction is not base:
            change = np.subtract(
                values, first, where=np.isfinite(values) & np.isfinite(first), out=np.full(len(first), np.nan)
            )
            row["difference"] = float(np.nanmedian(change))
            row["sd, same numbers"] = float(np.nanstd(change))
            row["sd, independent"] = float(np.hypot(*(np.nanstd(one[np.isfinite(one)]) for one in (values, first))))
        rows[name] = row
    return pd.DataFrame.from_dict(rows, orient="index")


def medians(predictions: Mapping[str, Predicted], names: Sequence[str]) -> pd.DataFrame:
    """Return the predicted medians of some measures, one row a variant; NaN where a variant does not define one."""
    rows = {name: one.measures.reindex(columns=list(names)).median() for name, one in predictions.items()}
    return pd.DataFrame.from_dict(rows, orient="index")


def interval_table(prediction: Predicted, names: Sequence[str]) -> pd.DataFrame:
    """Return unit, median and 95 % interval of some measures, one row each; infinite is what was not reached."""
    rows = {}
    for name in names:
        band = Band.predicted(prediction, name)
        rows[name] = {"unit": MEASURES[name].unit, "low": band.low, "median": band.median, "high": band.high}
    return pd.DataFrame.from_dict(rows, orient="index")


def upper_end(prediction: Predicted, measure: str) -> float:
    """Return the upper end of the predicted 95 % interval of a measure."""
    return Band.predicted(prediction, measure).high
