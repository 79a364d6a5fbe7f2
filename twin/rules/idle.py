"""When a balancer cuts a connection over which nothing passes, and how a client finds an interval that prevents it.

HAProxy (`timeout tunnel`) and nginx (`proxy_read_timeout`) count from the last byte in either direction: a ping re-arms
them even when nobody answers it, and so hides a frozen node from them. Sources: HAProxy 2.8 `include/haproxy/sc_strm.h`
and `src/stconn.c` (writing counts as activity of the other side, without `option independent-streams`); nginx 1.22
`ngx_http_upstream_process_upgraded` in `src/http/ngx_http_upstream.c`.

Both count whole milliseconds, and so do the timers of those who ping. A ping that is due just when the timeout ends is
in a race, which it loses sooner or later: a silence has to be shorter than the timeout by `TIE`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import floor, inf

from twin.rules.heartbeat import beat_after

TIE = 0.002
"""Seconds by which a silence must be shorter than the timeout for every ping to be in time, as long as timers are the
only thing that delays it: one millisecond of the balancer's timer and one of the pinging side's."""

LAZY = {"haproxy": 0.0, "nginx": 0.3, "envoy": 0.0}
"""Seconds by which a balancer does not move a timer that is set. Source: `NGX_TIMER_LAZY_DELAY` in nginx 1.22,
`src/event/ngx_event_timer.h`."""

MS = 0.001


def survives(timeout: float, silence: float, lazy: float = 0.0) -> bool:
    """Tell whether every ping is in time at a balancer that waits `timeout` seconds.

    Args:
        timeout: of the balancer, in seconds.
        silence: longest time between two pings, in seconds.
        lazy: seconds by which the balancer does not move a timer (`LAZY`), if something else than these pings passes.
    """
    return silence + TIE + lazy <= timeout + 1e-9


def in_time(early: float, lucks: Sequence[float], kind: str, first: bool = False) -> bool:
    """Tell whether a ping near the end of the timeout keeps its connection.

    The wait for a ping is rounded to whole milliseconds (uvloop, `call_later` in loop.pyx), and it comes up to half a
    millisecond later. The timeout counts from the millisecond in which the last byte came (HAProxy `now_ms`, nginx
    `ngx_current_msec`). nginx ends it with the wait in which it is just then, which began within a millisecond. HAProxy
    ends it at the first byte after that millisecond; only the first timeout of a connection, from the 101, lasts as
    long as its wait, which is longer by one (`compute_poll_timeout` in src/fd.c). Envoy counts microseconds, and ends
    it with a wait in whole milliseconds, as libevent rounds them up (`epoll_dispatch` in epoll.c).

    Args:
        early: seconds from when the ping is due until the timeout ends; negative if that is before.
        lucks: three numbers in [0, 1), drawn for this ping: when in its millisecond the ping comes, the timeout began,
            and the wait of the balancer began.
        kind: haproxy, nginx or envoy.
        first: whether nothing has passed since the handshake.
    """
    ping, began, waited = lucks
    late = (1.5 * ping - 0.5) * MS
    return early + _WAITS[kind](began, waited, first) > late


_WAITS: dict[str, Callable[[float, float, bool], float]] = {
    "haproxy": lambda began, waited, first: -began * MS + ((1 + waited) * MS if first else 0.0),
    "nginx": lambda began, waited, first: -began * MS + waited * MS,
    "envoy": lambda began, waited, first: waited * MS,
}
"""Seconds by which the wait of each kind of balancer ends after its timeout, from the last byte on; see `in_time`."""


def longest_silence(*intervals: float) -> float:
    """Return the longest time in seconds in which nothing passes when each side pings at its interval; 0 is no pings.

    Without any pings it is infinite.
    """
    return min((interval for interval in intervals if interval), default=inf)


def last_ping(first: float, interval: float, now: float) -> float:
    """Return the time of the last ping at or before `now` of somebody whose pings began at `first`; -inf when there was
    none.
    """
    if not interval or now < first:
        return -inf
    return first + floor((now - first) / interval + 1e-9) * interval  # a ping just now counts, whatever the rounding


@dataclass(frozen=True)
class PingSchedule:
    """The pings of one side of a connection: at `first`, then every `interval` seconds, none after `until`."""

    first: float
    interval: float
    until: float = inf

    def last(self, now: float) -> float:
        """Return the time of the last one at or before `now`; -inf when there was none."""
        return last_ping(self.first, self.interval, min(now, self.until))

    def following(self, after: float) -> float:
        """Return the time of the first one at or after `after`; inf when there is none."""
        time = beat_after(self.first, self.interval, after)
        return time if time <= self.until else inf


def timer_set(since: float, now: float, pings: Sequence[PingSchedule], lazy: float) -> float:
    """Return when a balancer last set the timer of a connection, at or before `now`.

    Args:
        since: when it was set before, in seconds.
        now: time of the question.
        pings: of both sides.
        lazy: seconds by which it does not move a timer (`LAZY`).
    """
    if not lazy:
        return max([since, *(side.last(now) for side in pings)])
    while (later := min((side.following(since + lazy) for side in pings), default=inf)) <= now:
        since = later
    return since


@dataclass
class Adaptive:
    """An interval between pings that adapts to the network: the longest one that connections survive, by bisection.

    It begins with the shortest interval. After `beats` pings in a row that were answered, the next try lies halfway to
    the shortest one known to be too long (at first `max_interval`). When the connection breaks without a word while it
    was idle for longer than the last good interval, the present one was too long, and the last good one holds again.
    The search ends when the two are closer than `precision`. When connections break twice in a row although the
    interval was good, the network has changed, and the search begins anew below that interval.

    Attributes:
        min_interval: shortest interval in seconds, taken as safe.
        max_interval: longest interval in seconds.
        beats: answered pings that prove an interval.
        precision: seconds at which the search ends.

    Source: RFC 5780, section 4.6 (binding lifetime discovery by binary search), applied to pings.
    """

    min_interval: float
    max_interval: float
    beats: int = 3
    precision: float = 1.0

    def __post_init__(self) -> None:
        self.good = self.interval = self.min_interval
        self.bad = inf
        self.proven = self.strikes = 0

    @classmethod
    def of(cls, min_interval: float, max_interval: float) -> "Adaptive":
        """Return the search of the lab's clients: two pings prove an interval, and half of the shortest one is precise
        enough.
        """
        return cls(min_interval, max_interval, 2, min_interval / 2)

    def answered(self) -> float:
        """Count an answered ping; return the interval to the next one in seconds."""
        self.proven += 1
        if self.proven < self.beats:
            return self.interval
        self.proven = self.strikes = 0
        self.good = max(self.good, self.interval)
        ceiling = min(self.bad, self.max_interval)
        if self.bad == inf and self.max_interval - self.good <= self.precision:
            self.interval = self.max_interval
        elif ceiling - self.good > self.precision:
            self.interval = (self.good + ceiling) / 2
        else:
            self.interval = self.good
        return self.interval

    def broke(self, idle: float) -> float:
        """Note that a connection broke without a close frame after `idle` seconds of silence; return the interval for
        the next connection.
        """
        self.proven = 0
        if self.interval > self.good:
            if idle > self.good:
                self.bad = min(self.bad, self.interval)
                self.interval = self.good
            return self.interval
        self.strikes += 1
        if self.strikes >= 2 and self.good > self.min_interval:
            self.bad, self.strikes = self.good, 0
            self.good = self.interval = self.min_interval
        return self.interval
