"""A node's connection to the server that keeps the sessions: it is lost with the server, and opened again."""

from sim.broadcast.bus import Bus, outcome
from sim.node.node import Node
from sim.ports import Run, Work


class StoreConnection:
    """Where one node asks; a new process of the node begins with a connection of its own.

    Attributes:
        link: the way to the server.
        joined: whether the connection is up.
    """

    def __init__(self, run: Run, node: Node, bus: Bus) -> None:
        self.run = run
        self.node = node
        self.bus = bus
        self.link = bus.link(node.number)
        self.cost = run.cost("node_ack")
        self.life = node.life
        self._connected = False
        if node.state == "up":  # one that joins later connects then
            self._connect()

    @property
    def joined(self) -> bool:
        """Whether the node that is there now has a connection."""
        return self._connected and self.life == self.node.life

    def _connect(self) -> None:
        self._connected, self.life = True, self.node.life
        self.bus.connect(self.link, self._lost)

    def _lost(self, reason: str) -> None:
        if self.joined:
            self._connected = False
            self.run.env.process(self._join(self.life, reason))

    def start(self) -> None:
        """A new process of the node listens: it connects as one that has never been there."""
        self.run.env.process(self._join(self.node.life, ""))

    def _join(self, life: int, reason: str) -> Work[None]:
        """Connect until it works; `reason`: why a connection was lost, empty for a process that begins."""
        node, process, retry = self.node, self.node.process, self.bus.settings.retry
        if reason:
            yield process.work(self.cost)
            if life != node.life:
                return
            self.run.note("bus_lost", node=node.number, detail=reason)
        failures = 1 if reason else 0
        while life == node.life:
            if failures:
                yield process.sleep(self.bus.delay(self.link, failures))
            yield process.work(self.cost)
            reply = self.bus.serve(self.link, (self.bus.costs.command, lambda: True))
            yield reply | self.run.env.timeout(retry.timeout)
            if life != node.life:
                return
            if outcome(reply)[0]:
                self._connect()
                if reason:
                    self.run.note("bus_joined", node=node.number)
                return
            failures = failures % max(1, retry.retries) + 1
