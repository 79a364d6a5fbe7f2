"""What the notebooks on the registry and on autoscaling compute and check.

Nothing here knows a world: what has to be simulated is done by a function that the notebook passes.
"""

from math import inf

import numpy as np
import pandas as pd

from twin.analysis.bands import Band
from twin.course.answers import STEP, Answer, Predict, asked, cheapest, number, told_from
from twin.course.explanations import Journey
from twin.course.extremes import Extreme
from twin.errors import ScenarioError
from twin.measures.base import Array
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
LIFETIME_STEP = 1.2
"""Factor by which a mean lifetime may be shorter than the longest one that fills the nodes: a run has few connections
that end late, and the share that they move varies by a tenth."""
LATE_REMOVAL = 2.5
"""Seconds that the upper end of the interval of `mark_down_delay` must stay below when the registrar looks seldom."""
LOAD_STEP = 0.1
"""Seconds between two points of a node's load."""


def loads(record: Record, times: Array | None = None) -> pd.DataFrame:
    """Return the connections of each node over time, one row a time and one column a node.

    Args:
        record: of the run.
        times: s since the start of the run; every `LOAD_STEP` seconds by default.
    """
    if times is None:
        times = np.arange(0.0, record.scenario.duration + LOAD_STEP / 2, LOAD_STEP)
    table = record.select("connected", "disconnected")
    columns = {}
    for node in range(1, record.scenario.slots + 1):
        mine = table[table["node"].eq(node)]
        ups = np.sort(mine[mine["event"].eq("connected")]["t"].to_numpy())
        downs = np.sort(mine[mine["event"].eq("disconnected")]["t"].to_numpy())
        columns[node] = np.searchsorted(ups, times, "right") - np.searchsorted(downs, times, "right")
    return pd.DataFrame(columns, index=pd.Index(times, name="t"))


def load_steps(record: Record) -> pd.DataFrame:
    """Return the connections of each node at each time at which one of them changes, and at the ends of the run.

    Before a node that was not there from the start has been started it has no load: NaN.
    """
    end = record.scenario.duration
    ups = record.select("node_started").groupby("node")["t"].min()
    later = range(record.scenario.nodes.count + 1, record.scenario.slots + 1)
    began = {node: float(ups.get(node, np.inf)) for node in later}
    changes = record.select("connected", "disconnected")["t"].to_numpy(float)
    times = np.unique(np.concatenate([[0.0, end], [*began.values()], changes]))
    table = loads(record, times[(times >= 0.0) & (times <= end)]).astype(float)
    for node, start in began.items():
        table.loc[table.index < start, node] = np.nan
    return table


def lease_story(record: Record) -> pd.DataFrame:
    """Return what happened to nodes, registry and balancer in the run: time, event, node and generation or detail."""
    names = ("fault", "healed", "node_starting", "node_started", "node_stopped", "registered", "fenced", "scaled")
    table = record.select(*names, "marked_down", "marked_up", "drained")
    table = table[table["t"] >= 0.0]
    return table[["t", "event", "node", "detail"]].reset_index(drop=True)


def check_lease(
    scenario: Scenario, ttl: object, heartbeat: object, predict: Predict, expected: object = None
) -> Answer:
    """Judge a lease that shall end soon after a death, and not without one, with as few heartbeats as possible.

    Any settings are right with a heartbeat of at least `LEAST_HEARTBEAT`, a lease of at least `LEAST_SIGNS` heartbeats,
    and the upper end of the predicted 95 % interval of `mark_down_delay` below `REMOVAL_LIMIT`; and that are as slow as
    that allows: neither the heartbeat alone nor both together may be `answers.STEP` times as long.

    Args:
        scenario: the death of a node with a registry.
        ttl: seconds of a lease.
        heartbeat: seconds between two heartbeats.
        predict: predicts the varied scenario; it is not called when the settings are ruled out anyway.
        expected: the reader's own number for that upper end, in seconds; without it nothing is judged.
    """

    def judge() -> Answer:
        try:
            lease, beat = number("ttl", ttl), number("heartbeat", heartbeat)
        except ScenarioError as error:
            return Answer(False, f"the registry does not take these settings. {error}")
        longer, slower = STEP * lease, STEP * beat
        others = [
            (f"a heartbeat every {slower:.3g} s", lambda: _removed(scenario, lease, slower, predict)),
            (
                f"a lease of {longer:.3g} s with a heartbeat every {slower:.3g} s",
                lambda: _removed(scenario, longer, slower, predict),
            ),
        ]
        return cheapest(_removed(scenario, lease, beat, predict), others)

    return asked(expected, "the upper end of the 95 % interval of mark_down_delay in s", scenario.duration, judge)


