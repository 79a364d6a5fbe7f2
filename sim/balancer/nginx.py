"""nginx in the model: passive checks, and a request that fails goes on to the next peer."""

from collections.abc import Sequence

from sim.balancer.balancer import Balancer
from sim.balancer.connections import WorkerConnections
from sim.balancer.rates import LimitConn, LimitReq
from sim.connection import Attempt
from sim.ports import BalancerPart, Work
from twin.rules.health import EPOCH, PassiveCheck, counted_fails
from twin.scenario.balancer.nginx import Nginx


class NginxBalancer(Balancer):
    """nginx, one worker a generation. It forgets a connection as soon as its client has left."""

    settings: Nginx
    no_server = "502"
    forgets_silent = True

    def forget(self) -> None:
        """Start with fresh counts of failures, too."""
        super().forget()
        servers = self.run.scenario.slots
        max_fails = counted_fails(self.settings.max_fails, servers)
        self.passive = [PassiveCheck(max_fails, self.settings.fail_timeout) for _ in range(servers)]

    def limits(self) -> Sequence[BalancerPart]:
        """Return those of the worker and of each address, in the order of nginx's phases."""
        settings = self.settings
        found: list[BalancerPart] = []
        if settings.worker_connections:
            found.append(WorkerConnections(self, settings.worker_connections))
        if settings.limit_req is not None:
            found.append(LimitReq(self.run, settings.limit_req))
        if settings.limit_conn:
            found.append(LimitConn(self.run, settings.limit_conn))
        return found

    def usable(self, servers: Sequence[bool], tried: Sequence[int]) -> Sequence[bool]:
        """Return the peers in rotation that the request has not tried."""
        now = self.env.now + EPOCH
        return [self.up[i] and peer.usable(now) and i not in tried for i, peer in enumerate(self.passive)]

    def chosen(self, server: int) -> None:
        """Tell the peer's count."""
        self.passive[server].chosen(self.env.now + EPOCH)

    def succeeded(self, server: int) -> None:
        """Tell the peer's count."""
        self.passive[server].succeeded()

    def after_failure(self, attempt: Attempt, server: int) -> Work[tuple[int, bool] | None]:
        """Go on to the next peer. Source: nginx manual, `proxy_next_upstream` (error and timeout by default)."""
        self.release(attempt)
        yield from ()
        return self._next_peer(attempt), False

    def reset(self, attempt: Attempt) -> None:
        """Go on to the next peer."""
        if attempt.answer.triggered:
            self.parts.over(attempt)
        else:
            self.env.process(self.forward(attempt, self._next_peer(attempt)))

    def give_up(self, attempt: Attempt) -> None:
        """Go on to the next peer, as when one has ended; when all were tried it is a 504. Sources: nginx manual,
        `proxy_next_upstream` (timeout); nginx, `ngx_http_upstream_next` in src/http/ngx_http_upstream.c.
        """
        if attempt.answer.triggered:
            self.parts.over(attempt)
            return
        server = self._next_peer(attempt)
        all_tried = len(attempt.tried) == self.run.scenario.nodes.count
        self.env.process(self.refuse(attempt, "504") if all_tried else self.forward(attempt, server))

    def _next_peer(self, attempt: Attempt) -> int:
        """Count a failure of the peer that was tried and return the next one for the request, or -1."""
        attempt.tried.append(attempt.server)
        mine = attempt.generation == self.generation  # an old process keeps its own counts
        if mine and self.passive[attempt.server].failed(self.env.now + EPOCH):
            self.run.note("marked_down", node=attempt.server + 1, detail="passive")
        return self.choose(attempt.client, attempt.tried)
