"""What the lab notebook on drains computes and checks, so that it holds no logic itself.

Nothing here knows a world: what has to be simulated is done by a function that the notebook passes.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from math import inf

import numpy as np
import pandas as pd

from twin.analysis.bands import Band
from twin.analysis.bands import number as shown
from twin.course.answers import STEP, Answer, Predict, asked, cheapest, number, told_apart, told_from
from twin.course.explanations import Journey
from twin.course.extremes import Extreme
from twin.course.failover import upper_end
from twin.errors import ScenarioError
from twin.measures import measure_record
from twin.measures.base import RATE_WINDOW, Array
from twin.record.record import Record
from twin.rules.drain import drain_time
from twin.scenario.scenario import Scenario

LEAD_STEP = 0.5
"""Seconds by which a lead may be longer than the shortest one that is enough."""
RATE_LIMIT = 40.0
"""Attempts a second that the upper end of the 95 % interval of `peak_reconnect_rate` must stay below."""
TIME_LIMIT = 7.0
"""Seconds that the upper end of the 95 % interval of `drain_time` must stay below: a node's time to end."""
ATTEMPTS_LIMIT = 1.05
"""Attempts of an affected client that the upper end of the 95 % interval must stay below: nobody is refused."""


def single_drain(scenario: Scenario, pace: float, lead: float) -> Scenario:
    """Return a rolling restart cut down to the drain of one node of 150 clients: no publisher, and no retries, so that
    the clients see to whom the balancer sends them.
    """
    return scenario.vary(
        clients={"count": 150},
        duration=16.0,
        publisher=None,
        bus={"kind": "none"},
        balancer={"retries": 0, "redispatch": 0},
        faults=[{"at": 1.0, "kind": "drain", "node": 1, "lead": lead, "pace": pace}],
    )


def paced(scenario: Scenario, pace: float | None, lead: float | None = None) -> Scenario:
    """Return the scenario with another pace of its drains, None for all at once; `lead` too, unless it is None."""
    faults = []
    for fault in scenario.faults:
        data = fault.model_dump(exclude_none=True)
        if fault.kind == "drain":
            data.pop("pace", None)
            if pace is not None:
                data["pace"] = pace
            if lead is not None:
                data["lead"] = lead
        faults.append(data)
    return scenario.vary(faults=faults)


def reconnect_rate(record: Record) -> tuple[Array, Array]:
    """Return times in seconds and, for each, the attempts a second in the `RATE_WINDOW` that ends there.

    Between two of these times nothing changes: they are those of the attempts, and when an attempt leaves the window.
    """
    t = np.sort(record.select("attempt_connect")["t"].to_numpy())
    t, end = t[t >= 0.0], record.scenario.duration
    changes = np.concatenate([[0.0], t, t + RATE_WINDOW, [end]])
    times: Array = np.unique(changes[changes <= end])
    counts = np.searchsorted(t, times, side="right") - np.searchsorted(t, times - RATE_WINDOW, side="right")
    return times, counts / RATE_WINDOW


def away(record: Record) -> tuple[Array, Array]:
    """Return when the number of clients changes that have no connection, in seconds, and what it is from then on."""
    table, end = record.select("connected", "disconnected"), record.scenario.duration
    t, change = table["t"].to_numpy(), np.where(table["event"].eq("connected"), -1, 1)
    order = np.argsort(t, kind="stable")
    t, left = t[order], record.scenario.clients.count + np.cumsum(change[order])
    within = (t > 0.0) & (t <= end)
    first = left[t <= 0.0][-1] if (t <= 0.0).any() else record.scenario.clients.count
    left = np.concatenate([[first], left[within]])
    return np.concatenate([[0.0], t[within], [end]]), np.concatenate([left, left[-1:]])


def moved_again(journey: Journey) -> tuple[bool, str]:
    """Tell whether a rolling restart moved a client more than once: it came to a node whose turn was still to come."""
    losses = journey.events[(journey.events["event"] == "disconnected") & (journey.events["t"] >= journey.lost)]
    told = ", ".join(f"node {node} at {t:.2f} s" for t, node in zip(losses["t"], losses["node"], strict=True))
    times = len(losses)
    return times > 1, f"loses its connection {'once' if times == 1 else f'{times} times'} ({told})"


def losses_table(record: Record) -> pd.DataFrame:
    """Return by node that a client was on at first how many of its clients lost their connection how often."""
    lost = record.select("disconnected")
    often = lost[lost["t"] >= 0.0].groupby("client").size().reindex(range(record.scenario.clients.count), fill_value=0)
    made = record.select("connected")
    first = made[made["t"] < 0.0].groupby("client")["node"].last().reindex(often.index)
    table = pd.crosstab(first, often)
    table.index = pd.Index([f"node {int(node)}" for node in table.index], name="first on")
    said = {1: "lost once"}
    table.columns = pd.Index([said.get(int(one), f"lost {int(one)} times") for one in table.columns])
    return table


def ways_table(records: Mapping[str, Sequence[Record]], names: Sequence[str]) -> pd.DataFrame:
    """Return the medians of some measures over the runs of each way to end a node that count; NaN: not defined."""
    rows = {}
    for way, runs in records.items():
        rows[way] = (
            pd.DataFrame([measure_record(run) for run in runs if run.counts]).reindex(columns=list(names)).median()
        )
    return pd.DataFrame.from_dict(rows, orient="index")


