"""What a record says of the nodes' pools of connections: how full they are, how long uses wait, and who gets none."""

from dataclasses import dataclass

import numpy as np

from twin.measures.base import Array, Measure, percentiles
from twin.measures.censoring import Waits
from twin.record.record import Record

WAITED = 0.001
"""Seconds above which a use has waited for its connection; less is the node's own work."""

POOLS = {
    "pool_in_use": Measure("1", "timer", "share of the pools' connections that are out, mean over the run"),
    "pool_waited": Measure("1", "timer", "share of the uses that waited for more than 1 ms, or got no connection"),
    "pool_wait_p50": Measure("s", "timer", "median time that uses waited for a connection which got one"),
    "pool_wait_p90": Measure("s", "timer", "90th percentile of the same"),
    "pool_wait_p99": Measure("s", "timer", "99th percentile of the same"),
    "pool_timeouts": Measure("1", "timer", "share of the uses whose wait timed out", rare=True),
    "pool_refused": Measure("1", "timer", "share of the uses that were refused at once, as too many waited", rare=True),
    "pool_failed": Measure("1", "timer", "share of the uses that failed as the store did not answer", rare=True),
    "pool_connects": Measure("1", "timer", "connections that a pool opened in the run, per node", rare=True),
    "pool_alarms": Measure("1", "timer", "alarms of the pools, per node", rare=True),
    "pool_alarm_at": Measure("s", "timer", "time from the start of the run to the first alarm of a pool, median"),
    "pool_empty_at": Measure(
        "s", "timer", "time from the start of the run until a pool's last connection has leaked, median"
    ),
    "pool_back": Measure("s", "timer", "time from the return of the store to the first use that succeeds, median"),
}


@dataclass(frozen=True)
class Uses:
    """The uses of the pools of those nodes whose processes have told all that they noted.

    Attributes:
        nodes: their numbers.
        node: of each use.
        asked, borrowed, ended: when, in seconds; NaN if it did not.
        reason: why it got no connection, empty if it did.
        leaked, broken: whether it has kept its connection, or found it broken.
    """

    nodes: list[int]
    node: Array
    asked: Array
    borrowed: Array
    ended: Array
    reason: Array
    leaked: Array
    broken: Array

    @classmethod
    def of(cls, record: Record) -> "Uses":
        """Read them from a record."""
        stopped = set(record.columns.of("node_stopped").node.tolist())
        names = ("borrow_asked", "borrowed", "borrow_failed", "given_back", "leaked")
        events = record.columns.of(*names)
        if stopped:
            events = events.at(~np.isin(events.node, list(stopped)))
        asked = events.at(events.event.isin("borrow_asked"))
        keys = _keys(asked.node, asked.version)
        order = np.argsort(keys, kind="stable")
        keys = keys[order]

        def placed(name: str) -> tuple[Array, Array]:
            some = events.at(events.event.isin(name))
            rank = np.searchsorted(keys, _keys(some.node, some.version))
            known = (rank < len(keys)) & (keys[np.minimum(rank, len(keys) - 1)] == _keys(some.node, some.version))
            return rank[known], np.flatnonzero(events.event.isin(name))[known]

        def times(name: str) -> Array:
            found = np.full(len(keys), np.nan)
            at, rows = placed(name)
            found[at] = events.t[rows]
            return found

        reason = np.full(len(keys), "", dtype=object)
        at, rows = placed("borrow_failed")
        reason[at] = events.words("reason").spelled()[rows]
        given, leaked = times("given_back"), times("leaked")
        broken = np.zeros(len(keys), dtype=bool)
        at, rows = placed("given_back")
        broken[at] = events.flags("broken")[rows]
        first = range(1, record.scenario.nodes.count + 1)
        nodes = sorted({*first, *asked.node.tolist()} - stopped)
        return cls(
            nodes, asked.node[order], asked.t[order], times("borrowed"), given, reason, ~np.isnan(leaked), broken
        )

    def __len__(self) -> int:
        return len(self.asked)


def _keys(node: Array, version: Array) -> Array:
    keys: Array = node.astype(np.int64) * (1 << 32) + version
    return keys


def measure_pools(record: Record) -> dict[str, float]:
    """Return the measures of a scenario whose nodes have pools; nothing for any other, or where nobody asked."""
    pool, end = record.scenario.nodes.pool, record.scenario.duration
    if pool is None:
        return {}
    uses = Uses.of(record)
    if not len(uses):
        return {}
    out = ~np.isnan(uses.borrowed)
    until = np.where(np.isnan(uses.ended), end, uses.ended)
    waits = (uses.borrowed - uses.asked)[out]
    over = out | (uses.reason != "")
    found = {
        "pool_in_use": float(np.sum((until - uses.borrowed)[out])) / (pool.size * len(uses.nodes) * end),
        "pool_timeouts": float(np.mean(uses.reason == "timeout")),
        "pool_refused": float(np.mean(uses.reason == "full")),
        "pool_failed": float(np.mean((uses.reason == "down") | uses.broken)),
        "pool_connects": len(record.columns.where("pool_opened")) / len(uses.nodes),
        "pool_alarms": len(record.columns.where("pool_alarm")) / len(uses.nodes),
    }
    if over.any():
        waited = (uses.borrowed - uses.asked > WAITED) | (uses.reason != "")
        found["pool_waited"] = float(np.mean(waited[over]))
    if len(waits):
        names = ("pool_wait_p50", "pool_wait_p90", "pool_wait_p99")
        found |= dict(zip(names, percentiles(waits, 50, 90, 99), strict=True))
    return found | _first_alarm(record, uses) | _emptied(record, uses) | _back(record, uses)


def _first_alarm(record: Record, uses: Uses) -> dict[str, float]:
    """Return when the first alarm of a pool came; nothing if none did."""
    alarms = record.columns.of("pool_alarm")
    if not len(alarms):
        return {}
    first = np.array([min(alarms.t[alarms.node == node], default=np.nan) for node in uses.nodes])
    return Waits.of(first, np.full(len(first), record.scenario.duration)).percentiles({"pool_alarm_at": 50})


def _emptied(record: Record, uses: Uses) -> dict[str, float]:
    """Return when pools had lost their last connection; nothing where none leaks."""
    pool, end = record.scenario.nodes.pool, record.scenario.duration
    if pool is None or not pool.leak:
        return {}
    events = record.columns.of("leaked")
    times = [np.sort(events.t[events.node == node]) for node in uses.nodes]
    last = np.array([mine[pool.size - 1] if len(mine) >= pool.size else np.nan for mine in times])
    return Waits.of(last, np.full(len(last), end)).percentiles({"pool_empty_at": 50})


def _back(record: Record, uses: Uses) -> dict[str, float]:
    """Return how long after the store's return pools worked again; nothing if it was not away."""
    healed = record.columns.of("healed")
    healed = healed.at(healed.words("kind").isin("store_down"))
    if not len(healed):
        return {}
    when, end = float(healed.t[-1]), record.scenario.duration
    good = ~uses.broken & ~np.isnan(uses.ended) & (uses.borrowed >= when)
    first = np.array([min(uses.ended[good & (uses.node == node)], default=np.nan) for node in uses.nodes])
    return Waits.of(first - when, np.full(len(first), end - when)).percentiles({"pool_back": 50})
