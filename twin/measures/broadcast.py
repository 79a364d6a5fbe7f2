"""What a record says about messages: how late, how many lost, doubled or out of order, and when consistent."""

import numpy as np

from twin.measures.base import Array, Measure, percentiles
from twin.measures.censoring import Waits
from twin.measures.connection import curve_times
from twin.measures.messages import Messages
from twin.record.record import Record
from twin.scenario.scenario import Scenario

SETTLE = 1.0
"""Seconds before the end of a run within which a published message may still be under way: it is not called lost. For
a client that polls the time between two requests comes on top (`settles_in`)."""
MOST_STEPS = 20_000
"""Changes of all clients' positions that a picture of their lag shows one by one."""
SHARES = np.arange(1, 100) / 100.0
"""Shares of deliveries at which the latency distribution is kept, shape (99,)."""

BROADCAST = {
    "latency_p50": Measure("s", "cpu", "median time from a message's publication to its application by a client"),
    "latency_p90": Measure("s", "cpu", "90th percentile of the time from a message's publication to its application"),
    "latency_p99": Measure("s", "cpu", "99th percentile of the time from a message's publication to its application"),
    "lost_share": Measure("1", "count", "share of (client, acknowledged message) that the client never applied"),
    "undelivered_share": Measure("1", "count", "share of (client, message that was due) that the client never applied"),
    "reached_nobody": Measure("1", "count", "share of the messages that were due which no client ever applied"),
    "duplicated_share": Measure("1", "count", "arrivals at clients of what they had already, per application"),
    "reordered_share": Measure("1", "count", "arrivals at clients behind a higher version, per application"),
    "gaps_recovered": Measure("1", "count", "share of noted gaps after which the client got every missing message"),
    "consistent_p50": Measure("s", "cpu", "median time from a message's publication until it is consistent"),
    "consistent_p99": Measure(
        "s", "timer", "99th percentile of the time from a message's publication until it is consistent"
    ),
    "resends_per_message": Measure("1", "timer", "times a message was sent again, per published message"),
    "node_buffer_peak": Measure(
        "B",
        "cpu",
        "most bytes that waited at one time in a node's memory for its clients, nodes that stopped left out",
        rare=True,
    ),
    "bus_buffer_peak": Measure(
        "B",
        "cpu",
        "most bytes that the bus counted at one time in the output buffers of one node's subscriptions",
        rare=True,
    ),
    "staleness": Measure("client-s", "timer", "seconds that clients stood behind the head, summed over the clients"),
}


def measure_broadcast(record: Record, read: Messages | None = None) -> dict[str, float]:
    """Return every measure of the broadcast that the record defines; none when nothing was due.

    Args:
        record: of a run in either world.
        read: its messages, if they have been read.
    """
    publisher = record.scenario.publisher
    if publisher is None or not publisher.times(record.scenario.duration):
        return {}
    messages = read or Messages(record)
    end = record.scenario.duration
    found: dict[str, float] = {}
    latency = messages.latency
    if len(latency):
        p50, p90, p99 = percentiles(latency, 50, 90, 99)
        found.update(latency_p50=p50, latency_p90=p90, latency_p99=p99)
        arrived = messages["received"]
        arrived = arrived.where(arrived.client >= 0)
        count = len(messages["delivered"].t)
        found["duplicated_share"] = float(np.sum(arrived.how == "duplicate")) / count
        found["reordered_share"] = float(np.sum(arrived.how == "late")) / count
    _, when, acknowledged = messages.names
    settled = acknowledged & (when <= end - settles_in(record.scenario))
    stayed = np.setdiff1d(np.arange(record.scenario.clients.count), record.columns.of("gave_up").client)
    if settled.any() and len(stayed):
        found["lost_share"] = float(np.mean(np.isinf(messages.applied[np.ix_(stayed, settled)])))
    found |= _undelivered(messages)
    if len(messages["gap"].t):
        found["gaps_recovered"] = float(np.mean(_recovered(messages)))
    found |= consistency_times(messages, end).percentiles({"consistent_p50": 50, "consistent_p99": 99})
    if len(messages["published"].t):
        found["resends_per_message"] = len(messages["resent"].t) / len(messages["published"].t)
    found["staleness"] = staleness(messages, end)
    return found | _buffers(record)


