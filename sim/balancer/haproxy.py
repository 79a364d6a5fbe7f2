"""HAProxy in the model: active checks, retries and redispatch, slowstart, and the cut at a mark-down."""

from collections.abc import Callable, Sequence

from sim.balancer.balancer import Balancer
from sim.balancer.checks import check
from sim.balancer.connections import SourcePorts
from sim.balancer.costs import BalancerCosts
from sim.balancer.frontend import FrontendLimit
from sim.balancer.queues import ServerQueues
from sim.balancer.rates import SessionRate, StickTable
from sim.balancer.slowstart import slowstart
from sim.connection import Attempt, Tunnel
from sim.machine.process import Cost
from sim.ports import BalancerPart, Work
from twin.rules.balancing import RULES
from twin.rules.health import haproxy_retry
from twin.scenario.balancer.haproxy import HAProxy


class HAProxyCosts(BalancerCosts):
    """It cuts a tunnel in another way than it relays a close: task by task, with no reading before. Source: HAProxy,
    `process_runnable_tasks` in src/task.c.
    """

    def __init__(self, cost: Callable[[str], Cost]) -> None:
        super().__init__(cost)
        self.cut = cost("haproxy_cut").in_one_step()


class HAProxyBalancer(Balancer):
    """HAProxy. A session whose client has left while the node is silent goes on counting."""

    settings: HAProxy
    no_server = "503"
    keeps_upstream = True

    @classmethod
    def costs_of(cls, cost: Callable[[str], Cost]) -> BalancerCosts:
        """Return its costs."""
        return HAProxyCosts(cost)

    def checks(self, phase: float, overhead: float) -> Sequence[Work[None]]:
        """Check every server, server 0 first."""
        return [check(self, self.settings, server, phase, overhead) for server in range(self.run.scenario.nodes.count)]

    def limits(self) -> Sequence[BalancerPart]:
        """Return those of the frontend and of the servers."""
        settings = self.settings
        found: list[BalancerPart] = []
        if settings.session_rate:
            found.append(SessionRate(self.run, settings.session_rate))
        if settings.maxconn:
            found.append(FrontendLimit(self.run, self, settings.maxconn))
        if settings.address_rate is not None:
            found.append(StickTable(self.run, settings.address_rate))
        if settings.server_maxconn:
            found.append(ServerQueues(self.run, self, settings))
        if settings.source_ports:
            found.append(SourcePorts(self.run, self, settings))
        return found

    def after_failure(self, attempt: Attempt, server: int) -> Work[tuple[int, bool] | None]:
        """Try again as `retries` and `redispatch` say.

        A request counts for its server while it waits to try that server again. Source: HAProxy, `back_handle_st_cer`
        in src/backend.c (`sess_change_server` only at a redispatch or at the end).
        """
        attempt.tried.append(server)
        retry = haproxy_retry(
            len(attempt.tried),
            self.settings.retries,
            self.settings.redispatch,
            self.settings.connect_timeout,
            self.up[server],
            RULES[self.settings.kind, self.settings.algorithm].hashes_address,
            self._pool_size(server),
        )
        if not retry.again:
            self.release(attempt)
            yield from self.refuse(attempt, "503")
            return None
        if retry.wait > 0:
            life = self.life
            yield self.worker(attempt).sleep(retry.wait)
            if life != self.life:
                return None
        if not retry.redispatch:
            return server, True
        self.release(attempt)
        return self.choose(attempt.client, attempt.tried), False

    def _pool_size(self, server: int) -> int:
        """Return how many servers are up among those that a request to `server` could go to."""
        if self.gray is None:
            return sum(self.up)
        return sum(self.gray.backend(self.up, server))

    def reset(self, attempt: Attempt) -> None:
        """Answer its client with a 502. Source: HAProxy manual, `retry-on` (conn-failure by default)."""
        self.fail(attempt, "502")

    def forgets_left(self, tunnel: Tunnel) -> None:
        """Read the node's end, and forget the session."""
        self.worker(tunnel).work(self.costs.abandoned, lambda _: self.released(tunnel))

    def marked(self, server: int, up: bool) -> None:
        """Begin a slowstart, or cut the tunnels if that is configured; a reloaded process cuts only its own."""
        if up and self.settings.ramps_up:
            self.env.process(slowstart(self, server, self.settings.slowstart))
        if up or not self.settings.cuts_marked_down:
            return
        node = self.nodes[server]
        for tunnel in [t for t in node.tunnels if t.generation == self.generation]:
            self.released(tunnel)
            self.cut(tunnel, node)
        for attempt in [a for a in self.waiting[server] if a.generation == self.generation]:
            del self.waiting[server][attempt]
            self.release(attempt)
            self.fail(attempt, "502")
