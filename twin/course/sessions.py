"""What the lab notebook on sessions computes and checks, so that it holds no logic itself.

As in `twin.course.failover` nothing here knows a world: what has to be simulated is done by a function that the
notebook passes.
"""

from collections.abc import Callable, Mapping, Sequence
from math import nan

import pandas as pd

from twin.analysis.bands import Band
from twin.analysis.comparison import Predicted
from twin.costs.profile import HostProfile
from twin.course.answers import Answer, Predict, apart, asked, led_by, number, told_apart
from twin.course.explanations import Journey, who_lost
from twin.course.extremes import Extreme
from twin.course.tables import DASH, value_of
from twin.errors import ScenarioError
from twin.measures import measure_record
from twin.record.record import Record
from twin.scenario.fields import show
from twin.scenario.scenario import Scenario
from twin.scenario.sessions import HASH_UNIT

Simulate = Callable[[Scenario, int], Record]
"""Returns the record of a scenario's replication of a number."""

BACK_LIMIT = 4.0
"""Seconds that the upper end of the 95 % interval of `reconnect_p99` must stay below."""
LOGIN_LIMIT = 0.02
"""What the upper end of the 95 % interval of `login_share` must stay below."""
ATTEMPTS_LIMIT = 9.0
"""What the upper end of the 95 % interval of `attempts_per_client` must stay below."""


def hash_seconds(profile: HostProfile, iterations: int) -> float:
    """Return what the hash of one password costs on a machine, in seconds: the median of its measurements.

    Raises:
        ScenarioError: the profile was made before there were sessions.
    """
    profile.must_know_sessions("haproxy", shared=False)
    return profile.once("node_hash", 0.5) * iterations / HASH_UNIT


