"""What a run with a publisher has besides: the bus, the publisher, and the frames' ways through all processes.

A message goes from the node through the balancer to the clients: three processes, in each of which the frames of many
connections wait (`sim.machine.lane`). Loops run to completion, so the stages follow each other rather than flow: a node
writes its whole fan-out, the balancer relays in rounds, a client process reads all that is ready before it applies any
of it.
"""

from collections.abc import Mapping, Sequence

from sim.balancer.balancer import Balancer
from sim.broadcast import fanout, publisher
from sim.broadcast.bus import Bus
from sim.broadcast.fanout_costs import FanOutCosts
from sim.broadcast.subscriber import Subscriber
from sim.client.client import Client
from sim.connection import Bundle, Frame, Tunnel
from sim.machine.cores import Cores
from sim.machine.lane import Relay
from sim.machine.machine import Machine
from sim.machine.process import Process
from sim.network.nagle import Nagle
from sim.network.uplink import Uplink
from sim.node.node import Node
from sim.ports import Run
from twin.costs.relay import RELAY_PARTS
from twin.record.events import TYPES, NodeWritten
from twin.record.record import Row, row
from twin.rules.delivery import Message, RecoveryAnswer
from twin.scenario.faults import through_relay

MECHANISM = "broadcast"
"""To whom what clients ask and confirm belongs."""


class Broadcast:
    """The broadcast of a run.

    Args:
        run: the replication.
        bus: through which the messages go.
        uplink: over which clients ask and confirm.
        balancer: through which the frames go.
        nodes: who sends to the clients.
        clients: who gets the messages.
        cores: of the publisher, by its name.
        machine: what parts cost.

    Attributes:
        room: bytes that the path from a node to a client holds outside of the node's own memory.
    """

    def __init__(
        self,
        run: Run,
        bus: Bus,
        uplink: Uplink,
        balancer: Balancer,
        nodes: Sequence[Node],
        clients: Sequence[Client],
        cores: Mapping[str, Cores],
        machine: Machine,
    ) -> None:
        assert run.scenario.publisher is not None
        self.idle = balancer.idle
        self.scope: str = run.scenario.publisher.scope
        cost, over = machine.cost, machine.message_cost
        self.room = round(machine.profile.path(machine.shape.sent, machine.host_quantile))
        self.counted = run.scenario.counts_bytes
        self.bus = bus
        self.publisher = publisher.Publisher(
            run, Process(cores["publisher"]), bus, publisher.PublisherCosts(run.env, over)
        )
        self.fanouts = [fanout.Fanout(run, bus, self, balancer, node, FanOutCosts(run.env, over)) for node in nodes]
        if machine.knows(RELAY_PARTS):
            for number in through_relay(run.scenario.faults, run.scenario.host.placement):
                self.fanouts[number - 1].link.relay = Process(bus.process.cores), cost("relay_frame")
        relay, more = cost("balancer_delivery"), cost("balancer_delivery_more")
        self.balancer = Relay(balancer.worker, relay, more, self.relayed)
        read, further = cost("client_delivery"), cost("client_delivery_more")
        self.write = self.balancer.pass_on
        if not run.scenario.nodes.nodelay:
            nagle = Nagle(run.env, self.balancer.pass_on)
            self.write = nagle.send
            uplink.passed.append(nagle.answered)
        self.swarms = uplink.loops.lanes(read, further, self.arrived)
        self.uplink = uplink
        uplink.receivers[MECHANISM] = self.heard
        self.subscribers = [Subscriber(run, self, client) for client in clients]

    def finish(self) -> list[Row]:
        """The run is over: return what is noted at its end."""
        self.publisher.finish()
        return self.buffers() + (self.written() if self.counted else [])

    def written(self) -> list[Row]:
        """Return what each node has written to its clients."""
        return [
            row(one.wrote.last, "node_written", node=one.node.number, detail=detail)
            for one in self.fanouts
            if one.wrote.frames and (detail := NodeWritten.pack(one.wrote.size, one.wrote.frames))
        ]

    def buffers(self) -> list[Row]:
        """Return the most bytes that waited at each node for its clients, and on the bus for each node."""
        return [
            row(when, event, node=one.node.number, detail=TYPES[event].pack(waiting))
            for one in self.fanouts
            for event, (waiting, when) in (("node_buffer", one.most_waiting), ("bus_buffer", one.link.most_counted))
            if waiting
        ]

    # Down: from a node to the clients

    def relay(self, taken: list[Bundle]) -> None:
        """Let the balancer have what a node has written."""
        self.write(taken)

    def relayed(self, taken: list[Bundle], began: float, ended: float) -> None:
        """The balancer has passed frames on: let the client processes have them, but not those that do not read."""
        ready: list[Bundle] = []
        for tunnel, frames in taken:
            if tunnel.client_left:
                continue
            self.idle.touch(tunnel)
            if self.uplink.nagle is not None:
                self.uplink.nagle.answered(tunnel)
            subscriber = self.subscribers[tunnel.client.number]
            if subscriber.stall.on or not tunnel.opened or tunnel.held:
                tunnel.held += frames
                continue
            ready.append((tunnel, frames))
        self.swarms.pass_on(ready)

    def release(self, tunnel: Tunnel) -> None:
        """Let a client read what has gathered on its connection."""
        if tunnel.held and tunnel.opened and not self.subscribers[tunnel.client.number].stall.on:
            held, tunnel.held = tunnel.held, []
            self.swarms.pass_on([(tunnel, held)])

    def arrived(self, taken: list[Bundle], began: float, ended: float) -> None:
        """A client process has dealt with frames: one after the other, of one client after the other."""
        each = (ended - began) / sum(len(frames) for _, frames in taken)
        following = began
        for tunnel, frames in taken:
            t, following = following, following + each * len(frames)
            subscriber = self.subscribers[tunnel.client.number]
            if subscriber.tunnel is not tunnel:
                continue
            if subscriber.stall.on:
                tunnel.held = frames + tunnel.held
                continue
            for frame in frames:
                tunnel.in_flight -= frame.size
                body = frame.body
                t += each
                if isinstance(body, Message):
                    subscriber.arrive(body, frame.detail, t)
                elif isinstance(body, RecoveryAnswer):
                    subscriber.answered(body, t)
            if tunnel.outlet is not None:
                self.fanouts[tunnel.server].drained(tunnel)

    def cut(self, tunnel: Tunnel) -> None:
        """The node drops what waits for a client in its own memory."""
        while tunnel.held and tunnel.in_flight > self.room:
            tunnel.in_flight -= tunnel.held.pop().size

    # Up: from a client to its node

    def ask(self, tunnel: Tunnel, frame: Frame) -> None:
        """Send a question or a confirmation."""
        frame.mechanism = MECHANISM
        self.uplink.say(tunnel, frame)

    def heard(self, tunnel: Tunnel, frame: Frame, t: float) -> None:
        """A node has read a question or a confirmation."""
        self.fanouts[tunnel.server].heard(tunnel, frame)
