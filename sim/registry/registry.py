"""The registry of the nodes, and the registrar that keeps the balancer in step with it.

A new process first loads what it needs for the registry, on its core. The exchanges take no time here but that of a
slow link: on one machine they take some milliseconds, and what decides is when they are begun.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from sim.balancer.balancer import Balancer
from sim.balancer.reload import relist
from sim.machine.machine import Machine
from sim.machine.process import Cost, Process
from sim.node.drain import drain, shed
from sim.node.node import POLL, Node
from sim.ports import End, NodePart, Run, Work
from sim.registry.connection import AGAIN, Answer, RegistryConnection, RegistryServer
from twin.costs.registry import CHANGE_PARTS
from twin.draws import Purpose, stratified
from twin.record import events
from twin.rules.lifetime import give_away, surplus
from twin.rules.registry import Leases, Registration, Reply, changes, next_sign
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
        """A node gives a sign of life, for which the server has work if it is there."""
        yield node.process.work(self.beat)

    def ask(self, up: bool) -> Work[None]:
        """The registrar asks who is alive; a server that is not `up` answers nothing."""
        if up:
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
        server: on which the registry is.
        looks: whether the registrar looks; given marks stand in for that.

    Attributes:
        costs: of what it does; None if they are not known, and it then costs nothing.
        registrations: each node's side.
        leases: the registry.
        known: what the balancer has been told.
        lost: whether the registry did not answer at the last look.
    """

    def __init__(
        self,
        run: Run,
        settings: Registry,
        nodes: Sequence[Node],
        balancer: Balancer,
        server: RegistryServer,
        looks: bool,
    ) -> None:
        self.run = run
        self.costs: RegistryCosts | None = None
        self.env = run.env
        self.settings = settings
        self.nodes = nodes
        self.balancer = balancer
        self.looks = looks
        self.server = server
        self.connections = {node.number: RegistryConnection(run.env, server, node.number) for node in nodes}
        self.registrations = [Registered(self, node) for node in nodes]
        self.loading = run.cost("start_registry")
        self.leases = Leases(settings.ttl)
        server.on_loss.append(self.leases.forget)
        self.balancer_life = balancer.life
        self.lost = False
        self.known: dict[int, Registration] = {}
        self.generation: dict[int, int] = {}
        self.spent: dict[int, float] = {}

    def enroll(self) -> None:
        """Register the nodes that are there before the run, each in a phase of its own, and tell the balancer."""
        for node in self.nodes[: self.run.scenario.nodes.count]:
            self.connections[node.number].connected(node.life)
            at = (self._phase(node) - 1.0) * self.settings.heartbeat
            self.generation[node.number], self.spent[node.number] = self._take(node, at), node.process.used
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

    def ask_members(self) -> dict[int, Registration] | None:
        """Return who is alive, as the registry answers whoever asks it; None if it does not answer."""
        return self.leases.members(self.env.now) if self.server.up else None

    def joined(self, node: Node) -> Work[None]:
        """A new process listens: it loads what it needs for the registry, registers, and its heartbeats begin."""
        life = node.life
        yield from node.process.work_through(self.loading)
        self.generation.pop(node.number, None)  # which its process before has had
        if self._serves(node, life) and (yield from self._register(node, life)):
            yield from self._keep(node, self.env.now + self.settings.heartbeat)

    def _serves(self, node: Node, life: int) -> bool:
        return node.state == "up" and node.ready and node.life == life

    def leave(self, node: Node) -> Work[None]:
        """A node that drains gives its slot up, and goes on when it has an answer or has waited for it."""
        yield from self._ask(node, node.life, self._leave(node))

    def end(self, node: Node) -> None:
        """A node that ends at once gives its slot up, and does not wait for an answer."""
        self.connections[node.number].send(node.life, self._leave(node))

    def _leave(self, node: Node) -> Callable[[], bool]:
        return partial(self.leases.leave, node.number, self.generation.get(node.number, 0))

    def _ask(self, node: Node, life: int, act: Callable[[], Any]) -> Work[Answer]:
        """Let the registry execute what a process of a node asks for; the process goes on when it does not hang."""
        answer = yield from self.connections[node.number].ask(life, act)
        while node.hung and node.life == life:
            yield self.env.timeout(POLL)
        return answer

    def _register(self, node: Node, life: int) -> Work[bool]:
        """Register a process of a node, again and again until it works; tell whether the process is still there."""
        before = self.generation.get(node.number, 0)
        while True:
            done, generation = yield from self._ask(node, life, lambda: self._take(node, self.env.now, before))
            if not self._serves(node, life):
                return False
            if done:
                self.generation[node.number], self.spent[node.number] = generation, node.process.used
                return True
            yield node.process.sleep(AGAIN)

    def _take(self, node: Node, at: float, before: int = 0) -> int:
        """Give a node its slot, at the registry, and return its generation there."""
        number = node.number
        generation = self.leases.register(number, f"node-{number}", self.settings.version(number), at, before)
        if at >= 0.0:
            self.run.note("registered", node=number, detail=events.Registered.pack(generation))
        return generation

    def _beat(self, number: int, generation: int, connections: int, cpu: int) -> Reply:
        """Renew a lease, at the registry, which notes what it refuses."""
        if self.costs is not None:
            self.costs.server.work(self.costs.renew)
        reply = self.leases.beat(number, generation, connections, cpu, self.env.now)
        if reply != "renewed":
            self.run.note("fenced", node=number, detail=events.Fenced.pack(generation))
        return reply

    def _keep(self, node: Node, due: float) -> Work[None]:
        """Send heartbeats as long as this process of the node serves."""
        life, every, number = node.life, self.settings.heartbeat, node.number
        first = True
        while True:
            yield node.process.sleep(due - self.env.now)
            while node.hung:
                yield self.env.timeout(POLL)
            if not self._serves(node, life):
                return
            if self.costs is not None:
                yield from self.costs.sign(node)
                if not self._serves(node, life):
                    return
            used = node.process.used
            share = (used - self.spent[number]) / every
            if self.costs is not None:
                share += self.costs.background * max(0.0, 1.0 - share)
            cpu = round(1000 * share)
            self.spent[number] = used
            mine = node.connections
            act = partial(self._beat, number, self.generation[number], mine, cpu)
            _, reply = yield from self._ask(node, life, act)
            if not self._serves(node, life):
                return
            if reply == "replaced":
                self._fenced(node)
                return
            if reply == "expired":
                if not (yield from self._register(node, life)):
                    return
            elif reply == "renewed" and self.settings.rebalance is not None and not first:
                self._rebalance(node, mine, self.settings.rebalance)
            first = False
            due = next_sign(due, every, max(self.env.now, due))  # a timer may be early by a millisecond

    def _fenced(self, node: Node) -> None:
        """The slot of a node is somebody else's: it ends, and no new process takes its place."""
        node.standing.leave()
        self.env.process(drain(node, 0.0, 0.0))

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
                yield from self.costs.ask(self.server.up)
            balancer, members = self.balancer, self.ask_members()
            if (members is None) != self.lost:
                self.lost = members is None
                self.run.note("registry_lost" if self.lost else "registry_joined")
            if members is None or not balancer.listening:  # who does not answer says nothing; the next look tries again
                continue
            if balancer.life != self.balancer_life:
                self.balancer_life = balancer.life
                if not scenario.balancer.relists:  # it has started afresh, and knows nobody
                    self.known = {}
            todo = changes(self.known, members)
            self.known = members
            if not todo.gone and not todo.came:
                continue
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

    def leaving(self) -> Work[None]:
        """A node that drains gives its slot up."""
        yield from self.registrar.leave(self.node)

    def ended(self, how: End) -> None:
        """So does one that is restarted."""
        if how == "restarted":
            self.registrar.end(self.node)
