"""How a balancer decides that a server is up or down: HAProxy's active checks and nginx's passive counter.

Sources: HAProxy 2.8 `src/check.c` and the configuration manual (`inter`, `fall`, `rise`, `timeout check`, `retries`,
`option redispatch`); nginx 1.22 `src/http/ngx_http_upstream_round_robin.c`.
"""

from typing import Literal, NamedTuple

Change = Literal["down", "up", ""]

EPOCH = 1e6
"""What a run's clock shows at its start, in seconds, when it is handed to `PassiveCheck`. A peer that was never tried
was last checked at 0, which must be long ago, as it is by nginx's own clock."""


class ActiveCheck:
    """HAProxy's counter: `fall` failed checks in a row mark a server down, `rise` good ones mark it up again.

    A `fresh` server, one that HAProxy has not checked since it started, is up on trial: its first failed check marks it
    down. Source: HAProxy 2.8 `src/server.c`, "up, but will fall down at first failure".
    """

    def __init__(self, fall: int, rise: int, fresh: bool = False) -> None:
        self.fall = fall
        self.rise = rise
        self.up = True
        self.fresh = fresh
        self.streak = 0

    def result(self, passed: bool) -> Change:
        """Count one check and return what it changed."""
        fresh, self.fresh = self.fresh, False
        if passed == self.up:
            self.streak = 0
            return ""
        self.streak += 1
        if self.streak < (self.fall if self.up else self.rise) and not fresh:
            return ""
        self.streak = 0
        self.up = passed
        return "up" if passed else "down"


def first_check(server: int, servers: int, inter: float) -> float:
    """Return when HAProxy first checks server `server` (from 0), in seconds after its start.

    The checks of a farm are spread evenly over one interval. Source: HAProxy `start_check_task` in `src/check.c`.
    """
    return inter * server / servers


def detection_bounds(inter: float, fall: int, black_hole: float = 0.0) -> tuple[float, float]:
    """Return the shortest and longest time in seconds from a server's death to its mark-down by active checks.

    Args:
        inter: seconds from the end of a check to the next one.
        fall: failed checks in a row that mark the server down.
        black_hole: what every failing check waits for: 0 when the connection is refused, `timeout check` when nothing
            answers. A check under way at the time of death may shorten the wait by up to this much.
    """
    return (fall - 1) * (inter + black_hole), fall * (inter + black_hole)


class Retry(NamedTuple):
    """What HAProxy does after a connection to a server failed.

    Attributes:
        again: try once more (False answers 503).
        redispatch: choose a server anew instead of the same one.
        wait: seconds to wait before (the turnaround).
    """

    again: bool
    redispatch: bool
    wait: float


def haproxy_retry(
    tried: int, retries: int, redispatch: int, connect_timeout: float, server_up: bool, hashed: bool, usable: int
) -> Retry:
    """Decide what HAProxy does after the `tried`-th failed connect (from 1) of a request.

    Args:
        tried: connects that failed so far.
        retries: the setting `retries`.
        redispatch: the setting `option redispatch N`: 0 off, N every N-th retry, -1 the last retry.
        connect_timeout: the setting `timeout connect`; the turnaround is the smaller of it and 1 s.
        server_up: whether the server just tried is still marked up.
        hashed: whether the rule hashes. If not, and another server is marked up, the first retry already moves,
            whatever N (measured on 2.8.25: `option redispatch 3` with leastconn reaches another server at once).
        usable: how many servers are marked up.

    Source: HAProxy 2.8 `back_handle_st_cer` in `src/backend.c`, `stream_choose_redispatch` in
    `include/haproxy/stream.h`.
    """
    if tried > retries:
        return Retry(False, False, 0.0)
    moves = redispatch != 0 and (
        not server_up
        or (redispatch > 0 and tried % redispatch == 0)
        or (redispatch < 0 and tried % max(1, retries + 1 + redispatch) == 0)
        or (not hashed and usable > 1)
    )
    wait = 0.0 if moves and usable > 1 else min(1.0, connect_timeout)
    return Retry(True, moves, wait)


def counted_fails(max_fails: int, peers: int) -> int:
    """Return the failures that take one of `peers` peers out of rotation, 0 for none that do: nginx never takes its
    only peer out.

    Source: nginx, `ngx_http_upstream_get_round_robin_peer` in src/http/ngx_http_upstream_round_robin.c (`single`);
    ngx_http_upstream_module, `max_fails` ("if there is only a single server in a group").
    """
    return max_fails if peers > 1 else 0


class PassiveCheck:
    """nginx's memory of one peer: a plain counter of failures, judged again after `fail_timeout` seconds.

    nginx keeps whole seconds; so does this class, on whatever clock the caller uses.
    """

    def __init__(self, max_fails: int, fail_timeout: float) -> None:
        self.max_fails = max_fails
        self.fail_timeout = fail_timeout
        self.fails = 0
        self.checked = 0
        self.accessed = 0

    def usable(self, now: float) -> bool:
        """Tell whether the peer may be chosen at `now`."""
        if self.max_fails == 0 or self.fails < self.max_fails:
            return True
        return int(now) - self.checked > self.fail_timeout

    def chosen(self, now: float) -> None:
        """Note that the peer was chosen: after `fail_timeout` this is its one trial."""
        if int(now) - self.checked > self.fail_timeout:
            self.checked = int(now)

    def failed(self, now: float) -> bool:
        """Count a failed connect and return whether it takes the peer out of rotation."""
        self.fails += 1
        self.accessed = self.checked = int(now)
        return self.max_fails > 0 and self.fails >= self.max_fails

    def succeeded(self) -> None:
        """Forget the failures when the success came after the re-check of the peer."""
        if self.accessed < self.checked:
            self.fails = 0
