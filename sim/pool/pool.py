"""A node's pool of connections to the store, and the uses that borrow from it.

The rules are those of the two client libraries (`twin.rules.pool`). Half of a use's CPU time passes before the answer
of the store, half after it.
"""

from dataclasses import dataclass
from math import inf
from typing import Literal, cast

import simpy

from sim.connection import Attempt, Refusal
from sim.machine.process import Cost
from sim.node.node import Node
from sim.pool.notes import PoolNotes
from sim.pool.store import PoolStore, StoreLink
from sim.ports import End, Gate, NodePart, Run, Work
from twin.draws import Purpose
from twin.rules.pool import WORKERS, Close, Give, HandOverPool, Open, Refuse, SlotPool, Step, drawn_time
from twin.scenario.pool import MOST_USES, Pool

Failure = Literal["", "full", "timeout", "down", "broken", "gone"]
"""Why a use has failed; empty: it has not."""
CHECK_AGAIN, CHECK_SPREAD = 1.0, 0.1
"""Seconds that a use waits before it borrows again whose second connection was found broken, and their spread. Source:
psycopg_pool, `_getconn_with_check_loop`: the first time at once, then as `AttemptWithBackoff`."""


@dataclass(frozen=True)
class PoolCosts:
    """What a pool costs its node, in halves: before the store answers, and after it.

    Attributes:
        handshake: read a handshake and answer 101.
        relay_denied, read_denied: what a refusal costs balancer and client.
    """

    use: Cost
    connect: Cost
    check: Cost
    handshake: Cost
    relay_denied: Cost
    read_denied: Cost


