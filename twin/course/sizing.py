"""What the lab notebook on sizing computes and checks: how many nodes, and which cap.

Nothing here knows a world: what has to be simulated is done by a function that the notebook passes.
"""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pandas as pd

from twin.analysis.sweeps import Sweep, Variant
from twin.course.answers import STEP, Answer, Predict, asked, cheapest, number, whole
from twin.course.explanations import Journey, Shows
from twin.course.storm_checks import after_outage
from twin.course.storms import back_within, end_of_outage
from twin.errors import ScenarioError
from twin.measures.base import Array
from twin.record.record import Record
from twin.scenario.scenario import Scenario

MOST_NODES = 50
"""Nodes that somebody may ask for."""
SHORT_CAP = 5.0
"""Seconds of a cap with which nodes that meet the target at all do so."""
WHAT = "the seconds from the end of the outage until 99 % are back in the slowest run"
"""What a reader has to expect of an answer."""
LONGEST_QUEUE = 4096.0
"""Places that a scenario's accept queue has at most."""
LONGEST_BACK = 600.0
"""Seconds that somebody may expect a return to take."""

NODES, CAP = "nodes.count", "clients.reconnect.cap"


def sizing_variants(
    build: Callable[[int, float], Scenario], nodes: Sequence[int], caps: Sequence[float]
) -> list[Variant]:
    """Return the outage with every number of nodes and every cap, for `sim.simulate_variants`.

    Args:
        build: returns the outage of so many nodes with such a cap in seconds.
        nodes: numbers of nodes.
        caps: caps in seconds.
    """
    return [Variant({NODES: n, CAP: cap}, build(n, cap)) for n in nodes for cap in caps]


def sizing_table(sweep: Sweep, scenario: Scenario) -> pd.DataFrame:
    """Return one row a variant of a sweep over nodes and cap: what it costs and what it gives.

    Args:
        sweep: results of `sizing_variants`.
        scenario: one of the variants; all have the same outage.

    Returns:
        Columns nodes, cap (s), `back`, `low` and `high` (s after the outage until 99 % are connected: median and 95 %
        interval, or of few runs their range), `attempts` a client and `peak` attempts in 100 ms (medians).
    """
    away = end_of_outage(scenario) - min(fault.at for fault in scenario.faults)
    bands = sweep.bands("time_to_99")
    table = pd.DataFrame({"nodes": bands[NODES], "cap": bands[CAP].astype(float)})
    for name, column in (("back", "median"), ("low", "low"), ("high", "high")):
        table[name] = bands[column] - away
    table["attempts"] = sweep.bands("attempts_per_client")["median"]
    table["peak"] = sweep.bands("peak_attempts")["median"]
    return table


def sized(table: pd.DataFrame, target: float, nodes: int) -> dict[str, float]:
    """Return what a sweep says about the numbers that the lab on sizing asks for by hand.

    Args:
        table: from `sizing_table`.
        target: seconds within which 99 % must be back.
        nodes: number of nodes whose times are asked for.

    Returns:
        `nodes` (the fewest with which a cap of the sweep meets the target in every run), `cap` (the longest such cap,
        in s), and for the shortest and the longest cap of the sweep `back_cap_X`: s after the outage with `nodes`.
    """
    good = table[table["high"] <= target]
    least = good["nodes"].min()
    asked = table[table["nodes"] == nodes].set_index("cap")["back"]
    found = {"nodes": float(least), "cap": float(good[good["nodes"] == least]["cap"].max())}
    return found | {f"back_cap_{cap:g}": float(asked[cap]) for cap in (asked.index.min(), asked.index.max())}


def handshakes(record: Record) -> Array:
    """Return how many clients are connected again in each second after the outage, shape (seconds,)."""
    end = end_of_outage(record.scenario)
    back = record.select("connected")["t"].to_numpy()
    found: Array = np.histogram(back[back >= end], np.arange(end, record.scenario.duration + 1.0))[0]
    return found


def overslept(scenario: Scenario) -> Shows:
    """Return a mechanism of `twin.course.explanations`: a client's last wait is the larger part of its return after the
    outage.
    """
    end = end_of_outage(scenario)

    def shows(journey: Journey) -> tuple[bool, str]:
        if not journey.passages or not np.isfinite(journey.back):
            return False, "is not back when the run ends"
        rest, wait = journey.back - end, journey.passages[-1].wait
        said = f"is back {rest:.1f} s after the outage, and its last wait is {wait:.1f} s"
        return wait > rest / 2, f"{said}, after {len(journey.passages) - 1} attempts that failed"

    return shows


