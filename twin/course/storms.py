"""What the notebooks on storms and on sizing compute: an outage of everything, on a host whose costs are given.

Nothing here knows a world: what has to be simulated is done by a function that the notebook passes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from twin.analysis.comparison import Predicted
from twin.costs.background import CHECK_PARTS, PING_PARTS
from twin.costs.broadcast import BROADCAST_PARTS
from twin.costs.curve import PartCosts
from twin.costs.layout import VERSION, behind_each
from twin.costs.parts import PARTS
from twin.costs.profile import HostProfile
from twin.costs.starts import LEVEL, START_PARTS
from twin.course.explanations import Journey, Shows
from twin.errors import ScenarioError
from twin.measures import PEAK_WINDOW, attempt_counts
from twin.measures.base import Array
from twin.record.record import Record
from twin.scenario.scenario import Scenario

RELEASED = "502"
"""How an attempt fails whose node is marked down while it waits for an answer of that node."""
AT_ONCE = 0.1
"""Seconds from a mark-down within which all attempts that waited for the node fail."""
BEGIN = 5.0
"""Seconds after the start of the run when the outage begins."""
SMALL_COST = 20e-6
"""Seconds of a part that a given host does not name: small against a handshake."""
CLIENT_COST = 1e-6
"""Seconds of a client's part, whatever `scale` is: as if each client had a machine of its own."""
REFUSAL = 0.63
"""What the balancer's refusal costs, over what a handshake costs it: 0.59 to 0.66 in the reference profile, for 16 or
more at once."""
FIRST = 0.5
"""Part of a round of work that comes before its first item is out: the middle, as nothing is known."""
TIMES: dict[str, Any] = {
    "balancer_start": {"haproxy": [0.05], "nginx": [0.05]},
    "node_stop": [0.01],
    "check_overhead": [0.002],
    "table_growth": [0.001],
    "time_slice": 0.003,
    "tick": 0.004,
}
"""Seconds of what a host profile has besides the parts, chosen as round figures: in a storm, which is over handshakes,
none of them decides."""
EXIT_DELAY, NODE_START = 0.002, 0.5
"""Seconds from SIGKILL to the first closed connection, and of a node's start, chosen like `TIMES`."""
PROGRAMS = ("node", "haproxy", "nginx")
CLIENT_ROUNDS = ("client_request", "client_refused", "client_open", "client_closed")


MOST_RUNS, CLIENTS_AT_ONCE = 50, 50_000
"""Most runs behind a picture that is redrawn at once, and how many clients all of its runs have together at most, but
for a single run that has more."""


