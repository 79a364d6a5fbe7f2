"""A client's side of a broadcast: it applies messages in order, notices gaps and asks for what is missing."""

from math import inf
from typing import TYPE_CHECKING

import simpy

from sim.machine.lane import Frame
from twin.rules.delivery import Message, Position, Recovery
from twin.rules.faults import Hold
from twin.rules.heartbeat import PONG_MISSED, beat_after

if TYPE_CHECKING:
    from sim.broadcast.broadcast import Broadcast
    from sim.client.client import Client
    from sim.connection import Tunnel


class Subscriber:
    """What one client has applied, and how it gets what it missed.

    Attributes:
        tunnel: the connection that it reads, if there is one.
        stalls: faults that keep it from reading.
        stalled_at: since when.
        read_at: when the last stall ended; infinite while one lasts.
    """

    def __init__(self, broadcast: "Broadcast", client: "Client") -> None:
        self.broadcast = broadcast
        self.world = broadcast.world
        self.client = client
        self.number = client.number
        self.settings = broadcast.world.scenario.clients.recovery
        self.confirms = broadcast.scope == "client"
        self.position = Position(self.settings.recover)
        self.tunnel: Tunnel | None = None
        self.stalls = Hold()
        self.stalled_at = 0.0
        self.read_at = 0.0
        self.reads_again = self.world.env.event()
        self.questions = 0

    @property
    def stalled(self) -> bool:
        """Whether it does not read at present."""
        return self.stalls.on

    # Its connection

    def connected(self, tunnel: "Tunnel", again: bool = True) -> None:
        """Read from a new connection; `again`: it is not the first one, so ask for what was missed."""
        self.tunnel = tunnel
        if again and self.settings.recover and self.settings.on_reconnect:
            self.ask()
        self.broadcast.release(tunnel)

    def disconnected(self) -> None:
        """The connection is over."""
        self.tunnel = None
        self.position.lose_connection()

    def stall(self) -> None:
        """Stop reading. The next ping gets no pong that is seen, so its timeout ends the connection."""
        if not self.stalls.begin():
            return
        self.stalled_at, self.read_at = self.world.env.now, inf
        self.reads_again = reads_again = self.world.env.event()
        tunnel, beat, now = self.tunnel, self.world.heartbeat, self.world.env.now
        if tunnel is None:
            return
        self.pinged_in_vain(tunnel)
        if not beat.interval:
            return
        wait = beat_after(self.client.first_beat, beat.interval, now) + beat.timeout - now

        def due(_: simpy.Event) -> None:
            if not tunnel.lost.triggered and not reads_again.triggered:
                tunnel.lost.succeed("heartbeat")

        self.client.process.sleep(wait).callbacks.append(due)

    def pinged_in_vain(self, tunnel: "Tunnel") -> None:
        """Foresee the end of the node's patience: its next ping gets no pong, and it closes the connection."""
        nodes, now = self.world.scenario.nodes, self.world.env.now
        if not nodes.ping_interval:
            return
        node, pinged_at, reads_again = self.world.nodes[tunnel.server], tunnel.pinged_at, self.reads_again
        wait = beat_after(node.pings.first(tunnel), nodes.ping_interval, now) + nodes.ping_timeout - now

        def due(_: simpy.Event) -> None:
            if tunnel.pinged_at != pinged_at or reads_again.triggered:  # the ping came later, or had its pong
                return
            if tunnel in node.tunnels and node.serves and not tunnel.closing:
                del node.tunnels[tunnel]
                self.world.balancer.upstream_closed(tunnel, str(PONG_MISSED))

        node.process.sleep(wait).callbacks.append(due)

    def read_again(self) -> bool:
        """End one stall: go on reading, if it was the last one, and tell whether it was."""
        if not self.stalls.over():
            return False
        self.read_at = self.world.env.now
        self.reads_again.succeed()
        if self.tunnel is not None:
            self.broadcast.release(self.tunnel)
        return True

    # Messages

    def arrive(self, message: Message, detail: str, t: float) -> None:
        """Take a message that came at `t` seconds."""
        epoch = self.position.epoch
        arrival = self.position.arrive(message)
        rows, node = self.world.rows, self.node
        if arrival.kind != "next":
            text = f"{detail} {arrival.kind}"
            rows.append((t, "received", self.number, node, -1, message.version, text))
        if arrival.gap:
            text = f"{epoch} {message.epoch} {message.version}"
            rows.append((t, "gap", self.number, node, -1, arrival.gap, text))
        for one in arrival.deliver:
            text = detail if one is message else f"{one.epoch} {one.key}"
            rows.append((t, "delivered", self.number, node, -1, one.version, text))
        if arrival.ask:
            self.ask()
        if self.confirms and arrival.deliver:
            self.confirm()

    def answered(self, recovery: Recovery, t: float) -> None:
        """Take an answer or a snapshot that came at `t` seconds."""
        answered = self.position.answer(recovery)
        rows, node = self.world.rows, self.node
        how = "snapshot" if answered.snapshot else f"replayed {answered.replayed}"
        rows.append((t, "recovered", self.number, node, -1, recovery.version, f"{recovery.epoch} {how}"))
        for one in answered.deliver:
            rows.append((t, "delivered", self.number, node, -1, one.version, f"{one.epoch} {one.key}"))
        if answered.ask:
            self.ask()
        if self.confirms and (answered.deliver or answered.snapshot):
            self.confirm()

    @property
    def node(self) -> int:
        """Number of the node that it is connected to."""
        assert self.tunnel is not None
        return self.tunnel.server + 1

    def ask(self) -> None:
        """Ask for what follows the position, and again when no answer comes in time."""
        tunnel = self.tunnel
        assert tunnel is not None
        self.questions += 1
        question = self.questions
        position = self.position.resume()
        self.broadcast.ask(tunnel, Frame(position, question=True))

        def due(_: simpy.Event) -> None:
            if self.tunnel is tunnel and self.questions == question and self.position.asking:
                self.ask()

        self.world.env.timeout(self.settings.timeout).callbacks.append(due)

    def confirm(self) -> None:
        """Tell the node where the client stands."""
        assert self.tunnel is not None
        here = (self.position.epoch, self.position.version)
        self.broadcast.ask(self.tunnel, Frame(here))
