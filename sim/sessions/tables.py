"""Where the sessions of a run are kept: in each node's memory, or on the shared server."""

from collections.abc import Sequence
from dataclasses import dataclass

from sim.broadcast.bus import Bus
from sim.node.node import Node
from sim.ports import Run
from twin.rules.session import SessionTable


@dataclass(frozen=True)
class Ticket:
    """What a client shows at a handshake: its session, and until when the token is good, in seconds."""

    name: str
    expires: float


@dataclass(frozen=True)
class Grant:
    """What a node has answered: the session, its generation (-1 without a look at the store), and the new token."""

    name: str
    generation: int
    started: bool
    expires: float


class Tables:
    """The sessions of a run, wherever they are kept.

    Args:
        run: the replication.
        nodes: all nodes.
        bus: the shared server; None when each node keeps the sessions of its own clients.
    """

    def __init__(self, run: Run, nodes: Sequence[Node], bus: Bus | None) -> None:
        self.settings = run.scenario.sessions
        self.bus = bus
        self.shared = SessionTable(self.settings.expiry)
        self.memories = {node.number: (node.life, SessionTable(self.settings.expiry)) for node in nodes}
        if bus is not None:
            bus.on_loss.append(self.shared.forget)

    def of(self, node: Node) -> SessionTable:
        """Return where a node keeps or finds its clients' sessions; a new process begins with an empty memory."""
        if self.bus is not None:
            return self.shared
        life, table = self.memories[node.number]
        if life != node.life:
            table = SessionTable(self.settings.expiry)
            self.memories[node.number] = node.life, table
        return table

    def wrote(self) -> None:
        """A command has changed what the shared server keeps, if there is one."""
        if self.bus is not None:
            self.bus.wrote()
