"""What the lab notebook on balancing computes and checks, so that it holds no logic itself.

Nothing here knows a world: what has to be simulated is done by a function that the notebook passes.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from twin.analysis.bands import Band
from twin.course.answers import STEP, Answer, apart, asked, cheapest, number, told_apart
from twin.course.extremes import Extreme
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
LEAST_BACK = 0.99
"""Share of the clients that must be connected at the end, at the lower end of the 95 % interval."""


def with_rule(scenario: Scenario, kind: str, algorithm: str) -> Scenario:
    """Return the scenario with another choice rule; another program comes with its own defaults.

    Raises:
        ScenarioError: there is no such rule.
    """
    name = f"{scenario.name}-{kind}-{algorithm.replace('_', '-')}"
    return scenario.vary(name=name, balancer={"kind": kind, "algorithm": algorithm})


def quick_checks(scenario: Scenario) -> Scenario:
    """Return the scenario with checks that are quick enough to see a restart."""
    return scenario.vary(balancer={"check": {"inter": 0.1, "fall": 1, "rise": 1}})


def held(record: Record, times: Sequence[float]) -> pd.DataFrame:
    """Return the connections of each node at some times, as its clients see them: one row a time, one column a node."""
    table = record.select("connected", "disconnected")
    t, node = table["t"].to_numpy(), table["node"].to_numpy()
    change = np.where(table["event"].eq("connected"), 1, -1)
    nodes = range(1, record.scenario.nodes.count + 1)
    counts = {f"node {i}": [int(change[(node == i) & (t <= when)].sum()) for when in times] for i in nodes}
    return pd.DataFrame(counts, index=pd.Index([float(when) for when in times], name="t"))


def held_steps(record: Record) -> pd.DataFrame:
    """Return the connections of each node from each moment on at which one of them changes, or a node ends or listens.

    Returns:
        One row a moment of the run in seconds (the first is 0, the last its end), one column a node; NaN while a node
        does not run and has no connections.
    """
    end = record.scenario.duration
    changes = record.select("connected", "disconnected", "node_stopped", "node_started")["t"].to_numpy()
    times = np.unique(np.concatenate([[0.0], changes[(changes > 0) & (changes < end)], [end]]))
    counts = held(record, times.tolist()).astype(float)
    running = _running(record, times.tolist())
    return counts.where(running | counts.to_numpy().astype(bool))


def _running(record: Record, times: Sequence[float]) -> NDArray[np.bool_]:
    """Tell for each time and node, shape (times, nodes), whether the node's process runs."""
    found = np.ones((len(times), record.scenario.nodes.count), bool)
    table = record.select("node_stopped", "node_started")
    for t, event, node in zip(table["t"], table["event"], table["node"], strict=True):
        found[np.asarray(times) >= t, node - 1] = event == "node_started"
    return found


def imbalance_at(record: Record, when: float) -> float:
    """Return the largest over the mean number of connections of the nodes that run at a time."""
    counts = held(record, [when]).to_numpy()
    return unevenness([int(count) for count in counts[_running(record, [when])]])


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
    """Return for each rule whose run counts the connections of each node, and how uneven they are, at some moments.

    Args:
        records: a run under each rule.
        moments: names and times in seconds.
    """
    rows = {}
    for name, record in records.items():
        if not record.counts:
            continue
        row: dict[tuple[str, str], float] = {}
        for moment, when in moments.items():
            counts = held(record, [when]).iloc[0]
            row |= {(moment, str(node)): int(count) for node, count in counts.items()}
            row[moment, "imbalance"] = imbalance_at(record, when)
        rows[name] = row
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.columns = pd.MultiIndex.from_tuples([key for row in list(rows.values())[:1] for key in row])
    return table


def band_at(records: Sequence[Record], when: float) -> Band:
    """Return the band of the imbalance at a time over some replications."""
    return Band.of(np.array([imbalance_at(record, when) for record in records]))


