"""How Envoy handles a request in the model: limits of the cluster, tries, retries with back-off, and timeouts."""

from abc import abstractmethod
from collections import Counter
from functools import partial

import simpy

from sim.balancer.balancer import Balancer
from sim.balancer.connecting import connect
from sim.connection import Attempt, Peer, Refusal, Tunnel
from sim.node.node import Node
from sim.ports import Work
from twin.rules.envoy import COUNTERS, EnvoyRule
from twin.rules.envoy_retries import Failure, back_off, most_retries, retriable
from twin.scenario.balancer.envoy import Envoy

SWITCHED = 101


class EnvoyRequests(Balancer):
    """What Envoy does with requests, whatever it knows of its servers.

    A request counts for its server from when it is connected to it. Source: Envoy, `HttpConnPoolImplBase::onPoolReady`
    in source/common/http/conn_pool_base.cc.

    Attributes:
        traffic: whether this process has connected to any server.
        counted: its statistics.
        connecting: connections to each server that are being made.
        queued: requests that wait until a connection to their server ends, as there are too many.
        retrying: requests that are sent again just now, or wait for that.
    """

    settings: Envoy
    rule: EnvoyRule
    no_server = "503"
    forgets_silent = True
    keeps_upstream = True

    def forget(self) -> None:
        """Start without traffic and with fresh counters, too."""
        super().forget()
        servers = self.run.scenario.slots
        self.rule.configure(self.settings)
        self.traffic = False
        self.counted: Counter[str] = Counter()
        self.connecting = [0] * servers
        self.queued: list[dict[Attempt, None]] = [{} for _ in range(servers)]
        self.retrying: set[Attempt] = set()

    @abstractmethod
    def judge(self, taken: Attempt | Tunnel, status: int) -> None:
        """A server has answered a request, or failed to, or ended a WebSocket, which counts as this status."""

    def counters(self) -> dict[str, int]:
        """Return what its statistics would show."""
        return {name: self.counted[name] for name in COUNTERS if self.counted[name]}

    def reserve(self, client: Peer) -> Tunnel:
        """Choose the node of a connection that is there when the run starts."""
        self.traffic = True
        self.counted["upstream_rq_total"] += 1
        return super().reserve(client)

    # From the request to a connection

    def _over(self, attempt: Attempt, _: simpy.Event) -> None:
        """A request has its answer, or its client has given it up."""
        self.retrying.discard(attempt)
        self.queued[attempt.server].pop(attempt, None)
        if self.waiting[attempt.server].pop(attempt, 0) is None:
            self.release(attempt)
            self.parts.over(attempt)

    def _limit(self, attempt: Attempt) -> None:
        """Answer a request with 504 if it has no answer after `timeout`. Source: Envoy, `Filter::onResponseTimeout` in
        source/common/router/router.cc.
        """
        life = self.life

        def late(_: simpy.Event) -> None:
            if life != self.life or attempt.answer.triggered:
                return
            self.counted["upstream_rq_timeout"] += 1
            if self.waiting[attempt.server].pop(attempt, 0) is None:
                self.release(attempt)
                self.judge(attempt, 504)
            self.give_up(attempt)

        self.env.timeout(self.settings.timeout).callbacks.append(late)

    def forward(self, attempt: Attempt, server: int) -> Work[None]:
        """Connect a request to a server if there is room. Source: Envoy, `ConnPoolImplBase::newStreamImpl`,
        `tryCreateNewConnection` in source/common/conn_pool/conn_pool_base.cc.
        """
        if attempt.answer.triggered:
            return
        life = self.life
        server, status = yield from self.parts.place(attempt, server)
        if life != self.life or attempt.answer.triggered:
            return
        if server < 0:
            yield from self.refuse(attempt, status or self.no_server)
            return
        first, limits = attempt.server < 0, self.settings.circuit_breakers
        attempt.server, self.traffic = server, True
        if first:
            assert attempt.answer.callbacks is not None
            attempt.answer.callbacks.append(partial(self._over, attempt))
            self._limit(attempt)
        if sum(self.connecting) + sum(map(len, self.queued)) >= limits.max_pending_requests:
            yield from self._overflow(attempt)
        elif self._connections() >= limits.max_connections and self.rule.connections[server] + self.connecting[server]:
            self.counted["upstream_cx_overflow"] += 1
            self.queued[server][attempt] = None
        else:
            yield from self._open(attempt)

    def _connections(self) -> int:
        return sum(self.rule.connections) + sum(self.connecting)

    def _overflow(self, attempt: Attempt) -> Work[None]:
        """There is no room for a request; that is never retried."""
        self.counted["upstream_rq_pending_overflow"] += 1
        yield from self.refuse(attempt, "503")

    def _open(self, attempt: Attempt) -> Work[None]:
        """Connect a request to its server."""
        server, connecting = attempt.server, self.connecting
        connecting[server] += 1
        failed = yield from connect(self, attempt, self.nodes[server], self.settings.connect_timeout)
        connecting[server] -= 1
        if failed is not None:
            self.counted["upstream_cx_connect_fail"] += 1
            self._freed(server)
            if not attempt.answer.triggered:
                yield from self._failed(attempt, "connect-failure", 503)
        elif attempt in self.waiting[server] and attempt.generation == self.generation:
            self.rule.take(server)

    def sent(self, attempt: Attempt, node: Node) -> None:
        """Count the request, until it is answered, given up, or has taken too long."""
        if attempt.answer.triggered:
            return
        if sum(self.rule.connections) >= self.settings.circuit_breakers.max_requests:
            self.env.process(self._overflow(attempt))
            return
        super().sent(attempt, node)
        self.counted["upstream_rq_total"] += 1
        policy, tries, life = self.settings.retry_policy, len(attempt.tried), self.life

        def late(_: simpy.Event) -> None:
            same = life == self.life and tries == len(attempt.tried) and not attempt.answer.triggered
            if same and self.waiting[attempt.server].pop(attempt, 0) is None:
                self.release(attempt)
                self.counted["upstream_rq_per_try_timeout"] += 1
                self.env.process(self._failed(attempt, "per-try-timeout", 504))

        if policy.num_retries and policy.per_try_timeout:
            self.env.timeout(policy.per_try_timeout).callbacks.append(late)

    # What happens to it

    def _failed(self, attempt: Attempt, failure: Failure, status: int) -> Work[None]:
        """A try has failed: send the request again after a back-off, or answer it."""
        self.judge(attempt, status)
        self.retrying.discard(attempt)
        attempt.tried.append(attempt.server)
        policy, limits = self.settings.retry_policy, self.settings.circuit_breakers
        if policy.num_retries and retriable(failure, status, policy.retry_on, policy.retriable_status_codes):
            active = sum(self.rule.connections) + sum(self.connecting) + sum(map(len, self.queued))
            most = most_retries(limits.max_retries, limits.budget_percent, limits.min_retry_concurrency, active)
            if len(attempt.tried) > policy.num_retries:
                self.counted["upstream_rq_retry_limit_exceeded"] += 1
            elif len(self.retrying) >= most:
                self.counted["upstream_rq_retry_overflow"] += 1
            else:
                yield from self._again(attempt)
                return
        yield from self.refuse(attempt, str(status))

    def _again(self, attempt: Attempt) -> Work[None]:
        """Send a request again after a back-off."""
        policy, life = self.settings.retry_policy, self.life
        self.counted["upstream_rq_retry"] += 1
        self.retrying.add(attempt)
        wait = back_off(len(attempt.tried) - 1, policy.base_interval, policy.longest, self._draw())
        if wait:
            yield self.worker(attempt).sleep(wait)
        if life == self.life and not attempt.answer.triggered:
            yield from self.forward(attempt, self.choose(attempt.client, attempt.tried))

    def after_failure(self, attempt: Attempt, server: int) -> Work[tuple[int, bool] | None]:
        """Never asked: `forward` is this kind's own."""
        raise NotImplementedError

    def reset(self, attempt: Attempt) -> None:
        """A node has ended with this request before it."""
        if not attempt.answer.triggered:
            self.env.process(self._failed(attempt, "reset", 503))

    def answered(self, attempt: Attempt, number: int) -> None:
        """A node has sent its 101."""
        if attempt in self.waiting[number - 1]:
            self.judge(attempt, SWITCHED)
        super().answered(attempt, number)

    def denied(self, attempt: Attempt, refusal: Refusal, number: int) -> None:
        """A node has refused a handshake: send it again if that is retried, else relay the answer."""
        if attempt not in self.waiting[number - 1]:
            return
        policy, status = self.settings.retry_policy, int(refusal.status) if refusal.status.isdecimal() else 200
        if policy.num_retries and retriable("status", status, policy.retry_on, policy.retriable_status_codes):
            del self.waiting[number - 1][attempt]
            self.release(attempt)
            attempt.refusal = None
            self.env.process(self._failed(attempt, "status", status))
        else:
            self.judge(attempt, status)
            super().denied(attempt, refusal, number)

    def release(self, taken: Attempt | Tunnel) -> None:
        """Count a request or tunnel no more for its server; its connection ends with it."""
        super().release(taken)
        if taken.generation == self.generation:
            self._freed(taken.server)

    def _freed(self, server: int) -> None:
        """A connection to a server has ended: the request that waits longest gets one."""
        if self.queued[server]:
            attempt = next(iter(self.queued[server]))
            del self.queued[server][attempt]
            self.env.process(self._open(attempt))
