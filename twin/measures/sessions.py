"""What a record says about sessions: who had to log in again, and how long a handshake takes that asks for one."""

import numpy as np

from twin.measures.base import Measure, percentiles
from twin.record import Record

SESSIONS = {
    "login_share": Measure("1", "count", "share of the clients back after the first fault that had to log in again"),
    "lost_sessions": Measure("1", "count", "sessions that a node did not know after the first fault, per client"),
    "connect_p50": Measure("s", "cpu", "median time from an attempt to its 101, for connections after the first fault"),
    "connect_p99": Measure("s", "cpu", "99th percentile of the same"),
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
    table = record.select(*names, "session_resumed")
    t, event = table["t"].to_numpy(), table["event"].to_numpy(dtype=object)
    begun = t[event == "fault"]
    if not len(begun):
        return {}
    after = t >= begun[0]
    count = scenario.clients.count
    refused = (event == "connect_failed") & table["detail"].eq("503").to_numpy() & after
    found = {
        "lost_sessions": float(np.sum((event == "session_lost") & after)) / count,
        "refused_per_client": float(np.sum(refused)) / count,
    }
    started, resumed = (int(np.sum((event == name) & after)) for name in ("session_started", "session_resumed"))
    if started + resumed:
        found["login_share"] = started / (started + resumed)
    key = table["client"].to_numpy() * (1 << 32) + table["attempt"].to_numpy()
    dialled = (event == "attempt_connect") & after
    opened = (event == "connected") & after
    order = np.argsort(key[dialled])
    keys, times = key[dialled][order], t[dialled][order]
    if len(keys) and opened.any():
        rank = np.minimum(np.searchsorted(keys, key[opened]), len(keys) - 1)
        known = keys[rank] == key[opened]
        waits = (t[opened] - times[rank])[known]
        if len(waits):
            found["connect_p50"], found["connect_p99"] = percentiles(waits, 50, 99)
    return found
