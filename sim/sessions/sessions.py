"""Sessions in the model: what it costs a node to find out whose a handshake is, and where it asks.

A node reads a handshake, checks the token's signature, and looks the session up: in its own memory, or on the shared
server, for whose answer it waits while it goes on with others. Who shows no token shows a password, and the node spends
the iterations of its hash in one go, before it turns to anybody else.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import TYPE_CHECKING, Any

import simpy

from sim.broadcast.bus import outcome
from sim.broadcast.link import Act
from sim.machine.process import Cost
from sim.sessions.store import Desk
from twin.rules.session import REFUSED, SessionTable, after_refusal, refresh_interval, without_store

if TYPE_CHECKING:
    from sim.broadcast.bus import Bus
    from sim.connection import Attempt
    from sim.node.node import Node
    from sim.world import World

HASH_PIECE = 0.001
"""Seconds of a password's hash between two chances for another process to have the core."""


@dataclass(frozen=True)
class Ticket:
    """What a client shows at a handshake: its session, and until when the token is good, in seconds."""

    name: str
    expires: float


@dataclass(frozen=True)
class Grant:
    """What a node has answered: the session, its generation (-1 without a look at the store), and the new token."""

    name: str
    generation: int
    started: bool
    expires: float


class Costs:
    """What sessions cost everybody.

    Args:
        cost: of a part.
        hash_seconds: of a password's hash, the same for all logins of a replication.
    """

    def __init__(self, cost: Callable[[str], Cost], hash_seconds: float) -> None:
        self.session = cost("node_session")
        self.denied = cost("node_denied")
        self.look_up = cost("node_look_up")
        self.found = cost("node_found")
        self.unknown = cost("node_unknown")
        self.serve = cost("bus_session")
        self.relay_denied = cost("balancer_denied")
        self.read_denied = cost("client_denied")
        self.pieces = max(1, ceil(hash_seconds / HASH_PIECE))
        self.hash = Cost.constant(hash_seconds / self.pieces)