def variants_table(
    variants: Mapping[str, Scenario],
    simulate: Simulate,
    replications: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> pd.DataFrame:
    """Simulate variants with common random numbers.

    Args:
        variants: scenarios by name.
        simulate: returns the record of a replication.
        replications: of each.
        progress: receives (replications done, all of them).

    Returns:
        One row a variant, medians over the replications: `imbalance` at the end, `rush` (new connections of one node in
        100 ms), `lost per client` (connections) and `connected at the end (%)` of all clients.
    """
    rows = {}
    for i, (name, scenario) in enumerate(variants.items()):
        summaries = []
        for k in range(replications):
            summaries.append(_summary(simulate(scenario, k)))
            progress(i * replications + k + 1, len(variants) * replications)
        found = pd.DataFrame(summaries).median()
        rows[name] = {
            "imbalance": found["imbalance"],
            "rush": found["rush"],
            "lost per client": found["lost"],
            "connected at the end (%)": 100 * found["back"],
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def _summary(record: Record) -> dict[str, float]:
    lost = record.select("disconnected")
    return {
        "imbalance": imbalance_at(record, record.scenario.duration),
        "rush": rush(record),
        "lost": float((lost["t"] >= 0).sum()) / record.scenario.clients.count,
        "back": float(held(record, [record.scenario.duration]).iloc[0].sum()) / record.scenario.clients.count,
    }


def check_balancing(
    scenario: Scenario,
    simulate: Simulate,
    replications: int,
    balancer: Mapping[str, Any],
    reconnect: Mapping[str, Any] | None = None,
    expected: object = None,
    lab: Scenario | None = None,
) -> Answer:
    """Judge a choice rule, with its settings, by what is left when a node has come back and another one died.

    Any settings are right with which the upper ends of the 95 % intervals lie below `IMBALANCE_LIMIT` for the imbalance
    at the end and below `RUSH_LIMIT` for the new connections of one node in 100 ms, with which everybody is back at the
    end (`LEAST_BACK`), and that have the shortest such first wait: with one `answers.STEP` times shorter a bound is not
    kept.

    Args:
        scenario: a node comes back, then another one dies.
        simulate: returns the record of a replication.
        replications: how many to look at.
        balancer: settings of HAProxy that are changed.
        reconnect: settings of the clients' reconnect policy that are changed.
        expected: the reader's own number for the upper end of the new connections of one node in 100 ms; without it
            nothing is judged.
        lab: the scenario of the rest of the lab; the answer says in what the question's is another.
    """

    def judge() -> Answer:
        try:
            base = number("base", (reconnect or {}).get("base", scenario.clients.reconnect.base))
            mine = dict(balancer), dict(reconnect or {}) | {"base": base}
        except (ScenarioError, TypeError, ValueError, AttributeError) as error:
            return Answer(False, f"these settings are not possible. {error}")
        shorter = base / STEP
        other = mine[0], mine[1] | {"base": shorter}
        answer = cheapest(
            _balanced(scenario, simulate, replications, *mine),
            [(f"a first wait of {shorter:.3g} s", lambda: _balanced(scenario, simulate, replications, *other))],
        )
        return told_apart(answer, scenario, lab)

    what = "the upper end of the 95 % interval of the new connections of one node in 100 ms"
    return asked(expected, what, scenario.clients.count, judge)


def harder(lab: Scenario) -> Extreme:
    """Return the harder question: how short may the first wait be when a reload cuts everybody's connection at once?

    Args:
        lab: the scenario of the lab.
    """
    other = lab.vary(faults=[{"at": 2.0, "kind": "reload"}], balancer={"hard_stop_after": 1.0})
    return Extreme(
        scenario=other,
        setting="clients.reconnect.base in s",
        varied=lambda base: other.vary(clients={"reconnect": {"base": base, "cap": max(base, 5.0)}}),
        measure="peak_attempts",
        bound=60.0,
        least=0.05,
        most_allowed=5.0,
        largest=False,
        hint="All clients wait at the same time: how many of the waits end in the same 100 ms?",
        lab=lab,
    )


def _balanced(
    scenario: Scenario, simulate: Simulate, replications: int, balancer: dict[str, Any], reconnect: dict[str, Any]
) -> Answer:
    """Tell whether settings keep all bounds."""
    try:
        varied = scenario.vary(balancer=balancer, clients={"reconnect": reconnect})
    except (ScenarioError, TypeError, ValueError) as error:
        return Answer(False, f"these settings are not possible. {error}")
    if varied.balancer.kind != scenario.balancer.kind:
        return Answer(False, f"these settings are not possible. kind is '{varied.balancer.kind}'; HAProxy stays.")
    found = pd.DataFrame([_summary(simulate(varied, k)) for k in range(replications)])
    uneven, rushed = (Band.of(found[name].to_numpy()).high for name in ("imbalance", "rush"))
    back = Band.of(found["back"].to_numpy()).low
    said = (
        f"the predicted intervals end at {apart(uneven, IMBALANCE_LIMIT)} for the imbalance and at "
        f"{apart(rushed, RUSH_LIMIT)} connections in 100 ms"
    )
    if back < LEAST_BACK:
        return Answer(
            False,
            f"{said}; but only {back:.0%} of the clients are connected at the end. Who stays away disturbs no balance: "
            "make the waits shorter.",
            rushed,
        )
    if uneven >= IMBALANCE_LIMIT:
        return Answer(
            False,
            f"{said}; the first must be below {IMBALANCE_LIMIT:g}. A node that came back empty gets its share only "
            "from a rule that looks at what the nodes hold, and only as many as its weight lets it have.",
            rushed,
        )
    if rushed >= RUSH_LIMIT:
        return Answer(
            False,
            f"{said}; the second must be below {RUSH_LIMIT:g}. Who has nothing gets everything at once. "
            "A slowstart changes how much that is; how fast it comes is up to the clients' waits.",
            rushed,
        )
    return Answer(True, f"{said}; below {IMBALANCE_LIMIT:g} and {RUSH_LIMIT:g}.", rushed)
