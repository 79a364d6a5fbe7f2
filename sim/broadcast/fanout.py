"""A node's side of a broadcast: it reads from the bus, fans out, acknowledges, and answers questions."""

from collections.abc import Callable
from functools import partial

import simpy

from sim.broadcast.bus import Bus, Command, outcome
from sim.broadcast.fanout_costs import FanOutCosts
from sim.broadcast.link import Subscription
from sim.broadcast.speaker import Speaker
from sim.codec.gathering import Gathering
from sim.codec.written import Written
from sim.connection import Bundle, Frame, Tunnel
from sim.machine.lane import Lane
from sim.machine.process import Cost
from sim.node.node import Node
from sim.ports import Backend, End, NodePart, Paths, Run, Work
from twin.draws import Purpose
from twin.record.events import Delivered, Received
from twin.rules.consistency import SIGNS_A_LEASE, next_failure
from twin.rules.delivery import Cursor, Message, RecoveryAnswer, SeenVersions
from twin.rules.frames import frame_bytes, message_frame, pushed_message, pushed_word, recovery_body
from twin.rules.slow_consumer import Outlet, is_too_large

_NOTHING = Cost.constant(0.0)


class Fanout(NodePart):
    """What one node does; a new process of the node begins a new `life`.

    Attributes:
        listeners: called with each message that the node takes for the first time.
        watchers: called with each frame that was handed to connections, and with these.
    """

    def __init__(self, run: Run, bus: Bus, paths: Paths, balancer: Backend, node: Node, costs: FanOutCosts) -> None:
        self.run = run
        self.env = run.env
        self.bus = bus
        self.paths = paths
        self.balancer = balancer
        self.node = node
        self.costs = costs
        self.link = bus.link(node.number)
        self.down = Lane(node.process, costs.fanout, costs.more, self.written)
        self.life = 0
        self.seen = SeenVersions()
        self.cursor = Cursor(self.bus.broker.epoch)
        self.over = node.state != "up"  # one that is new later begins then
        self.joined = not self.over
        self.broken = self.env.event()
        self.newest = (0, 0)
        self.awaiting: dict[tuple[int, int], set[Tunnel]] = {}
        self.asked: dict[tuple[int, int], list[Tunnel]] = {}
        self.gathered = set[tuple[int, int]]()
        self.speaker = Speaker(bus, self.link, node, costs)
        self.most_waiting = (0, 0.0)
        self.wrote, self.contents = Written(run.env), run.scenario.contents
        batch, sleep = run.scenario.nodes.batch, node.process.sleep
        self.batch = Gathering[tuple[Message, str]](run.env, sleep, batch, self._leave) if batch else None
        self.subscription: Subscription | None = None
        self.listeners: list[Callable[[Message], None]] = []
        self.watchers: list[Callable[[list[Tunnel], Frame], None]] = []
        if self.joined:
            self.subscription = self.bus.subscribe(self.link, *self._ends())
            self._begin()

    # Its life

    def _begin(self) -> None:
        """Begin to read and to give signs of life."""
        self.env.process(self.give_signs(self.life))
        if self.bus.settings.kind != "pubsub":
            self.env.process(self.read(self.life, self.broken))
        if self.bus.settings.kind == "kafka":
            self.env.process(self.commit(self.life))

    def ended(self, how: End) -> None:
        """The node's process ends: it says so to the publisher unless it was killed."""
        if self.over:
            return
        self.life += 1
        self.over = True
        if how != "killed":
            bye, size = ("bye", self.node.number, 0, 0), pushed_word("bye", self.node.number, 0)
            self.bus.serve(self.link, (self.bus.costs.command, partial(self.bus.push, 0, bye, size)))
        else:
            self.down.clear()
        self.joined = False
        self.bus.leave(self.node.number)
        self.awaiting.clear()
        self.asked.clear()
        self.speaker.clear()
        self.most_waiting = (0, 0.0)  # a process that is gone tells nothing
        self.wrote.clear()
        self.gathered.clear()
        if self.batch is not None:
            self.batch.take()

    def started(self, healed: bool) -> None:
        """A new process listens: it joins the bus as one that is new there."""
        self.over = False
        self.seen = SeenVersions()
        self.env.process(self.join(self.life, ""))

    def disconnected(self, tunnel: Tunnel) -> None:
        """The balancer has forgotten a connection."""
        self.confirmed(tunnel, None)

    def _ends(self) -> tuple[Callable[[Message], None], Callable[[str], None]]:
        life = self.life

        def take(message: Message) -> None:
            if life == self.life:
                self.process_message(message, self.subscription)

        def lost(reason: str) -> None:
            if life == self.life and self.joined:
                self.joined = False
                self.broken.succeed()
                self.env.process(self.join(life, reason))

        return take, lost

    def join(self, life: int, reason: str) -> Work[None]:
        """Subscribe; `reason`: why the connection to the bus was lost, empty for a process that begins."""
        node, process, retry = self.node.number, self.node.process, self.bus.settings.retry
        fresh = not reason
        if reason:
            yield process.work(self.costs.acknowledge)
            if life != self.life:
                return
            self.run.note("bus_lost", node=node, detail=reason)

        def subscribe() -> Subscription | None:
            if life != self.life:
                return None
            if fresh:
                self.cursor.restart(self.bus.broker, self.bus.settings.kind == "kafka")
            return self.bus.subscribe(self.link, *self._ends())

        failures = 0 if fresh else 1
        while life == self.life:
            if failures:
                yield process.sleep(self.bus.delay(self.link, failures))
            yield process.work(self.costs.acknowledge)
            reply = self.bus.serve(self.link, (self.bus.costs.command, subscribe))
            yield reply | self.env.timeout(retry.timeout)
            ok, values = outcome(reply)
            if ok and values[0] is not None:
                break
            failures = next_failure(failures, retry.retries)
        if life != self.life:
            return
        self.subscription = values[0]
        self.joined = True
        self.broken = self.env.event()
        if fresh:
            self._begin()
            return
        self.run.note("bus_joined", node=node)
        if self.bus.settings.kind != "pubsub":
            self.env.process(self.read(life, self.broken))

    # From the bus

    def read(self, life: int, broken: simpy.Event) -> Work[None]:
        """Read with the cursor, wait until all that came is fanned out, read again."""
        process, timeout = self.node.process, self.bus.settings.retry.timeout
        while life == self.life and not broken.triggered:
            reply = self.bus.fetch(self.link, self.cursor)
            while not reply.triggered and not broken.triggered:
                yield reply | broken | self.env.timeout(timeout)
                if not reply.triggered and not broken.triggered and self.link.cut:
                    self._ends()[1]("timeout")
            ok, found = outcome(reply)
            if life != self.life or broken.triggered or not ok:
                return
            messages, self.cursor = found
            process.work(self.costs.poll)
            for message in messages:
                last = self.process_message(message, None)
            yield last
            yield process.work(_NOTHING)  # the request goes out after what the messages set off

    def process_message(self, message: Message, subscription: Subscription | None) -> simpy.Event:
        """Read one message from the bus, at the node's own pace."""
        life = self.life

        def received(_: simpy.Event) -> None:
            if life != self.life:
                return
            if subscription is None or subscription.read(pushed_message(len(message.payload))):
                self.received(message)

        return self.node.process.work(self.costs.receive, received)

    def received(self, message: Message) -> None:
        """Fan out what has not been seen; acknowledge what has."""
        first = self.seen.first(message.epoch, message.version)
        said = Received.pack(message.epoch, message.key, "" if first else "duplicate")
        self.run.note("received", node=self.node.number, version=message.version, detail=said)
        place, detail = (message.epoch, message.version), Delivered.pack(message.epoch, message.key)
        if first:
            for listener in self.listeners:
                listener(message)
        if first and self.batch is not None:
            self.gathered.add(place)
            self.batch.add((message, detail))
        elif first:
            self.fan_out(message, detail)
        elif place not in self.awaiting and place not in self.gathered:
            self.acknowledge(*place)

    def _leave(self, batch: list[tuple[Message, str]]) -> None:
        """Fan out the messages of a batch, which are written together."""
        self.gathered.clear()
        for message, detail in batch:
            self.fan_out(message, detail)

    def commit(self, life: int) -> Work[None]:
        """Commit the position of a partition log from time to time."""
        while True:
            yield self.env.timeout(self.bus.settings.commit_interval)
            if life != self.life:
                return
            self.cursor.commit()

    # To the clients

    def fan_out(self, message: Message, detail: str) -> None:
        """Send a message to every client that is connected, as far as its outlet allows."""
        place = (message.epoch, message.version)
        self.newest = max(self.newest, place)
        whole = message_frame(len(message.payload))
        size = whole if self.contents.compression is None else self.contents.frame(message.key)
        tunnels = [tunnel for tunnel in self.node.tunnels if not tunnel.closing] if self.node.serves else []
        if self.paths.scope == "client" and tunnels:
            self.awaiting[place] = {tunnel for tunnel in tunnels if tunnel.standing < place}
            if not self.awaiting[place]:
                del self.awaiting[place]
        awaited, room = place in self.awaiting, self.paths.room
        sent = []
        waiting = 0
        for tunnel in tunnels:
            if tunnel.in_flight > room:
                waiting += tunnel.in_flight - room
            if (tunnel.in_flight + size > room or tunnel.outlet is not None) and not self._admits(tunnel, whole):
                continue
            tunnel.in_flight += size
            sent.append(tunnel)
        if waiting > self.most_waiting[0]:
            self.most_waiting = (waiting, self.env.now)
        if sent:
            self.wrote.add(sent, size)
            frame = Frame(message, size, detail, 0 if awaited else len(sent))
            self.down.send(sent, frame)
            for watch in self.watchers:
                watch(sent, frame)
        elif not awaited:
            self.acknowledge(*place)

    def _admits(self, tunnel: Tunnel, size: int) -> bool:
        """Ask the outlet of a client that does not keep up whether a message may be sent to it."""
        settings = self.run.scenario.slow_consumer
        if tunnel.outlet is None:
            tunnel.outlet = Outlet(settings.policy, settings.limit_bytes)
        decision = tunnel.outlet.offer(size, self._waiting(tunnel))
        if decision == "close":
            self.paths.cut(tunnel)
            self.node.tunnels.pop(tunnel, None)
            self.confirmed(tunnel, None)
            self.node.pass_on(lambda: self.balancer.upstream_closed(tunnel, "1006"))
        return decision == "send"

    def _waiting(self, tunnel: Tunnel) -> int:
        """Return the bytes that wait for a client in the node's own memory."""
        return max(0, tunnel.in_flight - self.paths.room)

    def drained(self, tunnel: Tunnel) -> None:
        """A client that did not keep up has read something."""
        outlet = tunnel.outlet
        if outlet is None:
            return
        waiting = self._waiting(tunnel)
        if outlet.pay(waiting) and self.node.state == "up" and self.node.serves and tunnel in self.node.tunnels:
            self.answer(tunnel, RecoveryAnswer(False, *self.newest))
        if waiting == 0 and not outlet.owes_snapshot:
            tunnel.outlet = None

    def answer(self, tunnel: Tunnel, recovery: RecoveryAnswer) -> None:
        """Send an answer or a snapshot over a connection; it has to fit like any message."""
        whole = recovery_body(recovery)
        size = self.contents.answer_frame(whole, tuple(message.key for message in recovery.messages))
        fits = tunnel.in_flight + size <= self.paths.room and tunnel.outlet is None
        if fits or self._admits(tunnel, frame_bytes(whole)):
            tunnel.in_flight += size
            self.wrote.add([tunnel], size)
            self.down.send([tunnel], Frame(recovery, size))

    def written(self, taken: list[Bundle], began: float, ended: float) -> None:
        """Frames have been written: acknowledge what is fanned out, and let the balancer have them."""
        for _, frames in taken:
            for frame in frames:
                frame.left -= 1
                if frame.left == 0:
                    assert isinstance(frame.body, Message)
                    self.acknowledge(frame.body.epoch, frame.body.version)
        self.node.pass_on(lambda: self.paths.relay(taken))

    # From the clients

    def heard(self, tunnel: Tunnel, frame: Frame) -> None:
        """A client has said where it stands, or asked what followed. Who asks from one place waits for one answer."""
        assert isinstance(frame.body, tuple)
        tunnel.standing = frame.body
        self.confirmed(tunnel, frame.body)
        if self.over or not frame.question:
            return
        if frame.body in self.asked:
            self.asked[frame.body].append(tunnel)
        else:
            self.asked[frame.body] = [tunnel]
            self.env.process(self.look_up(frame.body, self.life))

    def recover(self, position: tuple[int, int]) -> Work[RecoveryAnswer | None]:
        """Ask the bus what followed a position; None if it does not answer, or the node's process ends meanwhile."""
        life, done = self.life, self.env.event()
        self.speak((self.bus.costs.read, partial(self.bus.broker.recover, *position)), done)
        recovery: RecoveryAnswer | None = yield done
        if life != self.life:
            return None
        yield self.node.process.work(self.costs.receive)
        return recovery if life == self.life else None

    def look_up(self, position: tuple[int, int], life: int) -> Work[None]:
        """Ask the bus what followed a position, and tell the clients that stand there."""
        recovery = yield from self.recover(position)
        if life != self.life:
            return
        tunnels = self.asked.pop(position)
        if recovery is None:
            return
        if is_too_large(recovery_body(recovery), self.run.scenario.slow_consumer.limit_bytes):
            recovery = RecoveryAnswer(False, recovery.epoch, recovery.version)
        for tunnel in tunnels:
            if tunnel in self.node.tunnels:
                self.answer(tunnel, recovery)

    def confirmed(self, tunnel: Tunnel, standing: tuple[int, int] | None) -> None:
        """A client stands at a position, or (None) has left; who is last lets the node acknowledge."""
        if not self.awaiting:
            return
        for place, waiting in list(self.awaiting.items()):
            if tunnel in waiting and (standing is None or place <= standing):
                waiting.discard(tunnel)
                if not waiting:
                    del self.awaiting[place]
                    self.acknowledge(*place)

    # To the bus

    def acknowledge(self, epoch: int, version: int) -> None:
        """Tell the publisher that a message is fanned out."""
        self.tell("ack", epoch, version)

    def tell(self, word: str, epoch: int = 0, version: int = 0) -> None:
        """Send a word to the publisher, by way of the bus."""
        said = (word, self.node.number, epoch, version)
        size = pushed_word(word, self.node.number, version)
        self.speak((self.bus.costs.command, partial(self.bus.push, 0, said, size)))

    def speak(self, command: Command, done: simpy.Event | None = None) -> None:
        """Queue a command for the bus; `done` happens with what it returns there, or None."""
        if not self.over:
            self.speaker.speak(command, done)

    def give_signs(self, life: int) -> Work[None]:
        """Renew the lease."""
        every = self.bus.settings.lease / SIGNS_A_LEASE
        yield self.node.process.sleep(every * self.run.draw(self.node.number, Purpose.LEASE_PHASE, 0))
        while life == self.life:
            self.tell("alive")
            yield self.node.process.sleep(every)
