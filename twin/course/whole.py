"""What the notebook on the whole cluster computes and checks: what one mechanism does to another.

Nothing here knows a world: what has to be simulated is done by a function that the notebook passes.
"""

from collections.abc import Mapping
from functools import partial
from typing import get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from twin.analysis.bands import Band
from twin.course.answers import STEP, Answer, Predict, asked, cheapest, number, told_from, whole
from twin.course.explanations import Journey
from twin.course.extremes import Extreme
from twin.errors import ScenarioError
from twin.measures import measure_record
from twin.measures.base import Array
from twin.measures.connection import marks
from twin.measures.messages import Messages
from twin.record.record import Record
from twin.rules.drain import SERVICE_RESTART, drain_time
from twin.scenario.scenario import Scenario
from twin.scenario.servers import Use

Strings = NDArray[np.str_]

LATENCY_LIMIT = 0.1
"""Seconds that the upper end of the range of `latency_p99` must stay below. A run takes so long to simulate that there
are few, too few for a 95 % interval."""
LOST_LIMIT = 0.01
"""What the upper end of the range of `undelivered_share` must stay below. A message that does not arrive has no
latency, so a percentile of 99 % says nothing of a node that does nothing but hash."""
PACED_LIMIT = 0.05
"""Seconds that the upper end of the range of `latency_p99` must stay below, with the lab's own hash."""
RANGE = "simulated range"
"""What the interval of so few replications is called."""
EMPTY_LIMIT = 6.0
"""Seconds from the begin of the drain in which the node must be empty."""
DEARER = 1.4
"""Factor by which a hash may be dearer than the dearest one that keeps the bounds. Near saturation a percentile moves
by a multiple of what the hash does, so few replications do not place the edge more sharply."""
LEAD = 1.0
"""Seconds from the begin of the drain to its first close: longer than the registrar takes to tell the balancer."""
BEFORE, KILL, AFTER, DRAIN = "rebalancing, before the outage", "kill", "rebalancing, after the outage", "drain"
CAUSES = (BEFORE, KILL, AFTER, DRAIN)
"""Why a connection ends in a whole cluster: a node has more than its share, before the server of the sessions died or
after it came back; the node is killed; the node is drained."""


def outages(scenario: Scenario) -> dict[str, Scenario]:
    """Return the scenario with the outage of its one server, with that of one of several servers, and without any.

    Args:
        scenario: one `bus_down`, and messages, sessions and registry on one server.
    """
    found = {"one server": scenario}
    for use in get_args(Use):
        faults = [
            one.model_dump(exclude_none=True) | ({"server": use} if one.kind == "bus_down" else {})
            for one in scenario.faults
        ]
        found[f"that of the {use}"] = scenario.vary(bus={"servers": "several"}, faults=faults)
    rest = [one.model_dump(exclude_none=True) for one in scenario.faults if one.kind != "bus_down"]
    return found | {"none": scenario.vary(faults=rest)}


