"""The CPU time that nodes and clients use in a run."""

from collections.abc import Iterable, Sequence

from sim.machine.process import Alone, Process
from sim.node.node import Node
from sim.ports import Run, Work
from twin.record.events import CpuUsed, NodeMemory
from twin.record.record import Row, row
from twin.rules.usage import BEFORE_END


class Usage:
    """A look at the processes shortly before the end of a run; its use since the start, where all had used nothing.

    Pings and checks in the background are not in it: they make all else slower instead (`twin.costs.background`).

    Args:
        run: the replication.
        nodes: of which each process is looked at that has always been up.
        clients: the processes of the clients; those that have machines of their own are not looked at.
        connection: resident bytes that a connection takes in its node; None if that is not known.
    """

    def __init__(
        self, run: Run, nodes: Sequence[Node], clients: Iterable[Process | Alone], connection: float | None
    ) -> None:
        self.run = run
        self.connection = connection
        self.connections: dict[int, int] = {}
        self.nodes = nodes
        self.clients = [one for one in dict.fromkeys(clients) if isinstance(one, Process)]
        self.first = [node for node in nodes if node.state == "up"]
        self.lives = [node.life for node in nodes]
        self.used: dict[int, float] = {}
        run.env.process(self.look())

    def look(self) -> Work[None]:
        """Read what each has used."""
        yield self.run.env.timeout(max(0.0, self.run.scenario.duration - BEFORE_END))
        if self.clients:
            self.used[-1] = sum(one.used for one in self.clients)
        for node in self.first:
            if node.state == "up" and node.life == self.lives[node.number - 1]:
                self.used[node.number] = sum(process.used for process in node.processes)
                self.connections[node.number] = len(node.tunnels)

    def finish(self) -> list[Row]:
        """Return what was read."""
        end = max(0.0, self.run.scenario.duration - BEFORE_END)
        found = [
            row(end, "cpu_used", node=number, detail=CpuUsed.pack(round(1e6 * used)))
            for number, used in sorted(self.used.items())
        ]
        if self.connection is None:
            return found
        for number, count in sorted(self.connections.items()):
            detail = NodeMemory.pack(0, round(count * self.connection), count)
            found.append(row(end, "node_memory", node=number, detail=detail))
        return found
