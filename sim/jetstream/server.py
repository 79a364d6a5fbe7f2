"""A NATS server: it keeps the messages in a stream and delivers them to a durable push consumer of each node.

Everybody reaches it over links as any bus (`sim.broadcast.bus`); what it delivers, and when again, are the rules of
`twin.rules.jetstream`. Its goroutines are on the cores of one process, one after the other. Nothing waits for its disk:
the system writes what it keeps (`sync_interval` is 2 minutes). A subscriber's connection may hold 64 MB in its memory.
Source: nats-server 2.14, server/stream.go and server/consumer.go; NATS manual, "JetStream" and `max_pending`.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import simpy

from sim.broadcast.bus import Bus, Command
from sim.broadcast.link import Link, Subscription
from sim.machine.process import Cost, Process
from twin.rules.delivery import Message
from twin.rules.frames import pushed_message
from twin.rules.jetstream import Acknowledging, Consumer
from twin.rules.output_buffer import OutputBuffer
from twin.scenario.faults import Replica

if TYPE_CHECKING:
    from sim.ports import Run

MAX_PENDING = 64 * 2**20
"""Bytes that may wait for one connection in the server's memory. Source: NATS manual, `max_pending`."""


class JetStream(Bus):
    """The server's process and all that is connected to it; the arguments are those of `Bus`.

    Attributes:
        consumers: by the number of the node.
        acknowledging: when each node acknowledges, by its number.
    """

    def __init__(
        self,
        world: "Run",
        process: Process,
        cost: Callable[[str], Cost],
        start: float,
        room: float,
        disk: tuple[float, float] | None = None,
        asking: int = 0,
    ) -> None:
        super().__init__(world, process, cost, start, room, disk, asking)
        self.stream = self.settings.jetstream
        self.ack_cost = cost("bus_ack")
        self.consumers: dict[int, Consumer] = {}
        self.acknowledging: dict[int, Acknowledging] = {}
        self.looking: set[int] = set()
        self.new: set[int] = set()
        self.killed_at = 0.0

    # Consumers

    def begins(self, number: int) -> None:
        """A new process of a node is about to subscribe: where the node has no consumer, it wants what is new."""
        self.acknowledging.pop(number, None)
        self.new.add(number)

    def subscribe(self, link: Link, take: Callable[[Any], None], lost: Callable[[str], None]) -> Subscription:
        """Subscribe the process at the end of a link; a node gets what its consumer has not delivered yet."""
        limit = OutputBuffer(MAX_PENDING, 0, 0)
        found = Subscription(link, limit, self.room, self._clock, take, lost, self._cut)
        self.subscriptions[link.number] = found
        if number := link.number:
            if number not in self.consumers:
                following = self.broker.version + 1 if number in self.new else 1
                self.consumers[number] = self._consumer(following)
            self.new.discard(number)
            self.deliver(number)
        return found

    def _consumer(self, following: int) -> Consumer:
        stream = self.stream
        return Consumer(stream.ack_policy, stream.ack_wait, stream.max_ack_pending, following)

    @property
    def oldest(self) -> int:
        """The oldest version that the stream still has."""
        return self.broker.version - len(self.broker.log) + 1

    def deliver(self, number: int) -> None:
        """Deliver what is due to a node that is there."""
        if number not in self.subscriptions:
            return
        log, oldest = self.broker.log, self.oldest
        for version in self.consumers[number].take(self.broker.version, self.env.now, oldest):
            message = log[version - oldest]
            self.push(number, message, pushed_message(len(message.payload)))
        self._look_again(number)

    def _look_again(self, number: int) -> None:
        wait = self.consumers[number].next_look(self.env.now)
        if wait is not None and number not in self.looking:
            self.looking.add(number)
            self.env.timeout(wait).callbacks.append(partial(self._look_at, self.life, number))

    def _look_at(self, life: int, number: int, _: simpy.Event) -> None:
        """The timer of a consumer: deliver again what nobody has acknowledged."""
        if life != self.life:
            return
        self.looking.discard(number)
        if self.consumers[number].expire(self.env.now):
            self.deliver(number)
        self._look_again(number)

    def distribute(self, message: Message, again: bool = False) -> None:
        """Deliver a new message of the stream; a resend goes to all who are subscribed, beside the stream."""
        if again:
            super().distribute(message, again)
            return
        for number in [number for number in self.subscriptions if number]:
            self.deliver(number)

    def acknowledgement(self, number: int, epoch: int, version: int) -> Sequence[Command]:
        """Return the acknowledgement that a node sends to its consumer, if one is due."""
        consumer = self.consumers.get(number)
        if consumer is None or epoch != self.broker.epoch or version not in consumer.pending:
            return ()  # it came beside the stream, or was acknowledged before
        if number not in self.acknowledging:
            self.acknowledging[number] = Acknowledging(self.stream.ack_policy, self.settings.commit_interval)
        if not self.acknowledging[number].due(self.env.now):
            return ()
        return ((self.ack_cost, partial(self.acknowledged, number, epoch, version)),)

    def acknowledged(self, number: int, epoch: int, version: int) -> None:
        """A node's acknowledgement has come: its consumer may have room for more."""
        consumer = self.consumers.get(number)
        if consumer is not None and epoch == self.broker.epoch and consumer.acknowledge(version, self.env.now):
            self.deliver(number)

    # Its end and its return

    def kill(self, replica: Replica | None = None) -> None:
        """SIGKILL: every connection breaks; the consumers are in their files."""
        self.killed_at = self.env.now
        self.looking.clear()
        super().kill(replica)

    def start(self) -> "simpy.events.ProcessGenerator":
        """Start the server again, with its data or without."""
        life = self.life
        yield from super().start()
        if not self.up or life != self.life:
            return
        if not self.settings.persist:
            self.consumers.clear()
        for number, consumer in self.consumers.items():
            consumer.restore(self.killed_at)
            self._look_again(number)