def _removed(scenario: Scenario, ttl: float, heartbeat: float, predict: Predict) -> Answer:
    """Tell whether a lease keeps all bounds."""
    try:
        varied = scenario.vary(registry={"ttl": ttl, "heartbeat": heartbeat})
    except (ScenarioError, TypeError, ValueError) as error:
        return Answer(False, f"the registry does not take these settings. {error}")
    assert varied.registry is not None
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
        return Answer(
            False, f"the node is still in rotation when the run ends: its lease of {ttl:g} s outlives it.", inf
        )
    found = (
        f"the node is taken out {low:.2f} to {high:.2f} s after its death, and the predicted interval of "
        f"mark_down_delay is {band.text('low')} to {told_from(REMOVAL_LIMIT, band.high, band.text('high'))} s"
    )
    if band.high < REMOVAL_LIMIT:
        return Answer(True, f"{found}; its upper end is below {REMOVAL_LIMIT:g} s.", band.high)
    return Answer(
        False,
        f"{found}; its upper end is not below {REMOVAL_LIMIT:g} s. The last heartbeat may have come just before the "
        f"death, and the registrar may just have looked when the lease ends: that is ttl + sync = {high:.2f} s.",
        band.high,
    )


def harder_lease(lab: Scenario) -> Extreme:
    """Return the harder question on leases: how seldom may the registrar look?

    Args:
        lab: the death of a node with a registry.
    """
    return Extreme(
        scenario=lab,
        setting="registry.sync in s",
        varied=lambda sync: lab.vary(registry={"sync": sync}),
        measure="mark_down_delay",
        bound=LATE_REMOVAL,
        least=0.02,
        most_allowed=5.0,
        hint="The worst case needs two chances at once. How seldom do both come in one run?",
    )


def harder_spread(lab: Scenario) -> Extreme:
    """Return the harder question on spreading: how slowly may nodes give away what they have too much?

    Args:
        lab: an autoscaler that starts nodes, and paced rebalancing.
    """
    return Extreme(
        scenario=lab,
        setting="registry.rebalance.pace in connections a second",
        varied=lambda pace: lab.vary(registry={"rebalance": {"pace": pace}}),
        measure="new_share",
        bound=LEAST_SHARE,
        least=0.2,
        most_allowed=100.0,
        largest=False,
        below=False,
        end="low",
        hint="How many connections have to move, how many nodes close some, and how long have they got?",
    )


def moved_twice(journey: Journey) -> tuple[bool, str]:
    """Tell whether a client was moved to a node that was not there from the start, and later away from all of these."""
    count = journey.record.scenario.nodes.count
    ups = journey.events[journey.events["event"] == "connected"]
    nodes = [int(node) for node in ups["node"]]
    said = f"was connected to the nodes {', '.join(map(str, nodes))} one after the other"
    new = [i for i, node in enumerate(nodes) if node > count]
    return bool(new) and nodes[-1] <= count, said


def check_spread(scenario: Scenario, mean: object, jitter: object, predict: Predict, expected: object = None) -> Answer:
    """Judge a lifetime of connections that shall fill new nodes without a storm, with as few returns as possible.

    Any settings are right with which, at the ends of the predicted 95 % intervals, `new_share` is at least
    `LEAST_SHARE` and `churn_peak` below `MOST_CHURN`, and that have the longest such mean: with one `LIFETIME_STEP`
    times as long they are not.

    Args:
        scenario: an autoscaler that starts nodes.
        mean: mean lifetime of a connection in seconds.
        jitter: share by which it varies.
        predict: predicts the varied scenario.
        expected: the reader's own number for the upper end of the interval of `churn_peak`, clients a second; without
            it nothing is judged.
    """

    def judge() -> Answer:
        try:
            life, spread = number("mean", mean), number("jitter", jitter)
        except ScenarioError as error:
            return Answer(False, f"the nodes do not take these settings. {error}")
        longer = LIFETIME_STEP * life
        said = f"a mean of {longer:.3g} s, with which fewer clients have to come back,"
        return cheapest(
            _filled(scenario, life, spread, predict), [(said, lambda: _filled(scenario, longer, spread, predict))]
        )

    what = "the upper end of the 95 % interval of churn_peak in clients a second"
    return asked(expected, what, scenario.clients.count, judge)


def _filled(scenario: Scenario, mean: float, jitter: float, predict: Predict) -> Answer:
    """Tell whether a lifetime keeps both bounds."""
    try:
        varied = scenario.vary(nodes={"lifetime": {"mean": mean, "jitter": jitter}})
    except (ScenarioError, TypeError, ValueError) as error:
        return Answer(False, f"the nodes do not take these settings. {error}")
    prediction = predict(varied)
    if "new_share" not in prediction.measures:
        return Answer(False, "no node is new when the run ends: with such a lifetime the autoscaler sees no load.")
    share, churn = (Band.predicted(prediction, name) for name in ("new_share", "churn_peak"))
    carried = told_from(LEAST_SHARE, share.low, f"{share.low:.2f}")
    back = told_from(MOST_CHURN, churn.high, f"{churn.high:.0f}")
    found = (
        f"the new nodes carry {carried} of the mean at the lower end, and {back} clients a second come back at the "
        "upper end of the peak"
    )
    if share.low < LEAST_SHARE:
        return Answer(
            False,
            f"{found}; the first must be at least {LEAST_SHARE:g}. Too few connections have ended when the run does: "
            "make the lifetime shorter.",
            churn.high,
        )
    if churn.high >= MOST_CHURN:
        return Answer(
            False,
            f"{found}; the second must be below {MOST_CHURN:g}. Connections that were made together end together: "
            "give them more jitter, or more time.",
            churn.high,
        )
    return Answer(True, f"{found}; the bounds are {LEAST_SHARE:g} and {MOST_CHURN:g}.", churn.high)
