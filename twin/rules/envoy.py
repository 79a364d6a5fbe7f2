"""Envoy's decisions: which server gets a request, when all are chosen from, and when one is marked.

Of a rule's servers only those that may be chosen count: they are a list of their own in the order of the configuration,
and a rule works with their places in that list. Sources: Envoy 1.40
`source/extensions/load_balancing_policies/round_robin/round_robin_lb.h`, `.../least_request/least_request_lb.cc`,
`.../random/random_lb.cc`, `.../common/load_balancer_impl.cc`; `twin/rules/envoy_hash.py` for the rules that hash.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from math import inf
from typing import Any, ClassVar, NamedTuple

from twin.rules.choice import Counting, Usable
from twin.rules.envoy_edf import EdfScheduler
from twin.rules.envoy_hash import (
    MINIMUM_RING_SIZE,
    TABLE_SIZE,
    hash_ring,
    in_table,
    maglev_table,
    on_ring,
    xxhash64,
)
from twin.rules.health import Change

CHOICES = 2
"""Servers that `least_request` looks at. Source: api/envoy/extensions/load_balancing_policies/least_request/v3
(`choice_count`)."""

COUNTERS = (
    *("upstream_rq_total", "upstream_cx_connect_fail", "upstream_rq_timeout", "upstream_rq_per_try_timeout"),
    *("upstream_rq_retry", "upstream_rq_retry_overflow", "upstream_rq_retry_limit_exceeded"),
    *("upstream_cx_overflow", "upstream_rq_pending_overflow", "lb_healthy_panic"),
    *("outlier_detection.ejections_enforced_total", "outlier_detection.ejections_overflow"),
)
"""Statistics of a cluster that a record has: requests that got a connection, connections that could not be made,
requests that ended with `timeout`, tries that ended with `per_try_timeout`; retries, those that the circuit breaker or
the budget forbade, requests that had all their retries; requests that had to wait for a connection as there were too
many, and those for which there was no room; choices among all; ejections, and those that `max_ejection_percent`
forbade. Source: Envoy manual, cluster statistics."""

PANIC = 50
"""Percent of servers that must be healthy. Source: api/envoy/config/cluster/v3/cluster.proto
(`healthy_panic_threshold`)."""

MERGED = 1.0
"""Seconds within which changes of health are merged. Source: cluster.proto (`update_merge_window`)."""


def panics(healthy: int, servers: int, threshold: float) -> bool:
    """Tell whether so few servers are healthy that Envoy chooses among all of them.

    Args:
        healthy: how many are.
        servers: how many there are.
        threshold: percent that must be; 0 never panics.

    Source: `LoadBalancerBase::isHostSetInPanic` in load_balancer_impl.cc.
    """
    return (100.0 * healthy / servers if servers else 0.0) < threshold


class EnvoyRule(Counting):
    """A choice rule of Envoy. A failed server is avoided by choosing again, if that is configured, see `pick`.

    Attributes:
        parameters: names of its attributes that can be set.
        shares: weight of each server, 1 unless it is set.
    """

    parameters: ClassVar[tuple[str, ...]] = ()

    def __init__(self, servers: int) -> None:
        super().__init__(servers)
        self.shares = [1] * servers

    def configure(self, settings: Any) -> None:
        """Take what is set for this rule from a table of settings of the same names, and the weights of its first
        servers from `weights`.
        """
        for name in self.parameters:
            setattr(self, name, getattr(settings, name))
        given = list(settings.weights)[: len(self.shares)]
        self.shares[: len(given)] = given

    @abstractmethod
    def pick(self, servers: Sequence[int], key: str, draw: Callable[[], float], again: int, panic: bool) -> int:
        """Return one of some servers, at least one.

        Args:
            servers: those that may be chosen, in their order.
            key: what is hashed by rules that hash, such as a client's address.
            draw: gives uniform numbers in [0, 1).
            again: how often one was chosen for this request that had been tried already, just before.
            panic: whether these are all servers because too few are healthy.
        """

    def choose(self, usable: Usable, avoid: int, address: str, draw: Callable[[], float]) -> int:
        """Return one of the usable servers, or -1; who was tried is not avoided."""
        servers = [server for server, up in enumerate(usable) if up]
        return self.pick(servers, address, draw, 0, False) if servers else -1


class _Scheduled(EnvoyRule):
    """A rule that schedules servers of different weights, and chooses in its own way among those of the same weight.

    When a server is marked everything is scheduled anew, from the same beginning. Source:
    `EdfLoadBalancerBase::refresh`, `chooseHostOnce` in load_balancer_impl.cc.

    Attributes:
        seed: where its turns begin; None before the first choice.
    """

    def __init__(self, servers: int) -> None:
        super().__init__(servers)
        self.seed: int | None = None
        self._schedulers: dict[bool, EdfScheduler] = {}

    @abstractmethod
    def weight(self, server: int) -> float:
        """Return the present weight of a server."""

    @abstractmethod
    def among_equals(self, servers: Sequence[int], draw: Callable[[], float], panic: bool) -> int:
        """Return one of some servers of the same weight."""

    def begin(self, draw: Callable[[], float]) -> int:
        """Return where its turns begin."""
        if self.seed is None:
            self.seed = int(draw() * 2.0**32)
        return self.seed

    def mark(self, server: int, up: bool) -> None:
        """Schedule anew."""
        self._schedulers.clear()

    def pick(self, servers: Sequence[int], key: str, draw: Callable[[], float], again: int, panic: bool) -> int:
        """Return the server whose turn it is."""
        if len({self.shares[server] for server in servers}) == 1:
            return self.among_equals(servers, draw, panic)
        if panic not in self._schedulers:
            self._schedulers[panic] = EdfScheduler(servers, self.weight, self.begin(draw))
        return self._schedulers[panic].pick()


class EnvoyRoundRobin(_Scheduled):
    """`round_robin`: a counter modulo the number of servers; it begins anywhere. Healthy servers and all of them have a
    counter each, which begin at the same number.

    Attributes:
        turns: of the healthy servers and of all.
    """

    def __init__(self, servers: int) -> None:
        super().__init__(servers)
        self.turns = [0, 0]

    def weight(self, server: int) -> float:
        """Return its weight."""
        return float(self.shares[server])

    def among_equals(self, servers: Sequence[int], draw: Callable[[], float], panic: bool) -> int:
        """Return the server whose turn it is."""
        self.turns[panic] += 1
        return servers[(self.begin(draw) + self.turns[panic] - 1) % len(servers)]


class EnvoyRandom(EnvoyRule):
    """`random`: any server."""

    def pick(self, servers: Sequence[int], key: str, draw: Callable[[], float], again: int, panic: bool) -> int:
        """Return a server drawn at random."""
        return servers[int(draw() * len(servers))]


class LeastRequest(_Scheduled):
    """`least_request`: of some servers drawn at random, the same one maybe twice, the first that has the fewest
    requests. An open WebSocket is a request. Servers of different weights have turns, and weigh less the more requests
    they had when they were chosen last.

    Attributes:
        choice_count: how many are drawn.
        active_request_bias: power of the requests by which a weight is divided.
    """

    parameters = ("choice_count", "active_request_bias")
    choice_count = CHOICES
    active_request_bias = 1.0

    def weight(self, server: int) -> float:
        """Return its weight with the requests that it has."""
        return float(self.shares[server] / (self.connections[server] + 1) ** self.active_request_bias)

    def among_equals(self, servers: Sequence[int], draw: Callable[[], float], panic: bool) -> int:
        """Return the least loaded of the servers drawn."""
        drawn = [servers[int(draw() * len(servers))] for _ in range(self.choice_count)]
        return min(drawn, key=lambda server: self.connections[server])


class _Hashing(EnvoyRule):
    """A rule that hashes the client's address, or what else is the key, and the servers' names.

    Attributes:
        names: of the servers; until they are told these are 1, 2, 3.
    """

    hashes_address = hashes_names = True

    def __init__(self, servers: int) -> None:
        super().__init__(servers)
        self.name_servers([str(server + 1) for server in range(servers)])

    def name_servers(self, names: Sequence[str]) -> None:
        """Hash these names."""
        self.names = list(names)
        self._built: dict[tuple[int, ...], tuple[list[int], list[int]]] = {}

    def tables(self, servers: Sequence[int]) -> tuple[list[int], list[int]]:
        """Return what is built of some servers, once for the same ones."""
        key = tuple(servers)
        if key not in self._built:
            names, weights = zip(*((self.names[server], self.shares[server]) for server in servers), strict=True)
            self._built[key] = self.build(names, weights)
        return self._built[key]

    @abstractmethod
    def build(self, names: Sequence[str], weights: Sequence[int]) -> tuple[list[int], list[int]]:
        """Build what a key is looked up in, of servers with such names and weights."""


class RingHash(_Hashing):
    """`ring_hash`.

    Attributes:
        minimum_ring_size: points of the ring, at least.
    """

    parameters = ("minimum_ring_size",)
    minimum_ring_size = MINIMUM_RING_SIZE

    def build(self, names: Sequence[str], weights: Sequence[int]) -> tuple[list[int], list[int]]:
        """Return the points, and whose they are."""
        return hash_ring(names, self.minimum_ring_size, weights)

    def pick(self, servers: Sequence[int], key: str, draw: Callable[[], float], again: int, panic: bool) -> int:
        """Return the server of the next point upwards."""
        return servers[on_ring(*self.tables(servers), xxhash64(key.encode()), again)]


class Maglev(_Hashing):
    """`maglev`.

    Attributes:
        table_size: places of the table.
    """

    parameters = ("table_size",)
    table_size = TABLE_SIZE

    def build(self, names: Sequence[str], weights: Sequence[int]) -> tuple[list[int], list[int]]:
        """Return the table."""
        return maglev_table(names, self.table_size, weights), []

    def pick(self, servers: Sequence[int], key: str, draw: Callable[[], float], again: int, panic: bool) -> int:
        """Return the server at the key's place."""
        return servers[in_table(self.tables(servers)[0], xxhash64(key.encode()), again)]


