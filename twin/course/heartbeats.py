"""What the lab notebook on heartbeats computes and checks, so that it holds no logic itself.

Nothing here knows a world: what has to be simulated is done by a function that the notebook passes.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from twin.advice import cuts_idle
from twin.analysis.comparison import Predicted
from twin.course.answers import STEP, Answer, Predict, asked, cheapest, number, told_apart
from twin.course.explanations import Journey, first_after, first_fault, journeys
from twin.course.extremes import Extreme
from twin.course.failover import upper_end
from twin.errors import ScenarioError
from twin.measures.base import Array
from twin.record.record import Record
from twin.rules.heartbeat import detection_bounds
from twin.rules.idle import Adaptive, survives
from twin.scenario.scenario import Scenario

NOTICE_LIMIT = 8.0
"""Seconds that the upper end of the 95 % interval of `notice_p99` must stay below."""
PINGS_LIMIT = 50.0
"""Pings a second that the clients may send together."""
HELD = 1.0
"""Seconds from which on an attempt was held up: others take milliseconds."""
LEAST_TIMEOUT = 1.0
"""Seconds that a pong may always take: a lost packet is sent again after up to about one. Source: RFC 6298, sections
2.1 and 2.4; Linux waits less when the round trips are short."""


def pings_a_second(scenario: Scenario) -> float:
    """Return how many pings a second all clients and all nodes send together; each asks for a pong."""
    beat, count = scenario.clients.heartbeat, scenario.clients.count
    return count * sum(1 / interval for interval in (beat.interval, scenario.nodes.ping_interval) if interval)


def counting(
    function: Callable[[Scenario], Predicted], calls: int, note: Callable[[int, int], None]
) -> Callable[[Scenario], Predicted]:
    """Return a function that predicts the same and notes how many of its calls are done.

    Args:
        function: predicts a scenario.
        calls: how often it will be called.
        note: receives (calls done, calls), as `twin.course.progress.progress` makes it.
    """
    done = itertools.count(1)

    def counted(scenario: Scenario) -> Predicted:
        found = function(scenario)
        note(next(done), calls)
        return found

    return counted


def notice_by_hand(interval: float, timeout: float, share: float) -> float:
    """Return the time in seconds within which a share of the clients notices a peer that fell silent: U(low, high)."""
    low, high = detection_bounds(interval, timeout)
    return low + share * (high - low)


def notice_times(record: Record) -> Array:
    """Return the seconds from the first fault to each loss after it, in order, shape (losses,)."""
    fault = float(record.select("fault")["t"].iloc[0])
    lost = record.select("disconnected")["t"].to_numpy()
    found: Array = np.sort(lost[lost >= fault] - fault)
    return found


def sent_to_silent(journey: Journey) -> tuple[bool, str]:
    """Tell whether a client that came back was sent to the node that had fallen silent, and waited there.

    It is a mechanism of `twin.course.explanations`. The node's kernel accepts, and nobody answers: the attempt ends
    when the node goes on, or when the client's patience ends (`open_timeout`).
    """
    if not journey.passages:
        return False, "makes no attempt"
    first = journey.passages[0]
    took = first.ended - first.began
    if first.outcome == "connected" and took < HELD:
        return False, f"is connected to node {first.node} within {1000 * took:.0f} ms of its first attempt"
    how = f"ends after {took:.2f} s with {first.outcome}" if np.isfinite(took) else "is still under way at the end"
    return True, f"has a first attempt that {how}"


def held_up(records: Mapping[str, Record]) -> pd.DataFrame:
    """Return how many clients of a node that fell silent were sent back to it, and what that cost them: one row a run.

    Returns:
        `marked down (s)` after the fault, `lost` (clients), `sent to it` (of these), and after how many seconds these
        were back: `from (s)` and `to (s)`; `others by (s)` is when the last of the others was.
    """
    rows = {}
    for name, record in records.items():
        fault = first_fault(record)
        every = list(journeys(record))
        held = [one.back - fault for one in every if sent_to_silent(one)[0]]
        others = [one.back - fault for one in every if not sent_to_silent(one)[0]]
        rows[name] = {
            "marked down (s)": first_after(record, "marked_down", fault) - fault,
            "lost": len(every),
            "sent to it": len(held),
            "from (s)": min(held, default=np.nan),
            "to (s)": max(held, default=np.nan),
            "others by (s)": max(others, default=np.nan),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def ways_out(ways: Mapping[str, Scenario], predict: Predict) -> pd.DataFrame:
    """Return what each of some scenarios without a fault costs its clients, and the pings that it takes.

    Returns:
        One row a scenario: `losses_per_client` and `away (%)` (predicted medians), `pings a second`, and whether the
        lab has `warned` of it without a simulation.
    """
    rows = {}
    for name, way in ways.items():
        found = predict(way).measures[["losses_per_client", "away_share"]].median()
        rows[name] = {
            "losses_per_client": found["losses_per_client"],
            "away (%)": 100 * found["away_share"],
            "pings a second": pings_a_second(way),
            "warned": "yes" if cuts_idle(way) else "no",
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def trade_off(
    scenario: Scenario,
    intervals: Sequence[float],
    timeouts: Sequence[float],
    predict: Predict,
    ping: float,
) -> pd.DataFrame:
    """Predict what shorter intervals and timeouts bring, and what they cost.

    Args:
        scenario: with a fault in which a node falls silent.
        intervals, timeouts: of the clients' heartbeat, in seconds; each with each.
        predict: predicts a varied scenario.
        ping: CPU seconds of a ping and its pong in all processes together.

    Returns:
        One row a heartbeat: `interval`, `timeout`, `pings` (a second, all clients), `cores` (how many they keep busy),
        `by hand` (the 99th percentile of U(timeout, timeout + interval)), and `notice_p50`, `notice_p99` (s) as
        predicted.
    """
    rows = []
    for timeout in timeouts:
        for interval in intervals:
            beat = {"interval": interval, "timeout": timeout, "max_interval": 0.0}
            varied = scenario.vary(clients={"heartbeat": beat})
            found = predict(varied).measures[["notice_p50", "notice_p99"]].median()
            hand = notice_by_hand(interval, timeout, 0.99)
            pings = pings_a_second(varied)
            rows.append((interval, timeout, pings, pings * ping, hand, found["notice_p50"], found["notice_p99"]))
    return pd.DataFrame(rows, columns=["interval", "timeout", "pings", "cores", "by hand", "notice_p50", "notice_p99"])


def spans(record: Record, clients: Sequence[int]) -> list[list[tuple[float, float]]]:
    """Return for each of some clients when it was connected during the run, as (from, to) in seconds."""
    end = record.scenario.duration
    table = record.select("connected", "disconnected")
    found = []
    for client in clients:
        mine = table[table["client"] == client]
        held, since = list[tuple[float, float]](), None
        for t, event in zip(mine["t"], mine["event"], strict=True):
            if event == "connected":
                since = max(0.0, t)
            elif since is not None:
                held.append((since, t))
                since = None
        if since is not None:
            held.append((since, end))
        found.append(held)
    return found


def search(min_interval: float, max_interval: float, timeout: float, seconds: float) -> pd.DataFrame:
    """Return the pings of one client whose interval adapts, before a balancer that cuts after `timeout` s of silence.

    The connection is opened at 0 and, whenever it was cut, again at once.

    Args:
        min_interval, max_interval: bounds of the interval, in seconds.
        timeout: of the balancer, in seconds.
        seconds: how long to look.

    Returns:
        One row a try: `t` (when it ended, s), `interval` (s) and whether it was `cut`.
    """
    rule, t, rows = Adaptive.of(min_interval, max_interval), 0.0, []
    while t < seconds:
        interval = rule.interval
        cut = not survives(timeout, interval)
        t += timeout if cut else interval
        rows.append((t, interval, cut))
        if cut:
            rule.broke(timeout)
        else:
            rule.answered()
    return pd.DataFrame(rows, columns=["t", "interval", "cut"])


def fixed_against_adaptive(
    scenario: Scenario, fixed: Sequence[float], predict: Predict, search_until: float = 600.0
) -> pd.DataFrame:
    """Compare fixed intervals with one that adapts, before the same balancer.

    Args:
        scenario: without a fault, whose clients' heartbeat adapts.
        fixed: intervals in seconds to compare it with.
        predict: predicts a varied scenario.
        search_until: seconds after which the adapting interval is taken as settled.

    Returns:
        One row a heartbeat: `losses_per_client` in the run (predicted median), `pings a minute` of one client, where it
        is not cut, and for the one that adapts once it has settled.
    """
    beat = scenario.clients.heartbeat
    rows = {}
    for interval in fixed:
        varied = scenario.vary(clients={"heartbeat": {"interval": interval, "max_interval": 0.0}})
        kept = survives(scenario.idle_timeout, interval)
        rows[f"fixed, {interval:g} s"] = (_losses(predict(varied)), 60 / interval if kept else float("nan"))
    settled = search(beat.interval, beat.max_interval, scenario.idle_timeout, search_until)["interval"].iloc[-1]
    rows[f"adaptive, {beat.interval:g} to {beat.max_interval:g} s"] = (_losses(predict(scenario)), 60 / settled)
    return pd.DataFrame.from_dict(rows, orient="index", columns=["losses_per_client", "pings a minute"])


def _losses(prediction: Predicted) -> float:
    return float(prediction.measures["losses_per_client"].median())


def side_by_side(
    records: Sequence[Record], simulate: Callable[[int], Record], measure: Callable[[Record], Mapping[str, float]]
) -> pd.DataFrame:
    """Hold measured runs that count against the simulated replications of the same number: one row a run."""
    rows = {}
    for record in (one for one in records if one.counts):
        expected, found = measure(simulate(record.replication)), measure(record)
        both = {f"{name}, simulated": value for name, value in expected.items()}
        both |= {f"{name}, measured": value for name, value in found.items()}
        rows[f"run {record.replication}"] = {name: both[name] for name in sorted(both)}
    return pd.DataFrame.from_dict(rows, orient="index")


def check_heartbeat(
    scenario: Scenario,
    interval: object,
    timeout: object,
    predict: Predict,
    expected: object = None,
    lab: Scenario | None = None,
) -> Answer:
    """Judge a heartbeat that shall find a silent node soon, cost few pings, and keep idle connections open.

    Any heartbeat is right whose pings keep a connection through the balancer, whose timeout is at least
    `LEAST_TIMEOUT`, with which the clients send at most `PINGS_LIMIT` pings a second, and with which the upper end of
    the predicted 95 % interval of `notice_p99` lies below `NOTICE_LIMIT`; and whose timeout is as patient as that
    allows: with one `answers.STEP` times as long the bounds are not kept.

    Args:
        scenario: with a node that falls silent, and a balancer that cuts idle connections.
        interval: seconds between pings.
        timeout: seconds without a pong until the peer counts as dead.
        predict: predicts the varied scenario; it is not called when the heartbeat is ruled out anyway.
        expected: the reader's own number for that upper end, in seconds; without it nothing is judged.
        lab: the scenario of the rest of the lab; the answer says in what the question's is another.
    """

    def judge() -> Answer:
        try:
            every, wait = number("interval", interval), number("timeout", timeout)
        except ScenarioError as error:
            return Answer(False, f"a client does not take this heartbeat. {error}")
        longer = STEP * wait
        said = f"a timeout of {longer:.3g} s, which forgives a slow network more,"
        answer = cheapest(
            _found_soon(scenario, every, wait, predict), [(said, lambda: _found_soon(scenario, every, longer, predict))]
        )
        return told_apart(answer, scenario, lab)

    return asked(expected, "the upper end of the 95 % interval of notice_p99 in s", scenario.duration, judge)


def _found_soon(scenario: Scenario, interval: float, timeout: float, predict: Predict) -> Answer:
    """Tell whether a heartbeat keeps all bounds."""
    try:
        beat = {"interval": interval, "timeout": timeout, "max_interval": 0.0}
        varied = scenario.vary(clients={"heartbeat": beat})
    except (ScenarioError, TypeError, ValueError) as error:
        return Answer(False, f"a client does not take this heartbeat. {error}")
    if cuts_idle(varied):
        return Answer(
            False,
            f"the balancer cuts what is silent for {varied.idle_timeout:g} s, and nothing passes for "
            f"{varied.longest_silence:g} s: every idle connection is lost again and again.",
        )
    if timeout < LEAST_TIMEOUT:
        return Answer(
            False,
            f"timeout is {timeout:g} s and must be {LEAST_TIMEOUT:g} s or more: one lost packet, which is sent again "
            "after a second, would end a healthy connection.",
        )
    pings = pings_a_second(varied)
    if pings > PINGS_LIMIT:
        return Answer(False, f"{pings:.0f} pings a second are more than {PINGS_LIMIT:g}: make the interval longer.")
    late = upper_end(predict(varied), "notice_p99")
    found = f"{pings:.0f} pings a second, and the predicted interval of notice_p99 ends at {late:.2f} s"
    if late >= NOTICE_LIMIT:
        return Answer(
            False,
            f"{found}; it must end below {NOTICE_LIMIT:g} s. Before the last client notices, a whole interval and then "
            f"a timeout pass: {interval:g} + {timeout:g} s.",
            late,
        )
    return Answer(True, f"{found}, below {NOTICE_LIMIT:g} s.", late)


def harder(lab: Scenario) -> Extreme:
    """Return the question of level 2: how patient clients may be with a node that never goes on.

    Args:
        lab: the hang, whose node goes on.
    """
    node = next(fault.node for fault in lab.faults)
    for_good = lab.vary(duration=40.0, faults=[{"at": 2.0, "kind": "hang", "node": node}])
    return Extreme(
        scenario=for_good,
        setting="clients.open_timeout in s",
        varied=lambda patience: for_good.vary(clients={"open_timeout": patience}),
        measure="reconnect_p99",
        bound=8.0,
        least=0.1,
        most_allowed=30.0,
        hint="Which clients are sent to the node that hangs, and what do they do one after the other?",
        lab=lab,
    )
