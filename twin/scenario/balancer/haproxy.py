"""HAProxy as the balancer."""

from math import inf
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from twin.scenario.balancer.base import NEAR, BalancerSettings, Limit
from twin.scenario.fields import Positive, Seconds, Table, refused
from twin.scenario.rates import AddressRate

MOST_FILES = 524_288
"""Open files to which a process may raise its limit. Source: systemd-system.conf(5), `DefaultLimitNOFILE=`."""

KERNEL_FILES = 1_048_576
"""Most open files of a process, whatever its limit. Source: Linux, Documentation/admin-guide/sysctl/fs.rst
(`nr_open`)."""


def sessions(clients: int) -> int:
    """Return `maxconn`: twice as many sessions as clients, because those to a hung node stay half closed while its
    clients have new ones, and some to spare for a storm.
    """
    return 2 * clients + 1000


def sessions_of_run(clients: int) -> int:
    """Return `maxconn` in a live run: the clients, and some to spare."""
    return clients + 1000


class Check(Table):
    """HAProxy's active health check."""

    inter: Annotated[float, Field(ge=0.05, le=3600)] = Field(2.0, description="Seconds between two checks.")
    fall: Annotated[int, Field(ge=1, le=100)] = Field(3, description="Failed checks in a row that mark a server down.")
    rise: Annotated[int, Field(ge=1, le=100)] = Field(2, description="Good checks in a row that mark a server up.")
    timeout: Positive = Field(2.0, description="Seconds to wait for the answer to a check.")


