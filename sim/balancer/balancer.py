"""What every kind of balancer does in the model: it chooses a node for each connection, and forwards what passes.

What a kind does otherwise is in a module of its own beside this one; `sim.balancer.kinds` lists them.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar

import simpy

from sim.balancer.canary import TwoPools
from sim.balancer.connecting import connect
from sim.balancer.costs import BalancerCosts
from sim.balancer.idle import Idle
from sim.balancer.names import server_names
from sim.balancer.parts import Parts
from sim.connection import Attempt, Peer, Refusal, Tunnel
from sim.machine.process import Cost, Process
from sim.node.node import Node
from sim.ports import BalancerPart, Run, Work
from twin.draws import Purpose
from twin.rules.balancing import RULES
from twin.rules.choice import Rule
from twin.rules.registry import pool_of, tries_next
from twin.scenario.addresses import source_address


class Balancer(ABC):
    """The balancer of a run. Servers are numbered from 0, as in its rule.

    Args:
        run: the replication.
        process: its first process.
        nodes: its servers.
        start_time: seconds that a new process takes to start.
        start_checks: starts the checks of a new process, the first one in so many seconds.

    Attributes:
        workers: its process of each generation; an old one goes on with the connections that it has.
        made: counts its tunnels.
        first: the generation that began with the last loss of power; what earlier ones had is gone.
        no_server: the HTTP status for a request when no server can be chosen.
        forgets_silent: whether it forgets a connection whose client has left while the node does not answer.
        keeps_upstream: whether it keeps connections to nodes for further requests.
        parts: what mechanisms add to it.
    """

    no_server: ClassVar[str]
    forgets_silent: ClassVar[bool] = False
    keeps_upstream: ClassVar[bool] = False

    def __init__(
        self,
        run: Run,
        process: Process,
        nodes: Sequence[Node],
        start_time: float,
        start_checks: Callable[[float], None],
    ) -> None:
        self.run = run
        self.env = run.env
        self.costs = self.costs_of(run.cost)
        self.nodes = nodes
        self.start_time = start_time
        self.start_checks = start_checks
        self.workers = [process]
        self.generation = self.first = 0
        self.life = 0
        self.listening = True
        self.draws = self.made = 0
        self.waiting: list[dict[Attempt, None]] = [{} for _ in range(run.scenario.slots)]
        self.idle = Idle(run, nodes, self.expire)
        self.settings = run.scenario.balancer
        self.names = server_names(run.scenario.seed, run.replication, run.scenario.slots)
        self.parts = Parts()
        self.forget()

    @classmethod
    def costs_of(cls, cost: Callable[[str], Cost]) -> BalancerCosts:
        """Return what a balancer of this kind does, and what it costs."""
        return BalancerCosts(cost)

    # What kinds do in their own ways

    @abstractmethod
    def after_failure(self, attempt: Attempt, server: int) -> Work[tuple[int, bool] | None]:
        """A connect has failed: return the next server, or -1, and whether it still counts for the same; None: none."""

    @abstractmethod
    def reset(self, attempt: Attempt) -> None:
        """A node has ended with this request before it; it counts for no server any more."""

    def give_up(self, attempt: Attempt) -> None:
        """A request has waited too long for the answer of a node; it counts for no server any more."""
        self.env.process(self.refuse(attempt, "504"))

    def limits(self) -> Sequence[BalancerPart]:
        """Return the parts of the limits that are set."""
        return ()

    def checks(self, phase: float, overhead: float) -> Sequence[Work[None]]:
        """Return the health checks of a new process: the first in `phase` seconds, each `overhead` seconds longer."""
        return ()

    def usable(self, servers: Sequence[bool], tried: Sequence[int]) -> Sequence[bool]:
        """Return which of the servers that are up may be chosen for a request that has tried some."""
        return servers

    def counters(self) -> dict[str, int]:
        """Return what the program would have counted since it started, by its own names; nothing if it tells nobody."""
        return {}

    def chosen(self, server: int) -> None:  # noqa: B027 (nothing, unless a kind does something)
        """A server was chosen."""

    def succeeded(self, server: int) -> None:  # noqa: B027 (nothing, unless a kind does something)
        """A request or connection of a server has ended well."""

    def marked(self, server: int, up: bool) -> None:  # noqa: B027 (nothing, unless a kind does something)
        """A server was marked up or down."""

    def forgets_left(self, tunnel: Tunnel) -> None:
        """A node has closed a tunnel whose client is gone."""
        self.released(tunnel)

    # Its processes

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
            self.rule = self.gray = TwoPools(self.rule, following, servers, scenario.registry.canary.parts)
        self.rule.name_servers(self.names)
        self.up = [server < scenario.nodes.count for server in range(servers)]
        self.risen = [0] * servers
        self.parts.renewed()

    def lost(self, tunnel: Tunnel) -> bool:
        """Tell whether the process that had a tunnel is gone, so that nothing passes through it any more."""
        return tunnel.generation < self.first

    def reserve(self, client: Peer) -> Tunnel:
        """Choose the node of a connection that is there when the run starts."""
        server = self.choose(client, [])
        self.rule.take(server)
        return self.tunnel(client, server, 0)

    def install(self, tunnel: Tunnel, since: float) -> None:
        """Have such a connection, which was opened at `since`, in seconds after the start of the run."""
        self.parts.begins(tunnel, since)
        self.idle.watch(tunnel, since)
        self.nodes[tunnel.server].opened_before(tunnel, since)

    # Choosing and connecting

    def choose(self, client: Peer, tried: list[int]) -> int:
        """Return the server for a connection, or -1."""
        usable: Sequence[bool] = self.up
        if self.gray is not None:
            usable = self.gray.pool(self.up, tries_next(client.number, self.gray.parts))
            if tried:
                usable = self.gray.backend(self.up, tried[-1])
        usable = self.parts.usable(self.usable(usable, tried))
        address = source_address(client.number, self.run.scenario.clients.addresses)
        server = self.rule.choose(usable, tried[-1] if tried else -1, address, self._draw)
        if server >= 0:
            self.chosen(server)
        return server

    def _draw(self) -> float:
        self.draws += 1
        return self.run.draw(0, Purpose.BALANCE, self.draws - 1)

    def accept(self) -> None:
        """Accept a connection that a client has opened; its request comes later."""
        self.workers[self.generation].work(self.costs.accept)

    def serve(self, attempt: Attempt) -> Work[None]:
        """Handle one request: read it, choose a node and connect to it, retrying as configured."""
        if self.parts and (yield from self.parts.keep_out(attempt)):
            return
        attempt.generation = self.generation
        yield self.worker(attempt).work(self.costs.request)
        status = yield from self.parts.refuse(attempt)
        if status is None:
            yield from self.forward(attempt, self.choose(attempt.client, attempt.tried))
        else:
            yield from self.refuse(attempt, status)

    def forward(self, attempt: Attempt, server: int) -> Work[None]:
        """Connect a request to a server, and to others as configured when that fails."""
        taken, life, status = -1, self.life, ""
        while not attempt.answer.triggered:
            if server < 0 or server != taken:
                server, status = yield from self.parts.place(attempt, server)
            if life != self.life:
                return
            if server < 0:
                yield from self.refuse(attempt, status or self.no_server)
                return
            if server != taken:
                attempt.server = taken = server
                if attempt.generation == self.generation:  # an old process keeps its own counts
                    self.rule.take(server)
            refused = yield from connect(self, attempt, self.nodes[server], self.settings.connect_timeout)
            if refused is None:
                return
            then = yield from self.after_failure(attempt, server)
            if then is None:
                return
            server, same = then
            if not same:
                taken = -1
        if taken >= 0:
            self.release(attempt)
        self.parts.over(attempt)

    def refuse(self, attempt: Attempt, status: str) -> Work[None]:
        """Answer a request with an error."""
        yield self.worker(attempt).carry_on(self.costs.refuse)
        self.fail(attempt, status)

    def fail(self, attempt: Attempt, reason: str) -> None:
        """Let a request have failed: nothing more is done for it."""
        attempt.fail(reason)
        self.parts.over(attempt)

    def sent(self, attempt: Attempt, node: Node) -> None:
        """A request is before a node."""
        self.waiting[node.number - 1][attempt] = None
        attempt.forwarded()

    def overdue(self, attempt: Attempt) -> None:
        """A node has not answered a request within `answer_timeout`: give it up there."""
        if self.waiting[attempt.server].pop(attempt, 0) is None:
            self.release(attempt)
            self.give_up(attempt)

    def answered(self, attempt: Attempt, number: int) -> None:
        """A node has sent its 101: relay it, or close when the client has given up meanwhile."""
        if self.waiting[number - 1].pop(attempt, 0) == 0:
            return
        node = self.nodes[number - 1]
        tunnel = self.tunnel(attempt.client, attempt.server, attempt.generation)
        self.parts.opened(attempt, tunnel)
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
        self.release(attempt)
        if attempt.generation == self.generation:
            self.succeeded(attempt.server)
        self.worker(attempt).work(refusal.relay, lambda _: self.fail(attempt, refusal.status))

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
            node.pass_on(lambda: node.forget(tunnel))
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

    def on_client_fin(self, tunnel: Tunnel) -> None:
        """The client's half of a tunnel has ended: pass that on."""
        node = self.nodes[tunnel.server]
        if self.listening and not self.lost(tunnel):
            self.worker(tunnel).work(self.costs.release, lambda _: node.sees_end(tunnel))
        else:
            node.sees_end(tunnel)

    def client_left(self, tunnel: Tunnel) -> None:
        """The client has closed its side; a silent node does not answer that."""
        node = self.nodes[tunnel.server]
        tunnel.client_left = True
        if node.silent and self.forgets_silent:
            self.released(tunnel)
        if not node.dark:
            node.sees_leaving(tunnel)

    def left(self, tunnel: Tunnel) -> None:
        """A node has closed a tunnel whose client is gone."""
        if self.listening:
            self.forgets_left(tunnel)
        else:
            self.released(tunnel)

    def released(self, tunnel: Tunnel) -> None:
        """The balancer has forgotten the tunnel."""
        if not tunnel.upstream_gone:
            tunnel.upstream_gone = True
            self.release(tunnel)
            self.nodes[tunnel.server].missed(tunnel)
            if tunnel.generation == self.generation:
                self.succeeded(tunnel.server)

    def release(self, taken: Attempt | Tunnel) -> None:
        """Count a request or tunnel no more for its server."""
        if taken.generation == self.generation:  # an old process keeps its own counts
            self.rule.release(taken.server)
        self.parts.released(taken)

    def reset_pending(self, number: int) -> None:
        """A node died with connections in its queue or handshakes under way."""
        pending = list(self.waiting[number - 1])
        self.waiting[number - 1].clear()
        for attempt in pending:
            self.release(attempt)
            self.reset(attempt)

    def route(self, server: int, version: str) -> None:
        """Learn which version a server runs, from the metadata of its registration."""
        registry = self.run.scenario.registry
        if self.gray is not None and registry is not None:
            self.gray.assign(server, pool_of(version, registry.following))

    # Health

    def mark(self, server: int, up: bool, detail: str) -> None:
        """Mark a server up or down."""
        self.up[server] = up
        self.rule.mark(server, up)
        self.run.note("marked_up" if up else "marked_down", node=server + 1, detail=detail)
        self.marked(server, up)
        self.parts.marked(server, up)

    def die(self) -> None:
        """The balancer's machine is gone, and all that it knew."""
        self.life += 1
        for worker in self.workers:
            worker.clear()
        self.take_over()
        self.first = self.generation
        self.listening = False
        for waiting in self.waiting:
            waiting.clear()
