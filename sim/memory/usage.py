"""The memory that nodes have at the end of a run."""

from collections.abc import Sequence

from sim.node.node import Node
from sim.ports import Run, Work
from twin.record.events import NodeMemory
from twin.record.record import Row, row
from twin.rules.memory import MemoryUse
from twin.rules.usage import BEFORE_END


class Usage:
    """A look at the nodes shortly before the end of a run.

    Args:
        run: the replication.
        nodes: of which each is looked at whose process has always been up.
        memory: what that of a node is made of.
    """

    def __init__(self, run: Run, nodes: Sequence[Node], memory: MemoryUse) -> None:
        self.run = run
        self.memory = memory
        self.connections: dict[int, int] = {}
        self.first = [node for node in nodes if node.state == "up"]
        self.lives = [node.life for node in nodes]
        run.env.process(self.look())

    def look(self) -> Work[None]:
        """Count the connections of each node."""
        yield self.run.env.timeout(max(0.0, self.run.scenario.duration - BEFORE_END))
        for node in self.first:
            if node.state == "up" and node.life == self.lives[node.number - 1]:
                self.connections[node.number] = len(node.tunnels)

    def finish(self) -> list[Row]:
        """Return what was seen."""
        end, memory = max(0.0, self.run.scenario.duration - BEFORE_END), self.memory
        return [
            row(end, "node_memory", node=number, detail=detail)
            for number, count in sorted(self.connections.items())
            if (detail := NodeMemory.pack(round(memory.empty), round(memory.resident(count)), count))
        ]