def look_up_seconds(profile: HostProfile) -> float:
    """Return the CPU seconds by which a handshake is dearer that asks the shared store: a lone one, medium speed.

    Raises:
        ScenarioError: the profile was made before there were sessions or broadcasts.
    """
    profile.must_know_sessions("haproxy", shared=True)
    parts = {name: profile.curves(name) for name in ("node_look_up", "bus_session", "node_found", "node_session")}
    lone = {name: curves[len(curves) // 2].lone for name, curves in parts.items()}
    return lone["node_look_up"] + lone["bus_session"] + lone["node_found"] - lone["node_session"]


def side_by_side(predictions: Mapping[str, Predicted], measures: Sequence[str]) -> pd.DataFrame:
    """Return one row a prediction with the median of each measure, and the upper end of its interval, as texts.

    Shares are in per cent; a dash stands for what is not measured.
    """
    rows = {}
    for name, prediction in predictions.items():
        bands = {one: Band.predicted(prediction, one) for one in measures if one in prediction.measures}
        row: dict[str, str] = {}
        for measure, band in bands.items():
            row[measure] = value_of(measure, band.median, band.bound)
            row[f"{measure}, at most"] = value_of(measure, band.high, band.bound)
        rows[name] = row
    return pd.DataFrame.from_dict(rows, orient="index").fillna(DASH)


def run_by_run(records: Sequence[Record], simulate: Simulate, measures: Sequence[str]) -> pd.DataFrame:
    """Lay each run that counts beside the replication of its number, which has the same luck.

    Returns:
        One row a run and measure: `measured`, `simulated`, and by how much they differ, in per cent of the measured.
    """
    rows = {}
    for record in records:
        if record.counts:
            pair = record, simulate(record.scenario, record.replication)
            of_run, of_model = (measure_record(one) for one in pair)
            for name in measures:
                row = {"measured": of_run[name], "simulated": of_model[name]}
                row["difference (%)"] = 100 * (row["simulated"] / row["measured"] - 1)
                rows[f"run {record.replication}", name] = row
    return pd.DataFrame.from_dict(rows, orient="index")


def login_chain(record: Record) -> dict[str, float]:
    """Return how the logins after the first fault follow each other: they stand in one queue for a core.

    Returns:
        `first refusal (s)` and `last login (s)` from the fault on, `logins`, and `seconds a login`, the time in between
        by their number.
    """
    begun = float(record.select("fault")["t"].iloc[0])
    refused, started = (record.select(name)["t"] for name in ("session_lost", "session_started"))
    first, last = float(refused[refused >= begun].min()) - begun, float(started.max()) - begun
    logins = int((started >= begun).sum())
    each = (last - first) / logins
    return {"first refusal (s)": first, "last login (s)": last, "logins": logins, "seconds a login": each}


def refused_after_the_outage(journey: Journey) -> tuple[bool, str]:
    """Tell whether a client was refused though the store was back: its node had not found the store again."""
    healed = journey.record.select("healed")
    found = healed[healed["kind"] == "bus_down"]["t"]
    if not len(found):
        return False, "sees no store come back in this run"
    back = float(found.iloc[0])
    late = [one.began - back for one in journey.passages if one.outcome == "503" and one.began >= back]
    if not late:
        return False, f"is not refused any more after the store is back at {back:.2f} s"
    return True, f"is refused {max(late):.2f} s after the store is back at {back:.2f} s"


def refusals(record: Record) -> pd.DataFrame:
    """Return who came back and how often that was refused with 503, those first who were away longest.

    Returns:
        One row a client; when it lost its connection and was back in seconds of the run, how many attempts got a 503,
        and when the last of these began.
    """
    rows = {}
    for client in who_lost(record):
        journey = Journey(record, client)
        refused = [one.began for one in journey.passages if one.outcome == "503"]
        rows[client] = {
            "lost": journey.lost,
            "back": journey.back,
            "503": len(refused),
            "last 503": max(refused, default=nan),
        }
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("client")
    return table.sort_values("back", ascending=False, kind="stable")


def all_full_bytes(scenario: Scenario, clients: int) -> int:
    """Return the payload bytes that some clients keep when their queues are full."""
    return clients * scenario.clients.offline.messages * scenario.clients.sends.payload_bytes


def story(record: Record, client: int) -> pd.DataFrame:
    """Return what happened to one client and to the cluster from the first fault on."""
    events = record.events
    mine = (events["client"] == client) & ~events["event"].isin(["sent", "arrived"])
    cluster = events["event"].isin(["fault", "healed", "node_stopped", "marked_down", "bus_lost", "bus_joined"])
    begun = record.select("fault")["t"].iloc[0]
    columns = ["t", "event", "client", "node", "attempt", "detail"]
    told: pd.DataFrame = events.loc[(mine | cluster) & (events["t"] >= begun), columns]
    return told


def check_store(
    scenario: Scenario,
    store: object,
    persist: object,
    cap: object,
    predict: Predict,
    expected: object = None,
    lab: Scenario | None = None,
) -> Answer:
    """Judge settings with which a failover during an outage of the store ends well.

    Any settings are right with which, in the 95 % intervals, 99 % of the clients are back within `BACK_LIMIT` seconds,
    fewer than `LOGIN_LIMIT` of them have to log in again, and a client makes fewer than `ATTEMPTS_LIMIT` attempts.
    Trust without a look is not to be had. The last bound opposes the first: short waits bring everybody back soon by
    hammering.

    Args:
        scenario: a kill while the store is down.
        store: where the sessions are, `memory` or `redis`.
        persist: whether the store keeps its data on disk.
        cap: longest wait of the clients' backoff, in seconds.
        predict: predicts the varied scenario; it is not called when the settings are ruled out anyway.
        expected: the reader's own number for the upper end of the interval of `reconnect_p99`, in seconds; without it
            nothing is judged.
        lab: the scenario of the rest of the lab; the answer says in what the question's is another.
    """

    def judge() -> Answer:
        try:
            if not isinstance(persist, bool):
                raise ScenarioError(f"persist is {show(persist)}; allowed is True or False.")
            varied = scenario.vary(
                sessions={"store": store, "when_down": "refuse"},
                bus={"persist": persist},
                clients={"reconnect": {"cap": number("cap", cap)}},
                faults=[
                    fault.model_dump() for fault in scenario.faults if store == "redis" or fault.kind != "bus_down"
                ],
            )
        except (ScenarioError, TypeError, ValueError) as error:
            return Answer(False, f"The lab does not take these settings. {error}")
        answer = _stored(varied, store, predict)
        if len(varied.faults) < len(scenario.faults):
            answer = led_by("Sessions in memory have no store whose outage they feel, so it is left out. ", answer)
        return told_apart(answer, scenario, lab)

    return asked(expected, "the upper end of the 95 % interval of reconnect_p99 in s", scenario.duration, judge)


def harder(reload: Scenario, lab: Scenario | None = None) -> Extreme:
    """Return the harder question: how dear may the hash be when a reload sends clients to nodes that do not know them?

    Args:
        reload: a reload that cuts all connections, with sessions in the memory of the nodes; 30 clients are enough.
        lab: the scenario of the first question; the answer says in what this one is another.
    """
    few = reload.vary(clients={"count": 30})
    return Extreme(
        scenario=few,
        setting="sessions.login_iterations",
        varied=lambda iterations: few.vary(sessions={"login_iterations": round(iterations)}),
        measure="reconnect_p99",
        bound=4.0,
        least=1_000,
        most_allowed=1_000_000,
        hint="Two of three clients have to log in, one after the other. From when on, and until when may that take?",
        lab=lab,
    )


def _stored(varied: Scenario, store: object, predict: Predict) -> Answer:
    """Judge settings that the lab takes."""
    if store == "none":
        return Answer(False, "without sessions everybody may connect: that is not what a login is for.")
    prediction = predict(varied)
    if "login_share" not in prediction.measures:
        return Answer(False, "nobody is back when the run ends: how long may a client go on waiting?")
    logins = Band.predicted(prediction, "login_share")
    back = Band.predicted(prediction, "reconnect_p99")
    made = Band.predicted(prediction, "attempts_per_client").high
    said = (
        f"between {logins.low:.0%} and {logins.high:.0%} of those who come back log in again, reconnect_p99 is "
        f"{back.text('low')} to {back.text('high')} s, and a client makes up to {apart(made, ATTEMPTS_LIMIT)} attempts"
    )
    if logins.high >= LOGIN_LIMIT:
        return Answer(
            False, f"{said}; nobody should have to log in. Where were the sessions when node 1 died?", back.high
        )
    if back.high >= BACK_LIMIT:
        return Answer(
            False,
            f"{said}; its upper end is not below {BACK_LIMIT:g} s. Nobody gets in before the store is back: how long "
            "may a client go on waiting then?",
            back.high,
        )
    if made >= ATTEMPTS_LIMIT:
        return Answer(
            False,
            f"{said}; the attempts must be below {ATTEMPTS_LIMIT:g}. Each of them is refused until the store is back, "
            "and costs balancer and nodes a handshake: let the waits grow longer.",
            back.high,
        )
    return Answer(True, f"{said}; below {BACK_LIMIT:g} s and {ATTEMPTS_LIMIT:g}.", back.high)