class HAProxy(BalancerSettings):
    """HAProxy as the balancer."""

    program: ClassVar[str] = "HAProxy"
    idle_field: ClassVar[str] = "tunnel_timeout"
    idle_source: ClassVar[str] = "HAProxy 2.8 manual, `timeout tunnel`"
    answer_field: ClassVar[str] = "server_timeout"
    gray_release: ClassVar[bool] = True

    kind: Literal["haproxy"] = Field("haproxy", description="Program of the balancer: haproxy, nginx, or envoy.")
    algorithm: Literal["roundrobin", "leastconn", "source", "consistent", "random"] = Field(
        "leastconn",
        description="Choice rule; consistent is source with hash-type consistent, random is random(2). HAProxy's own "
        "default, and that of the preset, is roundrobin.",
    )
    slowstart: Annotated[int, Field(ge=0, le=3600)] = Field(
        0, description="Whole seconds in which a server that comes back grows to its full weight; 0 is at once."
    )
    check: Check = Field(Check(), description="Active health check.")
    retries: Annotated[int, Field(ge=0, le=100)] = Field(3, description="Retries of a failed connect to a server.")
    redispatch: Annotated[int, Field(ge=-1, le=100)] = Field(
        0, description="Choose another server every so many retries; 0 never, -1 on the last retry."
    )
    connect_timeout: Positive = Field(
        5.0, description="Seconds to wait for a server to accept a connection. HAProxy has no default of its own."
    )
    tunnel_timeout: Positive = Field(
        3600.0,
        description="timeout tunnel: seconds without a byte in either direction until a connection is cut. HAProxy has "
        "no default of its own: without it the shorter of timeout client and timeout server cuts open WebSockets.",
    )
    server_timeout: Positive = Field(
        60.0,
        description="timeout server: seconds that a node may take to answer a request, for clients that poll; then it "
        "is a 504. HAProxy has no default of its own.",
    )
    maxconn: Annotated[int, Field(ge=0, le=10_000_000)] = Field(
        0,
        description="maxconn of the frontend: connections that it has at once, further ones wait in the kernel's "
        "accept queue; 0: more than there are. HAProxy's own default is the global maxconn.",
    )
    server_maxconn: Annotated[int, Field(ge=0, le=10_000_000)] = Field(
        0,
        description="maxconn of each server: connections that it gets at once, further requests wait in a queue; 0, "
        "HAProxy's own default, is no limit.",
    )
    queue_timeout: Seconds = Field(
        0.0,
        description="timeout queue: seconds that a request waits for a place of a server until it gets a 503; 0: as "
        "long as connect_timeout, HAProxy's own default.",
    )
    session_rate: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        0, description="rate-limit sessions: connections that the frontend accepts in a second; 0 is no limit."
    )
    address_rate: AddressRate | None = Field(
        None, description="Requests of one source address, counted in a stick table; left out: as many as come."
    )
    source_ports: Annotated[int, Field(ge=0, le=64_511)] = Field(
        0,
        description="Ports from which it connects to each server, as source with a range of ports or the kernel's "
        "net.ipv4.ip_local_port_range (28,232 by default) gives them; 0: more than there are connections.",
    )
    on_marked_down: Literal["none", "shutdown-sessions"] = Field(
        "none", description="What a mark-down does to the tunnels of that server."
    )
    hard_stop_after: Seconds = Field(
        0.0, description="Seconds after a reload until the old process cuts its tunnels; 0 is never."
    )

    @model_validator(mode="after")
    def _check(self) -> "HAProxy":
        if self.redispatch > self.retries > 0:  # who does not retry never chooses anew
            raise refused("redispatch", str(self.redispatch), f"at most retries, {self.retries}")
        return self

    @classmethod
    def plain(cls) -> Self:
        """Return settings without retries."""
        return cls(retries=0)

    @property
    def idle_timeout(self) -> float:
        """Return `tunnel_timeout`."""
        return self.tunnel_timeout

    @property
    def answer_timeout(self) -> float:
        """Return `server_timeout`."""
        return self.server_timeout

    @property
    def check_interval(self) -> float | None:
        """Return `check.inter`."""
        return self.check.inter

    @property
    def unready_within(self) -> float | None:
        """Return the time of `check.fall` checks, each answered at once."""
        return self.check.fall * self.check.inter

    @property
    def unanswered_within(self) -> float | None:
        """Return `connect_timeout` with `retries`."""
        return self.connect_timeout if self.retries else None

    @property
    def moves_on(self) -> bool:
        """Whether it retries, and at other servers."""
        return self.retries > 0 and self.redispatch != 0

    @property
    def ramps_up(self) -> bool:
        """Whether there is a `slowstart`."""
        return self.slowstart > 0

    @property
    def cuts_marked_down(self) -> bool:
        """Whether `on_marked_down` is shutdown-sessions."""
        return self.on_marked_down == "shutdown-sessions"

    @property
    def per_address(self) -> dict[str, int]:
        """Return the limit of `address_rate`."""
        return {"address_rate.limit": self.address_rate.limit} if self.address_rate is not None else {}

    @property
    def counts_refused(self) -> tuple[int, float] | None:
        """Return limit and period of `address_rate`."""
        return None if self.address_rate is None else (self.address_rate.limit, self.address_rate.period)

    @property
    def accepted_rate(self) -> float:
        """Return `session_rate`."""
        return self.session_rate or inf

    @property
    def queues(self) -> bool:
        """Whether there is a `server_maxconn`."""
        return self.server_maxconn > 0

    @property
    def queues_for(self) -> float:
        """Return `queue_timeout`, or what stands for it."""
        return self.queue_timeout or self.connect_timeout

    def rooms(self, nodes: int) -> dict[str, int]:
        """Return `maxconn`, and `server_maxconn` and `source_ports` for so many servers."""
        rooms = {
            "maxconn": self.maxconn,
            "server_maxconn": nodes * self.server_maxconn,
            "source_ports": nodes * self.source_ports,
        }
        return {name: room for name, room in rooms.items() if room}

    @property
    def retried_within(self) -> float:
        """A second for each retry, the longest turnaround; see `twin.rules.health.haproxy_retry`."""
        return self.retries

    def blind(self, silent: bool) -> float:
        """Return how long the checks take, with the retries; a check of a silent node takes its timeout."""
        check = self.check
        return max(check.fall, check.rise) * (check.inter + (check.timeout if silent else 0.0)) + self.retries

    def files_of_run(self, clients: int) -> int:
        """Return two files a session and some for itself (27 with two nodes), without which it does not start. Source:
        configuration manual, `strict-limits`.
        """
        return 2 * sessions_of_run(clients) + 100

    def limits(self, clients: int) -> list[Limit]:
        """Return its open files, two a session."""
        maxconn = sessions(clients)
        need = 2 * maxconn
        more = f" and fs.nr_open, by default {KERNEL_FILES}" if need >= NEAR * KERNEL_FILES else ""
        sentence = (
            f"HAProxy may open {MOST_FILES} files by default (the hard limit, ulimit -Hn), and maxconn {maxconn} for "
            f"{clients} clients needs {need}, two a session."
        )
        source = "systemd-system.conf(5), `DefaultLimitNOFILE=`; HAProxy 2.8 manual, `maxconn`"
        return [Limit(need, MOST_FILES, sentence, f"Raise LimitNOFILE of its service{more}.", source)]

    def checked_every(self, inter: float, fall: int | None = None) -> dict[str, Any]:
        """Return changes of `check`."""
        return {"check": {"inter": inter} | ({"fall": fall} if fall is not None else {})}
