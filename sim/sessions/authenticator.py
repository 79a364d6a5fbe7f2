"""How a node finds out whose a handshake is: what that costs, and where it asks.

A node reads a handshake, checks the token's signature, and looks the session up: in its own memory, or on the shared
server, for whose answer it waits while it goes on with others. Who shows no token shows a password, and the node spends
the iterations of its hash in one go, before it turns to anybody else.
"""

from functools import partial
from math import ceil
from typing import Any

from sim.broadcast.bus import outcome
from sim.broadcast.link import Act
from sim.client.client import HOPS
from sim.connection import Attempt, Refusal
from sim.machine.machine import Machine
from sim.machine.process import Cost
from sim.node.node import Node
from sim.ports import Gate, NodePart, Run, Work
from sim.sessions.client import ClientSession
from sim.sessions.store import StoreConnection
from sim.sessions.tables import Grant, Tables, Ticket
from twin.rules.session import REFUSED, without_store
from twin.scenario.sessions import HASH_UNIT

HASH_PIECE = 0.001
"""Seconds of a password's hash between two chances for another process to have the core."""


class AuthenticatorCosts:
    """What sessions cost everybody.

    Args:
        machine: what parts cost; a password's hash costs the same for all logins of a replication.
        iterations: of the hash.
    """

    def __init__(self, machine: Machine, iterations: int) -> None:
        cost = machine.cost
        hash_seconds = machine.profile.once("node_hash", machine.host_quantile) * iterations / HASH_UNIT
        self.session = cost("node_session")
        self.denied = cost("node_denied")
        self.look_up = cost("node_look_up")
        self.found = cost("node_found")
        self.unknown = cost("node_unknown")
        self.serve = cost("bus_session")
        self.relay_denied = cost("balancer_denied")
        self.read_denied = cost("client_denied").after(HOPS["client_denied"])
        self.pieces = max(1, ceil(hash_seconds / HASH_PIECE))
        self.hash = Cost.constant(hash_seconds / self.pieces)


class Authenticator(NodePart, Gate):
    """One node's side of the sessions.

    Args:
        run: the replication.
        node: who reads the handshakes.
        costs: of nodes and server.
        tables: where the sessions are kept.
        store: the node's connection to the shared server; None when it keeps the sessions itself.
        members: the clients' sides.
    """

    def __init__(
        self,
        run: Run,
        node: Node,
        costs: AuthenticatorCosts,
        tables: Tables,
        store: StoreConnection | None,
        members: list[ClientSession],
    ) -> None:
        self.env = run.env
        self.node = node
        self.costs = costs
        self.settings = run.scenario.sessions
        self.tables = tables
        self.store = store
        self.members = members

    def started(self, healed: bool) -> None:
        """A new process listens: it connects to the server that keeps the sessions."""
        if self.store is not None:
            self.store.start()

    def admit(self, attempt: Attempt) -> Work[Refusal | None]:
        """Read a handshake; return why it is refused, or None, which counts only if the process is still there."""
        node, ticket = self.node, attempt.headers["ticket"]
        life = node.life
        if ticket is None:
            return (yield from self._log_in(attempt, life))
        if self.env.now >= ticket.expires:
            yield node.process.work(self.costs.denied)
            return self._refusal("expired")
        if self.store is None:
            known = self.tables.of(node).find(ticket.name, self.env.now) is not None
            yield node.process.work(self.costs.session if known else self.costs.denied)
            if life != node.life:
                return None
            generation = self.tables.of(node).take(ticket.name, node.number, self.env.now)
            return self._resume(attempt, ticket, generation)
        if not self.store.joined:
            trusts = not without_store(self.settings.when_down)
            yield node.process.work(self.costs.session if trusts else self.costs.denied)
            return self._without(attempt, ticket, life)
        yield node.process.work(self.costs.look_up)
        ok, values = yield from self._ask(self.store, life, partial(self._take, ticket.name))
        if life != node.life:
            return None
        refuses = values[0] is None if ok else bool(without_store(self.settings.when_down))
        yield node.process.work(self.costs.unknown if refuses else self.costs.found)
        if life != node.life:
            return None
        return self._resume(attempt, ticket, values[0]) if ok else self._without(attempt, ticket, life)

    def _log_in(self, attempt: Attempt, life: int) -> Work[Refusal | None]:
        """Check a password and begin a session."""
        node, costs, member = self.node, self.costs, self.members[attempt.client.number]
        yield node.process.work(costs.session if self.store is None else costs.look_up)
        for _ in range(costs.pieces):
            if life != node.life:
                return None
            yield node.process.carry_on(costs.hash)
        if life != node.life:
            return None
        name = member.next_name()
        if self.store is None:
            self.tables.of(node).start(name, node.number, self.env.now)
        else:
            ok = False
            if self.store.joined:
                ok, _ = yield from self._ask(self.store, life, partial(self._start, name))
            if life != node.life:
                return None
            yield node.process.work(costs.found if ok else costs.unknown)
            if not ok:
                return self._refusal("down")
            if life != node.life:
                return None
        attempt.headers["grant"] = Grant(name, 1, True, self._good_until())
        return None

    def _ask(self, store: StoreConnection, life: int, act: Act) -> Work[tuple[bool, Any]]:
        """Ask the shared server once; return whether it answered in time, and what."""

        def alive() -> Any:
            return act() if life == self.node.life else None

        reply = store.bus.serve(store.link, (self.costs.serve, alive))
        yield reply | self.env.timeout(store.bus.settings.retry.timeout)
        return outcome(reply)

    def _take(self, name: str) -> int | None:
        generation = self.tables.shared.take(name, self.node.number, self.env.now)
        if generation is not None:
            self.tables.wrote()
        return generation

    def _start(self, name: str) -> int:
        self.tables.wrote()
        return self.tables.shared.start(name, self.node.number, self.env.now)

    def _resume(self, attempt: Attempt, ticket: Ticket, generation: int | None) -> Refusal | None:
        if generation is None:
            return self._refusal("unknown")
        attempt.headers["grant"] = Grant(ticket.name, generation, False, self._good_until())
        return None

    def _without(self, attempt: Attempt, ticket: Ticket, life: int) -> Refusal | None:
        """The store does not answer: refuse, or trust the token."""
        reason = without_store(self.settings.when_down)
        if reason:
            return self._refusal(reason)
        if life == self.node.life:
            attempt.headers["grant"] = Grant(ticket.name, -1, False, ticket.expires)
        return None

    def _refusal(self, reason: str) -> Refusal:
        return Refusal(str(REFUSED[reason]), reason, self.costs.relay_denied, self.costs.read_denied)

    def _good_until(self) -> float:
        return self.env.now + self.settings.token_lifetime
