"""The bus: a broker process, which nodes and publisher reach over links (`sim.broadcast.link`).

The broker is a single-threaded server that does one command after the other. It stamps messages by the rules
(`twin.rules.delivery.Broker`), pushes them to those who are subscribed (pub/sub, at most once) and answers those who
wait with a cursor (stream, partition log). Source: Valkey's `aeProcessEvents`, PUBLISH, XREAD BLOCK.
"""

from collections.abc import Callable, Sequence
from copy import copy
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Protocol

import simpy

from sim.broadcast.disk import Disk
from sim.broadcast.link import Act, Clock, Link, Subscription
from sim.machine.process import Cost, Process
from twin.draws import Purpose
from twin.rules.consistency import retry_delay
from twin.rules.delivery import MOST_READ, Broker, Cursor, Message, Stamp
from twin.rules.faults import Standing
from twin.rules.frames import pushed_message
from twin.rules.output_buffer import OutputBuffer, connections, look_every
from twin.scenario.faults import Replica

if TYPE_CHECKING:
    from sim.ports import Run

Lost = Callable[[str], None]
"""Told at the end of a connection with a word, when the bus has closed it."""

Command = tuple[Cost, Act]
"""What a command costs the broker, and what it does there."""


class Log(Protocol):
    """Where a server has what it has done, before anything goes out that tells of it: its disk, or other servers."""

    def wrote(self) -> None:
        """A command has written."""
        ...

    def out(self, act: Callable[[], Any]) -> None:
        """Let something go out, when all that was written before is there."""
        ...

    def lose(self) -> None:
        """The server has died."""
        ...


class BusCosts:
    """What the broker does, and what it costs."""

    def __init__(self, cost: Callable[[str], Cost]) -> None:
        self.stamp = cost("bus_stamp")
        self.publish = cost("bus_publish")
        self.word = cost("bus_word")
        self.command = cost("bus_command")
        self.read = cost("bus_read")