def without_recovery(scenario: Scenario) -> Scenario:
    """Return the scenario over pub/sub, with clients that do not ask for what they missed."""
    return scenario.vary(bus={"kind": "pubsub"}, clients={"recovery": {"recover": False}})


def paces_table(scenario: Scenario, paces: Iterable[float], predict: Predict) -> pd.DataFrame:
    """Predict a drain at several paces.

    Returns:
        One row a pace: `peak_reconnect_rate` (1/s) and `drain_time` (s), predicted medians, and `by hand` (s).
    """
    (fault,) = (fault for fault in scenario.faults if fault.kind == "drain")
    share = scenario.clients.count // scenario.nodes.count
    rows = {}
    for pace in paces:
        found = predict(paced(scenario, pace)).measures[["peak_reconnect_rate", "drain_time"]].median()
        rows[pace] = {**found, "by hand": drain_time(share, fault.lead or 0.0, pace)}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("pace (1/s)")


def check_drain(
    scenario: Scenario,
    lead: object,
    pace: object,
    predict: Predict,
    expected: object = None,
    lab: Scenario | None = None,
) -> Answer:
    """Judge a drain that shall refuse nobody, spread the returns as flat as there is time for, and be over in time.

    Any drain is right with which the upper ends of the predicted 95 % intervals lie below `ATTEMPTS_LIMIT` for
    `attempts_per_client`, below `RATE_LIMIT` for `peak_reconnect_rate` and below `TIME_LIMIT` for `drain_time`; and
    that has the slowest such pace: with one `answers.STEP` times slower, and the same lead or one `LEAD_STEP` shorter,
    they do not.

    Args:
        scenario: one drain, and a balancer that does not retry.
        lead: seconds from the failing check to the first close.
        pace: closes a second.
        predict: predicts the varied scenario.
        expected: the reader's own number for the upper end of the interval of `drain_time`, in seconds; without it
            nothing is judged.
        lab: the scenario of the rest of the lab; the answer says in what the question's is another.
    """

    def judge() -> Answer:
        try:
            first, rate = number("lead", lead), number("pace", pace)
        except ScenarioError as error:
            return Answer(False, f"a drain does not take these settings. {error}")
        slower, shorter = rate / STEP, first - LEAD_STEP
        leads = (first, shorter) if shorter >= 0 else (first,)
        others = [
            (f"a pace of {slower:.3g} a second after {one:g} s", partial(_over, scenario, one, slower, predict))
            for one in leads
        ]
        answer = cheapest(_over(scenario, first, rate, predict), others)
        return told_apart(answer, scenario, lab)

    return asked(expected, "the upper end of the 95 % interval of drain_time in s", scenario.duration, judge)


def harder(lab: Scenario) -> Extreme:
    """Return the harder question: how short may the lead be when the balancer checks in another rhythm?

    Args:
        lab: the drain of one node.
    """
    other = lab.vary(balancer={"check": {"inter": 0.4, "fall": 3}})
    return Extreme(
        scenario=other,
        setting="faults.lead in s",
        varied=lambda lead: paced(other, other.faults[0].pace, lead),
        measure="attempts_per_client",
        bound=ATTEMPTS_LIMIT,
        least=0.1,
        most_allowed=5.0,
        largest=False,
        hint="Until the node is marked down clients are sent to it, and from the first close on it accepts nobody.",
        lab=lab,
    )


def _over(scenario: Scenario, lead: float, pace: float, predict: Predict) -> Answer:
    """Tell whether a drain keeps all bounds."""
    try:
        varied = paced(scenario, pace, lead)
    except (ScenarioError, TypeError, ValueError) as error:
        return Answer(False, f"a drain does not take these settings. {error}")
    prediction = predict(varied)
    if Band.predicted(prediction, "drain_time").censored:
        return Answer(False, "the drain is not over by the end of the run: it takes far too long.", inf)
    names = ("attempts_per_client", "peak_reconnect_rate", "drain_time")
    attempts, rate, took = (upper_end(prediction, name) for name in names)
    said = (
        told_from(ATTEMPTS_LIMIT, attempts, f"{attempts:.2f}"),
        told_from(RATE_LIMIT, rate, f"{rate:.0f}"),
        told_from(TIME_LIMIT, took, shown(took)),
    )
    found = "{} attempts a client, at most {} a second, and the node is empty after {} s".format(*said)
    if attempts >= ATTEMPTS_LIMIT:
        return Answer(
            False,
            f"{found}; the first must be below {ATTEMPTS_LIMIT:g}. Clients are sent to the node that does not listen "
            "any more: how long does the balancer take to notice that it is not ready?",
            took,
        )
    if rate >= RATE_LIMIT:
        return Answer(False, f"{found}; the second must be below {RATE_LIMIT:g}. Close fewer a second.", took)
    if took >= TIME_LIMIT:
        return Answer(
            False, f"{found}; the third must be below {TIME_LIMIT:g} s. Lead and closes have to fit in.", took
        )
    return Answer(True, f"{found} (all of them upper ends of the predicted intervals).", took)
