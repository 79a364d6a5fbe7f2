"""The polls of a run: what clients share that ask, and the nodes' endpoints that answer them."""

from collections.abc import Sequence

from sim.balancer.balancer import Balancer
from sim.broadcast.fanout import Fanout
from sim.connection import Peer
from sim.machine.machine import Machine
from sim.node.node import Node
from sim.ports import Run, Work
from sim.transport.endpoint import Endpoint, PollCosts
from sim.transport.poll import KeptConnections, Poll


class Polls:
    """What all polls of a run share.

    Args:
        run: the replication.
        balancer: through which they go.
        nodes: who answer.
        fanouts: what tells the nodes of messages.
        machine: what parts cost.

    Attributes:
        endpoints: one of each node.
    """

    def __init__(
        self, run: Run, balancer: Balancer, nodes: Sequence[Node], fanouts: Sequence[Fanout], machine: Machine
    ) -> None:
        clients = run.scenario.clients
        self.run = run
        self.env = run.env
        self.balancer = balancer
        self.nodes = nodes
        self.settings = clients.transport
        self.costs = PollCosts(machine.cost)
        self.pool = KeptConnections()
        self.timeout = clients.open_timeout + self.settings.held
        self.answer_timeout = run.scenario.balancer.answer_timeout
        self.endpoints = [
            Endpoint(run, node, fanout, self.costs, self.pool) for node, fanout in zip(nodes, fanouts, strict=True)
        ]

    def request(self, client: Peer, position: tuple[int, int] | None, first: bool, before: float = 0.0) -> Poll:
        """Return a new request.

        Args:
            client: who asks.
            position: where it stands, None if it does not say.
            first: whether it is the first one on the client's connection.
            before: seconds for which it has been under way.
        """
        return Poll(
            self.env,
            client,
            self.balancer,
            self.pool,
            self.nodes,
            position,
            self.settings.held > 0.0,
            first,
            max(0.0, self.timeout - before),
            max(0.0, self.answer_timeout - before),
        )

    def serve(self, attempt: Poll) -> Work[None]:
        """Let the balancer read a request, and send it to a node."""
        balancer = self.balancer
        attempt.generation = balancer.generation
        yield balancer.worker(attempt).work(self.costs.balancer_get)
        yield from balancer.forward(attempt, balancer.choose(attempt.client, attempt.tried))

    def held_at_start(self, attempt: Poll, end: float) -> int:
        """Have a request that a node holds when the run starts, until a time in seconds; return the node's number."""
        balancer = self.balancer
        attempt.server, attempt.generation = balancer.choose(attempt.client, []), 0
        balancer.rule.take(attempt.server)
        balancer.sent(attempt, self.nodes[attempt.server])
        self.env.process(self.endpoints[attempt.server].begin(attempt, end))
        return attempt.server + 1

    def answered_at_start(self, client: Peer) -> int:
        """Have had a request before the run that was answered at once; return the node's number."""
        server = self.balancer.choose(client, [])
        self.balancer.rule.take(server)
        self.balancer.rule.release(server)
        self.pool.give_back(server + 1, self.nodes[server].life)
        return server + 1
