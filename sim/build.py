"""Build the mechanisms that a scenario has, and attach them to its clients and nodes.

This is the one place of the model that knows all mechanisms. Clients, balancer and nodes know none of them: they ask
the parts that they were given (`sim.ports`), in the order in which they are listed here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sim.balancer.balancer import Balancer
from sim.balancer.parts import Parts
from sim.broadcast.broadcast import Broadcast
from sim.client.client import Client
from sim.client.refusals import AfterRefusal
from sim.deadlines.deadlines import Deadlines
from sim.handler.handler import Handlers
from sim.machine.cores import Cores
from sim.machine.machine import Machine
from sim.machine.process import Process
from sim.memory.limit import MemoryLimit
from sim.memory.usage import Usage
from sim.network.uplink import Uplink
from sim.node.lifetime import Lifetimes
from sim.node.node import Node
from sim.pool.pools import Pools
from sim.ports import ClientPart, Gate, NodePart, Run
from sim.registry.autoscaler import Autoscaler
from sim.registry.registry import Registrar, RegistryCosts
from sim.sending.outbox import Outboxes
from sim.servers import SharedServers
from sim.sessions.sessions import Sessions
from sim.transport.client import PollingClient
from sim.transport.polls import Polls
from twin.costs.memory import node_memory
from twin.costs.registry import registry_parts
from twin.record.record import Row


@dataclass(frozen=True)
class Core:
    """The clients, the balancer and the nodes of a run."""

    clients: Sequence[Client]
    balancer: Balancer
    nodes: Sequence[Node]


class Mechanisms:
    """The mechanisms of a run; what the scenario has not is None.

    Args:
        run: the replication.
        core: to whose clients and nodes they are attached.
        machine: what parts cost.
        cores: of what runs beside the nodes, by its name (`sim.machine.machine.SERVICES`).
        looks: whether the registrar looks at the registry; given marks stand in for that.

    Attributes:
        servers: the shared servers, by what they are used for.
    """

    def __init__(self, run: Run, core: Core, machine: Machine, cores: Mapping[str, Cores], looks: bool) -> None:
        scenario, clients, balancer, nodes = run.scenario, core.clients, core.balancer, core.nodes
        self.run = run
        self.nodes = nodes
        self.balancer = balancer
        self.broadcast: Broadcast | None = None
        self.registrar: Registrar | None = None
        self.autoscaler: Autoscaler | None = None
        self.sessions: Sessions | None = None
        self.outboxes: Outboxes | None = None
        self.handlers: Handlers | None = None
        self.deadlines: Deadlines | None = None
        self.usage: Usage | None = None
        self.limits: list[MemoryLimit] = []
        self.pools: Pools | None = None
        self.polls: Polls | None = None
        self.servers = servers = SharedServers(run, cores, machine)
        uplink: Uplink | None = None
        handler = scenario.nodes.handler
        if scenario.talks:
            uplink = Uplink(run, balancer, nodes, clients)
        if scenario.publisher is not None and uplink is not None:
            bus = servers.of["messages"]
            self.broadcast = Broadcast(run, bus, uplink, balancer, nodes, clients, cores, machine)
        if scenario.clients.transport.polls and self.broadcast is not None:
            self.polls = Polls(run, balancer, nodes, self.broadcast.fanouts, machine)
        if scenario.registry is not None:
            self.registrar = Registrar(run, scenario.registry, nodes, balancer, servers.of["registry"], looks)
            if scenario.autoscaling is not None:
                self.autoscaler = Autoscaler(run, scenario.autoscaling, self.registrar, nodes)
        if scenario.sessions.store != "none":
            self.sessions = Sessions(run, nodes, servers.of.get("sessions"), machine)
        if scenario.clients.sends.rate and uplink is not None:
            self.outboxes = Outboxes(run, uplink, clients, machine)
        if handler is not None and uplink is not None:
            self.handlers = Handlers(run, handler, uplink, balancer, nodes, clients, machine.cost_if_known)
        if scenario.nodes.read_deadline or scenario.nodes.write_deadline:
            room = self.broadcast.room if self.broadcast is not None else 0
            self.deadlines = Deadlines(run, nodes, balancer.idle, uplink, room)
        if scenario.nodes.pool is not None:
            self.pools = Pools(run, nodes, cores["bus"], machine, reads=self.sessions is None)
        if self.registrar is not None:
            self.registrar.costs = self._registry_costs(machine, cores)
        memory = node_memory(machine.profile, scenario, machine.host_quantile) if scenario.notes_memory else None
        if memory is not None:
            self.usage = Usage(run, nodes, memory)
        if memory is not None and scenario.nodes.memory_limit:
            room = self.broadcast.room if self.broadcast is not None else 0
            self.limits = [MemoryLimit(run, node, memory, room) for node in nodes]
            for fanout in self.broadcast.fanouts if self.broadcast is not None else ():
                fanout.watchers.append(self.limits[fanout.node.number - 1].fanned_out)
        for node in nodes:
            node.parts = tuple(self._parts_of_node(node))
            node.gates = tuple(self._gates_of_node(node))
        balancer.parts = Parts(balancer.limits())
        for client in clients:
            client.parts = tuple(self._parts_of_client(client))
            if isinstance(client, PollingClient) and self.polls is not None:
                client.polls = self.polls

    def _registry_costs(self, machine: Machine, cores: Mapping[str, Cores]) -> RegistryCosts | None:
        """Return what the registry costs; None if the profile does not know it."""
        if not machine.knows(registry_parts(self.run.scenario.balancer.relists)):
            return None
        server = self.servers.of["registry"].process
        busy = machine.busy["node"]
        background = busy[len(busy) // 2] if busy else 0.0
        return RegistryCosts(machine, server, Process(cores["registrar"]), background)

    def _gates_of_node(self, node: Node) -> list[Gate]:
        found: list[Gate] = []
        if self.sessions is not None:
            found.append(self.sessions.authenticators[node.number - 1])
        if self.pools is not None and self.pools.gates:
            found.append(self.pools.of[node.number - 1])
        if self.polls is not None:
            found.append(self.polls.endpoints[node.number - 1])
        return found

    def _parts_of_node(self, node: Node) -> list[NodePart]:
        found: list[NodePart] = []
        lifetime = self.run.scenario.nodes.lifetime
        if self.sessions is not None:
            found.append(self.sessions.authenticators[node.number - 1])
        if self.registrar is not None:
            found.append(self.registrar.registrations[node.number - 1])
        if self.autoscaler is not None:
            found.append(self.autoscaler.ends[node.number - 1])
        if lifetime is not None:
            found.append(Lifetimes(self.run, node, lifetime))
        if self.deadlines is not None:
            found += self.deadlines.of_node[node.number - 1]
        if self.broadcast is not None:
            found.append(self.broadcast.fanouts[node.number - 1])
        if self.handlers is not None:
            found.append(self.handlers.of_node[node.number - 1])
        if self.pools is not None:
            found.append(self.pools.of[node.number - 1])
        if self.polls is not None:
            found.append(self.polls.endpoints[node.number - 1])
        if self.limits:
            found.append(self.limits[node.number - 1])
        return found

    def _parts_of_client(self, client: Client) -> list[ClientPart]:
        found: list[ClientPart] = []
        if self.run.scenario.clients.refusals.matters:
            found.append(AfterRefusal(self.run.scenario.clients.refusals))
        if self.sessions is not None:
            found.append(self.sessions.members[client.number])
        if self.broadcast is not None:
            found.append(self.broadcast.subscribers[client.number])
        if self.outboxes is not None:
            found.append(self.outboxes.of[client.number])
        if self.handlers is not None:
            found.append(self.handlers.of_client[client.number])
        return found

    def begin(self) -> None:
        """Everybody is connected, and the run starts."""
        if self.registrar is not None:
            self.registrar.begin()
        if self.autoscaler is not None:
            self.autoscaler.begin()
        if self.pools is not None:
            self.pools.begin()

    def finish(self) -> list[Row]:
        """The run is over: return what is noted at its end."""
        if self.pools is not None:
            self.pools.finish()
        found = self.balancer.parts.finish()
        found += self.broadcast.finish() if self.broadcast is not None else []
        return found + (self.usage.finish() if self.usage is not None else [])
