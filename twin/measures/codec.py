"""What a record says about how messages travelled: their bytes, the CPU time for each of them, how old they got."""

import numpy as np

from twin.measures.base import Array, Measure, percentiles
from twin.measures.messages import Messages
from twin.record.record import Record

CODEC = {
    "wire_bytes": Measure(
        "B", "count", "bytes of frames that nodes wrote to clients, per message of the publisher in them, on average"
    ),
    "node_cpu": Measure("s", "cpu", "CPU time of the nodes per message that they handed to a client or read from one"),
    "client_cpu": Measure(
        "s", "cpu", "CPU time of the client processes per message that a client applied or that a node read from one"
    ),
    "age_p50": Measure(
        "s", "cpu", "median time from when a message was due at its sender to its application, batching included"
    ),
    "age_p99": Measure("s", "cpu", "99th percentile of the time from when a message was due to its application"),
}
"""Of a scenario in which something decides how messages travel. A message of the publisher is applied by a client; one
of a client is, here, when a node has read it."""


def measure_codec(record: Record, read: Messages | None = None) -> dict[str, float]:
    """Return the measures of a scenario in which something decides how messages travel; nothing for any other.

    Args:
        record: of a run in either world.
        read: its messages, if they have been read.
    """
    if not record.scenario.counts_bytes:
        return {}
    waits, handed = _waits_of_broadcast(record, read)
    upwards = _waits_of_sends(record)
    found = dict[str, float]()
    every = np.concatenate([waits, upwards])
    if len(every):
        found["age_p50"], found["age_p99"] = percentiles(every, 50, 99)
    written = record.columns.of("node_written")
    frames = int(written.numbers("frames").sum())
    if frames and record.scenario.contents.batches:  # else there are none but answers to questions
        found["wire_bytes"] = float(written.numbers("size").sum()) / frames / _messages_a_frame(record)
    return found | _cpu(record, handed + len(record.columns.where("arrived")))


def _messages_a_frame(record: Record) -> float:
    """Return how many messages the publisher puts into one, on average."""
    publisher = record.scenario.publisher
    assert publisher is not None
    batches = record.scenario.contents.batches
    return sum(one.count for one in batches) / len(batches)


def _waits_of_broadcast(record: Record, read: Messages | None) -> tuple[Array, int]:
    """Return how old each message was when a client applied it, in seconds, and how many were applied."""
    publisher = record.scenario.publisher
    if publisher is None:
        return np.empty(0), 0
    delivered = (read or Messages(record))["delivered"]
    batches, due = record.scenario.contents.batches, np.array(publisher.due(record.scenario.duration))
    known = (delivered.key >= 1) & (delivered.key <= len(batches))
    t, place = delivered.t[known], delivered.key[known] - 1
    first, count = (np.array([getattr(one, name) for one in batches], np.int64) for name in ("first", "count"))
    counts = count[place]
    behind = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(t, counts) - due[np.repeat(first[place] - 1, counts) + behind], int(counts.sum())


def _waits_of_sends(record: Record) -> Array:
    """Return how old each message of a client was when a node had read it, in seconds; those that were kept are left
    out: their age is that of a loss.
    """
    columns = record.columns
    arrived = columns.of("arrived")
    if not len(arrived):
        return np.empty(0)
    batched, sent = columns.of("batched"), columns.of("sent")
    began = batched if len(batched) else sent.at(~sent.flags("flushed"))
    kept = columns.of("kept")
    names = began.client * (1 << 32) + began.version
    mine = ~np.isin(names, kept.client * (1 << 32) + kept.version)
    order = np.argsort(names[mine], kind="stable")
    names, since = names[mine][order], began.t[mine][order]
    if not len(names):
        return np.empty(0)
    wanted = arrived.client * (1 << 32) + arrived.version
    at = np.minimum(np.searchsorted(names, wanted), len(names) - 1)
    found = names[at] == wanted
    waits: Array = arrived.t[found] - since[at[found]]
    return waits


def _cpu(record: Record, messages: int) -> dict[str, float]:
    """Return the CPU time a message; of nodes only if all were there from the start to the end."""
    used = record.columns.of("cpu_used")
    if not messages or not len(used):
        return {}
    micro, part = used.numbers("microseconds"), used.words("part")
    of_nodes, of_clients = part.isin("node"), part.isin("clients")
    found = dict[str, float]()
    if of_nodes.sum() == record.scenario.nodes.count:
        found["node_cpu"] = 1e-6 * float(micro[of_nodes].sum()) / messages
    if of_clients.any():
        found["client_cpu"] = 1e-6 * float(micro[of_clients].sum()) / messages
    return found
