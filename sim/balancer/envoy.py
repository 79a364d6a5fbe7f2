"""Envoy in the model: active checks with intervals by state, a choice among all in panic, and a delayed close."""

from collections import Counter
from collections.abc import Sequence
from math import ceil

import simpy

from sim.balancer.balancer import Balancer
from sim.connection import Attempt, Peer, Tunnel
from sim.node.node import Node
from sim.ports import Work
from twin.rules.envoy import COUNTERS, EnvoyRule, HealthCheck, panics
from twin.scenario.addresses import source_address
from twin.scenario.balancer.envoy import Envoy
from twin.scenario.scenario import WARM_UP_SLACK


class EnvoyBalancer(Balancer):
    """Envoy, one worker. It forgets a connection or a request as soon as its client has left.

    A request counts for its server from when it is connected to it. Source: Envoy, `HttpConnPoolImplBase::onPoolReady`
    in source/common/http/conn_pool_base.cc.

    Attributes:
        traffic: whether this process has connected to any server.
    """

    settings: Envoy
    rule: EnvoyRule
    no_server = "503"
    forgets_silent = True
    keeps_upstream = True

    def forget(self) -> None:
        """Start without traffic and with fresh counters, too."""
        super().forget()
        self.rule.configure(self.settings)
        self.traffic = False
        self.counted: Counter[str] = Counter()

    def counters(self) -> dict[str, int]:
        """Return what its statistics would show."""
        return {name: self.counted[name] for name in COUNTERS if self.counted[name]}

    # Choosing and connecting

    def choose(self, client: Peer, tried: list[int]) -> int:
        """Return one of the healthy servers, in panic of all, or -1."""
        servers = [server for server, up in enumerate(self.up) if up]
        count = self.run.scenario.nodes.count
        panic = self.run.scenario.registry is None and panics(len(servers), count, self.settings.panic_threshold)
        if panic:
            servers = list(range(count))
            self.counted["lb_healthy_panic"] += 1
        if not servers:
            return -1
        address = source_address(client.number, self.run.scenario.clients.addresses)
        return self.rule.pick(servers, address, self._draw, 0, panic)

    def reserve(self, client: Peer) -> Tunnel:
        """Choose the node of a connection that is there when the run starts."""
        self.traffic = True
        self.counted["upstream_rq_total"] += 1
        return super().reserve(client)

    def forward(self, attempt: Attempt, server: int) -> Work[None]:
        """Connect a request to a server; who cannot be connected is answered with 503."""
        if server < 0:
            yield from self.refuse(attempt, self.no_server)
            return
        self.traffic = True
        attempt.server = server
        self._limit(attempt)
        if (yield from self.connect(attempt, self.nodes[server])) is not None:
            self.counted["upstream_cx_connect_fail"] += 1
            if not attempt.answer.triggered:
                yield from self.after_failure(attempt, server)

    def _limit(self, attempt: Attempt) -> None:
        """Answer a request with 504 if it has no answer after `timeout`. Source: Envoy, `Filter::onResponseTimeout` in
        source/common/router/router.cc.
        """
        life = self.life

        def late(_: simpy.Event) -> None:
            if life == self.life and not attempt.answer.triggered:
                self.counted["upstream_rq_timeout"] += 1
                if self.waiting[attempt.server].pop(attempt, 0) is None:
                    self.release(attempt)
                self.give_up(attempt)

        self.env.timeout(self.settings.timeout).callbacks.append(late)

    def after_failure(self, attempt: Attempt, server: int) -> Work[tuple[int, bool] | None]:
        """Answer with 503: nothing is tried again."""
        yield from self.refuse(attempt, "503")
        return None

    def sent(self, attempt: Attempt, node: Node) -> None:
        """Count the request, until it is answered or its client gives up."""
        if attempt.answer.triggered:
            return
        super().sent(attempt, node)
        self.counted["upstream_rq_total"] += 1
        if attempt.generation == self.generation:
            self.rule.take(attempt.server)

        def over(_: simpy.Event) -> None:
            if self.waiting[node.number - 1].pop(attempt, 0) is None:
                self.release(attempt)

        assert attempt.answer.callbacks is not None
        attempt.answer.callbacks.append(over)

    def reset(self, attempt: Attempt) -> None:
        """Answer its client with a 503."""
        attempt.fail("503")

    # Ends of connections

    def _close(self, tunnel: Tunnel, reason: str) -> None:
        """Close the client's side when the client has not done so within `delayed_close_timeout`. Source: Envoy,
        `ConnectionManagerImpl::doEndStream` in source/common/http/conn_manager_impl.cc (`FlushWriteAndDelay`).
        """
        delay = self.settings.delayed_close_timeout
        if not delay:
            super()._close(tunnel, reason)
            return

        def close(_: simpy.Event) -> None:
            if not tunnel.lost.triggered and not self.lost(tunnel):
                super(EnvoyBalancer, self)._close(tunnel, reason)

        self.env.timeout(delay).callbacks.append(close)

    def expire(self, tunnel: Tunnel) -> None:
        """Nothing passed through a tunnel for too long: end the node's side, then the client's."""
        self.released(tunnel)
        node = self.nodes[tunnel.server]
        if tunnel not in node.tunnels:
            return
        del node.tunnels[tunnel]

        def cut(_: simpy.Event) -> None:
            node.pass_on(lambda: node.forget(tunnel))

        self.worker(tunnel).work(self.costs.cut, cut)
        self._close(tunnel, "1006")

    def client_left(self, tunnel: Tunnel) -> None:
        """The client has closed its side, maybe of a connection whose node has ended before."""
        if tunnel.upstream_gone:
            tunnel.client_left = True
        else:
            super().client_left(tunnel)

    # Health

    def checks(self, phase: float, overhead: float) -> Sequence[Work[None]]:
        """Check every server, all at the same time at first."""
        return [self._check(server, phase, overhead) for server in range(self.run.scenario.nodes.count)]

    def _first(self, phase: float) -> float:
        """Return when the first check after the start of the run is due, in seconds.

        The one before was at Envoy's start, before all connections, so that its next one came `no_traffic_interval`
        later; the run starts so that the checks stand in the phase that it draws, see `live.cluster`.
        """
        every = self.settings.check.intervals()
        ahead = self.run.scenario.warm_up + WARM_UP_SLACK
        first = every.no_traffic + phase - ceil((ahead + phase) / every.healthy) * every.healthy
        return first if first >= 0 else first % every.healthy

    def _check(self, server: int, phase: float, overhead: float) -> Work[None]:
        """Check one server for ever."""
        env, settings, generation, life = self.env, self.settings.check, self.generation, self.life
        every = settings.intervals()
        counter = HealthCheck(settings.unhealthy_threshold, settings.healthy_threshold, fresh=generation > 0)
        yield env.timeout(phase if generation else self._first(phase))
        while generation == self.generation:
            passed, network = yield from self._probe(self.nodes[server])
            if life != self.life or generation != self.generation:
                return
            change = counter.result(passed, network)
            if change:
                self.mark(server, change == "up", "check")
            yield env.timeout(every.after(passed, counter.pending, self.traffic) + overhead)

    def _probe(self, node: Node) -> Work[tuple[bool, bool]]:
        """Ask a node for /healthz; return whether it answered with 200 in time, and whether a failure is that of the
        network.
        """
        timeout = self.settings.check.timeout
        if node.dark:
            yield self.env.timeout(timeout)
            return False, True
        if not node.listening:
            return False, True
        done = node.process.work(node.costs.handshake)
        yield done | self.env.timeout(timeout)
        return bool(done.processed) and node.ready, not done.processed
