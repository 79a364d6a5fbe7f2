"""What a client waited for on its way back after a fault: pieces out of the events of a run, which sum up to the whole.

The whole is the time from the fault until the client is connected again. Its pieces follow each other without a gap:

    fault --notice--> disconnected --(waits and attempts)--> attempt that succeeds --handshake--> connected

Waits and failed attempts count for what kept the client out as long as that lasted: nobody was there (an outage, the
only node), or the balancer did not know yet that a node is gone. What is left of them afterwards counts for the client:
its waits, and attempts that failed for another reason.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from twin.measures import course
from twin.measures.connection import SILENT
from twin.record.columns import Events
from twin.record.record import Record
from twin.scenario.scenario import Scenario

PIECES = {
    "notice": "the client learns that its connection is lost",
    "silence": "nobody tells the client that its node is gone, until its heartbeat finds out or a timeout cuts",
    "cut": "the balancer finds out that the node is gone, and cuts the connection",
    "paced": "the node that drains has not come to this client yet",
    "down": "nobody is there to come back to",
    "blind": "the balancer does not know yet that the node is gone, and sends clients there",
    "wait": "the client waits before it tries again",
    "failed": "attempts fail although a node is there",
    "unanswered": "attempts get no answer until the client gives them up",
    "retried": "the balancer tries the lost node again before another one",
    "queued": "the attempt waits to be accepted: a full queue, a dropped SYN, CPU",
    "handshake": "the attempt that succeeds",
    "away": "the client is not back by the end of the run",
}
"""Each piece of a way back, in the order in which they come, and what happens in it."""

SLOW_HANDSHAKE = 0.9
"""Seconds of the attempt that succeeds from which it has waited: a retry takes up to 1 s, a dropped SYN 1 s and more
(`twin.rules.health.haproxy_retry`; RFC 6298, section 2.1)."""


def setting_of(piece: str, scenario: Scenario) -> str:
    """Return the setting, or the table of settings, by which a piece becomes shorter; empty if there is none."""
    if piece in ("blind", "cut"):
        if scenario.registry is not None:
            return "registry.ttl"
        return "balancer.fail_timeout" if scenario.balancer.check_interval is None else "balancer.check"
    return {
        "silence": "clients.heartbeat",
        "paced": "faults.pace",
        "down": "faults.duration",
        "wait": "clients.reconnect",
        "away": "clients.reconnect",
        "failed": "nodes.count",
        "unanswered": "clients.open_timeout",
        "retried": "balancer.retries",
        "queued": "nodes.backlog",
    }.get(piece, "")


NOBODY = -1


@dataclass(frozen=True)
class WayBack:
    """The way back of one client.

    Attributes:
        client: its number; `NOBODY` for one that does not know yet that its node has fallen silent.
        fault: when the fault was that cost it its connection, in seconds after the start of the run.
        back: when it was connected again, or the end of the run.
        returned: whether it was connected again.
        pieces: for each of `PIECES` that there is the seconds that it took; they sum up to `back - fault`.
    """

    client: int
    fault: float
    back: float
    returned: bool
    pieces: dict[str, float]

    @property
    def whole(self) -> float:
        """How long it took, in seconds."""
        return self.back - self.fault


def ways_back(record: Record, shares: Sequence[float]) -> list[WayBack]:
    """Return the ways back of the clients by whom given shares of the lost connections were replaced.

    Args:
        record: of a run; empty if no connection was lost after a fault.
        shares: 0.5 is the median client, 0.99 the one by which 99 % are back; the later one if two are as near.
    """
    events = record.columns.of(
        "fault", "healed", "node_started", "marked_down", "attempt_connect", "connected", "connect_failed",
        "disconnected", "gave_up",
    )  # fmt: skip
    faults = events.t[events.event.isin("fault")]
    if not len(faults):
        return []
    read = course(record)
    lost = np.flatnonzero(events.event.isin("disconnected") & (events.t >= faults[0]))
    took = np.concatenate([read.back - read.cause, np.full(len(read.half_open), np.nan)])
    if not len(took):
        return []
    order = np.argsort(np.where(np.isnan(took), np.inf, took), kind="stable")
    found, end = [], record.scenario.duration
    for share in shares:
        place = int(order[int(np.ceil(share * (len(order) - 1)))])
        if place >= len(lost):
            since = float(read.half_open[place - len(lost)])
            found.append(WayBack(NOBODY, since, end, False, {"silence": end - since}))
            continue
        back = float(read.back[place])
        until = end if np.isnan(back) else back
        found.append(_way(record.scenario, events, int(lost[place]), float(read.cause[place]), until))
    return found


def _way(scenario: Scenario, events: Events, lost: int, cause: float, until: float) -> WayBack:
    """Return the way back of a client.

    Args:
        scenario: of the run.
        events: those that a way back is made of.
        lost: the row of the loss.
        cause: when the fault was, in seconds.
        until: when the client was connected again, or the end of the run.
    """
    client = int(events.client[lost])
    rows = np.arange(lost + 1, len(events))
    own = rows[(events.client[rows] == client) & (events.t[rows] <= until)]
    mine = events.at(own)
    returned = bool(mine.event.isin("connected").any())
    pieces: dict[str, float] = {}
    why = str(events.at(np.array([lost])).words("reason").spelled()[0])
    noticed = float(events.t[lost])
    pieces[_of_notice(scenario, events, cause, noticed, why)] = noticed - cause
    last, kept = _kept_out(scenario, events, int(events.node[lost]), cause, until)
    tried = bool(mine.event.isin("connect_failed").any()) or not returned
    for begin, end, what in _stretches(mine, noticed, until, returned):
        out = min(end, max(begin, last)) if tried and what != "handshake" else begin
        if what in ("failed", "unanswered") and begin < last:
            out = end  # it was sent to the lost node, however long that kept it
        if what == "handshake" and end - begin >= SLOW_HANDSHAKE:
            what = "retried" if begin < last and scenario.balancer.retried_within else "queued"
        for name, seconds in ((kept, out - begin), (what, end - out)):
            if seconds > 0.0:
                pieces[name] = pieces.get(name, 0.0) + seconds
    ordered = {name: pieces[name] for name in PIECES if name in pieces}
    return WayBack(client, cause, until, returned, ordered)


def _of_notice(scenario: Scenario, events: Events, cause: float, noticed: float, why: str) -> str:
    """Return which piece the time until the notice is."""
    kinds = set(events.words("kind").spelled()[events.event.isin("fault") & (events.t == cause)].tolist())
    if why != "heartbeat" and not kinds & set(SILENT):
        return "paced" if "drain" in kinds else "notice"
    marked = events.event.isin("marked_down") & (events.t >= cause) & (events.t <= noticed)
    return "cut" if why != "heartbeat" and scenario.balancer.cuts_marked_down and bool(marked.any()) else "silence"


def _kept_out(scenario: Scenario, events: Events, node: int, cause: float, until: float) -> tuple[float, str]:
    """Return until when a client was kept out, in seconds, and by what: `down` or `blind`.

    `down`: nobody served until power or process came back. `blind`: the balancer sent clients to the lost node until it
    marked that down.
    """
    t, event = events.t, events.event
    began = events.at(event.isin("fault") & (t == cause))
    kinds = set(began.words("kind").spelled().tolist())
    later = (t >= cause) & (t <= until)
    if "outage" in kinds or scenario.nodes.count == 1:
        ends = t[later & event.isin("healed", "node_started")]
        return (float(ends[0]) if len(ends) else until), "down"
    marks = t[later & event.isin("marked_down") & (events.node == node)]
    if len(marks):
        return float(marks[0]), "blind"
    again = t[later & event.isin("healed", "node_started") & (events.node == node)]
    return (float(again[0]) if len(again) else until), "blind"


def _stretches(mine: Events, noticed: float, until: float, returned: bool) -> Iterator[tuple[float, float, str]]:
    """Yield begin, end and piece of each stretch between two events of a client, from its loss to its return."""
    names = mine.event.spelled().tolist()
    times = mine.t.tolist()
    reasons = mine.words("reason").spelled().tolist()
    steps: list[tuple[float, str, str]] = [(noticed, "disconnected", "")]
    steps += [one for one in zip(times, names, reasons, strict=True) if one[1] != "gave_up"]
    if not returned:
        steps.append((until, "end", ""))
    for (begin, name, _), (end, then, reason) in pairwise(steps):
        yield begin, end, _piece(name, then, reason)


def _piece(name: str, then: str, reason: Any) -> str:
    """Return what a client did between two of its events."""
    if name != "attempt_connect":
        return "wait" if then != "end" else "away"
    if then == "connected":
        return "handshake"
    if then == "end":
        return "away"
    return "unanswered" if reason == "timeout" else "failed"