class Bus:
    """The broker's process and all that is connected to it.

    Args:
        world: whose bus.
        process: the broker's.
        cost: of a part.
        start: seconds that it takes to start.
        room: bytes that a connection to it holds.
        disk: seconds that its disk takes (`sim.broadcast.disk`); None for one that costs nothing.
        asking: connections to it of nodes that only ask.

    Attributes:
        links: the ways to it, by the number of the node, 0 for the publisher.
        subscriptions: those who read messages, by the same number.
        connections: those who only ask, and are told when their connection breaks.
        on_loss: called when it starts without its data.
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
        settings = world.scenario.bus
        self.world = world
        self.env = world.env
        self.process = process
        self.settings = settings
        self.costs = BusCosts(cost)
        self.room = room
        self.ask_only = asking
        self.start_time = start
        self.disk: Log | None = None if disk is None else Disk(world.env, process, cost("bus_sync"), disk)
        self.broker = Broker(settings.max_length, settings.idempotency_window)
        self.up = True
        self.standing = Standing()
        self.life = 0
        self.links: dict[int, list[Link]] = {}
        self.subscriptions: dict[int, Subscription] = {}
        self.connections: dict[Link, Lost] = {}
        self.blocked: dict[int, Act] = {}
        self.asking: dict[simpy.Event, Link] = {}
        self.draws: dict[int, int] = {}
        self.hung_until: dict[Process, float] = {}
        self.on_loss: list[Callable[[], None]] = []

    # Those who are connected

    def link(self, number: int) -> Link:
        """Return a new way to the bus, of a node or (0) the publisher."""
        found = Link(self.env, number)
        self.links.setdefault(number, []).append(found)
        return found

    def connect(self, link: Link, lost: Lost) -> None:
        """Note that the process at the end of a link is connected, and has to be told when that is over."""
        self.connections[link] = lost

    # Those who are subscribed

    @cached_property
    def _clock(self) -> Clock:
        draw, scenario = self.world.draw, self.world.scenario
        return Clock(
            lambda: draw(0, Purpose.BUS_SECOND, 0),
            look_every(connections(scenario.nodes.count, self.settings.kind) + self.ask_only),
            lambda number: draw(number, Purpose.BUS_LOOK, 0),
        )

    def subscribe(self, link: Link, take: Callable[[Any], None], lost: Lost) -> Subscription:
        """Subscribe the process at the end of a link, in place of an earlier subscription of it."""
        limits = self.settings.output_buffer
        buffer = OutputBuffer(limits.hard_bytes, limits.soft_bytes, limits.soft_seconds)
        found = Subscription(link, buffer, self.room, self._clock, take, lost, self._cut)
        self.subscriptions[link.number] = found
        return found

    def _cut(self, subscription: Subscription) -> None:
        """Forget one whose connection the broker has closed by itself."""
        if self.subscriptions.get(subscription.link.number) is subscription:
            self.leave(subscription.link.number)

    def leave(self, number: int, reason: str = "") -> None:
        """End a subscription: the broker cuts it for a `reason`, or its process is gone."""
        self.blocked.pop(number, None)
        subscription = self.subscriptions.pop(number, None)
        if subscription is not None and reason:
            subscription.close(reason)

    def push(self, number: int, what: Any, size: int) -> None:
        """Send a message to one subscriber, or a word to the publisher (number 0), if it is subscribed."""
        subscription = self.subscriptions.get(number)
        if subscription is None:
            return

        def pushed(_: simpy.Event) -> None:
            if self.subscriptions.get(number) is subscription:
                subscription.push(what, size)

        self._out(partial(self.process.work, self.costs.publish if number else self.costs.word, pushed))

    def begins(self, number: int) -> None:
        """A new process of a node is about to subscribe."""

    def acknowledgement(self, number: int, epoch: int, version: int) -> Sequence[Command]:
        """Return what a node has to say to the bus itself when it has fanned a message out."""
        return ()

    def distribute(self, message: Message, again: bool = False) -> None:
        """Send a message to the nodes: pushed to subscribers, or as an answer to those who wait with a cursor.

        Args:
            message: a stamped one.
            again: a resend, which is pushed whatever the kind of the bus.
        """
        if again or not self.settings.traits.reads:
            for number in [number for number in self.subscriptions if number]:
                self.push(number, message, pushed_message(len(message.payload)))
            return
        for number in list(self.blocked):
            look = self.blocked.pop(number)
            self._out(partial(self.process.work, self.costs.publish, partial(self._look, self.life, look)))

    def _look(self, life: int, look: Act, _: simpy.Event) -> None:
        if life == self.life:
            look()

    def wrote(self) -> None:
        """A command has changed what the broker keeps."""
        if self.disk is not None:
            self.disk.wrote()

    def _out(self, act: Act) -> None:
        """Let something go out, behind what has to be on disk before."""
        if self.disk is None:
            act()
        else:
            self.disk.out(act)

    # Commands

    def serve(self, link: Link, *commands: Command) -> simpy.Event:
        """Send commands over a link in one go; the event's value is (True, what each returned at the bus), or (False,
        []) if the connection is refused or breaks before the last answer.
        """
        reply = self.env.event()
        values: list[Any] = []

        def execute(act: Act) -> None:
            values.append(act())
            if len(values) == len(commands):
                self._out(partial(self._reply, link, reply, values))

        def arrive() -> None:
            for cost, act in commands:
                self._arrive(link, cost, reply, partial(execute, act))

        link.carry(arrive)
        return reply

    def fetch(self, link: Link, cursor: Cursor) -> simpy.Event:
        """Ask for what follows a cursor and wait for it; the event's value is (True, (messages, where the cursor stands
        behind them)), or (False, []) if the connection is refused or breaks.
        """
        reply = self.env.event()

        def look() -> None:
            behind = copy(cursor)
            found = behind.read(self.broker, MOST_READ)
            if not found:
                self.blocked[link.number] = look
                return
            self._out(partial(self._reply, link, reply, (found, behind)))

        link.carry(lambda: self._arrive(link, self.costs.read, reply, look))
        return reply

    def _reply(self, link: Link, reply: simpy.Event, value: Any) -> None:
        self.asking.pop(reply, None)
        link.carry(lambda: answered(reply, (True, value)), False)

    def _arrive(self, link: Link, cost: Cost, reply: simpy.Event, execute: Act) -> None:
        """Take a command in; one that is under way when the broker dies does nothing."""
        if not self.up:
            link.carry(lambda: answered(reply, (False, [])), False)
            return
        life = self.life
        self.asking[reply] = link

        def executed(_: simpy.Event) -> None:
            if life == self.life:
                execute()

        self.process.work(cost, executed)

    def command(
        self, link: Link, commands: Sequence[Command], owner: Process, tries: list[int]
    ) -> "simpy.events.ProcessGenerator":
        """Do commands with the client library's retries, all again when the connection breaks before the last answer;
        return what they returned, or None when no try succeeded.

        Args:
            link: the way to the bus.
            commands: what each costs the broker, and what it does there.
            owner: the process that asks.
            tries: its first number counts how often the bus was asked.

        Source: redis-py 8, `retry.py`, Retry.call_with_retry.
        """
        retry = self.settings.retry
        for failures in range(1, retry.retries + 2):
            tries[0] += 1
            reply = self.serve(link, *commands)
            yield reply | self.env.timeout(retry.timeout)
            ok, values = outcome(reply)
            if ok:
                return values
            if failures <= retry.retries:
                yield owner.sleep(self.delay(link, failures))
        return None

    def delay(self, link: Link, failures: int) -> float:
        """Return the wait before the next try after `failures` failures, in seconds."""
        n = self.draws.get(link.number, 0)
        self.draws[link.number] = n + 1
        u = self.world.draw(link.number, Purpose.BUS_RETRY, n)
        return retry_delay(failures, self.settings.retry.base, self.settings.retry.cap, u)

    def stamp(self, key: int, payload: bytes) -> Stamp:
        """Stamp a message and send it out, unless its key is known."""
        stamp = self.broker.publish(key, payload, self.env.now)
        if stamp.fresh:
            self.wrote()
            self.distribute(stamp.message)
        return stamp

    # Its end and its return

    def kill(self, replica: Replica | None = None) -> None:
        """SIGKILL: every connection breaks, and what was under way is gone; of several servers, to a `replica`."""
        self.up = False
        self.life += 1
        self.process.clear()
        self.hung_until.clear()
        if self.disk is not None:
            self.disk.lose()
        asking, self.asking = self.asking, {}
        for reply, link in asking.items():
            link.carry(partial(answered, reply, (False, [])), False)
        for number in list(self.subscriptions):
            self.leave(number, "closed")
        connections, self.connections = self.connections, {}
        for link, lost in connections.items():
            link.carry(partial(lost, "closed"), False)
        self.blocked.clear()

    def hang(self, seconds: float, replica: Replica | None = None) -> None:
        """SIGSTOP, and SIGCONT after so many seconds; of several servers, to a `replica`."""
        self._hang(self.process, seconds)

    def _hang(self, process: Process, seconds: float) -> None:
        """Stop a server's process, or let it stand still for longer."""
        until, hung = self.env.now + seconds, self.hung_until.get(process, 0.0) > self.env.now
        self.hung_until[process] = max(until, self.hung_until.get(process, 0.0))
        if not hung:
            self._stand_still(process)

    def _stand_still(self, process: Process) -> None:
        def over() -> None:
            if self.hung_until.get(process, 0.0) > self.env.now:
                self._stand_still(process)

        process.block(self.hung_until[process] - self.env.now, over)

    def start(self) -> "simpy.events.ProcessGenerator":
        """Start the broker again; it answers when its process is up."""
        life = self.life
        yield self.env.timeout(self.start_time)
        if self.up or life != self.life:  # it was killed once more before it answered
            return
        self.broker.restart(self.settings.persist)
        if not self.settings.persist:
            for forget in self.on_loss:
                forget()
        self.up = True


def answered(reply: simpy.Event, value: tuple[bool, Any]) -> None:
    """Let who waits have an answer, if there is none yet."""
    if not reply.triggered:
        reply.succeed(value)


def outcome(reply: simpy.Event) -> tuple[bool, Any]:
    """Return what an answer of the bus says so far: whether the command was done, and what came back."""
    if not reply.triggered or reply.value is None:
        return False, []
    ok, value = reply.value
    return bool(ok), value
