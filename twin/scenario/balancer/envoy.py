"""Envoy as the balancer."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from twin.rules.envoy import CHOICES, MERGED, PANIC, Intervals
from twin.rules.envoy_hash import MINIMUM_RING_SIZE, TABLE_SIZE
from twin.rules.envoy_retries import (
    BASE_INTERVAL,
    BUDGET_CONCURRENCY,
    MAX_CONNECTIONS,
    MAX_RETRIES,
    MOST_OF_BASE,
    RetryOn,
    most_retries,
)
from twin.scenario.balancer.base import FILES, BalancerSettings, Limit
from twin.scenario.fields import Positive, Seconds, Table, refused

LEAST_FILES = 200
"""Open files of an Envoy without connections: listeners, timers, logs, and the sockets of a hot restart. It had 66 of
one worker."""

Interval = Annotated[float, Field(ge=0.05, le=3600)]
Weight = Annotated[int, Field(ge=1, le=10_000)]
Status = Annotated[int, Field(ge=100, le=599)]
Most = Annotated[int, Field(ge=1, le=10_000_000)]


def prime(number: int) -> bool:
    """Tell whether a number is prime."""
    return number > 1 and all(number % by for by in range(2, int(number**0.5) + 1))


class EnvoyCheck(Table):
    """Envoy's active health check; intervals that are left out are those that Envoy takes in their place."""

    interval: Interval = Field(2.0, description="Seconds between two checks. Envoy has no default of its own.")
    timeout: Positive = Field(
        1.0, description="Seconds to wait for the answer to a check. Envoy has no default of its own."
    )
    unhealthy_threshold: Annotated[int, Field(ge=1, le=100)] = Field(
        3, description="Failed checks in a row that mark a server unhealthy. Envoy has no default of its own."
    )
    healthy_threshold: Annotated[int, Field(ge=1, le=100)] = Field(
        2, description="Good checks in a row that mark a server healthy. Envoy has no default of its own."
    )
    unhealthy_interval: Interval | None = Field(
        None, description="Seconds between two checks of an unhealthy server; left out: interval."
    )
    unhealthy_edge_interval: Interval | None = Field(
        None, description="Seconds after a first failed check of a healthy server; left out: unhealthy_interval."
    )
    healthy_edge_interval: Interval | None = Field(
        None, description="Seconds after a first good check of an unhealthy server; left out: interval."
    )
    no_traffic_interval: Interval = Field(
        60.0, description="Seconds between two checks as long as no connection was ever made to a server."
    )

    def intervals(self) -> Intervals:
        """Return the intervals with what stands in for those that are left out. Source: `HealthCheckerImplBase` in
        source/extensions/health_checkers/common/health_checker_base_impl.cc.
        """
        unhealthy = self.unhealthy_interval or self.interval
        return Intervals(
            healthy=self.interval,
            healthy_edge=self.healthy_edge_interval or self.interval,
            unhealthy=unhealthy,
            unhealthy_edge=self.unhealthy_edge_interval or unhealthy,
            no_traffic=self.no_traffic_interval,
            no_traffic_healthy=self.no_traffic_interval,
        )