class Intervals(NamedTuple):
    """Seconds until the next check of a server, by what the last one showed.

    Attributes:
        healthy: it is healthy, and stays so.
        healthy_edge: it is unhealthy, and the check was good.
        unhealthy: it is unhealthy, and stays so, or was marked so just now.
        unhealthy_edge: it is healthy, and the check failed.
        no_traffic: no connection was ever made to any server.
        no_traffic_healthy: the same, and the server is healthy and stays so.
    """

    healthy: float
    healthy_edge: float
    unhealthy: float
    unhealthy_edge: float
    no_traffic: float
    no_traffic_healthy: float

    def after(self, passed: bool, pending: bool, traffic: bool) -> float:
        """Return the seconds until the next check.

        Args:
            passed: whether the check was good.
            pending: whether it counted towards a change that is not there yet.
            traffic: whether any connection was ever made to a server of the cluster.

        Source: `HealthCheckerImplBase::interval` in
        source/extensions/health_checkers/common/health_checker_base_impl.cc.
        """
        if not traffic:
            return self.no_traffic_healthy if passed and not pending else self.no_traffic
        if passed:
            return self.healthy_edge if pending else self.healthy
        return self.unhealthy_edge if pending else self.unhealthy


class MergeWindow:
    """When changes of health take effect: the first one at once; those that follow within the window together, a window
    after the first of them. Source: `ClusterManagerImpl::scheduleUpdate`, `applyUpdates` in
    source/common/upstream/cluster_manager_impl.cc.

    Args:
        window: seconds; 0: each change takes effect at once.

    Attributes:
        due: when those that wait take effect; None if none waits.
    """

    def __init__(self, window: float) -> None:
        self.window = window
        self.last = -inf
        self.due: float | None = None

    def changed(self, now: float) -> float:
        """Return when a change of now takes effect."""
        if self.due is None:
            at_once = not self.window or now - self.last > self.window
            self.due = now if at_once else now + self.window
        return self.due

    def delivered(self, now: float) -> None:
        """Note that all changes so far take effect now."""
        self.last, self.due = now, None


