"""The sessions of a run: what nodes and clients have to do with them, and how long they last."""

from collections.abc import Sequence
from functools import partial

from sim.broadcast.bus import Bus
from sim.machine.machine import Machine
from sim.node.node import Node
from sim.ports import Run, Work
from sim.sessions.authenticator import Authenticator, AuthenticatorCosts
from sim.sessions.client import ClientSession
from sim.sessions.store import StoreConnection
from sim.sessions.tables import Tables
from twin.rules.session import refresh_interval


class Sessions:
    """The sessions of a run.

    Args:
        run: the replication.
        nodes: all nodes.
        bus: the shared server; None when each node keeps the sessions of its own clients.
        machine: what parts cost.

    Attributes:
        stores: each node's connection to the shared server.
        authenticators: each node's side.
        members: each client's side.
    """

    def __init__(self, run: Run, nodes: Sequence[Node], bus: Bus | None, machine: Machine) -> None:
        settings = run.scenario.sessions
        self.env = run.env
        self.bus = bus
        costs = AuthenticatorCosts(machine, settings.login_iterations)
        self.costs = costs
        self.tables = Tables(run, nodes, bus)
        self.stores = {} if bus is None else {node.number: StoreConnection(run, node, bus) for node in nodes}
        self.members = [ClientSession(run, self.tables, nodes, number) for number in range(run.scenario.clients.count)]
        self.authenticators = [
            Authenticator(run, node, costs, self.tables, self.stores.get(node.number), self.members) for node in nodes
        ]
        if self.tables.settings.refresh:
            for node in nodes:
                self.env.process(self.refresh(node))

    def refresh(self, node: Node) -> Work[None]:
        """Put off the end of the sessions of those who are connected to a node."""
        every = refresh_interval(self.tables.settings.expiry)
        while True:
            yield self.env.timeout(every)
            names = [self.members[tunnel.client.number].ticket for tunnel in node.tunnels]
            if not node.serves:
                continue
            renew = [partial(self._renew, ticket.name, node) for ticket in names if ticket is not None]
            if self.bus is None:
                for one in renew:
                    one()
            elif renew and self.stores[node.number].joined:
                self.bus.serve(self.stores[node.number].link, *[(self.costs.serve, one) for one in renew])

    def _renew(self, name: str, node: Node) -> bool:
        renewed = self.tables.of(node).refresh(name, node.number, self.env.now)
        if renewed:
            self.tables.wrote()
        return renewed