def check_size(
    build: Callable[[int, float], Scenario],
    nodes: object,
    cap: object,
    target: float,
    predict: Predict,
    handshake_rate: float,
    expected: object = None,
) -> Answer:
    """Judge a number of nodes and a cap: the fewest nodes that meet a target, and the longest cap with which they do.

    Right is what meets the target in the slowest run, where one node fewer does not even with a cap of `SHORT_CAP`, and
    the same nodes do not with a cap `answers.STEP` times as long.

    Args:
        build: returns the outage of so many nodes with such a cap in seconds.
        nodes: the choice, at most `MOST_NODES`.
        cap: the choice, in seconds.
        target: seconds after the outage within which 99 % must be back in every run.
        predict: predicts a scenario; it is not called where the nodes' work alone takes longer than the target.
        handshake_rate: handshakes a second that a node can do.
        expected: the reader's own number for the seconds of the slowest run; without it nothing is judged.
    """

    def judge() -> Answer:
        try:
            many, longest = whole("nodes", nodes), number("cap", cap)
        except ScenarioError as error:
            return Answer(False, str(error))
        if not 1 <= many <= MOST_NODES:
            return Answer(False, f"nodes is {many}; allowed is 1 to {MOST_NODES}.")
        sized = partial(_sized, build, target=target, predict=predict, handshake_rate=handshake_rate)
        others = [(f"{many - 1} nodes with a cap of {SHORT_CAP:g} s", partial(sized, many - 1, SHORT_CAP))]
        others.append(
            (f"a cap of {STEP * longest:.3g} s, which costs fewer attempts,", partial(sized, many, STEP * longest))
        )
        return cheapest(sized(many, longest), others if many > 1 else others[1:])

    return asked(expected, WHAT, LONGEST_BACK, judge)


def work_alone(clients: int, nodes: int, handshake_rate: float) -> float:
    """Return the seconds that nodes take for the handshakes of 99 % of the clients when they are never idle."""
    return 0.99 * clients / (handshake_rate * nodes)


def _sized(
    build: Callable[[int, float], Scenario],
    nodes: int,
    cap: float,
    target: float,
    predict: Predict,
    handshake_rate: float,
) -> Answer:
    """Tell whether so many nodes with such a cap meet the target in every run."""
    try:
        scenario = build(nodes, cap)
    except ScenarioError as error:
        return Answer(False, f"the settings are not possible. {error}")
    least = work_alone(scenario.clients.count, nodes, handshake_rate)
    if least > target:
        return Answer(False, f"{nodes} nodes have {least:.0f} s of work, more than {target:g} s, whatever the cap.")
    return _in_time(scenario, f"with {nodes} nodes and a cap of {cap:g} s", target, predict)


def check_queue(
    lab: Scenario, backlog: object, target: float, predict: Predict, expected: object = None, scale: float = 1.0
) -> Answer:
    """Judge the question of level 2: how long accept queues may be before clients give up in them.

    Right is a queue with which the target is met in the slowest run, where it is not with one `answers.STEP` times as
    long.

    Args:
        lab: the outage with such nodes and such a cap.
        backlog: places of each node's accept queue, at most `LONGEST_QUEUE`.
        target: seconds after the outage within which 99 % must be back in every run.
        predict: predicts a scenario.
        expected: the reader's own number for the seconds of the slowest run; without it nothing is judged.
        scale: how many clients a simulated one stands for, and so places a simulated place.
    """

    def queued(places: float) -> Answer:
        varied = lab.vary(nodes={"backlog": max(1, round(places / scale))})
        return _in_time(varied, f"with accept queues of {places:,.0f} places", target, predict)

    def judge() -> Answer:
        try:
            places = number("backlog", backlog)
        except ScenarioError as error:
            return Answer(False, str(error))
        if not 1 <= places <= LONGEST_QUEUE:
            return Answer(False, f"backlog is {places:g}; allowed is 1 to {LONGEST_QUEUE:g}.")
        longer = min(LONGEST_QUEUE, STEP * places)
        return cheapest(queued(places), [(f"a queue of {longer:,.0f} places", partial(queued, longer))])

    return asked(expected, WHAT, LONGEST_BACK, judge)


def _in_time(scenario: Scenario, said: str, target: float, predict: Predict) -> Answer:
    """Tell whether 99 % are back in time in every run."""
    prediction = predict(scenario)
    latest = float(back_within(prediction).max())
    runs, attempts = len(prediction.measures), float(prediction.measures["attempts_per_client"].median())
    when = after_outage(latest, scenario.duration - end_of_outage(scenario), target)
    found = f"{said}, 99 % are back {when} in the slowest of {runs} runs, after {attempts:.1f} attempts a client"
    if latest > target:
        return Answer(False, f"{found}; allowed are {target:g} s.", latest)
    return Answer(True, f"{found}.", latest)
