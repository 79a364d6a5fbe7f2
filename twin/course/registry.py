"""What the notebooks on the registry and on autoscaling compute and check.

Nothing here knows a world: what has to be simulated is done by a function that the notebook passes.
"""

import numpy as np
import pandas as pd

from twin.analysis.bands import Band
from twin.course.failover import Answer, Predict
from twin.errors import ScenarioError
from twin.record.record import Record
from twin.rules.registry import removal_bounds
from twin.scenario.scenario import Scenario

REMOVAL_LIMIT = 1.2
"""Seconds that the upper end of the 95 % interval of `mark_down_delay` must stay below."""
LEAST_SIGNS = 3
"""Heartbeats that a lease must have room for, so that two lost ones do not end it."""
LEAST_HEARTBEAT = 0.2
LEAST_SHARE = 0.8
"""Share of the mean that new nodes must carry at the end, at the lower end of the 95 % interval."""
MOST_CHURN = 60.0
"""Attempts a second that the upper end of the 95 % interval of `churn_peak` must stay below: 30 % of the 200 clients.

Connections that were made together, with lifetimes of `mean` give or take `jitter`, first end at
200 / (2 * jitter * mean) a second. With a jitter of 60 % that grows to 1.7 times as much just before the last of them
ends, when their successors end, too (renewal equation of a uniform lifetime). So 8 s have a peak of 21 to 36 a second,
below the bar; 5 s have one of 33 to 57, which chance lifts above it."""
LOAD_STEP = 0.1
"""Seconds between two points of a node's load."""


def loads(record: Record) -> pd.DataFrame:
    """Return the connections of each node over time: one row every `LOAD_STEP` seconds, one column a node."""
    end = record.scenario.duration
    times = np.arange(0.0, end + LOAD_STEP / 2, LOAD_STEP)
    table = record.select("connected", "disconnected")
    columns = {}
    for node in range(1, record.scenario.slots + 1):
        mine = table[table["node"].eq(node)]
        ups = np.sort(mine[mine["event"].eq("connected")]["t"].to_numpy())
        downs = np.sort(mine[mine["event"].eq("disconnected")]["t"].to_numpy())
        columns[node] = np.searchsorted(ups, times, "right") - np.searchsorted(downs, times, "right")
    return pd.DataFrame(columns, index=pd.Index(times, name="t"))


def lease_story(record: Record) -> pd.DataFrame:
    """Return what happened to nodes, registry and balancer in the run: time, event, node and generation or detail."""
    names = ("fault", "healed", "node_starting", "node_started", "node_stopped", "registered", "fenced", "scaled")
    table = record.select(*names, "marked_down", "marked_up", "drained")
    table = table[table["t"] >= 0.0]
    return table[["t", "event", "node", "detail"]].reset_index(drop=True)


def check_lease(scenario: Scenario, ttl: float, heartbeat: float, predict: Predict) -> Answer:
    """Judge a lease that shall end soon after a death, and not without one.

    Any settings are right with a heartbeat of at least `LEAST_HEARTBEAT`, a lease of at least `LEAST_SIGNS` heartbeats,
    and the upper end of the predicted 95 % interval of `mark_down_delay` below `REMOVAL_LIMIT`.

    Args:
        scenario: the death of a node with a registry.
        ttl: seconds of a lease.
        heartbeat: seconds between two heartbeats.
        predict: predicts the varied scenario; it is not called when the settings are ruled out anyway.
    """
    try:
        varied = scenario.vary(registry={"ttl": float(ttl), "heartbeat": float(heartbeat)})
    except (ScenarioError, TypeError, ValueError) as error:
        return Answer(False, f"the registry does not take these settings. {error}")
    assert varied.registry is not None
    ttl, heartbeat = varied.registry.ttl, varied.registry.heartbeat
    if heartbeat < LEAST_HEARTBEAT:
        return Answer(
            False,
            f"heartbeat is {heartbeat:g} s and must not be below {LEAST_HEARTBEAT:g} s: every heartbeat costs the node "
            "and the registry a command.",
        )
    if ttl < LEAST_SIGNS * heartbeat - 1e-9:
        return Answer(
            False,
            f"ttl is {ttl:g} s, less than {LEAST_SIGNS} heartbeats: two lost ones would take a healthy node out.",
        )
    low, high = removal_bounds(ttl, heartbeat, varied.registry.sync)
    band = Band.predicted(predict(varied), "mark_down_delay")
    if band.censored:
        return Answer(False, f"the node is still in rotation when the run ends: its lease of {ttl:g} s outlives it.")
    found = (
        f"the node is taken out {low:.2f} to {high:.2f} s after its death, and the predicted interval of "
        f"mark_down_delay is {band.text('low')} to {band.text('high')} s"
    )
    if band.high < REMOVAL_LIMIT:
        return Answer(True, f"{found}; its upper end is below {REMOVAL_LIMIT:g} s.")
    return Answer(
        False,
        f"{found}; its upper end is not below {REMOVAL_LIMIT:g} s. The last heartbeat may have come just before the "
        f"death, and the registrar may just have looked when the lease ends: that is ttl + sync = {high:.2f} s.",
    )


def check_spread(scenario: Scenario, mean: float, jitter: float, predict: Predict) -> Answer:
    """Judge a lifetime of connections that shall fill new nodes without a storm.

    Any settings are right with which, at the ends of the predicted 95 % intervals, `new_share` is at least
    `LEAST_SHARE` and `churn_peak` below `MOST_CHURN`.

    Args:
        scenario: an autoscaler that starts nodes.
        mean: mean lifetime of a connection in seconds.
        jitter: share by which it varies.
        predict: predicts the varied scenario.
    """
    try:
        varied = scenario.vary(nodes={"lifetime": {"mean": float(mean), "jitter": float(jitter)}})
    except (ScenarioError, TypeError, ValueError) as error:
        return Answer(False, f"the nodes do not take these settings. {error}")
    prediction = predict(varied)
    share, churn = (Band.predicted(prediction, name) for name in ("new_share", "churn_peak"))
    found = (
        f"the new nodes carry {share.low:.2f} of the mean at the lower end, and {churn.high:.0f} clients a second come "
        "back at the upper end of the peak"
    )
    if share.low < LEAST_SHARE:
        return Answer(
            False,
            f"{found}; the first must be at least {LEAST_SHARE:g}. Too few connections have ended when the run does: "
            "make the lifetime shorter.",
        )
    if churn.high >= MOST_CHURN:
        return Answer(
            False,
            f"{found}; the second must be below {MOST_CHURN:g}. Connections that were made together end together: "
            "give them more jitter, or more time.",
        )
    return Answer(True, f"{found}; the bounds are {LEAST_SHARE:g} and {MOST_CHURN:g}.")