class NodePool(NodePart, Gate):
    """One node's pool.

    Args:
        run: the replication.
        node: whose it is.
        store: where its connections lead.
        costs: of the node.
        reads: whether it is the first gate of the node, which reads the handshake.
    """

    def __init__(self, run: Run, node: Node, store: PoolStore, costs: PoolCosts, reads: bool) -> None:
        settings = run.scenario.nodes.pool
        assert settings is not None
        self.run = run
        self.env = run.env
        self.node = node
        self.store = store
        self.costs = costs
        self.reads = reads
        self.settings: Pool = settings
        self.notes = PoolNotes(run, node.number)
        self._renew()

    def _renew(self) -> None:
        """Begin with an empty pool, as a new process does."""
        settings = self.settings
        self.rule: HandOverPool | SlotPool = SlotPool(settings.size, settings.max_waiting)
        if settings.store == "postgresql":
            lifetime = settings.lifetime or inf
            self.rule = HandOverPool(settings.size, settings.max_waiting, settings.min_size, lifetime)
        self.life = self.node.life
        self.uses = self.arrivals = self.life * MOST_USES
        self.links: dict[int, StoreLink] = {}
        self.granted: dict[int, simpy.Event] = {}
        self.workers = simpy.Resource(self.env, WORKERS)
        self.notes.renew()

    def begin(self) -> None:
        """The run starts: the connections that there are always are open, and uses come."""
        if self.node.state != "up":
            return
        if isinstance(self.rule, HandOverPool):
            for step in self.rule.start():
                assert isinstance(step, Open)
                self.links[step.connection] = self.store.linked()
                self.rule.opened(step.connection, self.env.now, self._spread(step.connection))
        self._go_on()

    def started(self, healed: bool) -> None:
        """A new process listens, with a pool of its own."""
        self._renew()
        if isinstance(self.rule, HandOverPool):
            self._do(self.rule.start())
        self._go_on()

    def ended(self, how: End) -> None:
        """The node's process is told to end, or was killed: what it did not tell, nobody knows."""
        self.notes.until_now()

    def finish(self) -> None:
        """The run is over."""
        if self._lives(self.life):
            self.notes.until_now()

    def _go_on(self) -> None:
        if self.settings.rate:
            self.env.process(self._come(self.life))
        if isinstance(self.rule, HandOverPool) and self.settings.idle_timeout < self.run.scenario.duration:
            self.env.process(self._shrink(self.rule, self.life))

    def _lives(self, life: int) -> bool:
        return life == self.node.life

    # What borrows

    def admit(self, attempt: Attempt) -> Work[Refusal | None]:
        """Read a handshake and use the store for it; it is refused if that fails."""
        life = self.node.life
        if self.reads:
            yield self.node.process.work(self.costs.handshake)
            if not self._lives(life):
                return None
        failure = yield from self.use()
        if not failure or not self._lives(life):
            return None
        return Refusal("503", failure, self.costs.relay_denied, self.costs.read_denied)

    def _come(self, life: int) -> Work[None]:
        """Let uses come at the times of a Poisson process."""
        rate, number, due = self.settings.rate, self.node.number, self.env.now
        while True:
            u = self.run.draw(number, Purpose.POOL_ARRIVAL, self.arrivals)
            self.arrivals += 1
            due += drawn_time("exponential", 1.0 / rate, u)
            yield self.node.process.sleep(max(0.0, due - self.env.now))
            if not self._lives(life):
                return
            self.env.process(self.use())

    def use(self) -> Work[Failure]:
        """Borrow a connection, ask the store, and give it back; return why that failed, if it did."""
        life, number, settings = self.life, self.uses, self.settings
        self.uses += 1
        self.notes.asked(number)
        connection, failure = yield from self._borrow(number, life)
        if not self._lives(life):
            return "gone"
        if failure:
            self.notes.failed(number, failure)
            return failure
        self.notes.borrowed(number)
        process, service = self.node.process, settings.service
        u = self.run.draw(self.node.number, Purpose.POOL_SERVICE, number)
        seconds = drawn_time(service.distribution, service.mean, u)
        yield process.work(self.costs.use)
        ok = yield self.store.ask(self.links[connection], seconds if self.store.forks else 0.0)
        yield process.work(self.costs.use)
        if ok and not self.store.forks and seconds > 0.0:
            yield process.sleep(seconds)
        if not self._lives(life):
            return "gone"
        if settings.leak and self.run.draw(self.node.number, Purpose.POOL_LEAK, number) < settings.leak:
            self.notes.leaked(number)
        else:
            self.notes.given_back(number, broken=not ok)
            self._give_back(connection, broken=not ok)
        return "" if ok else "broken"

    # The pool

    def _borrow(self, number: int, life: int) -> Work[tuple[int, Failure]]:
        """Get a connection that works, as far as the pool looks; return it, or why there is none."""
        deadline, tries = self.env.now + self.settings.timeout, 0
        while True:
            left = deadline - self.env.now
            given = yield from self._wait(number, left)
            if not isinstance(given, Give):
                return -1, given
            if not self._lives(life):
                return -1, "gone"
            connection = given.connection
            if isinstance(self.rule, SlotPool):
                return connection, (yield from self._reopen(self.rule, given))
            if not self.settings.check or (yield from self._checked(connection)):
                return connection, ""
            if not self._lives(life):
                return -1, "gone"
            self._give_back(connection, broken=True)
            u = self.run.draw(number, Purpose.POOL_CONNECTION, tries)
            wait = CHECK_AGAIN * (1.0 + CHECK_SPREAD * (2.0 * u - 1.0)) * 2.0 ** (tries - 1) if tries else 0.0
            tries += 1
            yield self.node.process.sleep(min(wait, max(0.0, deadline - self.env.now)))

    def _wait(self, number: int, seconds: float) -> Work[Give | Literal["full", "timeout"]]:
        """Ask for a connection, and wait until there is one for so long, in seconds."""
        if seconds <= 0.0:
            return "timeout"
        granted = self.granted[number] = self.env.event()
        self._do(self.rule.borrow(number))
        if not granted.triggered:
            yield granted | self.node.process.sleep(seconds)
        self.granted.pop(number, None)
        if not granted.triggered:
            self.rule.timed_out(number)
            return "timeout"
        return cast("Give | Literal['full']", granted.value)

    def _checked(self, connection: int) -> Work[bool]:
        """Ask a connection whether it works."""
        yield self.node.process.work(self.costs.check)
        ok: bool = yield self.store.check(self.links[connection])
        yield self.node.process.work(self.costs.check)
        return ok

    def _reopen(self, rule: SlotPool, given: Give) -> Work[Failure]:
        """Open the connection of a slot, if it is not open; redis-py looks whether its socket was closed."""
        connection = given.connection
        if given.opened and self.store.works(self.links.get(connection)):
            return ""
        if given.opened:
            rule.lost(connection)
            self.notes.closed("broken")
        yield self.node.process.work(self.costs.connect)
        link = yield from self.store.connect()
        yield self.node.process.work(self.costs.connect)
        if self.rule is not rule:
            return "gone"
        if link is None:
            self._do(rule.give_back(connection))
            return "down"
        self.links[connection] = link
        rule.opened(connection)
        self.notes.opened()
        return ""

    def _give_back(self, connection: int, broken: bool) -> None:
        if isinstance(self.rule, HandOverPool):
            if broken:
                self.links.pop(connection, None)
                self.notes.closed("broken")
            self._do(self.rule.give_back(connection, self.env.now, broken))
            return
        if broken:
            self.rule.lost(connection)
            self.notes.closed("broken")
        self._do(self.rule.give_back(connection))

    def _do(self, steps: list[Step]) -> None:
        """Do what the rules say."""
        for step in steps:
            match step:
                case Give(use=use):
                    self.granted[use].succeed(step)
                case Refuse(use=use):
                    self.granted[use].succeed("full")
                case Open():
                    assert isinstance(self.rule, HandOverPool)
                    self.env.process(self._open(self.rule, step))
                case Close(connection=connection, reason=reason):
                    self.links.pop(connection, None)
                    self.notes.closed(reason)

    def _open(self, rule: HandOverPool, step: Open) -> Work[None]:
        """Open a connection in the background, behind others that are being opened."""
        if step.delay:
            yield self.node.process.sleep(step.delay)
        with self.workers.request() as turn:
            yield turn
            yield self.node.process.work(self.costs.connect)
            link = yield from self.store.connect()
            yield self.node.process.work(self.costs.connect)
        if self.rule is not rule or not self._lives(self.life):
            return
        u = self._spread(step.connection)
        if link is None:
            self._do(rule.failed(step.connection, self.env.now, u))
            return
        self.links[step.connection] = link
        self.notes.opened()
        self._do(rule.opened(step.connection, self.env.now, u))

    def _spread(self, connection: int) -> float:
        return self.run.draw(self.node.number, Purpose.POOL_CONNECTION, MOST_USES + connection)

    def _shrink(self, rule: HandOverPool, life: int) -> Work[None]:
        """Close what was not needed, once an idle timeout."""
        while True:
            yield self.node.process.sleep(self.settings.idle_timeout)
            if not self._lives(life):
                return
            self._do(rule.shrink())
