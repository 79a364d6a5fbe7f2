"""A client's side of a broadcast: it applies messages in order, notices gaps and asks for what is missing."""

from typing import TYPE_CHECKING

import simpy

from sim.lane import Frame
from twin.rules.delivery import Message, Position, Recovery
from twin.rules.heartbeat import PONG_MISSED, beat_after

if TYPE_CHECKING:
    from sim.broadcast import Broadcast
    from sim.client import Client
    from sim.connection import Tunnel


class Subscriber:
    """What one client has applied, and how it gets what it missed.

    Attributes:
        tunnel: the connection that it reads, if there is one.
        stalled: whether it does not read at present.
        stalled_at: since when.
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
        self.stalled = False
        self.stalled_at = 0.0
        self.reads_again = self.world.env.event()
        self.questions = 0

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
        if self.stalled:
            return
        self.stalled = True
        self.stalled_at = self.world.env.now
        self.reads_again = reads_again = self.world.env.event()
        tunnel, beat, now = self.tunnel, self.world.heartbeat, self.world.env.now
        if tunnel is None:
            return
        self._pinged_in_vain(tunnel, reads_again)
        if not beat.interval:
            return
        wait = beat_after(self.client.first_beat, beat.interval, now) + beat.timeout - now

        def due(_: simpy.Event) -> None:
            if not tunnel.lost.triggered and not reads_again.triggered:
                tunnel.lost.succeed("heartbeat")

        self.client.process.sleep(wait).callbacks.append(due)

    def _pinged_in_vain(self, tunnel: "Tunnel", reads_again: simpy.Event) -> None:
        """Foresee the end of the node's patience: its next ping gets no pong, and it closes the connection."""
        nodes, now = self.world.scenario.nodes, self.world.env.now
        if not nodes.ping_interval:
            return
        node = self.world.nodes[tunnel.server]
        first = tunnel.opened_at + nodes.ping_interval
        wait = beat_after(first, nodes.ping_interval, now) + nodes.ping_timeout - now

        def due(_: simpy.Event) -> None:
            if tunnel in node.tunnels and node.state == "up" and not reads_again.triggered:
                del node.tunnels[tunnel]
                self.world.balancer.upstream_closed(tunnel, str(PONG_MISSED))

        node.process.sleep(wait).callbacks.append(due)

    def read_again(self) -> None:
        """Go on reading."""
        if self.stalled:
            self.stalled = False
            self.reads_again.succeed()
            if self.tunnel is not None:
                self.broadcast.release(self.tunnel)

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