def runs_to_redraw(clients: int) -> int:
    """Return how many runs a picture takes that shall be redrawn at once: 50 up to 1,000 clients, then ever fewer so
    that the work does not grow, and 1 from 50,000 clients on, where chance averages out anyway.

    Args:
        clients: of one run, 1 or more.
    """
    return max(1, min(MOST_RUNS, CLIENTS_AT_ONCE // clients))


def given_host(handshake_rate: float, balancer_rate: float = 20_000.0, scale: float = 1.0) -> HostProfile:
    """Return a host whose costs are chosen and not measured: every part costs the same at any load.

    The nodes' handshakes are what is scarce; clients cost next to nothing, as if each had a machine of its own.

    Args:
        handshake_rate: handshakes a second that one node can do.
        balancer_rate: handshakes a second that the balancer can do, but for `SMALL_COST` to accept each connection.
        scale: how many real clients one simulated client stands for: everything takes as much longer.

    Raises:
        ScenarioError: a rate is not more than 0.
    """
    for name, rate in (("handshake_rate", handshake_rate), ("balancer_rate", balancer_rate), ("scale", scale)):
        if not rate > 0:
            raise ScenarioError(f"{name} is {rate:g}; allowed is more than 0.")
    costs = dict.fromkeys((name for name in PARTS if name not in BROADCAST_PARTS), SMALL_COST)
    costs["node_handshake"] = max(0.0, 1.0 / handshake_rate - SMALL_COST)  # the accept is the rest
    costs["balancer_request"] = costs["balancer_response"] = 1.0 / balancer_rate / 2  # there, and back
    costs["balancer_refused"] = REFUSAL / balancer_rate
    costs |= {name: CLIENT_COST / scale for name in costs if name.startswith("client")}
    costs |= dict.fromkeys(PING_PARTS, CLIENT_COST) | dict.fromkeys(CHECK_PARTS, SMALL_COST / scale)
    parts = {name: PartCosts(levels=[1, 16, 64, 256], values=[[scale * cost]] * 4) for name, cost in costs.items()}
    parts["exit_delay"] = PartCosts(levels=[16], values=[[EXIT_DELAY]])
    parts |= {name: PartCosts(levels=[LEVEL], values=[[NODE_START]]) for name in START_PARTS}
    return HostProfile.model_validate(
        {
            "made": "given",
            "machine": {"cpu": "given", "cores": 64},
            "version": VERSION,
            "parts": behind_each(parts),
            "first_part": {name: [FIRST] for name in (*PROGRAMS, *CLIENT_ROUNDS)},
            "speed": [[[1e-3] * 10]],
            "wake": {name: [0.0] for name in ("client", *PROGRAMS)},
            **TIMES,
        }
    )


def outage(
    clients: int = 300,
    nodes: int = 3,
    seconds: float = 20.0,
    after: float = 60.0,
    inter: float = 1.0,
    **reconnect: Any,
) -> Scenario:
    """Return an outage of everything: all nodes stand still, the balancer cuts the tunnels, then all go on.

    Nodes, balancer and clients have machines of their own.

    Args:
        clients: how many.
        nodes: how many.
        seconds: length of the outage.
        after: seconds of the run after its end.
        inter: seconds between two checks of a node by the balancer, and until a check counts as failed.
        reconnect: settings of the reconnect policy; `stable_time` is 0.

    Raises:
        ScenarioError: a value is not allowed.
    """
    faults = [{"at": BEGIN, "kind": "hang", "node": i + 1, "duration": float(seconds)} for i in range(nodes)]
    return Scenario.parse(
        {
            "name": "storm",
            "duration": BEGIN + seconds + after,
            "clients": {
                "count": clients,
                "connect_rate": 100_000.0,
                "open_timeout": 10.0,
                "heartbeat": {"interval": 25.0, "timeout": 20.0},  # those of scenarios/outage.toml
                "reconnect": {"policy": "exponential", "stable_time": 0.0, **reconnect},
            },
            "balancer": {
                "algorithm": "leastconn",
                "retries": 0,
                "on_marked_down": "shutdown-sessions",
                "check": {"inter": inter, "fall": 2, "rise": 1, "timeout": inter},
            },
            "nodes": {"count": nodes, "backlog": 1000},
            "host": {"placement": "separate"},
            "faults": faults,
        },
        "outage",
    )


def end_of_outage(scenario: Scenario) -> float:
    """Return when the last fault is over, in seconds after the start of the run."""
    return max(fault.at + (fault.duration or 0.0) for fault in scenario.faults)


def back_within(prediction: Predicted) -> pd.Series:
    """Return for each replication the seconds from the end of the outage until 99 % of the clients are connected;
    infinite where they were not within the run.
    """
    scenario = prediction.scenario
    first = min(fault.at for fault in scenario.faults)
    return prediction.measures["time_to_99"] - (end_of_outage(scenario) - first)


def attempt_times(record: Record) -> pd.DataFrame:
    """Return the attempts after the first fault: columns client, number (1 is the first after the loss) and t."""
    fault = record.select("fault")["t"].iloc[0]
    made = record.select("attempt_connect")
    made = made[made["t"] >= fault]
    number = made.groupby("client").cumcount() + 1
    return pd.DataFrame({"client": made["client"], "number": number, "t": made["t"]}).reset_index(drop=True)


def spread_of_attempts(record: Record, attempts: int = 8, least: float = 0.5) -> pd.Series:
    """Return in how many seconds the middle 90 % of the clients make their first, second, ... attempt after the loss.

    Each client's time counts from its own notice, so that only the policy spreads them.

    Args:
        record: a simulated run.
        attempts: how many attempts to look at.
        least: an attempt counts that at least this share of the affected clients make.
    """
    fault = record.select("fault")["t"].iloc[0]
    lost = record.select("disconnected")
    notice = lost[lost["t"] >= fault].groupby("client")["t"].first()
    times = attempt_times(record)
    times["since"] = times["t"] - times["client"].map(notice)
    found = {}
    for number, group in times[times["number"] <= attempts].groupby("number"):
        if len(group) >= least * len(notice):
            low, high = np.quantile(group["since"], [0.05, 0.95])
            found[number] = high - low
    return pd.Series(found, name="spread (s)", dtype=float)


def attempts_table(records: Mapping[str, Record]) -> pd.DataFrame:
    """Return for the first, second, ... attempt after the loss how wide the herd is, and how many clients make it.

    Args:
        records: one simulated run each, by name.

    Returns:
        Columns (`spread (s)`, name), from `spread_of_attempts`, and (`clients`, name): only who is not back yet makes
        one more attempt. Where less than half of the clients do, both are missing.
    """
    parts: dict[tuple[str, str], pd.Series] = {}
    for name, record in records.items():
        parts["spread (s)", name] = spread_of_attempts(record)
    for name, record in records.items():
        made = attempt_times(record).groupby("number")["client"].nunique()
        parts["clients", name] = made.reindex(parts["spread (s)", name].index).astype("Int64")
    return pd.DataFrame(parts).rename_axis("attempt")


def released_with_its_node(record: Record) -> Shows:
    """Return a mechanism of `twin.course.explanations`: a client's first attempt hung with a node, and failed when the
    balancer marked that node down, in the same instant as all others that hung with it.
    """
    downs = record.select("marked_down")["t"].to_numpy()

    def shows(journey: Journey) -> tuple[bool, str]:
        if not journey.passages:
            return False, "makes no attempt"
        first = journey.passages[0]
        said = (
            f"has a first attempt that ends after {first.ended - first.began:.2f} s with {first.outcome or 'the run'}"
        )
        if first.outcome != RELEASED:
            return False, said
        late = float(np.min(np.abs(downs - first.ended), initial=np.inf))
        return late < AT_ONCE, f"{said}, {1000 * late:.0f} ms from a mark-down"

    return shows


def own_numbers(mine: Mapping[str, Mapping[str, float]], found: Mapping[str, Mapping[str, float]]) -> pd.DataFrame:
    """Lay a reader's own numbers beside what was found: one row a scenario and name, with their ratio.

    Args:
        mine: numbers by scenario and name.
        found: those of the prediction, by the same.
    """
    rows = {}
    for name, numbers in mine.items():
        for what, value in numbers.items():
            other = float(found[name][what])
            rows[name, what] = {"by hand": value, "simulated": other, "by hand / simulated": value / other}
    return pd.DataFrame.from_dict(rows, orient="index").set_axis(pd.MultiIndex.from_tuples(list(rows)))


@dataclass(frozen=True)
class Storm:
    """Some runs of one outage: what a picture needs.

    Attributes:
        scenario: the outage.
        curves: connected clients, shape (runs, points).
        times: seconds of the points.
        counts: attempts in each 100 ms, shape (runs, windows).
    """

    scenario: Scenario
    curves: Array
    times: Array
    counts: Array

    @classmethod
    def of(cls, prediction: Predicted, records: Sequence[Record] = ()) -> "Storm":
        """Put a prediction together with some runs; without runs the attempts are those of the prediction itself."""
        return cls(
            prediction.scenario,
            prediction.curves,
            prediction.curve_times,
            np.array([attempt_counts(record) for record in records]) if records else prediction.attempts,
        )

    def quiet_after(self) -> float:
        """Return when the last attempt is made and all curves have reached their end, in seconds of the run."""
        moving = np.flatnonzero((self.curves != self.curves[:, -1:]).any(axis=0))
        tried = np.flatnonzero(self.counts.any(axis=0))
        last = self.times[moving[-1]] if len(moving) else 0.0
        return float(max(last, (tried[-1] + 1) * PEAK_WINDOW if len(tried) else 0.0))
