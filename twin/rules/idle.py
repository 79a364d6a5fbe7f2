"""When a balancer cuts a connection over which nothing passes, and how a client finds an interval that prevents it.

HAProxy (`timeout tunnel`) and nginx (`proxy_read_timeout`) count from the last byte in either direction: a ping re-arms
them even when nobody answers it, and so hides a frozen node from them. Sources: HAProxy 2.8 `include/haproxy/sc_strm.h`
and `src/stconn.c` (writing counts as activity of the other side, without `option independent-streams`); nginx 1.22
`ngx_http_upstream_process_upgraded` in `src/http/ngx_http_upstream.c`.
"""

from dataclasses import dataclass
from math import floor, inf


def survives(timeout: float, silence: float) -> bool:
    """Tell whether a connection outlives pauses of `silence` seconds at a balancer that waits `timeout` seconds."""
    return silence < timeout


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


@dataclass
class Adaptive:
    """An interval between pings that adapts to the network: the longest one that connections survive, by bisection.

    It begins with the shortest interval. After `beats` pings in a row that were answered, the next try lies halfway to
    the shortest one known to be too long (at first `most`). When the connection breaks without a word while it was
    idle for longer than the last good interval, the present one was too long, and the last good one holds again. The
    search ends when the two are closer than `precision`. When connections break twice in a row although the interval
    was good, the network has changed, and the search begins anew below that interval.

    Attributes:
        least: shortest interval in seconds, taken as safe.
        most: longest interval in seconds.
        beats: answered pings that prove an interval.
        precision: seconds at which the search ends.

    Source: RFC 5780, section 4.6 (binding lifetime discovery by binary search), applied to pings.
    """

    least: float
    most: float
    beats: int = 3
    precision: float = 1.0

    def __post_init__(self) -> None:
        self.good = self.interval = self.least
        self.bad = inf
        self.proven = self.strikes = 0

    @classmethod
    def of(cls, least: float, most: float) -> "Adaptive":
        """Return the search of the lab's clients: two pings prove an interval, and half of the shortest one is precise
        enough.
        """
        return cls(least, most, 2, least / 2)

    def answered(self) -> float:
        """Count an answered ping; return the interval to the next one in seconds."""
        self.proven += 1
        if self.proven < self.beats:
            return self.interval
        self.proven = self.strikes = 0
        self.good = max(self.good, self.interval)
        ceiling = min(self.bad, self.most)
        if self.bad == inf and self.most - self.good <= self.precision:
            self.interval = self.most
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
        if self.strikes >= 2 and self.good > self.least:
            self.bad, self.strikes = self.good, 0
            self.good = self.interval = self.least
        return self.interval
