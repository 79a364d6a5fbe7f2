"""The registry of the nodes, and the registrar that keeps the balancer in step with it.

A new process first loads what it needs for the registry, on its core. What the exchanges cost takes time where the
profile knows it (`twin.costs.registry`); on one machine that is some milliseconds, and what decides is when they are
begun.
"""

from collections.abc import Sequence

from sim.balancer.balancer import Balancer
from sim.balancer.reload import relist
from sim.machine.machine import Machine
from sim.machine.process import Cost, Process
from sim.node.drain import shed
from sim.node.node import POLL, Node
from sim.ports import NodePart, Run, Work
from twin.costs.registry import CHANGE_PARTS
from twin.draws import Purpose, stratified
from twin.rules.lifetime import give_away, surplus
from twin.rules.registry import Leases, Registration, changes, next_sign
from twin.scenario.registry import Rebalance, Registry


class RegistryCosts:
    """What a registry costs everybody.

    Args:
        machine: what parts cost; it need not know those of a balancer that reads a new list of its servers.
        server: the process of the registry.
        registrar: the process that looks at it.
        background: share of a node's core that pings take, which its sign of life tells, too.
    """

    def __init__(self, machine: Machine, server: Process, registrar: Process, background: float = 0.0) -> None:
        cost = machine.cost
        self.server = server
        self.registrar = registrar
        self.background = background
        self.beat = cost("node_beat")
        self.renew = cost("bus_beat")
        self.members = cost("bus_members")
        self.look = cost("registrar_look")
        known = machine.knows(CHANGE_PARTS)
        self.change = cost("registrar_change") if known else Cost.constant(0.0)
        self.obey = cost("balancer_change") if known else Cost.constant(0.0)

    def sign(self, node: Node) -> Work[None]:
        """A node gives a sign of life, and the server renews its lease."""
        yield node.process.work(self.beat)
        yield self.server.work(self.renew)

    def ask(self) -> Work[None]:
        """The registrar asks who is alive."""
        yield self.server.work(self.members)
        yield self.registrar.work(self.look)

    def tell(self, balancer: Process, changes: int) -> Work[None]:
        """The registrar tells the balancer of its servers, one command after the other."""
        for _ in range(changes):
            yield self.registrar.work(self.change)
            yield balancer.work(self.obey)


