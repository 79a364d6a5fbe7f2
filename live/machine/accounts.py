"""How much CPU time the processes of a run use."""

import time
from typing import TYPE_CHECKING

from live.machine.timing import ScheduledAction
from live.ports import ClusterPart
from twin.record.events import CpuUsed
from twin.record.record import Row, row
from twin.rules.usage import BEFORE_END

if TYPE_CHECKING:
    from live.control.process import ChildProcess
    from live.ports import Cluster


class CpuAccounts(ClusterPart):
    """The CPU time of nodes, balancer and clients from the start of a run to its end, as the kernel books it.

    Args:
        cluster: the cluster.
    """

    def __init__(self, cluster: "Cluster") -> None:
        self.cluster = cluster
        self.nodes: list[ChildProcess] = []
        self.before: dict[str, int] = {}
        self.after: dict[str, int] = {}
        self.ended = 0.0

    def begin(self, start: float) -> None:
        """See what has been used by now."""
        self.nodes = list(self.cluster.nodes)
        self.before = self._used()

    def steps(self) -> list[ScheduledAction]:
        """Return the look at the end of the run, before anybody writes down what it has noted."""
        return [ScheduledAction(max(0.0, self.cluster.scenario.duration - BEFORE_END), "accounts", self.end)]

    def end(self) -> None:
        """See what has been used when the run is over."""
        self.ended, self.after = time.monotonic(), self._used()

    def _used(self) -> dict[str, int]:
        """Return what the processes have used that are there, in nanoseconds: each node that has not been replaced,
        the balancer, and all clients together.
        """
        cluster = self.cluster
        used = {
            f"node {number}": part.cpu_ns()
            for number, part in enumerate(self.nodes, 1)
            if part.running and cluster.nodes[number - 1] is part
        }
        used["balancer"] = cluster.balancer.cpu_ns()
        return used | {"clients": sum(part.cpu_ns() for part in cluster.swarm)}

    def finish(self, start: float) -> list[Row]:
        """Return what they have used in between, of the balancer unless it was reloaded, as that is another process."""
        found = list[Row]()
        reloaded = any(fault.kind == "reload" for fault in self.cluster.scenario.faults)
        for name, used in self.after.items():
            if name not in self.before or (name == "balancer" and reloaded):
                continue
            part, _, number = name.partition(" ")
            detail = CpuUsed.pack(part, round((used - self.before[name]) / 1000))
            found.append(row(self.ended - start, "cpu_used", node=int(number) if number else -1, detail=detail))
        return found


def attach(cluster: "Cluster") -> None:
    """Add them to a cluster whose scenario asks for it."""
    if cluster.scenario.notes_cpu:
        cluster.add(CpuAccounts(cluster))