class HealthCheck:
    """Envoy's counter of one server: `unhealthy_threshold` failed checks in a row mark it unhealthy, one that answers
    with an error at once; `healthy_threshold` good ones mark it healthy again.

    The first check of a `fresh` server, one that Envoy has not checked since it started, decides alone. Source:
    `ActiveHealthCheckSession::handleSuccess`, `setUnhealthy` in
    source/extensions/health_checkers/common/health_checker_base_impl.cc.

    Attributes:
        pending: whether the last check counted towards a change that is not there yet.
    """

    def __init__(self, unhealthy_threshold: int, healthy_threshold: int, fresh: bool = False) -> None:
        self.unhealthy_threshold = unhealthy_threshold
        self.healthy_threshold = healthy_threshold
        self.fresh = fresh
        self.up = True
        self.streak = 0
        self.pending = False

    def result(self, passed: bool, network: bool = True) -> Change:
        """Count one check and return what it changed.

        Args:
            passed: whether the answer was a 200 in time.
            network: whether a failure was that of the connection or of its time, rather than another status.
        """
        fresh, self.fresh = self.fresh, False
        if passed == self.up:
            self.streak, self.pending = 0, False
            return ""
        self.streak += 1
        enough = self.unhealthy_threshold if self.up else self.healthy_threshold
        if self.streak < enough and (passed or network) and not fresh:
            self.pending = True
            return ""
        self.streak, self.pending = 0, False
        self.up = passed
        return "up" if passed else "down"
