"""What a record says about sessions: who had to log in again, and how long a handshake takes that asks for one."""

import numpy as np

from twin.measures.base import Measure, percentiles
from twin.record.record import Record

SESSIONS = {
    "login_share": Measure("1", "count", "share of the clients back after the first fault that had to log in again"),
    "lost_sessions": Measure("1", "count", "sessions that a node did not know after the first fault, per client"),
    "connect_p50": Measure("s", "cpu", "median time from an attempt to its 101, for connections after the first fault"),
    "connect_p99": Measure("s", "cpu", "99th percentile of the time from an attempt to its 101, after the first fault"),
    "refused_per_client": Measure("1", "timer", "handshakes refused with 503 after the first fault, per client"),
}


def measure_sessions(record: Record) -> dict[str, float]:
    """Return the measures of a scenario with sessions and a fault; nothing for any other.

    `login_share` and the times need somebody who has come back.
    """
    scenario = record.scenario
    if scenario.sessions.store == "none" or not scenario.faults:
        return {}
    names = ("fault", "attempt_connect", "connected", "connect_failed", "session_started", "session_lost")
    events = record.columns.of(*names, "session_resumed")
    begun = events.t[events.event.isin("fault")]
    if not len(begun):
        return {}
    events = events.at(events.t >= begun[0])
    t, event = events.t, events.event
    count = scenario.clients.count
    found = {
        "lost_sessions": float(np.sum(event.isin("session_lost"))) / count,
        "refused_per_client": float(np.sum(event.isin("connect_failed") & events.words("reason").isin("503"))) / count,
    }
    started, resumed = (int(np.sum(event.isin(name))) for name in ("session_started", "session_resumed"))
    if started + resumed:
        found["login_share"] = started / (started + resumed)
    key = events.client * (1 << 32) + events.attempt
    dialled, opened = event.isin("attempt_connect"), event.isin("connected")
    order = np.argsort(key[dialled])
    keys, times = key[dialled][order], t[dialled][order]
    if len(keys) and opened.any():
        rank = np.minimum(np.searchsorted(keys, key[opened]), len(keys) - 1)
        known = keys[rank] == key[opened]
        waits = (t[opened] - times[rank])[known]
        if len(waits):
            found["connect_p50"], found["connect_p99"] = percentiles(waits, 50, 99)
    return found