class OutlierDetection(Table):
    """Envoy's outlier detection: a server is ejected for what it answers."""

    consecutive_5xx: Annotated[int, Field(ge=1, le=1000)] = Field(
        5,
        description="Answers of 5xx in a row that eject a server; a connect in vain is a 503, no answer in time a 504.",
    )
    consecutive_gateway_failure: Annotated[int, Field(ge=0, le=1000)] = Field(
        0, description="Answers of 502, 503 or 504 in a row that eject a server; 0: they do not, as by default."
    )
    interval: Interval = Field(10.0, description="Seconds between two looks at who may return.")
    base_ejection_time: Positive = Field(
        30.0, description="Seconds for which a server is ejected, times its ejections so far."
    )
    max_ejection_time: Positive = Field(300.0, description="Seconds for which a server is ejected, at most.")
    max_ejection_percent: Annotated[int, Field(ge=0, le=100)] = Field(
        10, description="Percent of the servers that may be ejected: with the default of 10 none of nine."
    )
    always_eject_one_host: bool = Field(False, description="true: one may be ejected, whatever max_ejection_percent.")
    success_rate_minimum_hosts: Annotated[int, Field(ge=1, le=1000)] = Field(
        5, description="Servers with enough requests in an interval from which success rates are compared."
    )
    success_rate_request_volume: Annotated[int, Field(ge=1, le=100_000)] = Field(
        100, description="Requests in an interval from which a server's success rate counts."
    )
    success_rate_stdev_factor: Annotated[int, Field(ge=1, le=100_000)] = Field(
        1900, description="Thousandths of a standard deviation below the mean success rate that eject a server."
    )

    @model_validator(mode="after")
    def _check(self) -> "OutlierDetection":
        if self.max_ejection_time < self.base_ejection_time:
            allowed = f"at least base_ejection_time, {self.base_ejection_time:g} s"
            raise refused("max_ejection_time", f"{self.max_ejection_time:g}", allowed)
        return self


class EnvoyRetries(Table):
    """Retries of the route: only what happens before the 101 of a WebSocket can be retried."""

    num_retries: Annotated[int, Field(ge=0, le=100)] = Field(
        0, description="Retries of a request; 0 is none. Where there is a retry_on Envoy's own default is 1."
    )
    retry_on: Annotated[list[RetryOn], Field(min_length=1, max_length=5)] = Field(
        ["connect-failure"], description="What is retried. Envoy's own default is nothing."
    )
    retriable_status_codes: Annotated[list[Status], Field(max_length=20)] = Field(
        [], description="Statuses of a node's answer that the condition retriable-status-codes means."
    )
    per_try_timeout: Seconds = Field(
        0.0, description="Seconds that a server may take to answer one try; 0 is no limit but timeout."
    )
    base_interval: Annotated[float, Field(ge=0.001, le=3600)] = Field(
        BASE_INTERVAL, description="Seconds below which the first back-off is drawn; the bound doubles."
    )
    max_interval: Annotated[float, Field(ge=0.001, le=3600)] | None = Field(
        None, description="Seconds below which every back-off is drawn; left out: ten times base_interval."
    )
    previous_hosts: bool = Field(
        False,
        description="true: a retry chooses anew if it has met a server that was tried (envoy.retry_host_predicates).",
    )
    host_selection_retry_max_attempts: Annotated[int, Field(ge=1, le=100)] = Field(
        1, description="How often it chooses anew, at most."
    )

    @model_validator(mode="after")
    def _check(self) -> "EnvoyRetries":
        if self.max_interval is not None and self.max_interval < self.base_interval:
            allowed = f"at least base_interval, {self.base_interval:g} s"
            raise refused("max_interval", f"{self.max_interval:g}", allowed)
        return self

    @property
    def longest(self) -> float:
        """Seconds below which every back-off is drawn."""
        return self.max_interval or MOST_OF_BASE * self.base_interval


class CircuitBreakers(Table):
    """Limits of the cluster, for all servers together."""

    max_connections: Most = Field(MAX_CONNECTIONS, description="Connections to servers; each WebSocket is one.")
    max_pending_requests: Most = Field(MAX_CONNECTIONS, description="Requests that wait for a connection.")
    max_requests: Most = Field(MAX_CONNECTIONS, description="Requests that have one; an open WebSocket is a request.")
    max_retries: Most = Field(MAX_RETRIES, description="Retries at a time, without a budget.")
    budget_percent: Annotated[float, Field(ge=0, le=100)] = Field(
        0.0, description="retry_budget: percent of the active requests that may be retries; 0 is no budget."
    )
    min_retry_concurrency: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        BUDGET_CONCURRENCY, description="Retries at a time that a budget allows at least."
    )


