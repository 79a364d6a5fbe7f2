"""What a balancer runs out of with each connection: nginx's `worker_connections`, and ports towards a node."""

from collections import Counter, defaultdict

from sim.balancer.balancer import Balancer
from sim.connection import Attempt, Tunnel
from sim.ports import BalancerPart, Run, Work
from twin.scenario.balancer.haproxy import HAProxy
from twin.scenario.balancer.nginx import OWN


class WorkerConnections(BalancerPart):
    """The connections of an nginx worker: one to each client, one more to a node for each request.

    Who finds none is closed at once; a request for which none is left gets a 500. Source: nginx 1.22,
    src/event/ngx_event_accept.c (`ngx_event_accept`), src/http/ngx_http_upstream.c (`ngx_http_upstream_connect`).

    Args:
        balancer: whose worker it is.
        limit: `worker_connections`.
    """

    def __init__(self, balancer: Balancer, limit: int) -> None:
        self.balancer = balancer
        self.limit = limit - OWN
        self.used = Counter[int]()
        self._to_clients: dict[Attempt | Tunnel, int] = {}
        self._to_nodes: dict[Attempt | Tunnel, int] = {}

    def _take(self, held: dict[Attempt | Tunnel, int], taken: Attempt | Tunnel, generation: int) -> bool:
        """Take a connection of a worker, if it has one."""
        if self.used[generation] >= self.limit:
            return False
        held[taken] = generation
        self.used[generation] += 1
        return True

    def _free(self, held: dict[Attempt | Tunnel, int], taken: Attempt | Tunnel) -> None:
        generation = held.pop(taken, None)
        if generation is not None:
            self.used[generation] -= 1

    def begins(self, tunnel: Tunnel, since: float) -> None:
        """A connection of before the run has its two."""
        for held in (self._to_clients, self._to_nodes):
            self._take(held, tunnel, tunnel.generation)

    def accept(self, attempt: Attempt) -> Work[str | None]:
        """Take one for a client."""
        yield from ()
        return None if self._take(self._to_clients, attempt, self.balancer.generation) else "reset"

    def place(self, attempt: Attempt, server: int) -> Work[int | str]:
        """Take one for the node."""
        yield from ()
        if server < 0 or self._take(self._to_nodes, attempt, attempt.generation):
            return server
        return "500"

    def opened(self, attempt: Attempt, tunnel: Tunnel) -> None:
        """Both go on with the tunnel."""
        for held in (self._to_clients, self._to_nodes):
            generation = held.pop(attempt, None)
            if generation is not None:
                held[tunnel] = generation

    def released(self, taken: Attempt | Tunnel) -> None:
        """The one to the node is closed; with a tunnel the one to the client, too."""
        self._free(self._to_nodes, taken)
        if isinstance(taken, Tunnel):
            self._free(self._to_clients, taken)

    def over(self, attempt: Attempt) -> None:
        """The one to the client is closed."""
        self._free(self._to_clients, attempt)


class SourcePorts(BalancerPart):
    """The ports from which HAProxy connects to each server.

    Without a free one a connect fails at once, that of a health check, too; it is tried again at once, at another
    server if that is configured, and else ends with a 503. Source: HAProxy 2.8, src/proto_tcp.c (`tcp_connect_server`:
    "no free ports"), src/backend.c (`back_try_conn_req`: "the problem is likely a source port allocation problem"),
    src/check.c (`process_chk_conn`).

    Args:
        run: the replication.
        balancer: who connects.
        settings: its settings, with `source_ports`.
    """

    def __init__(self, run: Run, balancer: Balancer, settings: HAProxy) -> None:
        self.balancer = balancer
        self.limit = settings.source_ports
        self.moves_on = settings.moves_on
        self.held: defaultdict[int, int] = defaultdict(int)

    def begins(self, tunnel: Tunnel, since: float) -> None:
        """A connection of before the run has a port."""
        self.held[tunnel.server] += 1

    def place(self, attempt: Attempt, server: int) -> Work[int | str]:
        """Take a port, of another server if there is none and the retries go there."""
        yield from ()
        tried = list(attempt.tried)
        while server >= 0 and self.held[server] >= self.limit:
            tried.append(server)
            server = self.balancer.choose(attempt.client, tried) if self.moves_on else -1
            if server in tried:
                server = -1
        if server >= 0:
            self.held[server] += 1
        return server

    def may_check(self, server: int) -> bool:
        """Tell whether there is a port for a check."""
        return self.held[server] < self.limit

    def released(self, taken: Attempt | Tunnel) -> None:
        """The port is free."""
        self.held[taken.server] -= 1