class Registrar:
    """Leases of the nodes, their heartbeats, and the looks at them.

    Args:
        run: the replication.
        settings: of the registry.
        nodes: a node for each slot.
        balancer: what is kept in step.
        looks: whether the registrar looks; given marks stand in for that.

    Attributes:
        costs: of what it does; None if they are not known, and it then costs nothing.
        registrations: each node's side.
        leases: the registry.
        known: what the balancer has been told.
    """

    def __init__(
        self,
        run: Run,
        settings: Registry,
        nodes: Sequence[Node],
        balancer: Balancer,
        looks: bool,
    ) -> None:
        self.run = run
        self.costs: RegistryCosts | None = None
        self.env = run.env
        self.settings = settings
        self.nodes = nodes
        self.balancer = balancer
        self.looks = looks
        self.registrations = [Registered(self, node) for node in nodes]
        self.loading = run.cost("start_registry")
        self.leases = Leases(settings.ttl)
        self.known: dict[int, Registration] = {}
        self.generation: dict[int, int] = {}
        self.spent: dict[int, float] = {}

    def enroll(self) -> None:
        """Register the nodes that are there before the run, each in a phase of its own, and tell the balancer."""
        for node in self.nodes[: self.run.scenario.nodes.count]:
            self._register(node, (self._phase(node) - 1.0) * self.settings.heartbeat)
        self.known = self.leases.members(0.0)
        for slot, member in self.known.items():
            self.balancer.route(slot - 1, member.version)

    def _phase(self, node: Node) -> float:
        return self.run.draw(node.number, Purpose.MEMBER_PHASE, 0)

    def begin(self) -> None:
        """Start the heartbeats of the nodes that are there when the run starts, and the looks."""
        for node in self.nodes[: self.run.scenario.nodes.count]:
            self.env.process(self._keep(node, self._phase(node) * self.settings.heartbeat))
        if self.looks:
            self.env.process(self._look())

    def joined(self, node: Node) -> Work[None]:
        """A new process listens: it loads what it needs for the registry, registers, and its heartbeats begin."""
        life = node.life
        yield from node.process.work_through(self.loading)
        if node.state == "up" and node.ready and node.life == life:
            self._register(node, self.env.now)
            yield from self._keep(node, self.env.now + self.settings.heartbeat)

    def leave(self, node: Node) -> None:
        """A node that drains gives its slot up."""
        self.leases.leave(node.number, self.generation.get(node.number, 0))

    def _register(self, node: Node, at: float) -> None:
        address, version = f"node-{node.number}", self.settings.version(node.number)
        self.generation[node.number] = self.leases.register(node.number, address, version, at)
        self.spent[node.number] = node.process.used
        if at >= 0.0:
            self.run.note("registered", node=node.number, detail=str(self.generation[node.number]))

    def _keep(self, node: Node, due: float) -> Work[None]:
        """Send heartbeats as long as this process of the node serves."""
        life, every, number = node.life, self.settings.heartbeat, node.number
        first = True
        while True:
            yield node.process.sleep(due - self.env.now)
            while node.hung:
                yield self.env.timeout(POLL)
            if node.state != "up" or not node.ready or node.life != life:
                return
            if self.costs is not None:
                yield from self.costs.sign(node)
                if node.state != "up" or not node.ready or node.life != life:
                    return
            now, used = self.env.now, node.process.used
            share = (used - self.spent[number]) / every
            if self.costs is not None:
                share += self.costs.background * max(0.0, 1.0 - share)
            cpu = round(1000 * share)
            self.spent[number] = used
            mine = node.connections
            reply = self.leases.beat(number, self.generation[number], mine, cpu, now)
            if reply == "expired":
                self.run.note("fenced", node=number, detail=str(self.generation[number]))
                self._register(node, now)
            elif self.settings.rebalance is not None and not first:
                self._rebalance(node, mine, self.settings.rebalance)
            first = False
            due = next_sign(due, every, max(now, due))  # a timer may be early by a millisecond

    def _rebalance(self, node: Node, mine: int, rule: Rebalance) -> None:
        counts = [one.connections for one in self.leases.members(self.env.now).values()]
        count = give_away(surplus(mine, counts, rule.slack), rule.pace, self.settings.heartbeat)
        if count:
            self.env.process(shed(node, count, rule.pace))

    def _look(self) -> Work[None]:
        """Bring the balancer in step, again and again."""
        scenario, every = self.run.scenario, self.settings.sync
        due = stratified(scenario.seed, self.run.replication, 0, Purpose.SYNC_PHASE) * every
        while True:
            yield self.env.timeout(max(0.0, due - self.env.now))
            due += every
            if self.costs is not None:
                yield from self.costs.ask()
            members = self.leases.members(self.env.now)
            todo = changes(self.known, members)
            self.known = members
            if not todo.gone and not todo.came:
                continue
            balancer = self.balancer
            if scenario.balancer.relists:
                self.env.process(relist(balancer, [number + 1 in members for number in range(scenario.slots)]))
                continue
            if self.costs is not None:
                yield from self.costs.tell(balancer.workers[-1], len(todo.gone) + len(todo.came))
            for slot, _ in todo.gone:
                balancer.mark(slot - 1, False, "registry")
            for slot, member in todo.came:
                balancer.route(slot - 1, member.version)
                balancer.mark(slot - 1, True, "registry")


class Registered(NodePart):
    """One node's side of the registry."""

    def __init__(self, registrar: Registrar, node: Node) -> None:
        self.registrar = registrar
        self.node = node

    def started(self, healed: bool) -> None:
        """A new process listens: it registers."""
        self.registrar.env.process(self.registrar.joined(self.node))

    def leaving(self) -> None:
        """A node that drains gives its slot up."""
        self.registrar.leave(self.node)