class Envoy(BalancerSettings):
    """Envoy as the balancer, one worker."""

    program: ClassVar[str] = "Envoy"
    idle_field: ClassVar[str] = "stream_idle_timeout"
    idle_source: ClassVar[str] = "Envoy 1.40, API reference, HttpConnectionManager (`stream_idle_timeout`)"
    answer_field: ClassVar[str] = "timeout"
    unready_field: ClassVar[str] = "balancer.check.interval"

    kind: Literal["envoy"] = Field("envoy", description="Program of the balancer: envoy, haproxy, or nginx.")
    algorithm: Literal["round_robin", "least_request", "random", "ring_hash", "maglev"] = Field(
        "round_robin", description="Choice rule (lb_policy); ring_hash and maglev hash what hash_policy says."
    )
    hash_policy: Literal["source_ip", "header"] = Field(
        "source_ip",
        description="What ring_hash and maglev hash: the client's address, or the header X-Client-Id with its number.",
    )
    choice_count: Annotated[int, Field(ge=2, le=100)] = Field(
        CHOICES, description="Servers that least_request draws, to take the one with the fewest requests."
    )
    active_request_bias: Annotated[float, Field(ge=0, le=10)] = Field(
        1.0, description="Power of the requests by which least_request divides weights, where they differ."
    )
    weights: Annotated[list[Weight], Field(max_length=1000)] = Field(
        [], description="load_balancing_weight of the first nodes, in order; all others weigh 1."
    )
    minimum_ring_size: Annotated[int, Field(ge=1, le=100_000)] = Field(
        MINIMUM_RING_SIZE, description="Points on the ring of ring_hash, at least."
    )
    table_size: Annotated[int, Field(ge=2, le=5_000_011)] = Field(
        TABLE_SIZE, description="Places in the table of maglev, a prime number."
    )
    panic_threshold: Annotated[float, Field(ge=0, le=100)] = Field(
        float(PANIC),
        description="healthy_panic_threshold: when fewer percent of the servers are healthy, Envoy chooses among all "
        "of them; 0 never does.",
    )
    update_merge_window: Seconds = Field(
        MERGED,
        description="Seconds for which a change of health waits that follows another one within as many; 0: each takes "
        "effect at once.",
    )
    check: EnvoyCheck = Field(EnvoyCheck(), description="Active health check.")
    outlier_detection: OutlierDetection | None = Field(
        None, description="Outlier detection; left out: none. Not with a registry, which says who is there."
    )
    retry_policy: EnvoyRetries = Field(EnvoyRetries(), description="Retries of a request before its 101.")
    circuit_breakers: CircuitBreakers = Field(CircuitBreakers(), description="Circuit breakers.")
    connect_timeout: Positive = Field(5.0, description="Seconds to wait for a server to accept a connection.")
    stream_idle_timeout: Positive = Field(
        300.0, description="Seconds without a byte in either direction until a connection is cut."
    )
    timeout: Positive = Field(
        15.0,
        description="timeout of the route: seconds that a node may take to answer a request; then it is a 504.",
    )
    max_stream_duration: Seconds = Field(
        0.0,
        description="Seconds that a request may last from its head on; an open WebSocket is one. 0 is no limit.",
    )
    delayed_close_timeout: Seconds = Field(
        1.0,
        description="Seconds for which Envoy waits for a client to close when the node's side of its connection has "
        "ended; 0 closes at once.",
    )
    hard_stop_after: Annotated[int, Field(ge=1, le=86400)] = Field(
        900, description="--parent-shutdown-time-s: whole seconds after a hot restart until the old process ends."
    )

    @model_validator(mode="after")
    def _check(self) -> "Envoy":
        if not prime(self.table_size):
            raise refused("table_size", str(self.table_size), "a prime number, as 65537")
        return self

    @classmethod
    def plain(cls) -> Self:
        """Return settings that retry nothing and count no failures, and close at once what a node has ended."""
        room = CircuitBreakers(max_connections=10**6, max_pending_requests=10**6, max_requests=10**6)
        return cls(check=EnvoyCheck(no_traffic_interval=2.0), circuit_breakers=room, delayed_close_timeout=0.0)

    @property
    def idle_timeout(self) -> float:
        """Return `stream_idle_timeout`."""
        return self.stream_idle_timeout

    @property
    def answer_timeout(self) -> float:
        """Return `timeout`."""
        return self.timeout

    @property
    def check_interval(self) -> float | None:
        """Return `check.interval`."""
        return self.check.interval

    @property
    def unready_within(self) -> float | None:
        """Return the time between two checks: one that is answered with another status marks a node at once."""
        return self.check.interval

    @property
    def unanswered_within(self) -> float | None:
        """Return `connect_timeout` if a connect in vain is retried."""
        return self.connect_timeout if self.retry_policy.num_retries else None

    @property
    def asks_who(self) -> bool:
        """Return whether the header is hashed."""
        return self.hash_policy == "header"

    def retries_at_a_time(self, requests: int) -> tuple[str, float, int] | None:
        """Return the limit of the circuit breaker, or of the budget."""
        own = self.circuit_breakers
        if not self.retry_policy.num_retries:
            return None
        field = "budget_percent" if own.budget_percent else "max_retries"
        most = most_retries(own.max_retries, own.budget_percent, own.min_retry_concurrency, requests)
        return f"circuit_breakers.{field}", getattr(own, field), most

    def ejects_after(self, nodes: int) -> tuple[str, int] | None:
        """Return the failures in a row that eject a node, if one of so many may be ejected."""
        own = self.outlier_detection
        if own is None or not (own.always_eject_one_host or 100.0 / nodes <= own.max_ejection_percent):
            return None
        return "outlier_detection.consecutive_5xx", own.consecutive_5xx

    @property
    def not_with_registry(self) -> str | None:
        """Return the outlier detection: with a registry it is not configured."""
        return "outlier_detection" if self.outlier_detection is not None else None

    @property
    def moves_on(self) -> bool:
        """Whether there are retries: each chooses anew."""
        return self.retry_policy.num_retries > 0

    @property
    def retried_within(self) -> float:
        """Return `timeout` if there are retries, which all end with it; without them a dead node is a 503 at once."""
        return self.timeout if self.retry_policy.num_retries else 0.0

    def blind(self, silent: bool) -> float:
        """Return how long it takes until the checks have changed something (those of a silent node take their timeout),
        that has its effect, and clients have learnt of the end of their connections.
        """
        check = self.check
        every = check.intervals()
        lost = check.timeout if silent else 0.0
        down = max(every.healthy, every.no_traffic) + (check.unhealthy_threshold - 1) * every.unhealthy_edge
        up = every.unhealthy + (check.healthy_threshold - 1) * every.healthy_edge
        checked = max(down + check.unhealthy_threshold * lost, up + check.healthy_threshold * lost)
        return checked + self.update_merge_window + self.delayed_close_timeout

    def files_of_run(self, clients: int) -> int:
        """Return two files a client and some to spare."""
        return 2 * clients + LEAST_FILES

    def limits(self, clients: int) -> list[Limit]:
        """Return its open files, two a client."""
        need = 2 * clients
        sentence = (
            f"Envoy may open {FILES} files by default (the soft limit, ulimit -n), and {clients} clients need {need}, "
            f"two each."
        )
        breakers = self.circuit_breakers
        most = min(breakers.max_connections, breakers.max_requests)
        name = "max_connections" if breakers.max_connections <= breakers.max_requests else "max_requests"
        full = (
            f"Envoy's circuit breaker lets {most} connections to all nodes be ({name}), and {clients} clients need as "
            f"many: who comes later waits, and gets a 504 after timeout, or a 503 at once."
        )
        service = "systemd-system.conf(5), `DefaultLimitNOFILE=`"
        breaker = "Envoy 1.40, API reference, CircuitBreakers.Thresholds"
        return [
            Limit(need, FILES, sentence, "Raise LimitNOFILE of its service.", service),
            Limit(clients, most, full, f"Raise balancer.circuit_breakers.{name}.", breaker),
        ]

    def checked_every(self, inter: float, fall: int | None = None) -> dict[str, Any]:
        """Return changes of `check`."""
        every: dict[str, Any] = {"interval": inter, "no_traffic_interval": inter}
        return {"check": every | ({"unhealthy_threshold": fall} if fall is not None else {})}