def settles_in(scenario: Scenario) -> float:
    """Return the seconds within which a published message may still be on its way to a client."""
    return SETTLE + scenario.clients.transport.every


def _undelivered(messages: Messages) -> dict[str, float]:
    """Return what did not come of the messages that were due, whether the bus ever took them or not, to all clients,
    those that gave up among them; messages that may still be under way are left out.
    """
    scenario = messages.record.scenario
    assert scenario.publisher is not None
    due = sum(t <= scenario.duration - settles_in(scenario) for t in scenario.publisher.times(scenario.duration))
    if not due:
        return {}
    delivered = messages["delivered"]
    got = np.zeros((scenario.clients.count, due), dtype=bool)
    mine = (delivered.client >= 0) & (delivered.key >= 1) & (delivered.key <= due)
    got[delivered.client[mine], delivered.key[mine] - 1] = True
    return {"undelivered_share": float(1.0 - got.mean()), "reached_nobody": float(np.mean(~got.any(axis=0)))}


def _buffers(record: Record) -> dict[str, float]:
    """Return the most bytes that waited at nodes and bus; a node's process that is gone has told nothing."""
    nodes, bus = (record.columns.of(name) for name in ("node_buffer", "bus_buffer"))
    nodes = nodes.at(~np.isin(nodes.node, record.columns.of("node_stopped").node))
    return {
        "node_buffer_peak": float(nodes.numbers("waiting").max(initial=0)),
        "bus_buffer_peak": float(bus.numbers("waiting").max(initial=0)),
    }


def latency_quantiles(record: Record, read: Messages | None = None) -> Array:
    """Return the latency of a delivery at each of `SHARES`, in seconds, shape (99,); NaN without a delivery.

    Args:
        record, read: as for `measure_broadcast`.
    """
    latency = (read or Messages(record)).latency
    return np.quantile(latency, SHARES) if len(latency) else np.full(len(SHARES), np.nan)


def consistency_times(messages: Messages, end: float) -> Waits:
    """Return for each settled, acknowledged message the seconds until it was consistent, watched until `end`."""
    places, when, acknowledged = messages.names
    declared = messages["consistent"]
    first = np.full(len(places), np.nan)
    if len(places):
        rank = np.minimum(np.searchsorted(places, declared.place), len(places) - 1)
        fits = places[rank] == declared.place
        first[rank[fits][::-1]] = np.where(declared.t[fits][::-1] < end, declared.t[fits][::-1], np.nan)
    settled = acknowledged & (when <= end - SETTLE)
    return Waits.of((first - when)[settled], (end - when)[settled])


def staleness(messages: Messages, end: float) -> float:
    """Return the client-seconds behind the head until `end`: a client is behind while the newest published message is
    newer than where it stands. Each message alone adds its latency at every client.
    """
    covered = np.minimum(messages.covered, end)
    before = np.concatenate([np.full((len(covered), 1), -np.inf), covered[:, :-1]], axis=1)[:, : covered.shape[1]]
    return float(np.sum(np.maximum(0.0, covered - np.maximum(messages.head, before))))


def staleness_times(record: Record) -> Array:
    """Return the times at which a client's lag changes, and the ends of the run; `curve_times` where they are many."""
    messages = Messages(record)
    changes = [messages.head, *messages.covered]
    if sum(len(one) for one in changes) > MOST_STEPS:
        return curve_times(record.scenario.duration)
    ends = [0.0, record.scenario.duration]
    times = np.unique(np.concatenate([ends, *changes]))
    found: Array = times[(times >= 0.0) & (times <= ends[1])]
    return found


