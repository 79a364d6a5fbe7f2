"""How a client finds out that its peer is dead although nobody closed the connection.

A ping every `interval` seconds; a ping without a pong for `timeout` seconds means a dead peer. The first ping of a
connection follows `interval` after the handshake. This is the keepalive of the `websockets` library (its
`asyncio/connection.py`), with the wait for the next ping shortened by the last round trip.
"""

from dataclasses import dataclass
from math import ceil

PONG_MISSED = 1011
"""Close code of a side that got no pong in time. Source: `websockets`, asyncio/connection.py (`keepalive`)."""


@dataclass(frozen=True)
class Heartbeat:
    """Heartbeat settings in seconds: `interval` 0 is no heartbeat; `close_timeout` is how long the client waits for an
    answer to its close frame once it has found the peer dead, before it drops the connection. With `max_interval` above
    0 the interval adapts, from `interval` up to `max_interval` (`twin.rules.idle.Adaptive`).
    """

    interval: float
    timeout: float
    close_timeout: float
    max_interval: float = 0.0


def next_ping(interval: float, round_trip: float) -> float:
    """Return the wait in seconds before the next ping after a pong that took `round_trip` seconds."""
    return max(0.0, interval - round_trip)


def beat_after(first: float, interval: float, now: float) -> float:
    """Return the time of the first ping at or after `now` of a client whose pings began at `first`, in seconds."""
    return first if now <= first else first + ceil((now - first) / interval) * interval


def gives_up(sent: float, timeout: float, stopped: float, resumed: float) -> bool:
    """Tell whether a side whose loop stood still closes a connection, when it goes on, over a ping without a pong.

    A pong that came meanwhile does not help: the timer of the ping is due in the first round of the loop, and cancels
    the wait before the task that waits can see the pong. A ping that was due while the loop stood still is sent when it
    goes on, and has all its time then. Sources: `websockets`, asyncio/connection.py (`keepalive`); measured, with
    SIGSTOP and with a loop that its own code blocks, in asyncio and uvloop.

    Args:
        sent: time of the last ping that had no pong when the loop stopped, or of the next one.
        timeout: seconds for which a side waits for the pong.
        stopped: when the loop stopped.
        resumed: when it went on.
    """
    return sent < stopped and sent + timeout <= resumed


def detection_bounds(interval: float, timeout: float, close_timeout: float = 0.0) -> tuple[float, float]:
    """Return the shortest and the longest time in seconds from a peer's death to its discovery.

    The death falls anywhere between two pings: the next ping comes within `interval`, and its timeout `timeout` later;
    a ping that was under way when the peer died shortens that to no less than `timeout` from its sending.
    """
    return timeout + close_timeout, interval + timeout + close_timeout