class Sessions:
    """The sessions of a run.

    Args:
        world: with nodes and clients.
        costs: of nodes and server.
        bus: the shared server; None when each node keeps the sessions of its own clients.
    """

    def __init__(self, world: "World", costs: Costs, bus: "Bus | None") -> None:
        self.world = world
        self.env = world.env
        self.costs = costs
        self.settings = world.scenario.sessions
        self.bus = bus
        self.shared = SessionTable(self.settings.expiry)
        self.memories = {node.number: (node.life, SessionTable(self.settings.expiry)) for node in world.nodes}
        self.desks = {} if bus is None else {node.number: Desk(world, node, bus) for node in world.nodes}
        self.members = [Member(self, number) for number in range(world.scenario.clients.count)]
        if bus is not None:
            bus.on_loss.append(self.shared.forget)
        if self.settings.refresh:
            for node in world.nodes:
                self.env.process(self.refresh(node))

    def table(self, node: "Node") -> SessionTable:
        """Return where a node keeps or finds its clients' sessions; a new process begins with an empty memory."""
        if self.bus is not None:
            return self.shared
        life, table = self.memories[node.number]
        if life != node.life:
            table = SessionTable(self.settings.expiry)
            self.memories[node.number] = node.life, table
        return table

    # A handshake at a node

    def admit(self, node: "Node", attempt: "Attempt") -> "simpy.events.ProcessGenerator":
        """Read a handshake and answer it."""
        life, ticket = node.life, attempt.ticket
        if ticket is None:
            yield from self._log_in(node, attempt, life)
            return
        if self.env.now >= ticket.expires:
            yield node.process.work(self.costs.denied)
            self._deny(node, attempt, life, "expired")
            return
        if self.bus is None:
            known = self.table(node).find(ticket.name, self.env.now) is not None
            yield node.process.work(self.costs.session if known else self.costs.denied)
            if life != node.life:
                return
            self._resume(node, attempt, life, self.table(node).take(ticket.name, node.number, self.env.now))
            return
        if self.desks[node.number].joined:
            yield node.process.work(self.costs.look_up)
            ok, values = yield from self._ask(node, life, partial(self._take, ticket.name, node))
        else:
            trusts = not without_store(self.settings.when_down)
            yield node.process.work(self.costs.session if trusts else self.costs.denied)
            self._without(node, attempt, life)
            return
        if life != node.life:
            return
        refuses = values[0] is None if ok else bool(without_store(self.settings.when_down))
        yield node.process.work(self.costs.unknown if refuses else self.costs.found)
        if ok:
            self._resume(node, attempt, life, values[0])
        else:
            self._without(node, attempt, life)

    def _log_in(self, node: "Node", attempt: "Attempt", life: int) -> "simpy.events.ProcessGenerator":
        """Check a password and begin a session."""
        costs, member = self.costs, self.members[attempt.client.number]
        yield node.process.work(costs.session if self.bus is None else costs.look_up)
        for _ in range(costs.pieces):
            if life != node.life:
                return
            yield node.process.carry_on(costs.hash)
        if life != node.life:
            return
        name = member.next_name()
        if self.bus is None:
            self.table(node).start(name, node.number, self.env.now)
        else:
            ok = False
            if self.desks[node.number].joined:
                ok, _ = yield from self._ask(node, life, partial(self._start, name, node))
            if life != node.life:
                return
            yield node.process.work(costs.found if ok else costs.unknown)
            if not ok:
                self._deny(node, attempt, life, "down")
                return
        self._grant(node, attempt, life, Grant(name, 1, True, self._good_until()))

    def _ask(self, node: "Node", life: int, act: Act) -> "simpy.events.ProcessGenerator":
        """Ask the shared server once; return whether it answered in time, and what."""
        assert self.bus is not None

        def alive() -> Any:
            return act() if life == node.life else None

        reply = self.bus.serve(self.desks[node.number].link, (self.costs.serve, alive))
        yield reply | self.env.timeout(self.bus.settings.retry.timeout)
        return outcome(reply)

    def _take(self, name: str, node: "Node") -> int | None:
        generation = self.shared.take(name, node.number, self.env.now)
        if generation is not None:
            self._wrote()
        return generation

    def _start(self, name: str, node: "Node") -> int:
        self._wrote()
        return self.shared.start(name, node.number, self.env.now)

    def _wrote(self) -> None:
        if self.bus is not None:
            self.bus.wrote()

    def _resume(self, node: "Node", attempt: "Attempt", life: int, generation: int | None) -> None:
        assert attempt.ticket is not None
        if generation is None:
            self._deny(node, attempt, life, "unknown")
        else:
            self._grant(node, attempt, life, Grant(attempt.ticket.name, generation, False, self._good_until()))

    def _without(self, node: "Node", attempt: "Attempt", life: int) -> None:
        """The store does not answer: refuse, or trust the token."""
        assert attempt.ticket is not None
        reason = without_store(self.settings.when_down)
        if reason:
            self._deny(node, attempt, life, reason)
        else:
            self._grant(node, attempt, life, Grant(attempt.ticket.name, -1, False, attempt.ticket.expires))

    def _grant(self, node: "Node", attempt: "Attempt", life: int, grant: Grant) -> None:
        if life == node.life:
            attempt.grant = grant
            node.admitted(attempt)

    def _deny(self, node: "Node", attempt: "Attempt", life: int, reason: str) -> None:
        if life == node.life:
            attempt.reason = reason
            node.denied(attempt, str(REFUSED[reason]))

    def _good_until(self) -> float:
        return self.env.now + self.settings.token_lifetime

    # While clients stay

    def refresh(self, node: "Node") -> "simpy.events.ProcessGenerator":
        """Put off the end of the sessions of those who are connected to a node."""
        every = refresh_interval(self.settings.expiry)
        while True:
            yield self.env.timeout(every)
            names = [self.members[tunnel.client.number].ticket for tunnel in node.tunnels]
            if not node.serves:
                continue
            renew = [partial(self._renew, ticket.name, node) for ticket in names if ticket is not None]
            if self.bus is None:
                for one in renew:
                    one()
            elif renew and self.desks[node.number].joined:
                self.bus.serve(self.desks[node.number].link, *[(self.costs.serve, one) for one in renew])

    def _renew(self, name: str, node: "Node") -> bool:
        renewed = self.table(node).refresh(name, node.number, self.env.now)
        if renewed:
            self._wrote()
        return renewed


class Member:
    """A client's side: its token, and what it does when it is refused."""

    def __init__(self, sessions: Sessions, number: int) -> None:
        self.sessions = sessions
        self.world = sessions.world
        self.number = number
        self.logins = 0
        self.ticket: Ticket | None = None

    def next_name(self) -> str:
        """Return the name of a new session of this client."""
        self.logins += 1
        return f"{self.number}-{self.logins}"

    def begin(self, node: "Node", now: float) -> None:
        """Log in before the run, at `now` seconds."""
        sessions = self.sessions
        name = self.next_name()
        sessions.table(node).start(name, node.number, now)
        self.ticket = Ticket(name, now + sessions.settings.token_lifetime)
        self.world.rows.append((now, "session_started", self.number, node.number, -1, 1, name))

    def admitted(self, grant: Grant, node: int) -> None:
        """The handshake was answered with 101: keep the new token."""
        self.ticket = Ticket(grant.name, grant.expires)
        event = "session_started" if grant.started else "session_resumed"
        detail = grant.name if grant.generation > 0 else f"{grant.name} trusted"
        self.world.note(event, self.number, node, detail=detail, version=grant.generation)

    def refused(self, status: str, reason: str, node: int) -> str:
        """The handshake was refused: return whether to `retry`, `login` or `stop`."""
        with_token = self.ticket is not None
        then = (
            after_refusal(int(status), with_token, self.sessions.settings.on_refusal) if status.isdigit() else "retry"
        )
        if self.ticket is not None and then != "retry":
            self.world.note("session_lost", self.number, node, detail=f"{self.ticket.name} {reason}")
            self.ticket = None
        return then
