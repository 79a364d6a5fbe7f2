"""The balancer: HAProxy with active checks or nginx with passive ones, choosing a node for each connection."""

from collections.abc import Callable, Sequence

import simpy

from sim.balancer.canary import TwoPools
from sim.balancer.idle import Idle
from sim.balancer.slowstart import slowstart
from sim.connection import Attempt, Peer, Refusal, Tunnel
from sim.machine.process import Cost, Process
from sim.node.node import SYN_RETRIES, Node
from sim.ports import Run, Work
from twin.draws import Purpose
from twin.rules.balancing import RULES
from twin.rules.choice import Rule
from twin.rules.health import EPOCH, PassiveCheck, counted_fails, haproxy_retry
from twin.rules.registry import pool_of, tries_next
from twin.scenario.addresses import source_address
from twin.scenario.scenario import HAProxy, Nginx


class Costs:
    """What the balancer does, and what it costs."""

    def __init__(self, cost: Callable[[str], Cost], kind: str) -> None:
        self.accept = cost("balancer_accept")
        self.request = cost("balancer_request")
        self.refuse = cost("balancer_refused").less(self.request)
        self.relay = cost("balancer_response")
        self.frame = cost("balancer_frame")
        self.close = cost("balancer_close")
        self.release = cost("balancer_release")
        self.cut = cost("haproxy_cut") if kind == "haproxy" else self.close
        self.abandoned = cost("balancer_abandoned")


