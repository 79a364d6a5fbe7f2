"""What a record says about the memory of nodes: how much they take, and which of them their limit has ended."""

from twin.measures.base import Measure
from twin.record.record import Record

MEMORY = {
    "connection_bytes": Measure(
        "B", "cpu", "memory by which the nodes have grown since before their clients connected, per connection"
    ),
    "node_bytes": Measure("B", "cpu", "resident memory of the node that has most, shortly before the end of the run"),
    "memory_kills": Measure("1", "count", "processes of nodes that have reached `nodes.memory_limit`", rare=True),
    "first_memory_kill": Measure(
        "s", "timer", "time from the first fault, or from the start of the run, to the first of them"
    ),
}
"""Of a scenario in which the memory of nodes is noted."""
LEAST_CONNECTIONS = 50
"""Connections with fewer than which a node's memory says nothing of one of them: what else it allocates is as much."""


def measure_memory(record: Record) -> dict[str, float]:
    """Return the measures of a scenario in which the memory of nodes is noted; nothing for any other.

    Where clients send, what a live node notes of that is in its memory, too, so that says nothing of connections.
    """
    scenario = record.scenario
    if not scenario.notes_memory:
        return {}
    return (_sizes(record) if not scenario.clients.sends.rate else {}) | _kills(record)


def _sizes(record: Record) -> dict[str, float]:
    memory, found = record.columns.of("node_memory"), dict[str, float]()
    before, after, connections = (memory.numbers(name) for name in ("before", "after", "connections"))
    if connections.sum() >= LEAST_CONNECTIONS:
        found["connection_bytes"] = float((after - before).sum()) / int(connections.sum())
    asked = record.scenario.host.memory or record.scenario.nodes.memory_limit > 0
    if asked and len(before) and (before > 0).all():  # else the profile does not know the size of a node
        found["node_bytes"] = float(after.max())
    return found


def _kills(record: Record) -> dict[str, float]:
    if not record.scenario.nodes.memory_limit:
        return {}
    columns = record.columns
    when, faults = columns.of("out_of_memory").t, columns.of("fault").t
    found = {"memory_kills": float(len(when))}
    if len(when):
        since = float(faults.min()) if len(faults) and faults.min() <= when.min() else 0.0
        found["first_memory_kill"] = float(when.min()) - since
    return found
