"""Envoy in the model: what it knows of its servers by checks and by answers, and how it closes connections."""

from collections.abc import Sequence
from math import ceil

import simpy

from sim.balancer.envoy_requests import EnvoyRequests
from sim.connection import Attempt, Peer, Tunnel
from sim.node.node import Node
from sim.ports import Work
from twin.rules.envoy import HealthCheck, MergeWindow, panics
from twin.rules.envoy_outliers import LOCAL_ORIGIN, Outliers
from twin.scenario.addresses import source_address
from twin.scenario.combinations import WARM_UP_SLACK


class EnvoyBalancer(EnvoyRequests):
    """Envoy, one worker. It forgets a connection or a request as soon as its client has left.

    Attributes:
        failing: which servers its checks have marked unhealthy.
        healthy: which servers are neither that nor ejected; `up` follows, when that takes effect.
        merges: when it does.
        outliers: what its outlier detection knows; None without one.
    """

    def forget(self) -> None:
        """Start with all servers healthy."""
        super().forget()
        self.failing = [False] * self.run.scenario.slots
        self.healthy = list(self.up)
        self.merges = MergeWindow(self.settings.update_merge_window)
        self.outliers: Outliers | None = None

    def counters(self) -> dict[str, int]:
        """Return what its statistics would show."""
        found = super().counters()
        if self.outliers is not None:
            found |= {f"outlier_detection.{name}": count for name, count in self.outliers.counted.items() if count}
        return found

    def choose(self, client: Peer, tried: list[int]) -> int:
        """Return one of the healthy servers, in panic of all, or -1."""
        servers = [server for server, up in enumerate(self.parts.usable(self.up)) if up]
        count = self.run.scenario.nodes.count
        panic = self.run.scenario.registry is None and panics(len(servers), count, self.settings.panic_threshold)
        if panic:
            servers = list(range(count))
            self.counted["lb_healthy_panic"] += 1
        if not servers:
            return -1
        address = source_address(client.number, self.run.scenario.clients.addresses)
        key = str(client.number) if self.settings.asks_who else address
        policy = self.settings.retry_policy
        more = policy.host_selection_retry_max_attempts if tried and policy.previous_hosts else 0
        server = -1
        for again in range(1 + more):
            server = self.rule.pick(servers, key, self._draw, again, panic)
            if server not in tried:
                break
        return server

    # Health

    def judge(self, taken: Attempt | Tunnel, status: int) -> None:
        """Tell the outlier detection."""
        mine = taken.generation == self.generation  # an old process keeps its own counts
        if mine and self.outliers is not None and self.outliers.answered(taken.server, status, self.env.now):
            self._changed(taken.server, "outlier")

    def _changed(self, server: int, detail: str, first: bool = False) -> None:
        """Mark a server if it is healthy now and was not, or the other way round.

        Args:
            server: which.
            detail: why.
            first: whether this is what a new process finds before it takes over, which is not merged with anything.
        """
        up = not self.failing[server] and not (self.outliers is not None and self.outliers.ejected(server))
        if up == self.healthy[server]:
            return
        self.healthy[server] = up
        self.run.note("marked_up" if up else "marked_down", node=server + 1, detail=detail)
        waits = self.merges.due is not None
        at = self.env.now if first else self.merges.changed(self.env.now)
        if at <= self.env.now:
            self._take_effect(first)
        elif not waits:
            merges = self.merges  # a new process has others
            due = self.env.timeout(at - self.env.now)
            due.callbacks.append(lambda _: self._take_effect() if merges is self.merges else None)

    def _take_effect(self, first: bool = False) -> None:
        """Choose among those that are healthy now."""
        if not first:
            self.merges.delivered(self.env.now)
        for server, up in enumerate(self.healthy):
            if up != self.up[server]:
                self.up[server] = up
                self.rule.mark(server, up)
                self.parts.marked(server, up)

    def checks(self, phase: float, overhead: float) -> Sequence[Work[None]]:
        """Check every server, all at the same time at first; and begin the outlier detection."""
        count = self.run.scenario.nodes.count
        found = [self._check(server, phase, overhead) for server in range(count)]
        if self.settings.outlier_detection is not None:
            self.outliers = Outliers(count, self.settings.outlier_detection)
            found.append(self._look(self.outliers, phase))
        return found

    def _first(self, phase: float) -> float:
        """Return when the first check after the start of the run is due, in seconds.

        The one before was at Envoy's start, before all connections, so that its next one came `no_traffic_interval`
        later; the run starts so that the checks stand in the phase that it draws, see `live.cluster`.
        """
        every = self.settings.check.intervals()
        first = every.no_traffic - self._age(phase)
        return first if first >= 0 else first % every.healthy

    def _age(self, phase: float) -> float:
        """Return how long the first process has been there when the run starts, in seconds."""
        inter = self.settings.check.interval
        ahead = self.run.scenario.warm_up + WARM_UP_SLACK
        return ceil((ahead + phase) / inter) * inter - phase

    def _check(self, server: int, phase: float, overhead: float) -> Work[None]:
        """Check one server for ever."""
        env, settings, generation, life = self.env, self.settings.check, self.generation, self.life
        every = settings.intervals()
        counter = HealthCheck(settings.unhealthy_threshold, settings.healthy_threshold, fresh=generation > 0)
        yield env.timeout(phase if generation else self._first(phase))
        first = generation > 0
        while generation == self.generation:
            passed, network = yield from self._probe(self.nodes[server])
            if life != self.life or generation != self.generation:
                return
            counter.result(passed, network)
            self.failing[server] = not counter.up
            if passed and counter.up and self.outliers is not None:
                self.outliers.healthy(server, env.now)
            self._changed(server, "check", first)
            first = False
            yield env.timeout(every.after(passed, counter.pending, self.traffic) + overhead)

    def _look(self, outliers: Outliers, phase: float) -> Work[None]:
        """Look at who may return, and at success rates, once in an interval since the start of the process."""
        assert self.settings.outlier_detection is not None
        interval = self.settings.outlier_detection.interval
        yield self.env.timeout(interval if self.generation else -self._age(phase) % interval)
        while outliers is self.outliers:
            found = outliers.look(self.env.now)
            for server in (*found.returned, *found.ejected):
                self._changed(server, "outlier")
            yield self.env.timeout(interval)

    def _probe(self, node: Node) -> Work[tuple[bool, bool]]:
        """Ask a node for /healthz; return whether it answered with 200 in time, and whether a failure is that of the
        network.
        """
        timeout = self.settings.check.timeout
        if not self.parts.may_check(node.number - 1):
            return False, True
        if node.dark:
            yield self.env.timeout(timeout)
            return False, True
        if not node.listening:
            return False, True
        done = node.process.work(node.costs.handshake)
        yield done | self.env.timeout(timeout)
        return bool(done.processed) and node.ready, not done.processed

    # Ends of connections

    def upstream_closed(self, tunnel: Tunnel, reason: str) -> None:
        """The node's side of a tunnel is gone. Whatever its reason, that counts as a failure of the node: the answer to
        the request, the stream of an open WebSocket, has ended too early. Source: Envoy, `Filter::onUpstreamReset` in
        source/common/router/router.cc.
        """
        if not (tunnel.upstream_gone or tunnel.client_left):
            self.judge(tunnel, LOCAL_ORIGIN)
        super().upstream_closed(tunnel, reason)

    def tunnel(self, client: Peer, server: int, generation: int) -> Tunnel:
        """Return a new tunnel, whose life may be limited from now on."""
        found = super().tunnel(client, server, generation)
        self._limits_duration(found, self.env.now)
        return found

    def install(self, tunnel: Tunnel, since: float) -> None:
        """Have a connection that is there when the run starts."""
        super().install(tunnel, since)
        self._limits_duration(tunnel, since)

    def _limits_duration(self, tunnel: Tunnel, since: float) -> None:
        """End a tunnel `max_stream_duration` after its request, which was at a time in seconds."""
        limit = self.settings.max_stream_duration

        def over(_: simpy.Event) -> None:
            if not (tunnel.lost.triggered or tunnel.upstream_gone or tunnel.client_left or self.lost(tunnel)):
                self.expire(tunnel)

        if limit:
            self.env.timeout(max(0.0, since + limit - self.env.now)).callbacks.append(over)

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
