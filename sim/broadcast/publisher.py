"""The publisher: one process that publishes on a schedule, counts acknowledgements and sends again."""

from functools import partial
from typing import TYPE_CHECKING

import simpy

from sim.broadcast.bus import Bus, Command, outcome
from sim.machine.cold_start import ColdStart
from sim.machine.process import Cost, Process
from sim.machine.timers import MILLISECOND
from twin.record.events import Acked, Consistent, Published, Resent
from twin.record.record import row
from twin.rules.consistency import MOST_UNCLAIMED, LeasedNodes, Ledger, Pending, next_failure
from twin.rules.delivery import Message, Stamp
from twin.rules.frames import pushed_word

if TYPE_CHECKING:
    from collections.abc import Callable

    from sim.ports import Run

LEAST_SLEEP = 2 * MILLISECOND
"""Shortest sleep, in seconds; a timer of a loop that counts milliseconds may be early by one."""


class PublisherCosts:
    """What the publisher does, and what it costs."""

    def __init__(self, env: simpy.Environment, cost: "Callable[[str], Cost]") -> None:
        self.send = ColdStart(env, cost("publisher_send"))
        self.answer = ColdStart(env, cost("publisher_answer"))
        self.acknowledgement = cost("publisher_ack")


class Publisher:
    """The publisher of a run. It is registered for acknowledgements and signs of life under number 0 of the bus."""

    def __init__(self, world: "Run", process: Process, bus: Bus, costs: PublisherCosts) -> None:
        assert world.scenario.publisher is not None
        self.world = world
        self.env = world.env
        self.process = process
        self.bus = bus
        self.costs = costs
        self.settings = world.scenario.publisher
        self.link = bus.link(0)
        self.ledger = Ledger(self.settings.threshold, self.settings.ack_timeout, self.settings.max_resends)
        self.registry = LeasedNodes(world.scenario.bus.lease)
        self.contents = world.scenario.contents
        for number in range(1, world.scenario.nodes.count + 1):
            self.registry.renew(number, 0.0)
        self.under_way: tuple[float, int, list[int], frozenset[int]] | None = None
        self.unclaimed: list[tuple[int, int, int]] = []
        self.caller = simpy.Resource(world.env)
        self.timing = False
        self.bus.subscribe(self.link, self.take, self.lost)
        self.env.process(self.publish())
        self.env.process(self.watch())

    # Publishing

    def publish(self) -> "simpy.events.ProcessGenerator":
        """Publish one message after the other, each at its time or as soon as the one before it is answered."""
        for key, due in enumerate(self.settings.times(self.world.scenario.duration), 1):
            if due > self.env.now:
                yield self.process.sleep(due - self.env.now)
            yield self.process.work(self.costs.send)
            tries = [0]
            asked = self.env.now - self.process.last
            self.under_way = (asked, key, tries, self.registry.members(asked))
            stamps = yield from self.ask(
                (self.bus.costs.stamp, partial(self.bus.stamp, key, self.contents.payload(key))), tries
            )
            if stamps is not None:
                yield self.process.work(self.costs.answer)
            self.note_published(stamps[0] if stamps is not None else None)

    def ask(self, command: Command, tries: list[int]) -> "simpy.events.ProcessGenerator":
        """Do one command after the other over the one connection for commands."""
        with self.caller.request() as turn:
            yield turn
            answer = yield from self.bus.command(self.link, [command], self.process, tries)
        return answer

    def note_published(self, stamp: Stamp | None) -> None:
        """Write what is known of the message that is under way, and wait for its acknowledgements."""
        assert self.under_way is not None
        (asked, key, tries, registered), self.under_way = self.under_way, None
        if stamp is None:
            detail = Published.pack(0, key, "unknown", len(registered))
            self.world.rows.append(row(asked, "published", attempt=max(1, tries[0]), detail=detail))
            return
        now, message = self.env.now, stamp.message
        detail = Published.pack(message.epoch, key, "acknowledged", len(registered))
        self.world.rows.append(row(asked, "published", attempt=tries[0], version=message.version, detail=detail))
        self.ledger.publish(key, message.epoch, message.version, message.payload, registered, now)
        unclaimed, self.unclaimed = self.unclaimed, []
        for one in unclaimed:
            self.count(*one)
        if not self.timing:
            self.env.process(self.resend())

    def finish(self) -> None:
        """The run is over: what is still under way has an unknown outcome."""
        if self.under_way is not None:
            self.note_published(None)

    # Acknowledgements

    def take(self, said: tuple[str, int, int, int]) -> None:
        """Read what a node said: `ack`, `alive` or `bye`, its number, epoch and version."""
        subscription = self.bus.subscriptions.get(0)

        def read(_: simpy.Event) -> None:
            if subscription is None or subscription.read(pushed_word(said[0], said[1], said[3])):
                self.heard(*said)

        self.process.work(self.costs.acknowledgement, read)

    def heard(self, word: str, node: int, epoch: int, version: int) -> None:
        """Count an acknowledgement, or a sign of life."""
        if word == "bye":
            self.registry.leave(node)
        else:
            self.registry.renew(node, self.env.now)
        if word == "ack":
            self.count(node, epoch, version)
        else:
            self.settle()

    def count(self, node: int, epoch: int, version: int) -> None:
        """Count an acknowledgement; one that comes before the broker's own answer is kept until then."""
        counted = self.ledger.acknowledge(node, epoch, version, self.registry.members(self.env.now))
        message = counted.message
        if message is None:
            if self.under_way is not None and len(self.unclaimed) < MOST_UNCLAIMED:
                self.unclaimed.append((node, epoch, version))
            return
        if counted.first:
            self.world.note("acked", -1, node, -1, Acked.pack(message.epoch, message.key), message.version)
        if counted.consistent:
            self.agreed(message)

    def settle(self) -> None:
        """See which messages are consistent because a node is not waited for any more."""
        for message in self.ledger.view(self.registry.members(self.env.now)):
            self.agreed(message)

    def agreed(self, message: Pending) -> None:
        """Note that a message is consistent."""
        self.world.note("consistent", version=message.version, detail=Consistent.pack(message.epoch, message.key))

    def watch(self) -> "simpy.events.ProcessGenerator":
        """Notice when the lease of a node runs out."""
        while True:
            expiry = self.registry.next_expiry()
            wait = self.world.scenario.bus.lease if expiry is None else expiry - self.env.now
            yield self.process.sleep(max(LEAST_SLEEP, wait))
            if self.registry.expire(self.env.now):
                self.settle()

    # Sending again

    def resend(self) -> "simpy.events.ProcessGenerator":
        """Send again what is not consistent in time, as long as anything is waited for."""
        self.timing = True
        while (due := self.ledger.next_due()) is not None:
            yield self.process.sleep(max(LEAST_SLEEP, due - self.env.now))
            for message in self.ledger.due(self.env.now):
                yield from self.send_again(message)
        self.timing = False

    def send_again(self, message: Pending) -> "simpy.events.ProcessGenerator":
        """Publish a message under its own name; the broker stamps nothing."""
        detail = Resent.pack(message.epoch, message.key)
        self.world.note("resent", attempt=message.resends, version=message.version, detail=detail)
        again = Message(message.epoch, message.version, message.key, message.payload)
        yield self.process.work(self.costs.send)
        yield from self.ask((self.bus.costs.command, partial(self.bus.distribute, again, True)), [0])

    # The connection on which acknowledgements come

    def lost(self, reason: str) -> None:
        """The bus has closed the subscription: subscribe again."""
        self.env.process(self.rejoin())

    def rejoin(self) -> "simpy.events.ProcessGenerator":
        """Try until the bus takes the subscription; what nodes say meanwhile is lost."""
        failures = 0
        while True:
            failures = next_failure(failures, self.bus.settings.retry.retries)
            yield self.process.sleep(self.bus.delay(self.link, failures))
            ask = (self.bus.costs.command, partial(self.bus.subscribe, self.link, self.take, self.lost))
            reply = self.bus.serve(self.link, ask)
            yield reply | self.env.timeout(self.bus.settings.retry.timeout)
            if outcome(reply)[0]:
                return