def staleness_curves(record: Record, times: Array | None = None) -> dict[int, Array]:
    """Return for each node how many messages its clients lag behind the head on average.

    A client belongs to the node that it was last connected to, also while it is not connected; a node without clients
    lags by 0. Shape of each curve: (points,).

    Args:
        record: of a broadcast.
        times: of the points, in s; `curve_times` by default.
    """
    messages = Messages(record)
    if times is None:
        times = curve_times(record.scenario.duration)
    head = np.searchsorted(messages.head, times, side="right")
    ups = record.columns.of("connected")
    ups = ups.at(np.lexsort((ups.t, ups.client)))
    t, client, node = ups.t, ups.client, ups.node
    lag = np.zeros((record.scenario.slots + 1, len(times)))
    members = np.zeros_like(lag)
    for number, covered in enumerate(messages.covered):
        low, high = np.searchsorted(client, number, "left"), np.searchsorted(client, number, "right")
        if low == high:
            continue
        stint = np.maximum(np.searchsorted(t[low:high], times, side="right") - 1, 0)
        home = node[low:high][stint]
        behind = np.maximum(0, head - np.searchsorted(covered, times, side="right"))
        columns = np.arange(len(times))
        lag[home, columns] += behind
        members[home, columns] += 1
    mean = lag / np.maximum(members, 1)
    return {number: mean[number] for number in range(1, record.scenario.slots + 1)}


def acknowledgement_curves(record: Record) -> dict[str, Array]:
    """Return how many events of the publisher there were by each `curve_times`, shape (points,) each.

    Keys: `published` (those the broker acknowledged), `acked`, `resent`, `consistent`; and in acknowledgements, one of
    each node that was registered when a message was published (where that is not known, of each node of the start):
    `expected` of the published messages, `whole` of the consistent ones.
    """
    times = curve_times(record.scenario.duration)
    messages = Messages(record)
    published, consistent = messages["published"], messages["consistent"]
    there = published.place >= 0
    sent, place, registered = published.t[there], published.place[there], published.registered[there]
    curves = {"published": sent}
    curves |= {name: messages[name].t for name in ("acked", "resent", "consistent")}
    found = {name: np.searchsorted(np.sort(t), times, side="right") for name, t in curves.items()}
    nodes = np.where(registered > 0, registered, record.scenario.nodes.count)
    of = dict(zip(place.tolist(), nodes.tolist(), strict=True))
    found["expected"] = _summed(sent, nodes, times)
    declared = np.array([of.get(which, 0) for which in consistent.place.tolist()], dtype=np.int64)
    return found | {"whole": _summed(consistent.t, declared, times)}


def _summed(t: Array, amounts: Array, times: Array) -> Array:
    """Return the sum of what came at `t` by each of some times."""
    order = np.argsort(t, kind="stable")
    sums = np.concatenate([[0], np.cumsum(amounts[order])])
    found: Array = sums[np.searchsorted(t[order], times, side="right")]
    return found


def _recovered(messages: Messages) -> Array:
    """Tell for each gap whether the first answer that its client got from then on held all that was missing, or,
    without an answer, whether the missing message came late; shape (gaps,).
    """
    gaps, answers = messages["gap"], messages["recovered"]
    order = np.lexsort((answers.t, answers.client))
    client, t, how = answers.client[order], answers.t[order], answers.how[order]
    places, _, _ = messages.names
    rank = np.searchsorted(places, gaps.place)
    good = np.zeros(len(gaps.t), dtype=bool)
    for i, (when, who) in enumerate(zip(gaps.t, gaps.client, strict=True)):
        low, high = np.searchsorted(client, who, "left"), np.searchsorted(client, who, "right")
        first = low + np.searchsorted(t[low:high], when, "left")
        if first < high:
            good[i] = how[first] == "replayed"
        elif rank[i] < len(places) and places[rank[i]] == gaps.place[i] and 0 <= who < len(messages.applied):
            good[i] = np.isfinite(messages.applied[who, rank[i]])
    return good