def felt(records: Mapping[str, Record]) -> pd.DataFrame:
    """Return what each mechanism felt of an outage, one row a record.

    Returns:
        `fenced`: registrations that were refused; `nobody in rotation`: seconds; `logins`: sessions that a node did not
        know; `moved`: connections that ended since the start; `reached nobody`: messages that no client applied.
    """
    rows = {}
    for name, record in records.items():
        found = measure_record(record)
        due = len(record.select("published"))
        rows[name] = {
            "fenced": len(record.select("fenced")),
            "nobody in rotation (s)": out_of_rotation(record),
            "logins": len(record.select("session_lost")),
            "moved": int((record.select("disconnected")["t"] >= 0.0).sum()),
            "reached nobody": round(found["reached_nobody"] * due),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def out_of_rotation(record: Record) -> float:
    """Return for how many seconds of the run the balancer had no node to send a client to."""
    up, empty, since = set(range(1, record.scenario.nodes.count + 1)), 0.0, None
    for t, node, is_up in sorted(marks(record)):
        (up.add if is_up else up.discard)(node)
        if not up and since is None:
            since = t
        elif up and since is not None:
            empty, since = empty + t - since, None
    return empty + (record.scenario.duration - since if since is not None else 0.0)


def moves(record: Record) -> pd.DataFrame:
    """Return what it cost the clients that their connections ended, one row for each of `CAUSES` that occurs.

    Returns:
        `connections`: that ended; `log in`: share of them after which the client had to; `away p50` and `away p90`:
        seconds until it was connected again, those left out that were not by the end of the run.
    """
    ended = record.select("disconnected")
    ended = ended[ended["t"] >= 0.0].reset_index(drop=True)
    back = _next(ended, record.select("connected"))
    lost = _next(ended, record.select("session_lost"))
    table = pd.DataFrame({"cause": _causes(record, ended), "away": back - ended["t"], "logs in": lost < back})
    groups = table.groupby("cause")
    found = pd.DataFrame(
        {
            "connections": groups.size(),
            "log in": groups["logs in"].mean(),
            "away p50 (s)": groups["away"].quantile(0.5),
            "away p90 (s)": groups["away"].quantile(0.9),
        }
    )
    return found.reindex([cause for cause in CAUSES if cause in found.index])


def _next(events: pd.DataFrame, others: pd.DataFrame) -> pd.Series:
    """Return for each event when the next one of others of its client is, in seconds; NaN where none is."""
    columns = ["t", "client"]
    found = pd.merge_asof(
        events[columns].sort_values("t"),
        others[columns].sort_values("t").assign(then=lambda table: table["t"]),
        on="t",
        by="client",
        direction="forward",
    )
    return found["then"].set_axis(events.sort_values("t").index).reindex(events.index)


def _causes(record: Record, ended: pd.DataFrame) -> Strings:
    """Return for each lost connection why it ended."""
    t, node = ended["t"].to_numpy(), ended["node"].to_numpy()
    faults, drained = record.columns.of("fault"), record.columns.of("drained")
    down = faults.t[faults.words("kind").isin("bus_down")]
    cause = np.where(t >= down.min(initial=np.inf), AFTER, BEFORE)
    for fault in record.scenario.faults:
        if fault.kind == "drain":
            over = drained.t[(drained.node == fault.node) & (drained.t >= fault.at)]
            end = over.min(initial=record.scenario.duration)
            cause = np.where((node == fault.node) & (t >= fault.at) & (t <= end), DRAIN, cause)
    return np.where(ended["detail"].astype(str).to_numpy() == str(SERVICE_RESTART), cause, KILL)


def relogin(scenario: Scenario, pace: float | None, iterations: int, forgotten: bool = True) -> Scenario:
    """Return a smaller cluster, in which nothing happens but a drain after the sessions are lost.

    The nodes are as many all along and messages come twice as often; their server is not the one that dies.

    Args:
        scenario: a whole cluster.
        pace: closes a second of the drain; None closes all at once.
        iterations: of the hash of a password, as `sessions.login_iterations`.
        forgotten: whether the server of the sessions dies before, for half a second, and comes back empty.
    """
    outage = {"at": 0.5, "kind": "bus_down", "duration": 0.5, "server": "sessions"}
    drain = {"at": 1.5, "kind": "drain", "node": 2, "lead": LEAD} | ({} if pace is None else {"pace": pace})
    return scenario.vary(
        duration=9.0,
        clients={"sends": {"rate": 0.0}, "offline": {"messages": 0}},
        autoscaling=None,
        registry={"rebalance": None},
        bus={"servers": "several"},
        publisher={"rate": 10.0},
        sessions={"login_iterations": iterations},
        faults=[outage, drain] if forgotten else [drain],
    )


def delays(record: Record, share: float = 0.99) -> tuple[Array, Array]:
    """Return when each message was published, and after how many seconds a share of those that got it had it.

    Messages that nobody got are left out.
    """
    messages = Messages(record)
    rows, published = messages["delivered"], messages.published_of
    table = pd.DataFrame({"published": published, "late": rows.t - published}).dropna()
    found = table.groupby("published")["late"].quantile(share)
    return found.index.to_numpy(), found.to_numpy()


def harder(lab: Scenario) -> Extreme:
    """Return the harder question: at which pace may a node be drained whose clients log in with the lab's own hash?

    Args:
        lab: a whole cluster.
    """
    iterations = lab.sessions.login_iterations
    return Extreme(
        scenario=relogin(lab, None, iterations),
        setting="pace in closes a second",
        varied=lambda pace: relogin(lab, pace, iterations),
        measure="latency_p99",
        bound=PACED_LIMIT,
        least=1.0,
        most_allowed=1000.0,
        interval=RANGE,
        hint="The pace times the time of a hash is how busy logins keep the core.",
    )


def moved_and_logged_in(journey: Journey) -> tuple[bool, str]:
    """Tell whether a client had to log in because rebalancing moved it after the outage, and no fault did."""
    ended = journey.events[(journey.events["event"] == "disconnected") & (journey.events["t"] >= 0.0)]
    if ended.empty:
        return False, "has lost no connection"
    causes = _causes(journey.record, ended)
    lost = journey.events[journey.events["event"] == "session_lost"]["t"].to_numpy(float)
    for t, cause in zip(ended["t"], causes, strict=True):
        if cause == AFTER and len(lost) and (lost >= t).any():
            return True, f"was moved by rebalancing at {t:.2f} s and had to log in at {lost[lost >= t][0]:.2f} s"
    words = ", ".join(f"at {t:.2f} s ({cause})" for t, cause in zip(ended["t"], causes, strict=True))
    return False, f"lost its connection {words}, and {'had to log in' if len(lost) else 'never had to log in'}"


def check_logins(
    scenario: Scenario, pace: object, iterations: object, predict: Predict, expected: object = None
) -> Answer:
    """Judge a drain whose clients all have to log in: the node soon empty, messages on time, the hash dear.

    Any settings are right with which the node is empty in less than `EMPTY_LIMIT`, the upper ends of the ranges of the
    simulated runs are below `LATENCY_LIMIT` for `latency_p99` and below `LOST_LIMIT` for `undelivered_share`, and that
    have the dearest such hash: with one `DEARER` times as dear, at the same pace or at one `answers.STEP` times slower,
    a bound is broken. A slow pace keeps messages on time and takes long, and a dear hash makes them late.

    Args:
        scenario: a whole cluster.
        pace: closes a second.
        iterations: of the hash of a password.
        predict: predicts the varied scenario; it is not called when the settings are ruled out anyway.
        expected: the reader's own number for the upper end of that range, in seconds; without it nothing is judged.
    """

    def judge() -> Answer:
        try:
            rate, cost = number("pace", pace), whole("iterations", iterations)
        except ScenarioError as error:
            return Answer(False, f"the lab does not take these settings. {error}")
        dearer, slower = round(DEARER * cost), rate / STEP
        others = [
            (f"{dearer:,} iterations at {one:.3g} closes a second", partial(_logged_in, scenario, one, dearer, predict))
            for one in (rate, slower)
        ]
        return cheapest(_logged_in(scenario, rate, cost, predict), others)

    return asked(expected, f"the upper end of the {RANGE} of latency_p99 in s", scenario.duration, judge)


def _logged_in(scenario: Scenario, pace: float, iterations: int, predict: Predict) -> Answer:
    """Tell whether settings keep both bounds."""
    try:
        varied = relogin(scenario, pace, iterations)
    except (ScenarioError, TypeError, ValueError) as error:
        return Answer(False, f"the lab does not take these settings. {error}")
    took = drain_time(varied.clients.count // varied.nodes.count, LEAD, pace)
    if took >= EMPTY_LIMIT:
        return Answer(
            False,
            f"the node is empty after {took:.2f} s, lead and closes together, and must be in less than "
            f"{EMPTY_LIMIT:g} s: close more a second.",
        )
    prediction = predict(varied)
    high, lost = (Band.predicted(prediction, name).high for name in ("latency_p99", "undelivered_share"))
    late = told_from(LATENCY_LIMIT, high, f"{high:.3f}")
    found = f"the node is empty after {took:.2f} s, and the upper end of the {RANGE} of latency_p99 is {late} s"
    if lost >= LOST_LIMIT:
        return Answer(
            False,
            f"{found}, but that is of what arrives, and up to {lost:.0%} of the deliveries do not happen in the run. "
            "A message that does not come has no latency: the nodes compute hashes and hardly anything else.",
            high,
        )
    if high >= LATENCY_LIMIT:
        return Answer(
            False,
            f"{found}; that must be below {LATENCY_LIMIT:g} s. A message waits for the hashes that are before it on "
            "the core of its node: make fewer of them a second, or cheaper ones.",
            high,
        )
    return Answer(True, f"{found}; the bounds are {EMPTY_LIMIT:g} and {LATENCY_LIMIT:g} s, and messages arrive.", high)
