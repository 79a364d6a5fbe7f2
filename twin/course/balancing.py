"""What the lab notebook on balancing computes and checks, so that it holds no logic itself.

Nothing here knows a world: what has to be simulated is done by a function that the notebook passes.
"""

from collections.abc import Callable, Mapping, Sequence
from math import nan
from typing import Any

import numpy as np
import pandas as pd

from twin.analysis.bands import Band
from twin.course.failover import Answer
from twin.errors import ScenarioError
from twin.measures.base import most_within
from twin.measures.connection import PEAK_WINDOW, unevenness
from twin.record.record import Record
from twin.scenario.scenario import Scenario

Simulate = Callable[[Scenario, int], Record]
"""Returns the record of a scenario's replication of a number."""

RULES = {
    "HAProxy roundrobin": ("haproxy", "roundrobin"),
    "HAProxy leastconn": ("haproxy", "leastconn"),
    "HAProxy random(2)": ("haproxy", "random"),
    "HAProxy source": ("haproxy", "source"),
    "HAProxy consistent": ("haproxy", "consistent"),
    "nginx round robin": ("nginx", "round_robin"),
    "nginx least_conn": ("nginx", "least_conn"),
    "nginx random two": ("nginx", "random_two"),
    "nginx ip_hash": ("nginx", "ip_hash"),
}
"""The choice rules that the lab notebook sets side by side."""

IMBALANCE_LIMIT = 1.3
"""What the upper end of the 95 % interval of `imbalance` must stay below."""
RUSH_LIMIT = 40.0
"""New connections of one node in 100 ms that the upper end of their 95 % interval must stay below."""


def with_rule(scenario: Scenario, kind: str, algorithm: str) -> Scenario:
    """Return the scenario with another choice rule; another program comes with its own defaults.

    Raises:
        ScenarioError: there is no such rule.
    """
    name = f"{scenario.name}-{kind}-{algorithm.replace('_', '-')}"
    return scenario.vary(name=name, balancer={"kind": kind, "algorithm": algorithm})


def held(record: Record, times: Sequence[float]) -> pd.DataFrame:
    """Return the connections of each node at some times, as its clients see them: one row a time, one column a node."""
    table = record.select("connected", "disconnected")
    t, node = table["t"].to_numpy(), table["node"].to_numpy()
    change = np.where(table["event"].eq("connected"), 1, -1)
    nodes = range(1, record.scenario.nodes.count + 1)
    counts = {f"node {i}": [int(change[(node == i) & (t <= when)].sum()) for when in times] for i in nodes}
    return pd.DataFrame(counts, index=pd.Index([float(when) for when in times], name="t"))


def imbalance_at(record: Record, when: float) -> float:
    """Return the largest over the mean number of connections of the nodes that run at a time."""
    nodes = record.scenario.nodes.count
    running = set(range(1, nodes + 1))
    for t, event, node in zip(
        *(record.select("node_stopped", "node_started")[name] for name in ("t", "event", "node")), strict=True
    ):
        if t <= when:
            (running.discard if event == "node_stopped" else running.add)(node)
    counts = held(record, [when]).iloc[0]
    return unevenness([int(counts[f"node {i}"]) for i in sorted(running)])


def rush(record: Record) -> float:
    """Return the most new connections that one node got in any 100 ms from the first fault on."""
    begin = float(record.select("fault")["t"].iloc[0])
    made = record.select("connected")
    made = made[made["t"] >= begin]
    most = 0
    for _, group in made.groupby("node"):
        most = max(most, most_within(group["t"].to_numpy(), PEAK_WINDOW))
    return float(most)


def rules_table(records: Mapping[str, Record], moments: Mapping[str, float]) -> pd.DataFrame:
    """Return for each rule the connections of each node, and how uneven they are, at some moments; NaN for a
    run that does not count.

    Args:
        records: a run under each rule.
        moments: names and times in seconds.
    """
    rows = {}
    for name, record in records.items():
        row: dict[tuple[str, str], float] = {}
        for moment, when in moments.items():
            counts = held(record, [when]).iloc[0]
            uneven = imbalance_at(record, when)
            row |= {(moment, str(node)): int(count) if record.counts else nan for node, count in counts.items()}
            row[moment, "imbalance"] = uneven if record.counts else nan
        rows[name] = row
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.columns = pd.MultiIndex.from_tuples([key for row in list(rows.values())[:1] for key in row])
    return table


def bands_at(scenario: Scenario, when: float, simulate: Simulate, replications: int) -> Band:
    """Return the band of the imbalance at a time over some replications."""
    return Band.of(np.array([imbalance_at(simulate(scenario, k), when) for k in range(replications)]))


def variants_table(variants: Mapping[str, Scenario], simulate: Simulate, replications: int) -> pd.DataFrame:
    """Simulate variants with common random numbers.

    Returns:
        One row a variant, medians over the replications: `imbalance` at the end, `rush` (new connections of one node in
        100 ms) and `lost` (connections lost, a client).
    """
    rows = {}
    for name, scenario in variants.items():
        found = [_summary(simulate(scenario, k)) for k in range(replications)]
        rows[name] = pd.DataFrame(found).median()
    return pd.DataFrame.from_dict(rows, orient="index")


def _summary(record: Record) -> dict[str, float]:
    lost = record.select("disconnected")
    return {
        "imbalance": imbalance_at(record, record.scenario.duration),
        "rush": rush(record),
        "lost": float((lost["t"] >= 0).sum()) / record.scenario.clients.count,
    }


def check_balancing(
    scenario: Scenario,
    simulate: Simulate,
    replications: int,
    balancer: Mapping[str, Any],
    reconnect: Mapping[str, Any] | None = None,
) -> Answer:
    """Judge a choice rule, with its settings, by what is left when a node has come back and another one died.

    Any settings are right with which the upper ends of the 95 % intervals lie below `IMBALANCE_LIMIT` for the imbalance
    at the end and below `RUSH_LIMIT` for the new connections of one node in 100 ms, and that keep HAProxy.

    Args:
        scenario: a node comes back, then another one dies.
        simulate: returns the record of a replication.
        replications: how many to look at.
        balancer: settings of HAProxy that are changed.
        reconnect: settings of the clients' reconnect policy that are changed.
    """
    try:
        varied = scenario.vary(balancer=dict(balancer), clients={"reconnect": dict(reconnect or {})})
    except (ScenarioError, TypeError, ValueError) as error:
        return Answer(False, f"these settings are not possible. {error}")
    found = pd.DataFrame([_summary(simulate(varied, k)) for k in range(replications)])
    uneven, rushed = (Band.of(found[name].to_numpy()).high for name in ("imbalance", "rush"))
    said = f"the predicted intervals end at {uneven:.2f} for the imbalance and at {rushed:.0f} connections in 100 ms"
    if uneven >= IMBALANCE_LIMIT:
        return Answer(
            False,
            f"{said}; the first must be below {IMBALANCE_LIMIT:g}. A node that came back empty gets its share only "
            "from a rule that looks at what the nodes hold, and only as many as its weight lets it have.",
        )
    if rushed >= RUSH_LIMIT:
        return Answer(
            False,
            f"{said}; the second must be below {RUSH_LIMIT:g}. Who has nothing gets everything at once. "
            "A slowstart changes how much that is; how fast it comes is up to the clients' waits.",
        )
    return Answer(True, f"{said}; below {IMBALANCE_LIMIT:g} and {RUSH_LIMIT:g}.")