class Balancer:
    """The balancer of a run. Servers are numbered from 0, as in its rule.

    Args:
        run: the replication.
        process: its first process.
        costs: what it does, and what it costs.
        nodes: its servers.
        start_time: seconds that a new process takes to start.
        start_checks: starts the checks of a new process, the first one in so many seconds.

    Attributes:
        workers: its process of each generation; an old one goes on with the connections that it has.
        made: counts its tunnels.
    """

    def __init__(
        self,
        run: Run,
        process: Process,
        costs: Costs,
        nodes: Sequence[Node],
        start_time: float,
        start_checks: Callable[[float], None],
    ) -> None:
        self.run = run
        self.env = run.env
        self.costs = costs
        self.nodes = nodes
        self.start_time = start_time
        self.start_checks = start_checks
        self.workers = [process]
        self.settings = run.scenario.balancer
        self.generation = 0
        self.life = 0
        self.listening = True
        self.draws = 0
        self.made = 0
        self.waiting: list[dict[Attempt, None]] = [{} for _ in range(run.scenario.slots)]
        self.idle = Idle(run, nodes, self.expire)
        self.forget()

    def worker(self, taken: Attempt | Tunnel) -> Process:
        """Return the process that has an attempt or a tunnel."""
        return self.workers[taken.generation]

    def tunnel(self, client: Peer, server: int, generation: int) -> Tunnel:
        """Return a new tunnel."""
        self.made += 1
        return Tunnel(self.env, client, server, generation, self.made)

    def take_over(self) -> None:
        """A new process listens in place of the old one."""
        self.workers.append(Process(self.workers[-1].cores))
        self.generation += 1

    def forget(self) -> None:
        """Start with fresh counts and all servers up, as a new process does."""
        scenario, servers = self.run.scenario, self.run.scenario.slots
        self.rule: Rule = RULES[self.settings.kind, self.settings.algorithm](servers)
        self.gray: TwoPools | None = None
        if scenario.registry is not None and scenario.registry.canary is not None:
            following = RULES[self.settings.kind, self.settings.algorithm](servers)
            self.rule = self.gray = TwoPools(self.rule, following, servers)
            self.parts = scenario.registry.canary.parts
        self.up = [server < scenario.nodes.count for server in range(servers)]
        self.risen = [0] * servers
        if isinstance(self.settings, Nginx):
            max_fails = counted_fails(self.settings.max_fails, servers)
            self.passive = [PassiveCheck(max_fails, self.settings.fail_timeout) for _ in range(servers)]

    # Choosing and connecting

    def choose(self, client: Peer, tried: list[int]) -> int:
        """Return the server for a connection, or -1."""
        usable = self.up
        if self.gray is not None:
            usable = self.gray.pool(self.up, tries_next(client.number, self.parts))
            if tried:
                usable = self.gray.backend(self.up, tried[-1])
        if isinstance(self.settings, Nginx):
            now = self.env.now + EPOCH
            usable = [self.up[i] and peer.usable(now) and i not in tried for i, peer in enumerate(self.passive)]
        address = source_address(client.number, self.run.scenario.clients.addresses)
        server = self.rule.choose(usable, tried[-1] if tried else -1, address, self._draw)
        if isinstance(self.settings, Nginx) and server >= 0:
            self.passive[server].chosen(now)
        return server

    def _draw(self) -> float:
        self.draws += 1
        return self.run.draw(0, Purpose.BALANCE, self.draws - 1)

    def accept(self) -> None:
        """Accept a connection that a client has opened; its request comes later."""
        self.workers[self.generation].work(self.costs.accept)

    def serve(self, attempt: Attempt) -> Work[None]:
        """Handle one request: read it, choose a node and connect to it, retrying as configured."""
        attempt.generation = self.generation
        yield self.worker(attempt).work(self.costs.request)
        yield from self.forward(attempt, self.choose(attempt.client, attempt.tried))

    def forward(self, attempt: Attempt, server: int) -> Work[None]:
        """Connect a request to a server, and to others as configured when that fails.

        HAProxy counts a request for its server while it waits to try that server again. Source: HAProxy,
        `back_handle_st_cer` in src/backend.c (`sess_change_server` only at a redispatch or at the end).
        """
        taken = -1
        while not attempt.answer.triggered:
            if server < 0:
                yield from self.refuse(attempt, "502" if self.settings.kind == "nginx" else "503")
                return
            if server != taken:
                attempt.server = taken = server
                attempt.generation = self.generation
                self.rule.take(server)
            refused = yield from self.connect(attempt, self.nodes[server])
            if refused is None:
                return
            if isinstance(self.settings, Nginx):
                self._release(attempt)
                server, taken = self._next_peer(attempt), -1
                continue
            attempt.tried.append(server)
            retry = haproxy_retry(
                len(attempt.tried),
                self.settings.retries,
                self.settings.redispatch,
                self.settings.connect_timeout,
                self.up[server],
                self.settings.algorithm in ("source", "consistent"),
                self._pool_size(server),
            )
            if not retry.again:
                self._release(attempt)
                yield from self.refuse(attempt, "503")
                return
            if retry.wait > 0:
                life = self.life
                yield self.worker(attempt).sleep(retry.wait)
                if life != self.life:
                    return
            if retry.redispatch:
                self._release(attempt)
                taken = -1
                server = self.choose(attempt.client, attempt.tried)
        if taken >= 0:
            self._release(attempt)

    def _pool_size(self, server: int) -> int:
        """Return how many servers are up among those that a request to `server` could go to."""
        if self.gray is None:
            return sum(self.up)
        return sum(self.gray.backend(self.up, server))

    def _next_peer(self, attempt: Attempt) -> int:
        """Count a failure of the peer that nginx tried and return the next one for the request, or -1."""
        attempt.tried.append(attempt.server)
        if self.passive[attempt.server].failed(self.env.now + EPOCH):
            self.run.note("marked_down", node=attempt.server + 1, detail="passive")
        return self.choose(attempt.client, attempt.tried)

    def refuse(self, attempt: Attempt, status: str) -> Work[None]:
        """Answer a request with an error."""
        yield self.worker(attempt).carry_on(self.costs.refuse)
        attempt.fail(status)

    def connect(self, attempt: Attempt, node: Node) -> Work[str | None]:
        """Connect to a node; return None when the kernel took the connection, else why it did not.

        None also means that the balancer died meanwhile. A full accept queue drops the SYN, which is sent again after
        1, 3, 7, ... s, within the connect timeout.
        """
        left, life = self.settings.connect_timeout, self.life
        for wait in SYN_RETRIES:
            if life != self.life:
                return None
            if not node.listening and not node.dark:
                return "refused"
            if node.syn(attempt):
                self.waiting[node.number - 1][attempt] = None
                return None
            if wait > left:
                yield self.env.timeout(left)
                return "timeout" if life == self.life else None
            left -= wait
            yield self.env.timeout(wait)
        return "timeout" if life == self.life else None

    def answered(self, attempt: Attempt, number: int) -> None:
        """A node has sent its 101: relay it, or close when the client has given up meanwhile."""
        if self.waiting[number - 1].pop(attempt, 0) == 0:
            return
        node = self.nodes[number - 1]
        tunnel = self.tunnel(attempt.client, attempt.server, attempt.generation)
        if attempt.answer.triggered:
            self.released(tunnel)
            return
        node.opened(tunnel, self.env.now)

        def relayed(_: simpy.Event) -> None:
            if not attempt.answer.triggered:
                attempt.answer.succeed(tunnel)
                self.idle.watch(tunnel, self.env.now)
            else:
                node.tunnels.pop(tunnel, None)
                self.released(tunnel)

        self.worker(attempt).work(self.costs.relay, relayed)

    def denied(self, attempt: Attempt, refusal: Refusal, number: int) -> None:
        """A node has refused a handshake: relay that and forget the request."""
        if self.waiting[number - 1].pop(attempt, 0) == 0:
            return
        self._release(attempt)
        if isinstance(self.settings, Nginx) and attempt.generation == self.generation:
            self.passive[attempt.server].succeeded()
        self.worker(attempt).work(refusal.relay, lambda _: attempt.fail(refusal.status))

    # Ends of connections

    def upstream_closed(self, tunnel: Tunnel, reason: str) -> None:
        """The node's side of a tunnel is gone: pass it on to the client."""
        self.released(tunnel)
        if tunnel.client_left:
            self.nodes[tunnel.server].tunnels.pop(tunnel, None)
            return
        self._close(tunnel, reason)

    def _close(self, tunnel: Tunnel, reason: str) -> None:
        def passed_on(_: simpy.Event) -> None:
            if not tunnel.lost.triggered:
                tunnel.lost.succeed(reason)

        self.worker(tunnel).work(self.costs.close, passed_on)

    def cut(self, tunnel: Tunnel, node: Node) -> None:
        """Close both sides of a tunnel; the node, too, has to read and close."""
        del node.tunnels[tunnel]

        def cut(_: simpy.Event) -> None:
            node.pass_on(node.forget)
            if not tunnel.lost.triggered:
                tunnel.lost.succeed("1006")

        self.worker(tunnel).work(self.costs.cut, cut)

    def expire(self, tunnel: Tunnel) -> None:
        """Nothing passed through a tunnel for too long: close both sides."""
        self.released(tunnel)
        node = self.nodes[tunnel.server]
        if tunnel in node.tunnels:
            self.cut(tunnel, node)

    def relay(self, tunnel: Tunnel, then: Callable[[simpy.Event], None]) -> None:
        """Pass on a frame through a tunnel, in either direction."""
        self.worker(tunnel).work(self.costs.frame, then)

    def hears_end(self, tunnel: Tunnel) -> None:
        """The client's half of a tunnel has ended: pass that on."""
        node = self.nodes[tunnel.server]
        if self.listening:
            self.worker(tunnel).work(self.costs.release, lambda _: node.sees_end(tunnel))
        else:
            node.sees_end(tunnel)

    def client_left(self, tunnel: Tunnel) -> None:
        """The client has closed its side. A silent node does not answer that: HAProxy goes on counting the session,
        nginx does not.
        """
        node = self.nodes[tunnel.server]
        tunnel.client_left = True
        if node.silent and self.settings.kind == "nginx":
            self.released(tunnel)
        if not node.dark:
            node.sees_leaving(tunnel)

    def left(self, tunnel: Tunnel) -> None:
        """A node has closed a tunnel whose client is gone: HAProxy forgets it now, nginx did so long ago."""
        if self.settings.kind == "haproxy" and self.listening:
            self.worker(tunnel).work(self.costs.abandoned, lambda _: self.released(tunnel))
        else:
            self.released(tunnel)

    def released(self, tunnel: Tunnel) -> None:
        """The balancer has forgotten the tunnel."""
        if not tunnel.upstream_gone:
            tunnel.upstream_gone = True
            self._release(tunnel)
            for part in self.nodes[tunnel.server].parts:
                part.disconnected(tunnel)
            if isinstance(self.settings, Nginx) and tunnel.generation == self.generation:
                self.passive[tunnel.server].succeeded()

    def _release(self, taken: Attempt | Tunnel) -> None:
        if taken.generation == self.generation:  # an old process keeps its own counts
            self.rule.release(taken.server)

    def reset_pending(self, number: int) -> None:
        """A node died with connections in its queue or handshakes under way.

        HAProxy answers their clients with a 502, nginx tries the next peer. Sources: HAProxy manual, `retry-on`
        (conn-failure by default); nginx manual, `proxy_next_upstream` (error and timeout by default).
        """
        pending = list(self.waiting[number - 1])
        self.waiting[number - 1].clear()
        for attempt in pending:
            self._release(attempt)
            if self.settings.kind == "haproxy":
                attempt.fail("502")
            elif not attempt.answer.triggered:
                self.env.process(self.forward(attempt, self._next_peer(attempt)))

    def route(self, server: int, version: str) -> None:
        """Learn which version a server runs, from the metadata of its registration."""
        registry = self.run.scenario.registry
        if self.gray is not None and registry is not None:
            self.gray.assign(server, pool_of(version, registry.following))

    # Health

    def mark(self, server: int, up: bool, detail: str) -> None:
        """Mark a server up or down, and cut its tunnels if that is configured; a reloaded process cuts only its own."""
        self.up[server] = up
        self.rule.mark(server, up)
        self.run.note("marked_up" if up else "marked_down", node=server + 1, detail=detail)
        if up and isinstance(self.settings, HAProxy) and self.settings.slowstart:
            self.env.process(slowstart(self, server, self.settings.slowstart))
        if up or not isinstance(self.settings, HAProxy) or self.settings.on_marked_down != "shutdown-sessions":
            return
        node = self.nodes[server]
        for tunnel in [t for t in node.tunnels if t.generation == self.generation]:
            self.released(tunnel)
            self.cut(tunnel, node)
        for attempt in [a for a in self.waiting[server] if a.generation == self.generation]:
            del self.waiting[server][attempt]
            self._release(attempt)
            attempt.fail("502")

    def die(self) -> None:
        """The balancer's machine is gone, and all that it knew."""
        self.life += 1
        for worker in self.workers:
            worker.clear()
        self.take_over()
        self.listening = False
        for waiting in self.waiting:
            waiting.clear()

    def come_back(self) -> Work[None]:
        """Start a new process, with fresh counts and checks."""
        yield self.env.timeout(self.start_time)
        self.listening = True
        self.forget()
        self.start_checks(0.0)
