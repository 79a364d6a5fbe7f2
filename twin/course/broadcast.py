"""What the lab notebook on broadcasts computes and checks, so that it holds no logic itself.

As in `twin.course.failover` nothing here knows a world: what has to be simulated is done by a function that the
notebook passes.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from twin.analysis.bands import Band
from twin.course.answers import Answer, Predict, asked, number, told_apart, whole
from twin.course.explanations import Journey
from twin.course.extremes import Extreme
from twin.course.progress import counted
from twin.errors import ScenarioError
from twin.measures import measure_record
from twin.measures.broadcast import SETTLE
from twin.measures.messages import Messages
from twin.record.record import Record
from twin.scenario.scenario import Scenario

CONSISTENT_LIMIT = 3.5
"""Seconds that the upper end of the 95 % interval of `consistent_p99` must stay below."""
RESENDS_LIMIT = 0.6
"""What the upper end of the 95 % interval of `resends_per_message` must stay below."""
LOST_LIMIT = 0.02
"""What the upper end of the 95 % interval of `lost_share` must stay below."""


def absence(record: Record) -> dict[str, float]:
    """Return how long the first node that lost the bus was away from it, and what that cost its clients.

    Returns:
        `away` (s from `bus_lost` to `bus_joined`), `published` (acknowledged messages published in between), `lost`
        (messages that a client of this node never applied, the mean over its clients) and `latest` (the longest time
        in s that a message took to one of its clients); NaN where nothing happened.
    """
    nothing = dict.fromkeys(("away", "published", "lost", "latest"), float("nan"))
    lost = record.select("bus_lost")
    if not len(lost):
        return nothing
    node, began = int(lost["node"].iloc[0]), float(lost["t"].iloc[0])
    back = record.select("bus_joined")
    returns = back[(back["node"] == node) & (back["t"] >= began)]["t"].to_numpy()
    if not len(returns):
        return nothing
    ended = float(returns[0])
    messages = Messages(record)
    _, when, acknowledged = messages.names
    homes = record.select("connected").drop_duplicates("client", keep="last")
    mine = np.sort(homes[homes["node"] == node]["client"].to_numpy())
    settled = acknowledged & (when <= record.scenario.duration - SETTLE)
    applied = messages.applied[np.ix_(mine, settled)]
    waits = (applied - when[settled])[np.isfinite(applied)]
    return {
        "away": ended - began,
        "published": float(np.sum(acknowledged & (when >= began) & (when < ended))),
        "lost": float(np.isinf(applied).sum(axis=1).mean()) if len(mine) else float("nan"),
        "latest": float(waits.max()) if len(waits) else float("nan"),
    }


def back_at(record: Record) -> float:
    """Return when a node that had lost the bus was first back, in seconds; the end of the run if none was."""
    joined = record.select("bus_joined")["t"]
    return float(joined.iloc[0]) if len(joined) else record.scenario.duration


def missing_steps(record: Record) -> pd.DataFrame:
    """Return how many messages that were published by then a client of each node has not applied, the mean over them.

    One row a time at which one of the counts changes, and the ends of the run; one column a node with clients. A client
    belongs to the node that it was last connected to. What a client has jumped over stays missing.
    """
    messages = Messages(record)
    _, when, acknowledged = messages.names
    applied = messages.applied[:, acknowledged]
    homes = record.select("connected").drop_duplicates("client", keep="last").set_index("client")["node"]
    ends = [0.0, record.scenario.duration]
    times = np.unique(np.concatenate([ends, when[acknowledged], applied[np.isfinite(applied)]]))
    times = times[(times >= 0.0) & (times <= ends[1])]
    published = np.searchsorted(np.sort(when[acknowledged]), times, side="right")
    columns = {}
    for node in sorted(homes.unique()):
        mine = homes.index[homes == node].to_numpy()
        had = np.sort(applied[mine].ravel())
        columns[int(node)] = published - np.searchsorted(had, times, side="right") / len(mine)
    return pd.DataFrame(columns, index=pd.Index(times, name="t"))


def runs_side_by_side(scenario: Scenario, records: Sequence[Record], simulate: Callable[[int], Record]) -> pd.DataFrame:
    """Hold measured runs against the simulated replications of the same number, which draw the same waits.

    Args:
        scenario: of the runs.
        records: measured ones; those that are void have no row.
        simulate: returns the record of the replication of a number.

    Returns:
        One row a run: how long the node was away (s) and what each of its clients lost, in both worlds, and the time
        away as measured times the publisher's rate.
    """
    assert scenario.publisher is not None
    rows = {}
    for record in (one for one in records if one.counts):
        found, expected = absence(record), absence(simulate(record.replication))
        rows[f"run {record.replication}"] = {
            "away, simulated": expected["away"],
            "away, measured": found["away"],
            "lost, by hand": found["away"] * scenario.publisher.rate,
            "lost, simulated": expected["lost"],
            "lost, measured": found["lost"],
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def variants_table(
    variants: Mapping[str, Scenario], simulate: Callable[[Scenario, int], Record], replications: int
) -> pd.DataFrame:
    """Simulate variants of a scenario with common random numbers.

    Args:
        variants: scenarios by name.
        simulate: returns the record of a scenario's replication of a number.
        replications: how many of each.

    Returns:
        One row a variant, means over the replications, as the name of the index says: `consistent_p50` and `_p99` (s),
        `resends_per_message`, `lost_share`, and the shares of `promise`.
    """
    names = ["consistent_p50", "consistent_p99", "resends_per_message", "lost_share"]
    rows = {}
    for name, scenario in counted("variants", variants.items()):
        records = [simulate(scenario, k) for k in range(replications)]
        found = pd.DataFrame([measure_record(one) | promise(one) for one in records])
        rows[name] = found.reindex(columns=[*names, "missing then", "missing at the end"]).mean()
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(f"mean of {replications}")


def promise(record: Record) -> dict[str, float]:
    """Return what clients had of the messages that were declared consistent.

    As for `lost_share` those do not count that were published in the last `SETTLE` seconds of the run.

    Returns:
        `consistent` (messages declared so), `missing then` (share of pairs of a client and such a message that the
        client had not applied at that moment) and `missing at the end` (the same at the end of the record); the shares
        are NaN without such a message.
    """
    messages = Messages(record)
    places, when, _ = messages.names
    settled = places[when <= record.scenario.duration - SETTLE]
    declared = messages["consistent"].where(np.isin(messages["consistent"].place, settled))
    applied = messages.applied[:, np.searchsorted(places, declared.place)]
    some = applied.size > 0
    return {
        "consistent": float(len(declared.t)),
        "missing then": float(np.mean(applied > declared.t)) if some else float("nan"),
        "missing at the end": float(np.mean(np.isinf(applied))) if some else float("nan"),
    }


def with_slow_bus(scenario: Scenario) -> Scenario:
    """Return the broadcast of the transfer question: a library that waits up to 3 s, and fewer messages."""
    return scenario.vary(bus={"retry": {"base": 1.5, "cap": 3.0}}, publisher={"rate": 20.0, "stop": 6.0}, duration=10.0)


def check_resends(
    scenario: Scenario,
    ack_timeout: object,
    max_resends: object,
    predict: Predict,
    expected: object = None,
    lab: Scenario | None = None,
) -> Answer:
    """Judge a publisher's resends: every message shall become consistent in time, without too many repetitions.

    Any settings are right whose last resend comes after the longest absence of a node, with no resend more than that
    takes, and with which the upper ends of the predicted 95 % intervals lie below `CONSISTENT_LIMIT` for
    `consistent_p99` and below `RESENDS_LIMIT` for `resends_per_message`. So `ack_timeout` is bounded from both sides.

    Args:
        scenario: a broadcast over pub/sub in which a node is away from the bus for at most `bus.retry.cap` seconds.
        ack_timeout: seconds without the threshold until a message is sent again.
        max_resends: how often at most.
        predict: predicts the varied scenario; it is not called when the settings are ruled out anyway.
        expected: the reader's own number for the upper end of the interval of `consistent_p99`, in seconds; without it
            nothing is judged.
        lab: the scenario of the rest of the lab; the answer says in what the question's is another.
    """

    def judge() -> Answer:
        try:
            timeout, resends = number("ack_timeout", ack_timeout), whole("max_resends", max_resends)
            varied = scenario.vary(publisher={"ack_timeout": timeout, "max_resends": resends})
        except (ScenarioError, TypeError, ValueError) as error:
            return Answer(False, f"the publisher does not take these settings. {error}")
        answer = _resent(scenario, timeout, resends, varied, predict)
        return told_apart(answer, scenario, lab)

    return asked(expected, "the upper end of the 95 % interval of consistent_p99 in s", scenario.duration, judge)


def harder(lab: Scenario) -> Extreme:
    """Return the harder question, the other way round: how long may a library wait before too much is lost?

    Args:
        lab: the broadcast over pub/sub to clients that do not recover.
    """

    def varied(longest: float) -> Scenario:
        return lab.vary(bus={"retry": {"base": longest / 2, "cap": longest}})

    return Extreme(
        scenario=lab,
        setting="bus.retry.cap in s",
        varied=varied,
        measure="lost_share",
        bound=LOST_LIMIT,
        least=0.02,
        most_allowed=5.0,
        hint="How many messages is the longest absence that 97.5 % of the runs stay below, and of how many pairs?",
        lab=lab,
    )


def jumped(journey: Journey) -> tuple[bool, str]:
    """Tell whether a client noted a gap and never applied all that was missing, though it went on."""
    gaps = journey.events[journey.events["event"] == "gap"]
    if gaps.empty:
        return False, "has noted no gap"
    first, t = int(gaps["version"].iloc[0]), float(gaps["t"].iloc[0])
    delivered = journey.events[journey.events["event"] == "delivered"]
    came = int(delivered[delivered["t"] >= t]["version"].min()) if (delivered["t"] >= t).any() else -1
    versions = set(delivered["version"])
    missed = sum(version not in versions for version in range(first, came))
    after = int((delivered["t"] > t).sum())
    said = f"has noted a gap at {t:.2f} s, never applied {missed} messages, and applied {after} after it"
    return missed > 0 and after > 0, said


def everybody(record: Record) -> list[int]:
    """Return the clients of a run that were connected at some time, in order."""
    return sorted({int(client) for client in record.columns.of("connected").client})


def _resent(scenario: Scenario, timeout: float, resends: int, varied: Scenario, predict: Predict) -> Answer:
    """Judge resends that the publisher takes."""
    last, longest = timeout * resends, scenario.bus.retry.cap
    if last <= longest:
        return Answer(
            False,
            f"the last resend comes {last:g} s after the message, but the node may be away for {longest:g} s, and then "
            "nothing repairs it: let it come later than that.",
        )
    if resends > 1 and last - timeout > longest:
        return Answer(
            False,
            f"resend number {resends} comes after {last:g} s, but number {resends - 1} comes after the longest absence "
            f"already, {longest:g} s: a publisher whose bus is gone for long would repeat all the more. Allow fewer.",
        )
    prediction = predict(varied)
    late, again = (Band.predicted(prediction, name) for name in ("consistent_p99", "resends_per_message"))
    found = (
        f"the predicted intervals end at {late.text('high')} s for consistent_p99 and at {again.high:.2f} for "
        "resends_per_message"
    )
    if late.high >= CONSISTENT_LIMIT:
        why = f"a message that was missed waits for the next multiple of {timeout:g} s: make ack_timeout smaller"
        return Answer(False, f"{found}; the first must be below {CONSISTENT_LIMIT:g} s. Look: {why}.", late.high)
    if again.high >= RESENDS_LIMIT:
        return Answer(
            False,
            f"{found}; the second must be below {RESENDS_LIMIT:g}. While the node is away each resend is in vain: make "
            "ack_timeout larger.",
            late.high,
        )
    return Answer(True, f"{found}; they are below {CONSISTENT_LIMIT:g} s and {RESENDS_LIMIT:g}.", late.high)
