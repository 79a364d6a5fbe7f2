"""A client's side of a broadcast: it applies messages in order, notices gaps and asks for what is missing."""

import simpy

from sim.client.client import Client
from sim.connection import Attempt, Frame, Tunnel
from sim.ports import ClientPart, Paths, Run
from twin.record.events import Delivered, Gap, Received, Recovered
from twin.rules.delivery import Message, Position, RecoveryAnswer


class Subscriber(ClientPart):
    """What one client has applied, and how it gets what it missed.

    Attributes:
        tunnel: the connection that it reads, if there is one.
        was_connected: whether it has had one; who comes for the first time has nothing to ask for.
        stall: what keeps the client from reading.
    """

    def __init__(self, run: Run, paths: Paths, client: Client) -> None:
        self.run = run
        self.paths = paths
        self.client = client
        self.number = client.number
        self.settings = run.scenario.clients.recovery
        self.confirms = paths.scope == "client"
        self.position = Position(self.settings.recover)
        self.tunnel: Tunnel | None = None
        self.was_connected = False
        self.stall = client.stall
        self.questions = 0

    # Its connection

    def begins(self, tunnel: Tunnel, at: float) -> None:
        """Read from the connection that the run starts with."""
        self.tunnel, self.was_connected = tunnel, True
        self.paths.release(tunnel)

    def connected(self, tunnel: Tunnel, attempt: Attempt) -> None:
        """Read from a new connection, and ask for what was missed."""
        self.tunnel = tunnel
        if self.was_connected and self.settings.recover and self.settings.on_reconnect:
            self.ask()
        self.was_connected = True
        self.paths.release(tunnel)

    def disconnected(self, tunnel: Tunnel) -> None:
        """The connection is over."""
        self.tunnel = None
        self.position.lose_connection()

    def reads_again(self, tunnel: Tunnel) -> None:
        """Read what has gathered during a stall."""
        self.paths.release(tunnel)

    # Messages

    def arrive(self, message: Message, detail: str, t: float) -> None:
        """Take a message that came at `t` seconds."""
        epoch = self.position.epoch
        arrival = self.position.arrive(message)
        rows, node = self.run.rows, self.node
        if arrival.kind != "next":
            text = Received.pack(message.epoch, message.key, arrival.kind)
            rows.append((t, "received", self.number, node, -1, message.version, text))
        if arrival.gap:
            text = Gap.pack(epoch, message.epoch, message.version)
            rows.append((t, "gap", self.number, node, -1, arrival.gap, text))
        for one in arrival.deliver:
            text = detail if one is message else Delivered.pack(one.epoch, one.key)
            rows.append((t, "delivered", self.number, node, -1, one.version, text))
        if arrival.ask:
            self.ask()
        if self.confirms and arrival.deliver:
            self.confirm()

    def answered(self, recovery: RecoveryAnswer, t: float) -> None:
        """Take an answer or a snapshot that came at `t` seconds."""
        answered = self.position.answer(recovery)
        rows, node = self.run.rows, self.node
        how = ("snapshot",) if answered.snapshot else ("replayed", answered.replayed)
        rows.append((t, "recovered", self.number, node, -1, recovery.version, Recovered.pack(recovery.epoch, *how)))
        for one in answered.deliver:
            rows.append((t, "delivered", self.number, node, -1, one.version, Delivered.pack(one.epoch, one.key)))
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
        self.paths.ask(tunnel, Frame(position, question=True))

        def due(_: simpy.Event) -> None:
            if self.tunnel is tunnel and self.questions == question and self.position.asking:
                self.ask()

        self.run.env.timeout(self.settings.timeout).callbacks.append(due)

    def confirm(self) -> None:
        """Tell the node where the client stands."""
        assert self.tunnel is not None
        here = (self.position.epoch, self.position.version)
        self.paths.ask(self.tunnel, Frame(here))
