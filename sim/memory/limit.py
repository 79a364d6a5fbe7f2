"""A node whose memory has a limit: it is killed when it needs more."""

from collections.abc import Iterator

from sim.connection import Frame, Tunnel
from sim.node.lives import kill, start
from sim.node.node import Node
from sim.ports import NodePart, Run, Work
from twin.rules.memory import Kept, MemoryUse, newest

NEWEST = -1
"""Names the frames that are still on their way to clients which do not read: the same for all."""


class MemoryLimit(NodePart):
    """Watches the memory of a node.

    Args:
        run: the replication.
        node: whose memory has a limit.
        memory: what it is made of.
        room: bytes that the way to a client holds outside of the node's memory.

    Attributes:
        bytes_waiting: bytes of frames that wait for clients which do not read, and of their places, when they were last
            counted.
    """

    def __init__(self, run: Run, node: Node, memory: MemoryUse, room: int) -> None:
        self.run = run
        self.node = node
        self.memory = memory
        self.room = room
        self.limit = run.scenario.nodes.memory_limit
        self.restart = run.scenario.nodes.memory_restart
        self.bytes_waiting = 0.0
        self._added = 0.0

    def connected(self, tunnel: Tunnel, at: float) -> None:
        """A connection takes its memory."""
        self._look()

    def ended(self, how: str) -> None:
        """A process that is gone has no memory."""
        self.bytes_waiting = self._added = 0.0

    def fanned_out(self, tunnels: list[Tunnel], frame: Frame) -> None:
        """A frame was handed to some connections: it takes memory where it waits.

        What waits is counted anew only when the frames since then may have used up what was left of the limit: each
        takes at most its size and a place for every client for whom it waits.
        """
        slow = sum(tunnel.in_flight > self.room for tunnel in tunnels)
        if not slow:
            return
        self._added += slow * (frame.size + self.memory.place)
        self._look()

    def _queues(self) -> Iterator[list[Kept]]:
        """Return what waits in the node's memory for each of its clients, the oldest first.

        What is still on its way has not gathered there yet; it is the newest.
        """
        for tunnel in self.node.tunnels:
            if tunnel.in_flight > self.room:
                queue = [(id(frame), frame.size) for frame in tunnel.held]
                on_its_way = tunnel.in_flight - sum(size for _, size in queue)
                yield newest([*queue, (NEWEST, on_its_way)] if on_its_way > 0 else queue, self.room)

    def _fits(self) -> bool:
        waiting = self.bytes_waiting + self._added
        return self.memory.resident(len(self.node.tunnels) + self.node.half_closed, waiting) <= self.limit

    def _look(self) -> None:
        """Kill the node if it needs more than it may have; its process may have ended already."""
        if self.node.standing.phase == "dead" or self._fits():
            return
        self._added, self.bytes_waiting = 0.0, self.memory.waiting(self._queues())
        if not self._fits():
            life = self.node.standing.begin("kill", returns=self.restart > 0)
            assert life is not None
            self.run.env.process(self._end(life))

    def _end(self, life: int) -> Work[None]:
        node, began = self.node, self.run.env.now
        self.run.note("out_of_memory", node=node.number)
        yield from kill(node)
        if self.restart:
            yield self.run.env.timeout(max(0.0, began + self.restart - self.run.env.now))
            if node.standing.over("kill", life):
                yield from start(node)
